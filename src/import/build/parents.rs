//! Parents: each object has one of those that its type may have, and all are below the top.

use super::{Objects, in_order, named};
use crate::{
    import::findings::{self, Report},
    model::{CONFIG_ROOT, Model, ObjectType, Parent, TypeId},
};
use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};
use uuid::Uuid;

/// Leaves out what has no place.
pub fn settle(model: &Model, objects: &mut Objects, report: &mut Report) {
    find_by_name(model, objects, report);
    let mut children: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
    let mut reached: HashSet<Uuid> = HashSet::with_capacity(objects.len());
    let mut next = Vec::new();
    for (uuid, staged) in &*objects {
        match staged.object.parent {
            Some(parent) => children.entry(parent).or_default().push(*uuid),
            None => next.push(*uuid),
        }
    }
    let has_place = |objects: &Objects, uuid: &Uuid| {
        let Some(staged) = objects.get(uuid) else { return false };
        let kind = model.object_type(staged.object.type_id);
        match staged.object.parent {
            Some(parent) => {
                objects.get(&parent).is_some_and(|parent| kind.parents.contains(&Parent::Type(parent.object.type_id)))
            }
            None => may_be_at_top(kind),
        }
    };
    while let Some(uuid) = next.pop() {
        if has_place(objects, &uuid) && reached.insert(uuid) {
            next.extend(children.get(&uuid).into_iter().flatten());
        }
    }
    for uuid in in_order(objects).into_iter().filter(|uuid| !reached.contains(uuid)) {
        let Some(staged) = objects.get(&uuid) else { continue };
        let whom = named(model, staged);
        match staged.object.parent {
            None => report.add(findings::PARENT_MISSING, whom, "its type needs one, and none is known"),
            Some(parent) => match objects.get(&parent) {
                None => report.add(findings::PARENT_MISSING, whom, format_args!("there is no {parent}")),
                Some(found) if is_in_circle(objects, uuid) => {
                    report.add(findings::PARENT_CYCLE, whom, format_args!("by {}", named(model, found)));
                }
                Some(found) if !has_place(objects, &uuid) => {
                    report.add(findings::WRONG_PARENT, whom, format_args!("it is {}", named(model, found)));
                }
                Some(found) => {
                    report.add(findings::PARENT_MISSING, whom, format_args!("{} is left out", named(model, found)));
                }
            },
        }
    }
    objects.retain(|uuid, _| reached.contains(uuid));
    compare_names(model, objects, report);
}

fn may_be_at_top(kind: &ObjectType) -> bool {
    kind.parents.is_empty() || kind.parents.contains(&Parent::ConfigRoot)
}

/// Whether an object is below itself, or below one that is.
fn is_in_circle(objects: &Objects, uuid: Uuid) -> bool {
    let mut seen = HashSet::new();
    let mut at = Some(uuid);
    while let Some(uuid) = at {
        if !seen.insert(uuid) {
            return true;
        }
        at = objects.get(&uuid).and_then(|staged| staged.object.parent);
    }
    false
}

/// Where no column says which object is the parent, its name may.
fn find_by_name(model: &Model, objects: &mut Objects, report: &mut Report) {
    let says_so = |told: Option<&str>| told.is_some_and(|told| told != CONFIG_ROOT && told != "config_root");
    let lost: Vec<Uuid> = in_order(objects)
        .into_iter()
        .filter(|uuid| {
            objects.get(uuid).is_some_and(|staged| {
                let kind = model.object_type(staged.object.type_id);
                staged.object.parent.is_none() && (!may_be_at_top(kind) || says_so(staged.parent_type.as_deref()))
            })
        })
        .collect();
    if lost.is_empty() {
        return;
    }
    let names: HashMap<(TypeId, Arc<str>), Uuid> = objects
        .values()
        .map(|staged| ((staged.object.type_id, Arc::clone(staged.object.fq_name.joined())), staged.object.uuid))
        .collect();
    for uuid in lost {
        let Some(staged) = objects.get(&uuid) else { continue };
        let kind = model.object_type(staged.object.type_id);
        let Some((above, _)) = staged.object.fq_name.joined().rsplit_once(':') else { continue };
        let above: Arc<str> = above.into();
        let wanted = staged.parent_type.as_deref().and_then(|name| model.find(name));
        let types = kind.parents.iter().filter_map(|parent| match parent {
            Parent::Type(id) => Some(*id),
            Parent::ConfigRoot => None,
        });
        let mut types = types.filter(|id| wanted.is_none_or(|wanted| wanted == *id));
        let Some(parent) = types.find_map(|id| names.get(&(id, Arc::clone(&above))).copied()) else { continue };
        report.add(findings::PARENT_BY_NAME, named(model, staged), format_args!("it is {parent}"));
        if let Some(staged) = objects.get_mut(&uuid) {
            staged.object.parent = Some(parent);
        }
    }
}

fn compare_names(model: &Model, objects: &Objects, report: &mut Report) {
    for uuid in in_order(objects) {
        let Some(staged) = objects.get(&uuid) else { continue };
        let Some(parent) = staged.object.parent.and_then(|parent| objects.get(&parent)) else { continue };
        let above = parent.object.fq_name.joined();
        let rest = staged.object.fq_name.joined().strip_prefix(&**above);
        if !rest.is_some_and(|rest| rest.starts_with(':')) {
            report.add(findings::NAME_NOT_BELOW_PARENT, named(model, staged), format_args!("its parent is {above}"));
        }
    }
}
