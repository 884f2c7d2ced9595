//! What goes wrong between servers and their database, and how it is mended.

use super::Place;
use crate::support::postgresql::Cluster;
use crate::support::proxy::{Flow, NewOnes};
use crate::support::{random::Random, send_signal};
use std::time::Duration;

/// What breaks. A server is meant by its number.
#[derive(Clone, Copy, Debug)]
pub enum Fault {
    /// Nothing: the histories between faults count, too.
    None,
    /// Each commit takes so many milliseconds, with the sequence locked.
    SlowCommits(u32),
    /// What is on its way on a server's connections stays there.
    Swallowed(usize, Flow),
    /// The same, and no new connection is to be had.
    CutOff(usize, NewOnes),
    /// All connections of a server break.
    Broken(usize),
    /// The session that writes for some server does nothing for a while.
    StoppedSession,
    /// PostgreSQL refuses commits with this SQLSTATE.
    Refused(&'static str),
    /// The database ends all sessions.
    EndedSessions,
    /// A server is killed, and another one comes in its place.
    Killed(usize),
}

/// Read-only, disk full, too many connections, cancelled.
const REFUSALS: [&str; 4] = ["25006", "53100", "53300", "57014"];

impl Fault {
    pub fn any(random: &mut Random) -> Self {
        let server = random.below(2);
        match random.below(9) {
            0 => Self::None,
            1 => Self::SlowCommits(100 + u32::try_from(random.below(900)).expect("a small number")),
            2 => Self::Swallowed(server, [Flow::Questions, Flow::Nothing][random.below(2)]),
            3 => Self::CutOff(server, [NewOnes::Refused, NewOnes::Swallowed][random.below(2)]),
            4 => Self::Broken(server),
            5 => Self::StoppedSession,
            6 => Self::Refused(REFUSALS[random.below(REFUSALS.len())]),
            7 => Self::EndedSessions,
            _ => Self::Killed(server),
        }
    }

    /// For how long it is left so.
    pub fn lasts(self) -> Duration {
        match self {
            Self::None | Self::Broken(_) | Self::EndedSessions | Self::Killed(_) => Duration::from_millis(200),
            Self::Refused(_) => Duration::from_millis(400),
            Self::SlowCommits(each) => Duration::from_millis(u64::from(each) * 3),
            Self::Swallowed(..) | Self::CutOff(..) | Self::StoppedSession => Duration::from_millis(1200),
        }
    }
}

/// What commits do is in a table that nobody has to lock.
pub fn prepare(cluster: &Cluster) {
    cluster.execute(
        "create table fault (milliseconds int not null, refusal text);
         insert into fault values (0, null);
         create function fault() returns trigger language plpgsql as $$
             declare present fault;
             begin
                 select * into present from fault;
                 if present.milliseconds > 0 then perform pg_sleep(present.milliseconds / 1000.0); end if;
                 if present.refusal is not null then
                     raise exception 'refused by the test' using errcode = present.refusal;
                 end if;
                 return null;
             end $$;
         create constraint trigger fault after update on feed_sequence deferrable initially deferred
             for each row execute function fault();",
    );
}

pub fn inject(place: &mut Place, fault: Fault) {
    match fault {
        Fault::None => {}
        Fault::SlowCommits(each) => place.cluster.execute(&format!("update fault set milliseconds = {each}")),
        Fault::Swallowed(server, flow) => place.proxies[server].swallow(flow),
        Fault::CutOff(server, new_ones) => {
            place.proxies[server].new_connections(new_ones);
            place.proxies[server].swallow(Flow::Nothing);
        }
        Fault::Broken(server) => place.proxies[server].cut(),
        Fault::StoppedSession => send_signal("STOP", &writers(&place.cluster)),
        Fault::Refused(state) => place.cluster.execute(&format!("update fault set refusal = '{state}'")),
        Fault::EndedSessions => place.cluster.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname is not null",
        ),
        Fault::Killed(server) => place.replace_server(server),
    }
}

pub fn mend(place: &mut Place, fault: Fault) {
    match fault {
        Fault::SlowCommits(_) | Fault::Refused(_) => {
            place.cluster.execute("update fault set milliseconds = 0, refusal = null");
        }
        Fault::Swallowed(server, _) | Fault::CutOff(server, _) => place.proxies[server].let_go(),
        Fault::StoppedSession => send_signal("CONT", &sessions(&place.cluster)),
        Fault::None | Fault::Broken(_) | Fault::EndedSessions | Fault::Killed(_) => {}
    }
}

/// The session that has written last, and holds what it had locked.
fn writers(cluster: &Cluster) -> Vec<u32> {
    cluster.processes(
        "select pid from pg_stat_activity where application_name = 'cirrus' and (query ilike '%insert into change%'
             or query ilike '%for update%' or query ilike 'commit%') order by state_change desc limit 1",
    )
}

fn sessions(cluster: &Cluster) -> Vec<u32> {
    cluster.processes("select pid from pg_stat_activity where application_name = 'cirrus'")
}
