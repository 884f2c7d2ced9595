//! Names: each type has each once, and the table of names says the same as the objects.

use super::{Objects, Told, in_order, named};
use crate::{
    import::findings::{self, Report},
    model::{Model, TypeId},
};
use percent_encoding::percent_decode_str;
use std::{
    collections::{HashMap, HashSet, hash_map::Entry},
    sync::Arc,
};
use uuid::Uuid;

/// A type and a joined name of it.
type Name = (TypeId, Arc<str>);

/// Of several objects with one name, keeps the one that the table of names names, or else the oldest.
pub fn keep_one_of_each(model: &Model, objects: &mut Objects, told: &Told, report: &mut Report) {
    let mut holders: HashMap<Name, Uuid> = HashMap::with_capacity(objects.len());
    let mut left_out = Vec::new();
    let name_of = |objects: &Objects, uuid: Uuid| {
        let object = &objects.get(&uuid)?.object;
        Some((object.type_id, Arc::clone(object.fq_name.joined())))
    };
    let mut shared: HashSet<Name> = HashSet::new();
    let order = in_order(objects);
    for uuid in &order {
        let Some(name) = name_of(objects, *uuid) else { continue };
        match holders.entry(name) {
            Entry::Occupied(known) => _ = shared.insert(known.key().clone()),
            Entry::Vacant(new) => _ = new.insert(*uuid),
        }
    }
    if shared.is_empty() {
        return;
    }
    for (_, _, uuid, _) in &told.names {
        if let Some(uuid) = uuid
            && let Some(name) = name_of(objects, *uuid).filter(|name| shared.contains(name))
        {
            holders.insert(name, *uuid);
        }
    }
    for uuid in order {
        let Some(name) = name_of(objects, uuid).filter(|name| shared.contains(name)) else { continue };
        if let Some(holder) = holders.get(&name).filter(|holder| **holder != uuid)
            && let Some(staged) = objects.get(&uuid)
        {
            report.add(findings::NAME_TWICE, named(model, staged), format_args!("{holder} has its name, too"));
            left_out.push(uuid);
        }
    }
    for uuid in left_out {
        objects.remove(&uuid);
    }
}

/// Compares the table of names with the objects, if there is one.
pub fn compare(model: &Model, objects: &Objects, told: &Told, report: &mut Report) {
    if told.names.is_empty() {
        return;
    }
    let mut seen: HashSet<Uuid> = HashSet::with_capacity(told.names.len());
    for (kind, joined, uuid, text) in &told.names {
        let entry = format!("obj_fq_name_table {kind} {text}");
        let staged = uuid.and_then(|uuid| objects.get(&uuid));
        let Some(staged) = staged.filter(|staged| model.find(kind) == Some(staged.object.type_id)) else {
            report.add(findings::NAME_WITHOUT_OBJECT, entry, "there is no such object");
            continue;
        };
        let own = staged.object.fq_name.joined();
        if &**own != joined && **own != *unquoted(joined) {
            report.add(findings::NAME_DIFFERS, named(model, staged), format_args!("the table has {joined}"));
        } else if !seen.insert(staged.object.uuid) {
            report.add(findings::NAME_DIFFERS, named(model, staged), "the table has it twice");
        }
    }
    let others: HashSet<Uuid> = told.names.iter().filter_map(|(_, _, uuid, _)| *uuid).collect();
    for uuid in in_order(objects) {
        if let Some(staged) = objects.get(&uuid).filter(|_| !others.contains(&uuid)) {
            report.add(findings::OBJECT_WITHOUT_NAME, named(model, staged), "the table of names lacks it");
        }
    }
}

/// A name as old servers quoted it.
fn unquoted(joined: &str) -> String {
    percent_decode_str(&joined.replace('+', " ")).decode_utf8_lossy().into_owned()
}
