//! How many connections there are, and how many of them have whoever has the most. What is too much is told so and closed, rather
//! than left waiting: then a client knows, and those who are let in have what they need.

use crate::{
    authentication::source,
    metrics::{self, Connections, Limit},
};
use ipnetwork::IpNetwork;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// How many that are turned away may be told so at the same time; those beyond are closed at once.
const TURNED_AWAY: usize = 256;
/// Connections that administrators may have beside all others.
const FOR_ADMINISTRATORS: usize = 128;
/// Files beside connections: the database, brokers, listeners, administrators, and those that are turned away.
const OTHER_FILES: u64 = 256 + (FOR_ADMINISTRATORS + TURNED_AWAY) as u64;
/// How often the log says that somebody is turned away.
const TELL_EVERY: Duration = Duration::from_mins(1);

/// Whose connections seats are for.
pub struct Way {
    /// As metrics call it.
    name: &'static str,
    /// The settings that say how many there are.
    settings: &'static str,
    /// What is reached where none is left, of all, and of those of one address.
    limits: (Limit, Limit),
}

/// Everybody's.
pub static PUBLIC: Way = Way {
    name: "public",
    settings: "--max-connections, --max-connections-per-address",
    limits: (Limit::Connections, Limit::ConnectionsPerAddress),
};
/// Those of who speaks CQL.
pub static CQL: Way =
    Way { name: "cql", settings: "--cql-max-connections", limits: (Limit::CqlConnections, Limit::CqlConnections) };
/// Those of administrators, by the ways that are theirs.
static ADMINISTRATORS: Way = Way {
    name: "administrators",
    settings: "those for administrators",
    limits: (Limit::AdministratorsConnections, Limit::AdministratorsConnections),
};

/// Seats for connections.
pub struct Seats {
    most: usize,
    most_of_one: usize,
    way: &'static Way,
    counted: &'static Connections,
    /// Who brings many clients from one address.
    proxies: Vec<IpNetwork>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    turned_away: usize,
    by_source: HashMap<IpAddr, usize>,
    told: Option<Instant>,
}

/// Why there is no seat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// All are taken.
    All,
    /// Those that are for one address.
    Source,
}

impl Seats {
    /// So many in all, and of each source.
    pub fn new(most: usize, most_of_one: usize, way: &'static Way, proxies: Vec<IpNetwork>) -> Arc<Self> {
        let counted = metrics::connections(way.name);
        Arc::new(Self { most, most_of_one, way, counted, proxies, taken: Mutex::default() })
    }

    /// Those for administrators, which nobody else can take.
    pub fn for_administrators() -> Arc<Self> {
        Self::new(FOR_ADMINISTRATORS, FOR_ADMINISTRATORS, &ADMINISTRATORS, Vec::new())
    }

    /// How many there are at most, with those that are being turned away.
    pub fn most_sockets(&self) -> usize {
        self.most.saturating_add(TURNED_AWAY)
    }

    /// A seat for a connection from this address, until it is dropped.
    ///
    /// # Errors
    /// There is none.
    pub fn take(self: &Arc<Self>, address: Option<IpAddr>) -> Result<Seat, Full> {
        let source =
            address.map(|address| address.to_canonical()).filter(|address| self.is_counted(*address)).map(source);
        let mut taken = self.taken();
        let of_source = source.and_then(|source| taken.by_source.get(&source)).copied().unwrap_or_default();
        let full = match () {
            () if taken.all >= self.most => Full::All,
            () if of_source >= self.most_of_one => Full::Source,
            () => {
                taken.all += 1;
                self.counted.open.add(1);
                if let Some(source) = source {
                    taken.by_source.insert(source, of_source + 1);
                }
                return Ok(Seat { seats: Arc::clone(self), held: Held::By(source) });
            }
        };
        metrics::limit(if full == Full::All { self.way.limits.0 } else { self.way.limits.1 });
        if taken.told.is_none_or(|told| told.elapsed() >= TELL_EVERY) {
            taken.told = Some(Instant::now());
            let (connections, settings) = (if full == Full::All { self.most } else { of_source }, self.way.settings);
            tracing::warn!(
                ?full,
                from = source.map(tracing::field::display),
                connections,
                settings,
                "connections are refused"
            );
        }
        Err(full)
    }

