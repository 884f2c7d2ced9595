//! Points in time as the wire shows them: UTC, six digits of fraction, no zone.

use time::{OffsetDateTime, PrimitiveDateTime, format_description::well_known::Rfc3339, macros::format_description};

/// Microseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The system clock, now.
    pub fn now() -> Self {
        let nanoseconds = OffsetDateTime::now_utc().unix_timestamp_nanos();
        Self(i64::try_from(nanoseconds / 1000).unwrap_or(i64::MAX))
    }

    /// Reads `YYYY-MM-DDTHH:MM:SS[.ffffff]`.
    pub fn parse(text: &str) -> Option<Self> {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second][optional [.[subsecond digits:6]]]");
        let moment = PrimitiveDateTime::parse(text, format).ok()?.assume_utc();
        i64::try_from(moment.unix_timestamp_nanos() / 1000).ok().map(Self)
    }

    /// Reads a time with its zone, as `2026-11-26T14:00:00Z` or `2026-11-26T15:00:00+01:00` (RFC 3339).
    pub fn parse_with_zone(text: &str) -> Option<Self> {
        let moment = OffsetDateTime::parse(text, &Rfc3339).ok()?;
        i64::try_from(moment.unix_timestamp_nanos() / 1000).ok().map(Self)
    }

    /// The first point in time after both `self` and `earlier`: keeps a time that serves as a version growing when
    /// the clock does not.
    #[must_use]
    pub fn after(self, earlier: Self) -> Self {
        self.max(Self(earlier.0 + 1))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let moment =
            OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1000).unwrap_or(OffsetDateTime::UNIX_EPOCH);
        write!(
            formatter,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}",
            moment.year(),
            u8::from(moment.month()),
            moment.day(),
            moment.hour(),
            moment.minute(),
            moment.second(),
            moment.microsecond()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::Timestamp;

    #[test]
    fn always_six_digits_and_no_zone() {
        assert_eq!(Timestamp(0).to_string(), "1970-01-01T00:00:00.000000");
        let text = "2026-11-23T07:17:55.682256";
        assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert_eq!(Timestamp::parse_with_zone(&format!("{text}Z")), Timestamp::parse(text));
        assert_eq!(Timestamp::parse_with_zone("1970-01-01T01:00:00+01:00"), Some(Timestamp(0)));
        assert_eq!(Timestamp::parse_with_zone(text), None);
    }

    #[test]
    fn grows_when_the_clock_does_not() {
        assert_eq!(Timestamp(5).after(Timestamp(5)), Timestamp(6));
        assert_eq!(Timestamp(9).after(Timestamp(5)), Timestamp(9));
    }
}
