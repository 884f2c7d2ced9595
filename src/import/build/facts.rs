//! What rows say of other rows: it follows from those, or should.

use super::{Objects, Told, in_order, named};
use crate::{
    graph::Grantee,
    import::findings::{self, Report},
    model::Model,
};
use uuid::Uuid;

/// References that do not stop a delete: the other row says so.
pub fn relax(objects: &mut Objects, told: &Told, report: &mut Report) {
    for (target, by) in &told.relaxed {
        if !objects.contains_key(target) {
            continue;
        }
        match objects.get_mut(by) {
            Some(staged) => staged.object.relax(*target),
            None => report.add(findings::RELAXED_FOR_NOBODY, format_args!("row {target}"), format_args!("of {by}")),
        }
    }
}

/// Back references, children and shares.
pub fn compare(model: &Model, objects: &Objects, told: &Told, report: &mut Report) {
    let refers = |source: &Uuid, target: Uuid| {
        let (source, target) = objects.get(source).zip(objects.get(&target))?;
        let (reference, _) = model.object_type(source.object.type_id).reference_to(target.object.type_id)?;
        source.object.link(reference, target.object.uuid)
    };
    for (target, source) in &told.back_references {
        if let Some(staged) = objects.get(target).filter(|_| refers(source, *target).is_none()) {
            report.add(
                findings::BACK_REFERENCE_DIFFERS,
                named(model, staged),
                format_args!("{source} does not refer to it"),
            );
        }
    }
    for (parent, child) in &told.children {
        let is_child = |child: &Uuid| objects.get(child).is_some_and(|staged| staged.object.parent == Some(*parent));
        if let Some(staged) = objects.get(parent).filter(|_| !is_child(child)) {
            report.add(findings::CHILD_DIFFERS, named(model, staged), format_args!("{child} is no child of it"));
        }
    }
    for uuid in in_order(objects) {
        let Some(staged) = objects.get(&uuid) else { continue };
        let kind = model.object_type(staged.object.type_id);
        // A source that says nothing of that kind does not lack it.
        for link in staged.object.links.iter().filter(|_| !told.back_references.is_empty()) {
            let is_directed = kind.references.get(usize::from(link.reference.0)).is_some_and(|known| !known.symmetric);
            if is_directed
                && told.back_references.binary_search(&(link.target, uuid)).is_err()
                && let Some(target) = objects.get(&link.target)
            {
                let what = format_args!("{} refers to it", named(model, staged));
                report.add(findings::BACK_REFERENCE_MISSING, named(model, target), what);
            }
        }
        if let Some(parent) = staged.object.parent
            && !told.children.is_empty()
            && told.children.binary_search(&(parent, uuid)).is_err()
            && let Some(parent) = objects.get(&parent)
        {
            let what = format_args!("{} is below it", named(model, staged));
            report.add(findings::CHILD_NOT_LISTED, named(model, parent), what);
        }
    }
    for (with, uuid, access) in &told.shares {
        let Some(staged) = objects.get(uuid) else {
            report.add(
                findings::SHARE_DIFFERS,
                format_args!("obj_shared_table {with}"),
                format_args!("there is no {uuid}"),
            );
            continue;
        };
        let permissions = &staged.object.permissions;
        let said = access.trim_matches('"').parse::<u8>().ok();
        let is_said = match with.strip_prefix("global:") {
            Some(_) => said == Some(permissions.global_access),
            None => Grantee::parse(with).is_some_and(|grantee| {
                permissions.shares.iter().any(|share| Some(*share) == said.map(|said| (grantee, said)))
            }),
        };
        if !is_said {
            let what = format_args!("the table says {access} for {with}");
            report.add(findings::SHARE_DIFFERS, named(model, staged), what);
        }
    }
}