    /// A place for one that is to be told that there is no seat, if there is such a place.
    pub fn turn_away(self: &Arc<Self>) -> Option<Seat> {
        let mut taken = self.taken();
        let has_place = taken.turned_away < TURNED_AWAY;
        taken.turned_away += usize::from(has_place);
        has_place.then(|| Seat { seats: Arc::clone(self), held: Held::TurnedAway })
    }

    fn is_counted(&self, address: IpAddr) -> bool {
        !address.is_loopback() && !self.proxies.iter().any(|proxy| proxy.contains(address))
    }

    fn taken(&self) -> MutexGuard<'_, Taken> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One seat.
pub struct Seat {
    seats: Arc<Seats>,
    held: Held,
}

/// For whom a seat is.
#[derive(Clone, Copy)]
enum Held {
    /// For a connection from there, if that is counted.
    By(Option<IpAddr>),
    /// For one that is turned away.
    TurnedAway,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut taken = self.seats.taken();
        let Held::By(source) = self.held else {
            taken.turned_away -= 1;
            return;
        };
        taken.all -= 1;
        self.seats.counted.open.less();
        if let Some(source) = source
            && let Some(count) = taken.by_source.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                taken.by_source.remove(&source);
            }
        }
    }
}

/// Takes as many open files from the system as so many connections need; gives how many connections that is enough for.
pub fn files_for(connections: u32) -> u32 {
    let needed = u64::from(connections) + OTHER_FILES;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let mut files = current.unwrap_or(u64::MAX);
    if files < needed {
        // All that it may have, as nothing else of this process minds.
        let raised = maximum.unwrap_or(needed);
        match setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum }) {
            Ok(()) => files = raised,
            Err(error) => tracing::warn!(%error, "the limit of open files could not be raised"),
        }
    }
    if files >= needed {
        return connections;
    }
    let enough_for = u32::try_from(files.saturating_sub(OTHER_FILES).max(files / 4)).unwrap_or(connections).max(1);
    tracing::warn!(
        files,
        needed,
        connections = enough_for,
        "there are fewer open files than --max-connections {connections} needs (LimitNOFILE, ulimit -n), so there are fewer connections"
    );
    enough_for
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn nobody_has_all_seats() {
        let seats = Seats::new(10, 3, &PUBLIC, vec!["192.0.2.128/25".parse().unwrap()]);
        let mut taken: Vec<Seat> = (0..3).map(|_| seats.take(address("192.0.2.1")).unwrap()).collect();
        assert_eq!(seats.take(address("192.0.2.1")).err(), Some(Full::Source));
        assert_eq!(seats.take(address("::ffff:192.0.2.1")).err(), Some(Full::Source));
        taken.push(seats.take(address("192.0.2.2")).unwrap());
        drop(taken.remove(0));
        taken.push(seats.take(address("192.0.2.1")).unwrap());
        assert_eq!(seats.take(address("192.0.2.1")).err(), Some(Full::Source));
        // Who is not counted by address is counted all the same.
        for uncounted in
            [address("127.0.0.1"), None, address("192.0.2.129"), address("192.0.2.129"), address("192.0.2.129")]
        {
            taken.push(seats.take(uncounted).unwrap());
        }
        taken.push(seats.take(address("192.0.2.129")).unwrap());
        assert_eq!(taken.len(), 10);
        assert_eq!(seats.take(None).err(), Some(Full::All));
        drop(taken);
        let known = seats.taken();
        assert_eq!((known.all, known.by_source.len()), (0, 0));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let seats = Seats::new(10, 1, &PUBLIC, Vec::new());
        let taken = seats.take(address("2001:db8::1")).unwrap();
        assert_eq!(seats.take(address("2001:db8::ffff:0:0:1")).err(), Some(Full::Source));
        assert!(seats.take(address("2001:db8:0:1::1")).is_ok());
        drop(taken);
        assert!(seats.take(address("2001:db8::ffff:0:0:1")).is_ok());
    }

    #[test]
    fn so_many_are_told_that_there_is_no_seat() {
        let seats = Seats::new(0, 0, &PUBLIC, Vec::new());
        let told: Vec<Seat> = (0..TURNED_AWAY).map(|_| seats.turn_away().unwrap()).collect();
        assert!(seats.turn_away().is_none());
        drop(told);
        assert!(seats.turn_away().is_some());
    }
}
