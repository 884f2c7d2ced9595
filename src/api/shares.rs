//! How many watchers there are of each project: one that takes all of them would keep those of all others out.

use crate::access::Caller;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use uuid::Uuid;

/// Which part of all watchers one project may have: one of so many.
const PARTS: usize = 4;

/// Whose a watcher is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Party {
    /// Of a project, whoever speaks for it.
    Project(Uuid),
    /// Of a project whose id is no uuid.
    ProjectCalled(String),
    /// Of somebody without a project, by id or name, as far as known.
    User(Option<String>),
}

impl Party {
    /// That of a caller.
    pub fn of(caller: &Caller) -> Self {
        match (&caller.project, caller.project_uuid()) {
            (_, Some(uuid)) => Self::Project(uuid),
            (Some(project), None) => Self::ProjectCalled(project.id.clone()),
            (None, None) => Self::User(caller.user_id.clone().or_else(|| caller.user.clone())),
        }
    }

    /// As texts call it.
    pub fn called(&self) -> &'static str {
        match self {
            Self::Project(_) | Self::ProjectCalled(_) => "project",
            Self::User(_) => "user",
        }
    }
}

/// How many one project may have of so many watchers.
pub fn share_of(limit: usize) -> usize {
    (limit / PARTS).max(1)
}

/// What is taken, by whose it is.
#[derive(Default)]
pub struct Shares {
    taken: Mutex<HashMap<Party, usize>>,
}

impl Shares {
    /// One of so many, until it is dropped; none where all of them are taken.
    pub fn take(self: &Arc<Self>, party: Party, most: usize) -> Option<Share> {
        let mut taken = self.taken();
        let count = taken.get(&party).copied().unwrap_or_default();
        if count >= most {
            return None;
        }
        taken.insert(party.clone(), count + 1);
        drop(taken);
        Some(Share { shares: Arc::clone(self), party })
    }

    /// How many have some, and how many has whoever has the most.
    pub fn parties(&self) -> (usize, usize) {
        let taken = self.taken();
        (taken.len(), taken.values().copied().max().unwrap_or_default())
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<Party, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One watcher's part.
pub struct Share {
    shares: Arc<Shares>,
    party: Party,
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        if let Some(count) = taken.get_mut(&self.party) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.party);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::{Level, Scope};

    fn caller(project: Option<&str>, user: Option<&str>) -> Caller {
        let project = project.map(|id| Scope::new(id, None));
        Caller { project, user: user.map(str::to_owned), ..Caller::of_level(Level::Member) }
    }

    #[test]
    fn a_project_has_its_share_and_no_more() {
        let shares = Arc::new(Shares::default());
        let [one, same, other] = [
            caller(Some("bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"), Some("alice")),
            caller(Some("bbbbbbbbbbbb4bbb8bbbbbbbbbbbbbbb"), Some("bob")),
            caller(Some("acme"), Some("alice")),
        ];
        let first = shares.take(Party::of(&one), 2).unwrap();
        let second = shares.take(Party::of(&same), 2).unwrap();
        assert!(shares.take(Party::of(&one), 2).is_none());
        let third = shares.take(Party::of(&other), 2).unwrap();
        drop(first);
        let fourth = shares.take(Party::of(&one), 2).unwrap();
        assert!(shares.take(Party::of(&same), 2).is_none());
        drop((second, third, fourth));
        assert!(shares.taken().is_empty());
    }

    #[test]
    fn who_has_no_project_is_counted_alone() {
        let [alice, bob, nobody] = [Some("alice"), Some("bob"), None].map(|user| Party::of(&caller(None, user)));
        assert!(alice != bob && bob != nobody);
        assert_eq!((alice.called(), Party::of(&caller(Some("acme"), None)).called()), ("user", "project"));
        // Even of a few there is one.
        assert_eq!([1, 3, 8, 2000].map(share_of), [1, 1, 2, 500]);
    }
}
