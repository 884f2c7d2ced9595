//! The configuration in memory: objects by id, name, parent and reference, and what they occupy (ids, addresses).
//!
//! A graph is a persistent structure: a clone is a consistent snapshot and costs O(1); a change costs O(log n) and
//! leaves all other snapshots as they were. Everything here follows from the objects (and the reserved addresses)
//! alone, so each process that applies the same changes in the same order holds the same graph.

mod counts;
mod elements;
mod grants;
mod id_perms;
mod inner_keys;
mod invariants;
mod numbers;
mod object;
mod permissions;
mod pools;
mod position;
mod property_text;
mod write_times;

pub use counts::{Counts, Place, rule_count};
pub use elements::{elements, map_key};
pub use id_perms::IdPerms;
pub use inner_keys::InnerKey;
#[cfg(test)]
pub use invariants::violations;
pub use invariants::{describe, differences, find_violations, object_differences, stray_columns};
pub use numbers::{IDS, IdForm, NumberPool, Numbers, SERVICE_UNITS, hexadecimal, tag_number};
pub use object::{FqName, Hold, JsonText, Link, Object, text_weight};
pub use permissions::{Grantee, Owner, Permissions};
pub use pools::{Holder, Pools};
pub use position::Position;
pub use property_text::PropertyText;
pub use write_times::{Column, TimeBases, Written};

use crate::{
    model::{Model, TypeId},
    timestamp::Timestamp,
};
use grants::Grants;
use imbl::{GenericHashMap, OrdMap, OrdSet, Vector, shared_ptr::DefaultSharedPtr};
use inner_keys::InnerKeys;
use rustc_hash::FxBuildHasher;
use std::{
    iter,
    ops::Bound,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};
use uuid::Uuid;

type HashMap<K, V> = GenericHashMap<K, V, FxBuildHasher, DefaultSharedPtr>;

/// The number of the next version of any type's objects in this process.
static NEXT_VERSION: AtomicU64 = AtomicU64::new(1);

/// The objects of one type by joined name, in the order in which lists are answered.
type Names = OrdMap<Arc<str>, Arc<Object>>;

/// What comes after a name; everything, if there is none.
pub fn after(name: Option<&Arc<str>>) -> Bound<Arc<str>> {
    name.map_or(Bound::Unbounded, |name| Bound::Excluded(Arc::clone(name)))
}

/// All types that there are something of, by a look-up of the first one from a type on.
fn each_type(first: impl Fn(TypeId) -> Option<TypeId>) -> impl Iterator<Item = TypeId> {
    let mut next = first(TypeId(0));
    iter::from_fn(move || {
        let found = next?;
        next = found.0.checked_add(1).and_then(|from| first(TypeId(from)));
        Some(found)
    })
}

/// The last changes to objects of a type, by numbers that no other change has.
#[derive(Clone, Copy, Default)]
struct Versions {
    /// To any of them.
    objects: u64,
    /// To which there are, and how they are called.
    names: u64,
}

/// A snapshot of the whole configuration at one revision.
#[derive(Clone)]
pub struct Graph {
    model: Arc<Model>,
    position: Position,
    objects: HashMap<Uuid, Arc<Object>>,
    /// By type.
    names: Vector<Names>,
    /// By type: the last changes to its objects.
    versions: Vector<Versions>,
    /// Parent, type of child, order of creation, child.
    children: OrdSet<(Uuid, TypeId, u64, Uuid)>,
    /// Target, type of source, source. Symmetric references are not in here: both ends hold them.
    back_references: OrdSet<(Uuid, TypeId, Uuid)>,
    /// Target, object whose references do not stop the delete of the target, whether there are any or not.
    relaxing: OrdSet<(Uuid, Uuid)>,
    numbers: Numbers,
    pools: Pools,
    counts: Counts,
    grants: Grants,
    inner_keys: InnerKeys,
    time_bases: TimeBases,
}

impl Graph {
    /// A graph without objects, at revision 0.
    pub fn new(model: Arc<Model>) -> Self {
        let names = model.types().iter().map(|_| OrdMap::new()).collect();
        Self {
            versions: model.types().iter().map(|_| Versions::default()).collect(),
            numbers: Numbers::new(&model),
            pools: Pools::new(&model),
            counts: Counts::new(&model),
            grants: Grants::default(),
            inner_keys: InnerKeys::new(&model),
            time_bases: TimeBases::default(),
            model,
            position: Position::default(),
            objects: HashMap::default(),
            names,
            children: OrdSet::new(),
            back_references: OrdSet::new(),
            relaxing: OrdSet::new(),
        }
    }

