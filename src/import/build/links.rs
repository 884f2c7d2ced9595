//! References: each leads to an object of the type that it says, and those that two objects have to each other are on both.

use super::{Objects, in_order, named};
use crate::{
    graph::{Column, Link},
    import::findings::{self, Report},
    model::Model,
};
use std::collections::HashSet;
use uuid::Uuid;

/// Leaves out those that lead to nothing, and makes other ends that are missing.
pub fn settle(model: &Model, objects: &mut Objects, report: &mut Report) {
    let mut other_ends: Vec<(Uuid, Link)> = Vec::new();
    for uuid in in_order(objects) {
        let Some(staged) = objects.get(&uuid) else { continue };
        let kind = model.object_type(staged.object.type_id);
        let mut dropped: HashSet<Uuid> = HashSet::new();
        for link in &staged.object.links {
            let Some(reference) = kind.references.get(usize::from(link.reference.0)) else { continue };
            let field = &reference.field;
            match objects.get(&link.target) {
                None => {
                    let what = format_args!("{field} has {}", link.target);
                    report.add(findings::DANGLING_REFERENCE, named(model, staged), what);
                    dropped.insert(link.target);
                }
                Some(target) if target.object.type_id != reference.target => {
                    let what = format_args!("{field} has {}", named(model, target));
                    report.add(findings::WRONG_TARGET, named(model, staged), what);
                    dropped.insert(link.target);
                }
                Some(target) => {
                    if reference.symmetric && target.object.link(link.reference, uuid).is_none() {
                        let what = format_args!("{} does not refer to it", named(model, target));
                        report.add(findings::ONE_SIDED, named(model, staged), what);
                        other_ends.push((link.target, Link { target: uuid, ..link.clone() }));
                    }
                }
            }
        }
        if !dropped.is_empty()
            && let Some(staged) = objects.get_mut(&uuid)
        {
            staged.object.links.retain(|link| !dropped.contains(&link.target));
            staged.times.retain(|(column, _)| !matches!(column, Column::Link(target) if dropped.contains(target)));
        }
    }
    for (uuid, link) in other_ends {
        if let Some(staged) = objects.get_mut(&uuid) {
            staged.object.links.push(link);
            staged.object.links.sort_by_key(|link| (link.reference, link.target));
        }
    }
}
