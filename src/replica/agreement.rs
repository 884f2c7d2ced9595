//! All servers on one database decide by the same settings, also when somebody changes them while others run.
//!
//! The settings are in the database, and each server has its own copy, which never changes while it runs. No server decides by
//! another one than that of the database once a change of it is committed, because of this:
//!
//! 1. Settings change only under the lock of the row of the sequence, together with the `fence` in it, which gets a new uuid
//!    that it never had. So the settings are the same as long as the fence is, and a server that has seen both in one
//!    statement, and that they are its own, may go by the fence alone. (The first server writes what is not there yet without
//!    the lock; nobody has decided by that before, for each server reads it first.)
//! 2. What a server writes names a fence with which it has seen that, or does nothing (`store/append.rs`). Where it holds
//!    the lock, it looks before it decides.
//! 3. What writes nothing, refusals above all, is answered with the fence seen once more by a server that has its turn, and
//!    without a question by the only server. It is that only for
//!    [`sequence::LEASE`] from a question whose answer had its name and such a fence. Who changes settings does as whoever
//!    commits: he takes the name away first, and waits for [`sequence::GRACE`].
//! 4. A server that sees settings that are not its own never comes to such a fence. It commits nothing, is never the only one,
//!    and stops. It sees it with its next heartbeat, if not before.
//!
//! The same holds for the tables: each step that brings them up to date changes the fence with it (`migrations/0011`), and a server
//! that finds a step which it does not know commits nothing any more. It does not stop, and goes on to answer reads.
//!
//! Where the database lacks a setting (a dump is being restored), nothing is decided until it is there. A database that
//! was put back to an earlier state has the fence and the settings that it had then, so 1 holds for it, too.

use super::turn::in_turn;
use crate::store::{
    Database, Session, StoreError,
    operation::SETTINGS,
    sequence,
    shared_settings::{self, Shared, SharedSettings},
    steps,
};
use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicBool, Ordering},
};
use tokio::sync::watch;
use uuid::Uuid;

/// What is answered to requests that come once the settings are others.
const NOT_AGREED: &str = "This server does not have the settings that the servers on its database share, and stops. \
                              Not able to perform requested action; nothing was stored";

/// What is answered to requests that write once a newer release has brought the tables up to date.
const OUTDATED: &str = "A newer release has brought the tables of the database up to date, and this server does not write \
                        to them any more. Not able to perform requested action; nothing was stored";

/// Whether this server decides by the settings that the database has.
pub struct Agreement {
    own: SharedSettings,
    /// The fence with which they were seen to be the same.
    agreed_at: Mutex<Option<Uuid>>,
    /// What has become of them, once they are others.
    overtaken: watch::Sender<Option<String>>,
    /// Whether the tables have a step that this release does not know.
    is_outdated: AtomicBool,
}

impl Agreement {
    /// On these settings; not looked at yet.
    pub fn new(own: SharedSettings) -> Self {
        Self {
            own,
            agreed_at: Mutex::default(),
            overtaken: watch::Sender::new(None),
            is_outdated: AtomicBool::new(false),
        }
    }

    /// Whether the settings are the own ones as long as the row has this fence.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn holds(&self, session: &mut Session, fence: Uuid) -> Result<bool, StoreError> {
        if self.agreed_at() == Some(fence) {
            return Ok(true);
        }
        let Shared { fence: seen_at, settings, last_step } = shared_settings::read(session).await?;
        if self.knows(last_step) && self.compare(seen_at, &settings) {
            *self.agreed_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(seen_at);
        }
        // What is seen may be of a moment later than the fence that is asked for.
        Ok(self.agreed_at() == Some(fence))
    }

    fn agreed_at(&self) -> Option<Uuid> {
        *self.agreed_at.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the tables are those of this release.
    fn knows(&self, last_step: i64) -> bool {
        let is_known = last_step <= steps::last_known();
        let was_known = !self.is_outdated.swap(!is_known, Ordering::Relaxed);
        if was_known && !is_known {
            tracing::error!(
                last_step,
                "a newer release has brought the tables up to date: this server writes nothing any more; stop it"
            );
        }
        is_known
    }

    /// What is answered to requests to write while this server does not agree.
    pub fn refusal(&self) -> &'static str {
        if self.is_outdated.load(Ordering::Relaxed) { OUTDATED } else { NOT_AGREED }
    }

    fn compare(&self, fence: Uuid, stored: &SharedSettings) -> bool {
        let mut same = true;
        for (name, own) in &self.own {
            match stored.get(name) {
                Some(text) if text == own => {}
                Some(text) => {
                    same = false;
                    self.end(format!(
                        "--{option} was changed to {text} for all servers on this database, and this one decides by {own}: \
                         start it again. What it is not told, it takes from the database",
                        option = name.replace('_', "-")
                    ));
                }
                None => {
                    same = false;
                    tracing::warn!(name, %fence, "the database lacks a setting that servers share; nothing is decided");
                }
            }
        }
        same
    }

    fn end(&self, text: String) {
        self.overtaken.send_if_modified(|overtaken| {
            let is_first = overtaken.is_none();
            if is_first {
                tracing::error!("{text}");
                *overtaken = Some(text);
            }
            is_first
        });
    }

    /// What has become of the settings, if they are others now.
    pub fn overtaken(&self) -> Option<String> {
        self.overtaken.borrow().clone()
    }

    /// Waits until they are others.
    pub async fn ends(&self) {
        // The sender is held here.
        let _ = self.overtaken.subscribe().wait_for(Option::is_some).await;
    }
}

/// Changes settings for all servers on a database: those that run stop.
///
/// # Errors
/// When the database is away.
pub async fn change_shared_settings(database: &Database, wanted: &SharedSettings) -> Result<(), StoreError> {
    in_turn(database, SETTINGS, async |mut transaction| {
        shared_settings::write(&mut transaction, wanted).await?;
        sequence::fence_off(&mut transaction).await?;
        transaction.commit().await
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(quota: &str) -> SharedSettings {
        [("quota", quota), ("tag_id_digits", "8")].map(|(name, text)| (name.to_owned(), text.to_owned())).into()
    }

    #[test]
    fn only_what_is_there_and_other_ends_an_agreement() {
        let agreement = Agreement::new(settings("defaults=-1"));
        let mut stored = settings("defaults=-1");
        stored.insert("of_a_later_release".to_owned(), "1".to_owned());
        assert!(agreement.compare(Uuid::nil(), &stored));
        stored.remove("quota");
        assert!(!agreement.compare(Uuid::nil(), &stored), "one is missing");
        assert_eq!(agreement.overtaken(), None);
        assert!(!agreement.compare(Uuid::nil(), &settings("defaults=-1,subnet=1")));
        let told = agreement.overtaken().unwrap();
        assert!(told.starts_with("--quota was changed to defaults=-1,subnet=1 for all servers"), "{told}");
        assert!(told.contains("this one decides by defaults=-1: start it again"), "{told}");
    }
}
