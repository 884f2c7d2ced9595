//! What somebody gets to know of a change. Nothing but the change decides it, so that it is the same whenever it is told; but for
//! addresses, which have no owner of their own.

use crate::{
    access::{Identity, Right},
    change_log::LogEntry,
    graph::Graph,
};

/// How a change looks to somebody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sight {
    /// It can't be seen.
    Nothing,
    /// As it was.
    Whole,
    /// The object may be read since this change, and could not before: for who sees it this way it was created.
    Appears,
    /// The object could be read until this change, and may not any more: it was deleted.
    Disappears,
}

impl Sight {
    /// What somebody sees of a change (FEED-1, FEED-2). What happens to addresses is seen with the network that they are of, as this graph has it.
    pub fn of(entry: &LogEntry, identity: &Identity, graph: &Graph) -> Self {
        if identity.sees_everything() {
            return Self::Whole;
        }
        let Some(object) = entry.object() else {
            let seen = graph.get(entry.uuid).is_some_and(|network| identity.may_read(network));
            return if seen { Self::Whole } else { Self::Nothing };
        };
        let after = identity.may_read(object);
        // Whether an object is hidden is said when it is created, and stays so.
        let before = entry
            .former_permissions
            .as_ref()
            .map_or(after, |former| !object.hidden && Right::Read.is_in(identity.rights(&former.permissions)));
        match (before, after) {
            (false, false) => Self::Nothing,
            (true, true) => Self::Whole,
            (false, true) => Self::Appears,
            (true, false) => Self::Disappears,
        }
    }

    /// Whether somebody gets to know who made a change, and in which request (FEED-3): what is shared must not tell a stranger whose hands it
    /// went through.
    pub fn shows_caller(entry: &LogEntry, identity: &Identity) -> bool {
        let project = entry.caller.as_ref().and_then(|caller| caller.project);
        identity.reads_everything() || project.is_some() && project == identity.caller.project_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::{Caller, Level, Scope},
        change_log::{LoggedCaller, Origin},
        graph::{FqName, Hold, Object, Permissions},
        model::Model,
        rules::{Change, Effect},
        timestamp::Timestamp,
    };
    use std::sync::Arc;
    use uuid::Uuid;

    const OWN: u128 = 1;
    const FOREIGN: u128 = 2;

    fn identity(level: Level, project: Option<u128>) -> Identity {
        let project = project.map(|number| Scope::new(Uuid::from_u128(number).simple().to_string(), None));
        Identity { caller: Arc::new(Caller { project, ..Caller::of_level(level) }), ..Identity::server("test") }
    }

    fn member() -> Identity {
        identity(Level::Member, Some(OWN))
    }

