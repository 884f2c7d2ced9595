//! A place in the history of the configuration, as clients name it.

use std::{fmt, str::FromStr};
use uuid::Uuid;

/// A revision, and the history that it is one of: `<epoch>-<revision>`. A database that was restored, or replaced by a
/// copy that missed commits, has another epoch, so that equal numbers are not taken for equal states.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// Which history.
    pub epoch: Uuid,
    /// The number of the last change before this place.
    pub revision: u64,
}

impl fmt::Display for Position {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.epoch, self.revision)
    }
}

/// A text that is no position.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("'{0}' is no position: <epoch>-<revision> is expected, as in X-Cirrus-Revision")]
pub struct InvalidPosition(String);

impl FromStr for Position {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let parse = || {
            let (epoch, revision) = text.rsplit_once('-')?;
            // Only what `Display` writes: one position has one text.
            let position = Self { epoch: Uuid::try_parse(epoch).ok()?, revision: revision.parse().ok()? };
            (position.to_string() == text).then_some(position)
        };
        parse().ok_or_else(|| InvalidPosition(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_position_is_read_as_it_was_written(epoch: u128, revision: u64) {
            let position = Position { epoch: Uuid::from_u128(epoch), revision };
            prop_assert_eq!(position.to_string().parse::<Position>(), Ok(position));
        }

        #[test]
        fn no_text_is_read_as_what_it_does_not_say(text in "[0-9a-f+ -]{0,60}") {
            if let Ok(position) = text.parse::<Position>() {
                prop_assert_eq!(position.to_string(), text);
            }
        }
    }

    #[test]
    fn malformed_positions_are_refused_with_what_is_expected() {
        let epoch = "8f14e45f-ceea-467f-a8d5-2f3b5a1c9d10";
        for bad in ["", "-", "7", epoch, &format!("{epoch}-"), &format!("{epoch}--1"), &format!("{epoch}-+7")] {
            let refused = bad.parse::<Position>().unwrap_err().to_string();
            assert!(refused.contains(&format!("'{bad}'")) && refused.contains("<epoch>-<revision>"), "{refused}");
        }
        assert!(format!("{epoch}-18446744073709551616").parse::<Position>().is_err());
    }
}
