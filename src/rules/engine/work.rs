//! A request at work on a private fork of the graph. What it does is visible to itself at once and to others only
//! when it has succeeded as a whole: what a rejected request has changed is simply dropped, so nothing has to be undone (GEN-1).

use crate::{
    access::{Identity, role_rules::KeptRoleRules},
    graph::{Graph, Hold, Holder, Link, Object},
    model::{ObjectType, ReferenceId, TypeId},
    rules::engine::{
        Decision, Draft, Options, Rejection, Rulebook, Rules, budget,
        change::{Change, Effect},
        permissions,
    },
    timestamp::Timestamp,
};
use indexmap::{IndexMap, IndexSet};
use serde_json::Value;
use std::{cell::OnceCell, collections::HashMap, sync::Arc};
use uuid::Uuid;

/// A new object counts as made by its change at the latest: what is changed by a later request has a greater number than that. It
/// was counted further where the request has made objects before that went again.
fn made_by(graph: &mut Graph, revision: u64, effect: Effect) -> Effect {
    match effect {
        Effect::Put { before: None, after, implicit } if after.created > revision => {
            let after = Arc::new(Object { created: revision, ..Object::clone(&after) });
            graph.put(&after);
            Effect::Put { before: None, after, implicit }
        }
        effect => effect,
    }
}

/// An object that the request has changed. One that goes and comes again is another one.
struct Touched {
    uuid: Uuid,
    before: Option<Arc<Object>>,
    implicit: bool,
}

/// The state of one request while it is decided.
pub struct Work {
    /// The fork.
    pub graph: Graph,
    /// Who asks.
    pub identity: Identity,
    rulebook: Arc<Rulebook>,
    /// Whether the request was kept aside as a draft.
    pub pending: bool,
    /// Whether it is the first start that asks.
    pub provisioning: bool,
    now: Timestamp,
    new_uuid: fn() -> Uuid,
    /// None where there is no limit: at the start.
    spent: Option<budget::Spent>,
    /// A stored property that a rule has asked for and that can't be read.
    unreadable: OnceCell<String>,
    /// In the order of the first change to each.
    touched: Vec<Touched>,
    /// Where in there the latest object of a uuid is.
    latest: HashMap<Uuid, usize>,
    /// Addresses that were not reserved before, or were given back in between.
    reserved: IndexSet<Hold>,
    /// Addresses that were reserved before, and were given back, for good or for a while.
    freed: IndexSet<Hold>,
}

impl Work {
    /// Starts on a fork of this graph. Time and new uuids are handed in, so that rules stay functions of their input.
    pub fn new(
        graph: Graph,
        identity: Identity,
        rulebook: &Arc<Rulebook>,
        now: Timestamp,
        new_uuid: fn() -> Uuid,
    ) -> Self {
        Self {
            graph,
            identity,
            rulebook: Arc::clone(rulebook),
            pending: false,
            provisioning: false,
            now,
            new_uuid,
            spent: Some(budget::Spent::default()),
            unreadable: OnceCell::new(),
            touched: Vec::new(),
            latest: HashMap::new(),
            reserved: IndexSet::new(),
            freed: IndexSet::new(),
        }
    }

    /// What follows is of the first start: the server asks itself, and nothing limits it.
    pub fn begin_first_start(&mut self) {
        self.provisioning = true;
        self.spent = None;
    }

    /// Whether the graph is another one than that it was begun on.
    pub fn has_touched(&self) -> bool {
        !(self.touched.is_empty() && self.reserved.is_empty() && self.freed.is_empty())
    }

    /// What the operator has set.
    pub fn options(&self) -> &Options {
        &self.rulebook.options
    }

    /// What roles may do.
    pub fn role_rules(&self) -> &KeptRoleRules {
        &self.rulebook.role_rules
    }