    /// A network of this project that everybody has this access to.
    fn network(graph: &Graph, owner: u128, access: u8) -> Arc<Object> {
        let kind = graph.model().find("virtual-network").unwrap();
        let (perms2, _) = graph.model().object_type(kind).property("perms2").unwrap();
        let owner = Uuid::from_u128(owner);
        let text = format!(r#"{{"owner":"{owner}","owner_access":7,"global_access":{access},"share":[]}}"#);
        let mut object = Object::new(Uuid::from_u128(100), kind, FqName::new(&["a", "b", "c"]), 1);
        object.permissions = Permissions::shared(Some(&text));
        object.properties = vec![(perms2, text.into())];
        Arc::new(object)
    }

    fn entry(graph: &Graph, effect: Effect, caller: Option<u128>) -> LogEntry {
        let caller = caller.map(|number| LoggedCaller { json: "{}".into(), project: Some(Uuid::from_u128(number)) });
        let origin = Origin { at: Timestamp(0), request_id: Some("id".into()), who: None, caller };
        let change = Change { revision: 1, request: 1, uuid: Uuid::from_u128(100), effect };
        LogEntry::of_request(&[change], graph, &origin).next().unwrap()
    }

    fn put(before: Option<&Arc<Object>>, after: &Arc<Object>) -> Effect {
        Effect::Put { before: before.map(Arc::clone), after: Arc::clone(after), implicit: false }
    }

    fn graph() -> Graph {
        Graph::new(Arc::new(Model::read(None).unwrap()))
    }

    #[test]
    fn feed_1_a_change_is_told_to_who_may_read_the_object_after_it() {
        let mut graph = graph();
        let (own, foreign, shared) =
            (network(&graph, OWN, 0), network(&graph, FOREIGN, 0), network(&graph, FOREIGN, 4));
        let seen = |effect: Effect, graph: &Graph| Sight::of(&entry(graph, effect, None), &member(), graph);
        for (object, expected) in [(&own, Sight::Whole), (&foreign, Sight::Nothing), (&shared, Sight::Whole)] {
            assert_eq!(seen(put(None, object), &graph), expected);
            assert_eq!(seen(put(Some(object), object), &graph), expected);
            assert_eq!(seen(Effect::Delete(Arc::clone(object)), &graph), expected);
        }
        let hidden = Arc::new(Object { hidden: true, ..Object::clone(&own) });
        for (level, expected) in
            [(Level::Member, Sight::Nothing), (Level::ReadAll, Sight::Nothing), (Level::Admin, Sight::Whole)]
        {
            let created = entry(&graph, put(None, &hidden), None);
            assert_eq!(Sight::of(&created, &identity(level, Some(OWN)), &graph), expected, "{level:?}");
        }
        // Addresses go with their network; where that is gone nobody knows whose they were.
        let holds = || vec![Hold { scope: own.uuid, address: "10.0.0.1".parse().unwrap() }];
        assert_eq!(seen(Effect::Reserve(holds()), &graph), Sight::Nothing);
        graph.put(&own);
        assert_eq!(seen(Effect::Reserve(holds()), &graph), Sight::Whole);
        graph.put(&foreign);
        assert_eq!(seen(Effect::Free(holds()), &graph), Sight::Nothing);
    }

    #[test]
    fn feed_2_what_becomes_readable_appears_and_what_stops_to_be_disappears() {
        let graph = graph();
        let (foreign, shared, own) =
            (network(&graph, FOREIGN, 0), network(&graph, FOREIGN, 4), network(&graph, OWN, 0));
        let seen = |before: &Arc<Object>, after: &Arc<Object>| {
            let changed = entry(&graph, put(Some(before), after), None);
            Sight::of(&changed, &member(), &graph)
        };
        assert_eq!(seen(&foreign, &shared), Sight::Appears);
        assert_eq!(seen(&foreign, &own), Sight::Appears);
        assert_eq!(seen(&shared, &own), Sight::Whole);
        assert_eq!(seen(&shared, &foreign), Sight::Disappears);
        assert_eq!(seen(&own, &foreign), Sight::Disappears);
        let shared_to_link = network(&graph, FOREIGN, 1);
        assert_eq!(seen(&foreign, &shared_to_link), Sight::Nothing);
        let everything = entry(&graph, put(Some(&shared), &foreign), None);
        for level in [Level::ReadAll, Level::Admin] {
            assert_eq!(Sight::of(&everything, &identity(level, None), &graph), Sight::Whole, "{level:?}");
        }
        // What is hidden was never there.
        let hidden = |object: &Arc<Object>| Arc::new(Object { hidden: true, ..Object::clone(object) });
        assert_eq!(seen(&hidden(&shared), &hidden(&foreign)), Sight::Nothing);
        assert_eq!(seen(&hidden(&foreign), &hidden(&shared)), Sight::Nothing);
    }

    #[test]
    fn feed_3_who_made_a_change_is_for_its_own_project() {
        let graph = graph();
        let shared = network(&graph, FOREIGN, 4);
        for (maker, identity, expected) in [
            (Some(OWN), member(), true),
            (Some(FOREIGN), member(), false),
            (None, member(), false),
            (None, identity(Level::Member, None), false),
            (Some(FOREIGN), identity(Level::ReadAll, None), true),
            (None, identity(Level::Admin, None), true),
        ] {
            let made = entry(&graph, put(Some(&shared), &shared), maker);
            assert_eq!(Sight::shows_caller(&made, &identity), expected, "{maker:?} {:?}", identity.caller);
        }
    }
}