    /// The data model that the objects follow.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The number of the last change that is in here.
    pub fn revision(&self) -> u64 {
        self.position.revision
    }

    /// The same, and which history it is of.
    pub fn position(&self) -> Position {
        self.position
    }

    /// Declares which history the changes are of.
    pub fn set_epoch(&mut self, epoch: Uuid) {
        self.position.epoch = epoch;
    }

    /// Declares that all changes up to this number are in here.
    pub fn set_revision(&mut self, revision: u64) {
        self.position.revision = revision;
    }

    /// How many objects there are.
    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// An object of any type.
    pub fn get(&self, uuid: Uuid) -> Option<&Arc<Object>> {
        self.objects.get(&uuid)
    }

    /// An object of this type.
    pub fn get_of_type(&self, type_id: TypeId, uuid: Uuid) -> Option<&Arc<Object>> {
        self.objects.get(&uuid).filter(|object| object.type_id == type_id)
    }

    /// The object of this type with this name; the elements are compared, not only what they make when joined.
    pub fn find<S: AsRef<str>>(&self, type_id: TypeId, fq_name: &[S]) -> Option<&Arc<Object>> {
        let wanted = FqName::new(fq_name);
        let object = self.find_joined(type_id, wanted.joined())?;
        let same = object.fq_name.elements().iter().eq(fq_name.iter().map(AsRef::as_ref).collect::<Vec<_>>().iter());
        same.then_some(object)
    }

    /// The object of this type whose name, joined by `:`, is this.
    pub fn find_joined(&self, type_id: TypeId, joined: &str) -> Option<&Arc<Object>> {
        self.names.get(usize::from(type_id.0))?.get(joined)
    }

    /// A number that two graphs of this process share only where no object of the type differs.
    pub fn version_of(&self, type_id: TypeId) -> Option<u64> {
        Some(self.versions.get(usize::from(type_id.0))?.objects)
    }

    /// The same of which objects there are, and their names.
    pub fn names_version_of(&self, type_id: TypeId) -> Option<u64> {
        Some(self.versions.get(usize::from(type_id.0))?.names)
    }

    fn touch(&mut self, type_id: TypeId, names: bool) {
        if let Some(versions) = self.versions.get_mut(usize::from(type_id.0)) {
            versions.objects = NEXT_VERSION.fetch_add(1, Ordering::Relaxed);
            if names {
                versions.names = versions.objects;
            }
        }
    }

    /// All objects of a type, by name.
    pub fn objects_of(&self, type_id: TypeId) -> impl Iterator<Item = &Arc<Object>> {
        self.names.get(usize::from(type_id.0)).into_iter().flat_map(|names| names.values())
    }

