//! Who failed too often to say who it is. What guesses, or repeats what was refused, is slowed down by where it comes from.

use std::{
    hash::{BuildHasher, RandomState},
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// Over which time failures are counted.
const MINUTE: Duration = Duration::from_mins(1);
/// How many counters there are, whoever comes. Two sources may share one: that refuses nobody who has a good token.
const COUNTERS: usize = 4096;

/// Counts failures by source.
pub struct Failures {
    /// For how long one failure counts.
    each: Duration,
    began: Instant,
    /// Which counter is whose can't be foreseen.
    hasher: RandomState,
    /// When what was counted is worn off, since the begin.
    worn_off: Mutex<Vec<Duration>>,
}

impl Failures {
    /// So many a minute may fail.
    pub fn limited_to(per_minute: u32) -> Self {
        Self {
            each: MINUTE / per_minute.max(1),
            began: Instant::now(),
            hasher: RandomState::new(),
            worn_off: Mutex::new(vec![Duration::ZERO; COUNTERS]),
        }
    }

    /// Counts a failure from this address. Who comes from none is of this machine.
    ///
    /// # Errors
    /// There were too many; after this time one is counted again.
    pub fn count(&self, address: Option<IpAddr>, now: Instant) -> Result<(), Duration> {
        let Some(address) = address else { return Ok(()) };
        let index = usize::try_from(self.hasher.hash_one(source(address)) % COUNTERS as u64).unwrap_or_default();
        let now = now.saturating_duration_since(self.began);
        let mut counters = self.worn_off.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(worn_off) = counters.get_mut(index) else { return Ok(()) };
        let next = (*worn_off).max(now) + self.each;
        if next > now + MINUTE {
            return Err(next.saturating_sub(now + MINUTE));
        }
        *worn_off = next;
        Ok(())
    }
}

/// The part of an address that stands for somebody: of IPv6 the network, in which everybody has any number of addresses.
pub fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let network = u128::from(address) & !u128::from(u64::MAX);
            IpAddr::V6(network.into())
        }
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn so_many_a_minute_may_fail_from_one_source() {
        let failures = Failures::limited_to(20);
        let at = |seconds: u64| failures.began + Duration::from_secs(seconds);
        for _ in 0..20 {
            assert_eq!(failures.count(address("192.0.2.1"), at(0)), Ok(()));
        }
        assert_eq!(failures.count(address("192.0.2.1"), at(0)), Err(Duration::from_secs(3)));
        // What is refused does not make it longer.
        assert_eq!(failures.count(address("::ffff:192.0.2.1"), at(2)), Err(Duration::from_secs(1)));
        assert_eq!(failures.count(address("192.0.2.1"), at(3)), Ok(()));
        assert_eq!(failures.count(address("192.0.2.1"), at(3)), Err(Duration::from_secs(3)));
        for _ in 0..20 {
            assert_eq!(failures.count(address("192.0.2.1"), at(63)), Ok(()));
        }
        assert!(failures.count(address("192.0.2.1"), at(63)).is_err());
        assert_eq!(failures.count(None, at(63)), Ok(()));
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let of = |text: &str| source(address(text).unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:0:0:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
        assert_eq!(of("192.0.2.1"), of("::ffff:192.0.2.1"));
    }

    #[test]
    fn memory_is_bounded_whoever_comes() {
        let failures = Failures::limited_to(1);
        let refused = (0..100_000u32)
            .filter(|number| failures.count(Some(IpAddr::V4((*number).into())), failures.began).is_err())
            .count();
        assert_eq!(failures.worn_off.lock().unwrap().len(), COUNTERS);
        assert!(refused >= 100_000 - COUNTERS, "{refused}");
    }
}