    /// The rules of a type.
    pub fn rules_of(&self, type_id: TypeId) -> &'static Rules {
        self.rulebook.of(type_id)
    }

    /// When it is decided.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A uuid that nobody has.
    pub fn new_uuid(&self) -> Uuid {
        (self.new_uuid)()
    }

    /// The id of a type of the model.
    ///
    /// # Errors
    /// Internal, if the model lacks a type that a rule is about.
    pub fn type_id(&self, name: &str) -> Decision<TypeId> {
        let missing = || Rejection::internal(format!("the data model has no type {name}"));
        self.graph.model().find(name).ok_or_else(missing)
    }

    /// The type of an object.
    pub fn type_of(&self, object: &Object) -> &ObjectType {
        self.graph.model().object_type(object.type_id)
    }

    /// A property of a stored object, by name.
    pub fn property(&self, object: &Object, name: &str) -> Option<Value> {
        let kind = self.type_of(object);
        let text = object.property_text(kind.property(name)?.0)?;
        let told = |error| format!("{name} of {} {} can't be read: {error}", kind.name, object.uuid);
        serde_json::from_str(&text.text()).map_err(|error| self.unreadable.get_or_init(|| told(error))).ok()
    }

    /// Nothing is decided on what can't be read.
    ///
    /// # Errors
    /// Internal, if a rule has asked for such a property.
    pub fn check_readable(&self) -> Decision<()> {
        self.unreadable.get().map_or(Ok(()), |told| Err(Rejection::internal(told.clone())))
    }

    /// The links of a stored object, by the name of their field.
    pub fn links<'a>(&self, object: &'a Object, field: &str) -> &'a [Link] {
        self.type_of(object).reference(field).map(|(id, _)| object.links_of(id)).unwrap_or_default()
    }

    /// Puts a draft into the graph, with the other ends of its symmetric references. What says the same as what is there
    /// is no change: the object stays as it is, with the time of its last change.
    pub fn save(&mut self, draft: &Draft) -> Arc<Object> {
        let created = self.graph.next_creation() + self.touched.len() as u64;
        let object = draft.build(created);
        if let Some(before) = self.graph.get(object.uuid).filter(|before| before.says_the_same(&object)) {
            return Arc::clone(before);
        }
        for reference in draft.given_reference_ids() {
            self.mirror(&object, draft.stored.as_deref(), reference);
        }
        self.put(object, false)
    }

    /// Makes the other ends of one kind of symmetric reference agree with this one (GEN-11).
    fn mirror(&mut self, object: &Object, before: Option<&Object>, reference: ReferenceId) {
        let symmetric = self.type_of(object).references.get(usize::from(reference.0));
        if !symmetric.is_some_and(|reference| reference.symmetric) {
            return;
        }
        let old = before.map(|before| before.links_of(reference)).unwrap_or_default();
        let new = object.links_of(reference);
        let known = |link: &Link| before.and_then(|before| before.link(reference, link.target));
        let gone = old.iter().filter(|link| object.link(reference, link.target).is_none());
        let changed = new.iter().filter(|link| known(link) != Some(link));
        for (link, keep) in gone.map(|link| (link, false)).chain(changed.map(|link| (link, true))) {
            let Some(other) = self.graph.get(link.target).filter(|other| other.uuid != object.uuid) else { continue };
            let mut other = Object::clone(other);
            let mut links: Vec<Link> = other.links_of(reference).to_vec();
            links.retain(|link| link.target != object.uuid);
            if keep {
                links.push(Link { target: object.uuid, ..link.clone() });
            }
            other.set_links(reference, links);
            self.put(other, true);
        }
    }

    /// Whether the request has done no more than one may. When it has, nothing is written any more, and what the rules have
    /// said since means nothing.
    ///
    /// # Errors
    /// 400 with the limit.
    pub fn check_budget(&self) -> Decision<()> {
        self.spent.as_ref().map_or(Ok(()), budget::Spent::check)
    }

    /// Takes into account that there is so much to look through: an object that is changed has to be read.
    pub fn look_through(&mut self, object: &Object) {
        if let Some(spent) = &mut self.spent {
            spent.read(object);
        }
    }

    /// Puts an object into the graph, with the time of its change.
    pub fn put(&mut self, mut object: Object, implicit: bool) -> Arc<Object> {
        let before = self.graph.get(object.uuid).cloned();
        if self.spent.as_mut().is_some_and(|spent| spent.write(before.as_deref(), &object).is_err()) {
            return Arc::new(object);
        }
        permissions::stamp(self.graph.model(), &mut object, before.as_deref(), self.now);
        // As those see it who know only what was before the request, and what is after it.
        let first = self.first_state(object.uuid, before.as_ref());
        object.stamp(
            first.map(|first| &**first),
            self.graph.next_creation(),
            self.graph.model().object_type(object.type_id),
        );
        let object = Arc::new(object);
        self.graph.put(&object);
        self.touch(object.uuid, before, implicit);
        object
    }

    /// Takes an object out of the graph, with all links that others still have to it, their marks on it, and all addresses that
    /// are held in it. Each is a change of its own: who follows the log knows what is free again (GEN-13).
    pub fn remove(&mut self, object: &Arc<Object>) {
        if self.spent.as_mut().is_some_and(|spent| spent.write(Some(object), object).is_err()) {
            return;
        }
        self.release_all(object.uuid);
        let others = object.links.iter().filter_map(|link| self.graph.get(link.target));
        let symmetric = others.filter(|other| other.type_id == object.type_id);
        let referrers = symmetric.chain(self.graph.all_referrers(object.uuid)).map(|referrer| referrer.uuid);
        let referrers: IndexSet<Uuid> = referrers.chain(self.graph.relaxing(object.uuid)).collect();
        for referrer in referrers {
            let Some(referrer) = self.graph.get(referrer).filter(|referrer| referrer.uuid != object.uuid) else {
                continue;
            };
            let is_linked = referrer.links.iter().any(|link| link.target == object.uuid);
            // A mark alone is nothing that anybody sees.
            let implicit = referrer.type_id == object.type_id || !is_linked;
            if !is_linked && !referrer.relaxed().contains(&object.uuid) {
                continue;
            }
            let mut referrer = Object::clone(referrer);
            referrer.links.retain(|link| link.target != object.uuid);
            let others = referrer.relaxed().iter().copied().filter(|target| *target != object.uuid);
            referrer.set_relaxed(others.collect());
            self.put(referrer, implicit);
        }
        let before = self.graph.remove(object.uuid);
        self.touch(object.uuid, before, false);
    }

    /// Reserves an address without an object.
    pub fn reserve(&mut self, hold: Hold) {
        self.graph.reserve(hold);
        self.reserved.insert(hold);
    }

    /// Gives back an address that was reserved without an object; nothing happens to one that an object has.
    pub fn release(&mut self, hold: Hold) {
        if self.graph.pools().holder(hold.scope, hold.address) == Some(Holder::Reservation) {
            self.graph.release(hold);
            if !self.reserved.swap_remove(&hold) {
                self.freed.insert(hold);
            }
        }
    }

    /// Gives back all addresses of a network or flat ipam, which goes. Objects may still hold some: those whose reference to
    /// it does not stop its delete.
    fn release_all(&mut self, scope: Uuid) {
        let held: Vec<(Hold, Holder)> = self.graph.pools().held_in(scope).collect();
        for (hold, holder) in held {
            match holder {
                Holder::Reservation => self.release(hold),
                Holder::Object(uuid) => {
                    if let Some(holder) = self.graph.get(uuid).cloned() {
                        self.put(Object { hold: None, ..Object::clone(&holder) }, false);
                    }
                }
            }
        }
    }

    /// The state of an object before the request, if it was there and has not gone since: now it is as given.
    fn first_state<'a>(&'a self, uuid: Uuid, now: Option<&'a Arc<Object>>) -> Option<&'a Arc<Object>> {
        let now = now?;
        let touched = self.latest.get(&uuid).and_then(|index| self.touched.get(*index));
        touched.map_or(Some(now), |touched| touched.before.as_ref())
    }

    fn touch(&mut self, uuid: Uuid, before: Option<Arc<Object>>, implicit: bool) {
        let known = self.latest.get(&uuid).filter(|_| before.is_some());
        if let Some(touched) = known.and_then(|index| self.touched.get_mut(*index)) {
            touched.implicit &= implicit;
        } else {
            self.latest.insert(uuid, self.touched.len());
            self.touched.push(Touched { uuid, before, implicit });
        }
    }

    /// The fork with all that the request did, and the numbered changes that lead to it: first what was given back, which
    /// objects may have now, and in the end what was reserved, which objects may have had. In between each object comes once, in
    /// the order in which they were first changed; one that was deleted and created anew comes twice, so that whoever follows
    /// never takes one for the other. A number or an address may come to an object before the other one has let it go: the
    /// graph knows whose it is.
    pub fn finish(self) -> (Graph, Vec<Change>) {
        let Self { mut graph, touched, latest, reserved, freed, .. } = self;
        let by_scope = |holds: IndexSet<Hold>, effect: fn(Vec<Hold>) -> Effect| {
            let mut scopes: IndexMap<Uuid, Vec<Hold>> = IndexMap::new();
            for hold in holds {
                scopes.entry(hold.scope).or_default().push(hold);
            }
            scopes.into_iter().map(move |(scope, holds)| (scope, effect(holds)))
        };
        let touched = touched.into_iter().enumerate().filter_map(|(index, Touched { uuid, before, implicit })| {
            let after = graph.get(uuid).filter(|_| latest.get(&uuid) == Some(&index));
            match (before, after) {
                (before, Some(after)) => Some((uuid, Effect::Put { before, after: Arc::clone(after), implicit })),
                (Some(before), None) => Some((uuid, Effect::Delete(before))),
                (None, None) => None,
            }
        });
        let effects: Vec<(Uuid, Effect)> =
            by_scope(freed, Effect::Free).chain(touched).chain(by_scope(reserved, Effect::Reserve)).collect();
        let start = graph.revision();
        let request = start + effects.len() as u64;
        graph.set_revision(request);
        let number = |(index, (uuid, effect))| {
            let revision = start + 1 + index as u64;
            let effect = made_by(&mut graph, revision, effect);
            Change { revision, request, uuid, effect }
        };
        let changes = effects.into_iter().enumerate().map(number).collect();
        (graph, changes)
    }
}
