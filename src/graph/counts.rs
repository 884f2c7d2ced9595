//! What counts for the quota of projects (QTA-*), counted as it comes and goes: a create need not look at all that is there.
//!
//! Counts follow from the objects alone, in whatever order these come and go.

use super::{HashMap, Object};
use crate::model::{Model, Parent, PropertyId, ReferenceId, TypeId};
use serde_json::Value;
use std::sync::Arc;
use uuid::Uuid;

/// In which project an object counts (QTA-1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Its parent.
    Parent,
    /// The parent of its parent.
    Grandparent,
    /// What it refers to.
    Reference(&'static str),
}

/// Types whose objects count elsewhere than in their parent.
const PLACES: [(&str, Place); 3] = [
    ("floating-ip", Place::Reference("project_refs")),
    ("floating-ip-pool", Place::Grandparent),
    ("loadbalancer-member", Place::Grandparent),
];

/// Where the model keeps what decides about counting.
struct Places {
    /// By type.
    place: Vec<Place>,
    /// By type: whether its objects may count. What can't be in a project is most of what there is.
    counted: Vec<bool>,
    below_children: Vec<TypeId>,
    /// By type: whether what counts above its objects may be below them.
    holds_below_children: Vec<bool>,
    /// The type whose objects count in the project that they refer to.
    referring: Option<(TypeId, ReferenceId)>,
    /// APS-C2: the set that every project has does not count.
    all_applications: Option<(TypeId, PropertyId)>,
    virtual_network: Option<TypeId>,
    /// Where the rules of a security group are.
    rules: Option<(TypeId, PropertyId)>,
}

/// How many visible objects (QTA-7) of each type there are, and of how many parts.
#[derive(Clone)]
pub struct Counts {
    places: Arc<Places>,
    /// By what they are below (of floating-ips the project that they refer to), and type.
    objects: HashMap<(Uuid, TypeId), usize>,
    /// By the parent of what they are below, and type.
    below_children: HashMap<(Uuid, TypeId), usize>,
    /// By parent and type of the objects: the subnets of networks, the rules of security groups.
    parts: HashMap<(Uuid, TypeId), usize>,
}

type Objects = HashMap<Uuid, Arc<Object>>;

impl Counts {
    /// Nothing to count.
    pub fn new(model: &Model) -> Self {
        let property = |kind: &str, name: &str| {
            let kind = model.find(kind)?;
            Some((kind, model.object_type(kind).property(name)?.0))
        };
        let place_of =
            |name: &str| PLACES.iter().find(|(known, _)| *known == name).map_or(Place::Parent, |(_, place)| *place);
        let place: Vec<Place> = model.types().iter().map(|kind| place_of(&kind.name)).collect();
        let grandchildren = model.types().iter().filter(|kind| place_of(&kind.name) == Place::Grandparent);
        let below_children: Vec<TypeId> = grandchildren.map(|kind| kind.id).collect();
        let referring = model.types().iter().find_map(|kind| match place_of(&kind.name) {
            Place::Reference(field) => Some((kind.id, kind.reference(field)?.0)),
            _ => None,
        });
        let project = model.find("project").map(Parent::Type);
        let is_counted = |id: TypeId, parents: &[Parent]| {
            place.get(usize::from(id.0)) != Some(&Place::Parent)
                || parents.iter().any(|parent| Some(*parent) == project)
        };
        let holders: Vec<Parent> =
            below_children.iter().flat_map(|id| model.object_type(*id).parents.iter().copied()).collect();
        let types = model.types();
        let places = Places {
            counted: types.iter().map(|kind| is_counted(kind.id, &kind.parents)).collect(),
            holds_below_children: types.iter().map(|kind| holders.contains(&Parent::Type(kind.id))).collect(),
            below_children,
            referring,
            place,
            all_applications: property("application-policy-set", "all_applications"),
            virtual_network: model.find("virtual-network"),
            rules: property("security-group", "security_group_entries"),
        };
        Self {
            places: Arc::new(places),
            objects: HashMap::default(),
            below_children: HashMap::default(),
            parts: HashMap::default(),
        }
    }

    /// Where objects of a type count.
    pub fn place_of(&self, type_id: TypeId) -> Place {
        self.places.place.get(usize::from(type_id.0)).copied().unwrap_or(Place::Parent)
    }

    /// How many objects of a type count in a project.
    pub fn objects(&self, project: Uuid, type_id: TypeId) -> usize {
        let by_type = if self.places.below_children.contains(&type_id) { &self.below_children } else { &self.objects };
        by_type.get(&(project, type_id)).copied().unwrap_or_default()
    }

    /// How many subnets the networks of a project have, or rules its security groups.
    pub fn parts(&self, project: Uuid, type_id: TypeId) -> usize {
        self.parts.get(&(project, type_id)).copied().unwrap_or_default()
    }

    /// Follows the change of an object. With each state goes the number of its subnets.
    pub fn replace(&mut self, objects: &Objects, before: Option<(&Object, usize)>, after: Option<(&Object, usize)>) {
        self.replace_object(objects, before.map(|(object, _)| object), after.map(|(object, _)| object));
        self.replace_parts(before, after);
    }