    /// Objects of a type whose names, joined by `:`, are within this bound, by name.
    pub fn objects_in<'a>(
        &'a self,
        type_id: TypeId,
        from: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        let start = from.clone();
        self.names
            .get(usize::from(type_id.0))
            .into_iter()
            .flat_map(move |names| names.range((start.clone(), Bound::Unbounded)))
            .map(|(_, object)| object)
    }

    /// Objects of a type whose names, joined by `:`, come after this one, by name.
    pub fn objects_after<'a>(
        &'a self,
        type_id: TypeId,
        name: Option<&Arc<str>>,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        self.objects_in(type_id, &after(name))
    }

    /// The last of a type whose name, joined by `:`, is no greater than this one.
    pub fn last_up_to(&self, type_id: TypeId, joined: &str) -> Option<&Arc<Object>> {
        self.names.get(usize::from(type_id.0))?.get_prev(joined).map(|(_, object)| object)
    }

    /// How many objects of a type there are.
    pub fn count_of(&self, type_id: TypeId) -> usize {
        self.names.get(usize::from(type_id.0)).map_or(0, OrdMap::len)
    }

    /// All objects, in no order.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Object>> {
        self.objects.values()
    }

    /// The children of one type, in the order in which they were created.
    pub fn children_of(&self, parent: Uuid, child_type: TypeId) -> impl Iterator<Item = &Arc<Object>> {
        self.children
            .range((parent, child_type, 0, Uuid::nil())..=(parent, child_type, u64::MAX, Uuid::max()))
            .filter_map(|(_, _, _, uuid)| self.objects.get(uuid))
    }

    /// All children, by type and in the order in which they were created.
    pub fn all_children(&self, parent: Uuid) -> impl Iterator<Item = &Arc<Object>> {
        self.children
            .range((parent, TypeId(0), 0, Uuid::nil())..=(parent, TypeId(u16::MAX), u64::MAX, Uuid::max()))
            .filter_map(|(_, _, _, uuid)| self.objects.get(uuid))
    }

    /// The objects of one type that refer to this one, by uuid; not those of a symmetric reference.
    pub fn referrers(&self, target: Uuid, source_type: TypeId) -> impl Iterator<Item = &Arc<Object>> {
        self.referrers_from(target, source_type, Uuid::nil())
    }

    /// All objects that refer to this one, by type and uuid; not those of a symmetric reference.
    pub fn all_referrers(&self, target: Uuid) -> impl Iterator<Item = &Arc<Object>> {
        self.all_referrers_from(target, (TypeId(0), Uuid::nil()))
    }

    /// The same from a type, and in it from a uuid, on.
    pub fn all_referrers_from(&self, target: Uuid, from: (TypeId, Uuid)) -> impl Iterator<Item = &Arc<Object>> {
        self.back_references
            .range((target, from.0, from.1)..=(target, TypeId(u16::MAX), Uuid::max()))
            .filter_map(|(_, _, uuid)| self.objects.get(uuid))
    }

    /// The same from a uuid on.
    pub fn referrers_from(&self, target: Uuid, source_type: TypeId, from: Uuid) -> impl Iterator<Item = &Arc<Object>> {
        self.back_references
            .range((target, source_type, from)..=(target, source_type, Uuid::max()))
            .filter_map(|(_, _, uuid)| self.objects.get(uuid))
    }

    /// The types of the objects that refer to this one, each once, without looking at all of them.
    pub fn referrer_types(&self, target: Uuid) -> impl Iterator<Item = TypeId> {
        each_type(move |from| {
            let next = self.back_references.get_next(&(target, from, Uuid::nil()));
            next.filter(|(known, ..)| *known == target).map(|(_, source_type, _)| *source_type)
        })
    }

    /// The same of the children.
    pub fn child_types(&self, parent: Uuid) -> impl Iterator<Item = TypeId> {
        each_type(move |from| {
            let next = self.children.get_next(&(parent, from, 0, Uuid::nil()));
            next.filter(|(known, ..)| *known == parent).map(|(_, child_type, ..)| *child_type)
        })
    }

    /// The children of one type without a look at them: uuid, and order number of their creation, by which they are sorted.
    pub fn child_uuids(&self, parent: Uuid, child_type: TypeId) -> impl DoubleEndedIterator<Item = (Uuid, u64)> {
        self.children
            .range((parent, child_type, 0, Uuid::nil())..=(parent, child_type, u64::MAX, Uuid::max()))
            .map(|(_, _, created, uuid)| (*uuid, *created))
    }

    /// The objects whose references do not stop the delete of this one, by uuid; they need not have any to it.
    pub fn relaxing(&self, target: Uuid) -> impl Iterator<Item = Uuid> {
        self.relaxing_from(target, Uuid::nil())
    }

    /// The same from a uuid on.
    pub fn relaxing_from(&self, target: Uuid, from: Uuid) -> impl Iterator<Item = Uuid> {
        self.relaxing.range((target, from)..=(target, Uuid::max())).map(|(_, uuid)| *uuid)
    }

    /// Numbers that objects occupy: network ids and the like.
    pub fn numbers(&self) -> &Numbers {
        &self.numbers
    }

    /// Subnets, and the addresses that are held in them.
    pub fn pools(&self) -> &Pools {
        &self.pools
    }

    /// What counts for the quota of projects.
    pub fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The objects of a type that are granted to any of these, each once, from a name on, by name.
    pub fn granted<'a>(
        &'a self,
        type_id: TypeId,
        grantees: &[Grantee],
        from: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = &'a Arc<Object>> + use<'a> {
        self.names_of_granted(type_id, grantees, from).filter_map(move |name| self.find_joined(type_id, name))
    }

    /// Their names, joined by `:`, without a look at them.
    pub fn names_of_granted<'a>(
        &'a self,
        type_id: TypeId,
        grantees: &[Grantee],
        from: &Bound<Arc<str>>,
    ) -> impl Iterator<Item = &'a Arc<str>> + use<'a> {
        let mut names: Vec<_> =
            grantees.iter().map(|grantee| self.grants.names(*grantee, type_id, from.clone()).peekable()).collect();
        iter::from_fn(move || {
            let next = names.iter_mut().filter_map(|names| names.peek().copied()).min()?;
            for names in &mut names {
                // One may be granted in several ways, and in one of them several times.
                while names.next_if(|name| *name == next).is_some() {}
            }
            Some(next)
        })
    }

    /// The objects that have something in a value by which they are found.
    pub fn with_inner_key(&self, key: InnerKey, text: &str) -> impl Iterator<Item = &Arc<Object>> + use<'_> {
        self.inner_keys.find(key, text).filter_map(|uuid| self.objects.get(&uuid))
    }

    /// Reserves an address that no object holds.
    pub fn reserve(&mut self, hold: Hold) {
        self.pools.hold(hold, Holder::Reservation);
    }

    /// Gives back an address that no object holds.
    pub fn release(&mut self, hold: Hold) {
        self.pools.release(hold, Holder::Reservation);
    }

    /// Puts an object in, in the place of the one with its uuid.
    pub fn put(&mut self, object: &Arc<Object>) {
        let identity = |object: &Object| (object.type_id, object.fq_name.clone(), object.parent, object.created);
        if self.objects.get(&object.uuid).is_some_and(|previous| identity(previous) != identity(object)) {
            // The same uuid, used anew.
            self.take_out(object.uuid);
        }
        let previous = self.objects.insert(object.uuid, Arc::clone(object));
        self.touch(object.type_id, previous.is_none());
        if previous.is_none()
            && let Some(parent) = object.parent
        {
            self.children.insert((parent, object.type_id, object.created, object.uuid));
        }
        if let Some(names) = self.names.get_mut(usize::from(object.type_id.0)) {
            names.insert(Arc::clone(object.fq_name.joined()), Arc::clone(object));
        }
        self.index_links(previous.as_deref(), Some(object));
        self.grants.replace(previous.as_deref(), Some(object));
        self.inner_keys.replace(previous.as_deref(), Some(object));
        self.numbers.replace(previous.as_deref(), Some(object));
        self.replace_in_pools(previous.as_deref(), Some(object));
    }

    /// The pools, and the counts that depend on how many subnets there are.
    fn replace_in_pools(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let Some(uuid) = after.or(before).map(|object| object.uuid) else { return };
        let subnets = self.pools.count_of_subnets(uuid);
        self.pools.replace(before, after);
        let before = before.map(|object| (object, subnets));
        let after = after.map(|object| (object, self.pools.count_of_subnets(uuid)));
        self.counts.replace(&self.objects, before, after);
    }

    /// Takes an object out, and what is reserved in it. The links of others to it are theirs to drop.
    pub fn remove(&mut self, uuid: Uuid) -> Option<Arc<Object>> {
        let object = self.take_out(uuid)?;
        self.pools.forget_reservations(uuid);
        Some(object)
    }

    fn take_out(&mut self, uuid: Uuid) -> Option<Arc<Object>> {
        let object = self.objects.remove(&uuid)?;
        self.touch(object.type_id, true);
        if let Some(names) = self.names.get_mut(usize::from(object.type_id.0))
            && names.get(object.fq_name.joined()).is_some_and(|named| named.uuid == uuid)
        {
            names.remove(object.fq_name.joined());
        }
        if let Some(parent) = object.parent {
            self.children.remove(&(parent, object.type_id, object.created, uuid));
        }
        self.index_links(Some(&object), None);
        self.grants.replace(Some(&object), None);
        self.inner_keys.replace(Some(&object), None);
        self.numbers.replace(Some(&object), None);
        self.replace_in_pools(Some(&object), None);
        Some(object)
    }

    /// Follows the change of an object's links: of ten thousand, one may have come.
    fn index_links(&mut self, before: Option<&Object>, after: Option<&Object>) {
        for (object, other, is_there) in [(before, after, false), (after, before, true)] {
            let Some(object) = object else { continue };
            let references = &self.model.object_type(object.type_id).references;
            for link in &object.links {
                let is_directed = references.get(usize::from(link.reference.0)).is_some_and(|known| !known.symmetric);
                // A type has one reference to another one, so a target is linked once.
                if !is_directed || other.is_some_and(|other| other.link(link.reference, link.target).is_some()) {
                    continue;
                }
                let entry = (link.target, object.type_id, object.uuid);
                if is_there {
                    self.back_references.insert(entry);
                } else {
                    self.back_references.remove(&entry);
                }
            }
        }
        for (target, uuid) in
            before.iter().flat_map(|object| object.relaxed().iter().map(|target| (*target, object.uuid)))
        {
            self.relaxing.remove(&(target, uuid));
        }
        if let Some(object) = after {
            self.relaxing.extend(object.relaxed().iter().map(|target| (*target, object.uuid)));
        }
    }

    /// The order number for an object created now, after everything that is in here.
    pub fn next_creation(&self) -> u64 {
        self.revision() + 1
    }

    /// The time to write into an object changed now: later than its last change.
    pub fn change_time(now: Timestamp, previous: &Object) -> Timestamp {
        now.after(previous.modified)
    }
}
