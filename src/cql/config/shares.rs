//! `obj_shared_table`: a type is a row, which has a column for each share of each object. No daemon reads it.

use super::{
    Snapshot,
    output::{ColumnName, Flow, Gate, Offer, Output, Text, Value},
    types::Types,
};
use crate::{
    graph::{Column, Grantee, Object},
    model::{Model, TypeId, field_name},
    wide_row::Read,
};
use std::{collections::BTreeMap, ops::Bound, sync::Arc};

/// Rights as text.
const RIGHTS: [&str; 8] = ["0", "1", "2", "3", "4", "5", "6", "7"];

/// The columns of the table in the order of a question.
pub struct Shares {
    snapshot: Arc<Snapshot>,
    types: Types,
    /// The objects of the type that were not looked at yet; none after the last.
    next: Option<Bound<Arc<str>>>,
    /// The columns of the type, with the rights and the revision of each.
    columns: BTreeMap<Vec<u8>, (u8, u64)>,
}

impl Shares {
    /// At the begin of the answer.
    pub fn new(snapshot: &Arc<Snapshot>, read: &Read) -> Self {
        Self {
            snapshot: Arc::clone(snapshot),
            types: Types::new(&snapshot.plans, read),
            next: Some(Bound::Unbounded),
            columns: BTreeMap::new(),
        }
    }

    /// Offers what comes next until somebody says that it is enough. It ends when nothing more comes.
    pub fn advance<O: Output>(&mut self, read: &Read, gate: &mut Gate<'_, O>) -> Flow {
        let snapshot = Arc::clone(&self.snapshot);
        while let Some(type_id) = self.types.current(&snapshot.plans, read) {
            self.gather(&snapshot, type_id, gate)?;
            self.offer(&snapshot, type_id, read, gate)?;
            self.types.go_on();
            self.next = Some(Bound::Unbounded);
            self.columns.clear();
            gate.step()?;
        }
        Flow::Continue(())
    }

    fn gather<O: Output>(&mut self, snapshot: &Snapshot, type_id: TypeId, gate: &mut Gate<'_, O>) -> Flow {
        let Some(next) = self.next.clone() else { return Flow::Continue(()) };
        for object in snapshot.graph.objects_in(type_id, &next) {
            self.columns.extend(shares_of(snapshot.graph.model(), object));
            self.next = Some(Bound::Excluded(Arc::clone(object.fq_name.joined())));
            gate.step()?;
        }
        self.next = None;
        Flow::Continue(())
    }

    fn offer<O: Output>(&mut self, snapshot: &Snapshot, type_id: TypeId, read: &Read, gate: &mut Gate<'_, O>) -> Flow {
        let key = Text::Bytes(snapshot.plans.of(type_id).map_or(&b""[..], |plan| &plan.key));
        let floor = self.types.floor.clone();
        let from = floor.as_deref().map_or(Bound::Unbounded, Bound::Excluded);
        for (column, (rights, revision)) in self.columns.range::<[u8], _>((from, Bound::Unbounded)) {
            self.types.floor = Some(column.clone().into());
            if !read.columns.has(column) {
                gate.step()?;
                continue;
            }
            let value = Value::Text(RIGHTS.get(usize::from(*rights)).copied().unwrap_or("0"));
            gate.offer(&Offer { key, column: ColumnName::whole(column), value }, || {
                snapshot.graph.write_time(*revision)
            })?;
        }
        Flow::Continue(())
    }
}

/// With whom an object is shared: the columns, each with the rights and the revision at which `perms2` became what it is.
fn shares_of(model: &Model, object: &Object) -> impl Iterator<Item = (Vec<u8>, (u8, u64))> {
    let permissions = &object.permissions;
    let everybody = Some((Grantee::Everybody, permissions.global_access)).filter(|(_, rights)| *rights > 0);
    let perms2 = model.object_type(object.type_id).property(field_name::PERMS2);
    everybody.into_iter().chain(permissions.shares.iter().copied()).map(move |(grantee, rights)| {
        let column = match grantee {
            Grantee::Everybody => format!("global::{}", object.uuid),
            Grantee::Project(project) => format!("tenant:{project}:{}", object.uuid),
            Grantee::Domain(domain) => format!("domain:{domain}:{}", object.uuid),
        };
        let written = perms2.map_or(object.created, |(id, _)| object.written_at(&Column::Property(id)));
        (column.into_bytes(), (rights, written))
    })
}