    fn replace_object(&mut self, objects: &Objects, before: Option<&Object>, after: Option<&Object>) {
        let (old, new) = (self.holders(before), self.holders(after));
        for (holder, type_id) in old.iter().filter(|counted| !new.contains(counted)) {
            self.count(objects, *holder, *type_id, subtract);
        }
        for (holder, type_id) in new.iter().filter(|counted| !old.contains(counted)) {
            self.count(objects, *holder, *type_id, add);
        }
        // What is below an object counts above it as long as it is there itself.
        let (step, parent) = match (before, after) {
            (None, Some(object)) => (add as Step, object),
            (Some(object), None) => (subtract as Step, object),
            _ => return,
        };
        let holds = self.places.holds_below_children.get(usize::from(parent.type_id.0)) == Some(&true);
        if let Some(above) = parent.parent.filter(|_| holds) {
            for type_id in &self.places.below_children {
                let count = self.objects.get(&(parent.uuid, *type_id)).copied().unwrap_or_default();
                step(&mut self.below_children, (above, *type_id), count);
            }
        }
    }

    fn count(&mut self, objects: &Objects, holder: Uuid, type_id: TypeId, step: Step) {
        step(&mut self.objects, (holder, type_id), 1);
        if self.places.below_children.contains(&type_id)
            && let Some(above) = objects.get(&holder).and_then(|holder| holder.parent)
        {
            step(&mut self.below_children, (above, type_id), 1);
        }
    }

    /// Where an object counts, if at all.
    fn holders(&self, object: Option<&Object>) -> Vec<(Uuid, TypeId)> {
        let Some(object) = object.filter(|object| !object.hidden) else { return Vec::new() };
        let type_id = object.type_id;
        if self.places.counted.get(usize::from(type_id.0)) != Some(&true) {
            return Vec::new();
        }
        if let Some((_, reference)) = self.places.referring.filter(|(kind, _)| *kind == type_id) {
            return object.links_of(reference).iter().map(|link| (link.target, type_id)).collect();
        }
        let of_all = |(kind, property): (TypeId, PropertyId)| {
            kind == type_id && object.plain_text(property).is_some_and(|text| &**text == "true")
        };
        if self.places.all_applications.is_some_and(of_all) {
            return Vec::new();
        }
        object.parent.map(|parent| (parent, type_id)).into_iter().collect()
    }

    fn replace_parts(&mut self, before: Option<(&Object, usize)>, after: Option<(&Object, usize)>) {
        let Some((any, _)) = after.or(before) else { return };
        let counted = |state: Option<(&Object, usize)>, count: &dyn Fn(&Object, usize) -> usize| {
            let (object, subnets) = state.filter(|(object, _)| !object.hidden)?;
            Some(((object.parent?, object.type_id), count(object, subnets)))
        };
        let (old, new) = if Some(any.type_id) == self.places.virtual_network {
            let count = |_: &Object, subnets| subnets;
            (counted(before, &count), counted(after, &count))
        } else if let Some((_, property)) = self.places.rules.filter(|(kind, _)| *kind == any.type_id) {
            // Nearly no change is of the rules, which would have to be read.
            if let (Some((before, _)), Some((after, _))) = (before, after)
                && before.property_text(property) == after.property_text(property)
                && before.hidden == after.hidden
            {
                return;
            }
            let count = |object: &Object, _| rule_count(object.property(property).as_ref());
            (counted(before, &count), counted(after, &count))
        } else {
            return;
        };
        if old != new {
            if let Some((key, count)) = old {
                subtract(&mut self.parts, key, count);
            }
            if let Some((key, count)) = new {
                add(&mut self.parts, key, count);
            }
        }
    }

    /// All of them, for comparison.
    pub fn all(&self) -> impl Iterator<Item = (&'static str, Uuid, TypeId, usize)> {
        let named = |name, counts: &HashMap<(Uuid, TypeId), usize>| {
            counts.iter().map(|((holder, type_id), count)| (name, *holder, *type_id, *count)).collect::<Vec<_>>()
        };
        let all = [
            named("objects", &self.objects),
            named("objects below children", &self.below_children),
            named("parts", &self.parts),
        ];
        all.into_iter().flatten()
    }
}

/// How many rules the entries of a security group have.
pub fn rule_count(entries: Option<&Value>) -> usize {
    let rules = entries.and_then(|entries| entries.get("policy_rule")).and_then(Value::as_array);
    rules.map_or(0, Vec::len)
}

type Step = fn(&mut HashMap<(Uuid, TypeId), usize>, (Uuid, TypeId), usize);

fn add(counts: &mut HashMap<(Uuid, TypeId), usize>, key: (Uuid, TypeId), number: usize) {
    if number > 0 {
        *counts.entry(key).or_insert(0) += number;
    }
}

fn subtract(counts: &mut HashMap<(Uuid, TypeId), usize>, key: (Uuid, TypeId), number: usize) {
    let Some(count) = counts.get(&key).copied() else { return };
    if count > number {
        counts.insert(key, count - number);
    } else {
        counts.remove(&key);
    }
}
