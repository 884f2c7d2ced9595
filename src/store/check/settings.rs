//! The settings that all servers share: all of them are there, or none yet, and each can be read.

use crate::{
    finding::{Finding, Findings, Kind, Place},
    rules::Options,
    store::{Session, StoreError, shared_settings},
};

const PLACE: Place = Place::Table("shared_setting");

/// Looks at them. What this release does not know is of a later one.
pub async fn check(connection: &mut Session, findings: &mut Findings) -> Result<(), StoreError> {
    let stored = shared_settings::read(connection).await?.settings;
    let mut options = Options::default();
    let known = options.shared();
    for name in known.keys() {
        match stored.get(name) {
            Some(text) => {
                if let Err(expected) = options.take(name, text) {
                    let text = format!("{name} is {text:?}: {expected}");
                    findings.push(Finding::new(Kind::UnreadableSetting, PLACE, text));
                }
            }
            None if !stored.is_empty() => {
                findings.push(Finding::new(Kind::MissingSetting, PLACE, format!("{name} is not there")));
            }
            None => {}
        }
    }
    Ok(())
}
