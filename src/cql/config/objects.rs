//! `obj_uuid_table`: an object is a row, which has a column for each property, link, child and so on.

use super::{
    Snapshot,
    elements::Elements,
    output::{ColumnName, Flow, Gate, Offer, Output, Stop, Text, Value},
    plan::{Part, PartOf, Section, TypePlan},
};
use crate::{
    graph::{Column, Graph, Object, PropertyText},
    model::{PropertyId, TypeId},
    pace::Pace,
    wide_row::{Columns, Keys, Place, Read},
};
use bytes::Bytes;
use std::{
    ops::{Bound, ControlFlow},
    sync::Arc,
};
use uuid::{Uuid, fmt::Hyphenated};

/// A uuid as text.
type UuidText = [u8; Hyphenated::LENGTH];

/// The children of one type of an object, by uuid, each with the order number of its creation.
pub type Children = Arc<[(Uuid, u64)]>;

/// The object with this key. An object has one key: the text of its uuid as we write it.
fn with_key<'g>(graph: &'g Graph, key: &[u8]) -> Option<&'g Arc<Object>> {
    graph.get(uuid_of(key)?)
}

fn uuid_of(key: &[u8]) -> Option<Uuid> {
    let uuid = Uuid::try_parse_ascii(key).ok()?;
    (text_of(uuid).as_slice() == key).then_some(uuid)
}

fn text_of(uuid: Uuid) -> UuidText {
    let mut text = [0; Hyphenated::LENGTH];
    uuid.hyphenated().encode_lower(&mut text);
    text
}

/// A uuid that is no greater than any whose text is no smaller than this one, and hardly ever smaller than the first of these.
fn first_uuid(text: &[u8]) -> Uuid {
    let hexadecimal =
        text.iter().take(Hyphenated::LENGTH).take_while(|byte| byte.is_ascii_hexdigit() || **byte == b'-');
    let digits = hexadecimal.filter_map(|byte| char::from(*byte).to_digit(16));
    let number =
        digits.take(32).zip(0..).fold(0, |number, (digit, place)| number | u128::from(digit) << (124 - 4 * place));
    Uuid::from_u128(number)
}

/// Which of several neighbours are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Choice {
    None,
    All,
    /// Each has to be looked at.
    Some,
}

impl Choice {
    /// Of the columns that begin so.
    fn of(columns: &Columns, beginning: &[u8]) -> Self {
        let (from, to) = match columns {
            Columns::Slice(from, to) => (from, to),
            Columns::These(these) => {
                let next = these.range::<[u8], _>((Bound::Included(beginning), Bound::Unbounded)).next();
                return if next.is_some_and(|next| next.starts_with(beginning)) { Self::Some } else { Self::None };
            }
        };
        let (begins, ends) = (
            match from {
                Bound::Unbounded => Self::All,
                Bound::Included(from) | Bound::Excluded(from) => Self::after(from, beginning),
            },
            match to {
                Bound::Unbounded => Self::All,
                Bound::Included(to) | Bound::Excluded(to) => match Self::after(to, beginning) {
                    Self::None => Self::All,
                    Self::All => Self::None,
                    Self::Some => Self::Some,
                },
            },
        );
        match (begins, ends) {
            (Self::None, _) | (_, Self::None) => Self::None,
            (Self::All, Self::All) => Self::All,
            _ => Self::Some,
        }
    }

    /// Of the columns that begin so: those that come after this one. The beginning is no column itself.
    fn after(column: &[u8], beginning: &[u8]) -> Self {
        if column <= beginning {
            Self::All
        } else if column.starts_with(beginning) {
            Self::Some
        } else {
            Self::None
        }
    }
}

/// The objects whose rows an answer may have, in its order.
pub type Rows = Arc<[Arc<Object>]>;

/// Those that are asked for by their keys, from where the answer goes on.
pub async fn rows_with(graph: &Graph, keys: &[Bytes], after: Option<&Place>) -> Rows {
    let first = after.map_or(Some(0), |after| keys.iter().position(|key| *key == after.key));
    let mut rows = Vec::with_capacity(keys.len());
    let mut pace = Pace::behind_others();
    for key in first.and_then(|first| keys.get(first..)).unwrap_or_default() {
        rows.extend(with_key(graph, key).cloned());
        pace.step().await;
    }
    rows.into()
}

/// The rows of the table in the order of a question.
pub struct Objects {
    snapshot: Arc<Snapshot>,
    rows: Rows,
    /// The index of the row that is next, ...
    next: usize,
    /// ... and the column of it that was the last one.
    floor: Option<Vec<u8>>,
    /// How much of each section is asked for.
    sections: [Choice; Section::ALL.len()],
    /// How far it is known when the row that is next was written.
    latest: Option<Latest>,
    // What was sorted last, for the case that a row is interrupted in the middle of it.
    children: Option<(Uuid, TypeId, Children)>,
    elements: Option<Elements>,
    /// Memory to be used again.
    parts: Vec<Part>,
    column: Vec<u8>,
}

/// When a row was written: the latest of its columns, as far as was looked.
struct Latest {
    revision: u64,
    /// The back reference that is next; none when all were looked at.
    next: Option<(TypeId, Uuid)>,
}

/// Why no more of a row is offered.
enum Halt {
    /// What follows is not asked for.
    Beyond,
    Stop(Stop),
}

impl Objects {
    /// At the begin of the answer, which has these rows, or some of them.
    pub fn new(snapshot: &Arc<Snapshot>, read: &Read, rows: Rows) -> Self {
        let sections = Section::ALL.map(|section| match section.is_single() {
            true if read.columns.has(section.column()) => Choice::All,
            true => Choice::None,
            false => Choice::of(&read.columns, section.column()),
        });
        let after = read.after.as_ref().map(|after| (uuid_of(&after.key).unwrap_or_else(Uuid::max), &after.column));
        let next = match (after, &read.keys) {
            (Some((uuid, _)), Keys::All) => rows.partition_point(|object| object.uuid < uuid),
            _ => 0,
        };
        // The row may be gone by now.
        let is_there = |uuid: Uuid| rows.get(next).is_some_and(|object| object.uuid == uuid);
        let floor = after.filter(|(uuid, _)| is_there(*uuid)).map(|(_, column)| column.to_vec());
        Self {
            snapshot: Arc::clone(snapshot),
            rows,
            next,
            floor,
            sections,
            latest: None,
            children: None,
            elements: None,
            parts: Vec::new(),
            column: Vec::new(),
        }
    }

    /// All rows that it goes through, those that have passed, too.
    pub fn rows(&self) -> Rows {
        Arc::clone(&self.rows)
    }

    /// Offers what comes next until somebody says that it is enough. It ends when nothing more comes.
    pub fn advance<O: Output>(&mut self, read: &Read, gate: &mut Gate<'_, O>) -> Flow {
        let snapshot = Arc::clone(&self.snapshot);
        let rows = Arc::clone(&self.rows);
        while let Some(object) = rows.get(self.next) {
            self.row(&snapshot, object, read, gate)?;
            self.next += 1;
            self.floor = None;
            self.latest = None;
            gate.step()?;
        }
        Flow::Continue(())
    }

    fn row<O: Output>(&mut self, snapshot: &Snapshot, object: &Object, read: &Read, gate: &mut Gate<'_, O>) -> Flow {
        let Some(plan) = snapshot.plans.of(object.type_id) else { return Flow::Continue(()) };
        self.list_parts(snapshot, object);
        let mut row = Row {
            snapshot,
            object,
            plan,
            columns: &read.columns,
            floor: self.floor.as_deref(),
            sections: &self.sections,
            latest: &mut self.latest,
            children: &mut self.children,
            elements: &mut self.elements,
            column: &mut self.column,
            paused_at: None,
            gate,
        };
        for part in &self.parts {
            match row.part(part) {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(Halt::Beyond) => break,
                ControlFlow::Break(Halt::Stop(stop)) => {
                    if let Some(column) = row.paused_at {
                        self.floor = Some(column);
                    }
                    return Flow::Break(stop);
                }
            }
        }
        Flow::Continue(())
    }

    fn has(&self, section: Section) -> bool {
        self.sections.get(section as usize).is_some_and(|choice| *choice != Choice::None)
    }

    /// The parts of a row that are asked for, in their order; where only some of one are, maybe others, too.
    fn list_parts(&mut self, snapshot: &Snapshot, object: &Object) {
        let Snapshot { graph, plans, .. } = snapshot;
        let mut parts = std::mem::take(&mut self.parts);
        parts.clear();
        let single = [Section::Latest, Section::Name, Section::Relaxing, Section::Type];
        parts.extend(single.into_iter().filter(|section| self.has(*section)).map(Part::whole));
        if self.has(Section::BackReferences) {
            let types = graph.referrer_types(object.uuid);
            parts.extend(types.map(|type_id| plans.about(Section::BackReferences, type_id)));
        }
        if self.has(Section::Children) {
            let types = graph.child_types(object.uuid);
            parts.extend(types.map(|type_id| plans.about(Section::Children, type_id)));
        }
        if let Some(parent) = object.parent
            && (self.has(Section::Parent) || self.has(Section::ParentType))
            && let Some(parent) = graph.get(parent)
        {
            let of = [Section::Parent, Section::ParentType].into_iter().filter(|section| self.has(*section));
            parts.extend(of.map(|section| plans.about(section, parent.type_id)));
        }
        let own = [Section::Properties, Section::Lists, Section::Maps, Section::References];
        if own.into_iter().any(|section| self.has(section)) {
            plans.own_parts(object, &mut parts);
            parts.retain(|part| self.has(part.section));
        }
        parts.sort_unstable_by_key(Part::order);
        self.parts = parts;
    }
}

/// A row while it is offered, column by column.
struct Row<'r, 'v, O> {
    snapshot: &'r Snapshot,
    object: &'r Object,
    plan: &'r TypePlan,
    columns: &'r Columns,
    /// Only what comes after it.
    floor: Option<&'r [u8]>,
    sections: &'r [Choice; Section::ALL.len()],
    latest: &'r mut Option<Latest>,
    children: &'r mut Option<(Uuid, TypeId, Children)>,
    elements: &'r mut Option<Elements>,
    column: &'r mut Vec<u8>,
    /// The last column that was looked at before it was enough for now.
    paused_at: Option<Vec<u8>>,
    gate: &'r mut Gate<'v, O>,
}

type Step = ControlFlow<Halt>;

impl<O: Output> Row<'_, '_, O> {
    fn part(&mut self, part: &Part) -> Step {
        let Snapshot { plans, graph, .. } = self.snapshot;
        let own = self.plan;
        let object = self.object;
        match (part.section, part.of) {
            (Section::Latest, _) => {
                if !self.is_due(Section::Latest.column()) {
                    return Step::Continue(());
                }
                let latest = if self.gate.output.wants_time() { self.latest()? } else { 0 };
                self.offer(ColumnName::whole(Section::Latest.column()), Value::NULL, || latest)
            }
            (Section::Name, _) => {
                self.single(Section::Name.column(), Value::Name(&object.fq_name), || object.written_at(&Column::Name))
            }
            (Section::Type, _) => self.single(Section::Type.column(), Value::Text(&own.type_value), || object.created),
            (Section::Relaxing, _) => {
                let beginning = Section::Relaxing.column();
                let choice = self.choice(part.section, beginning);
                if choice == Choice::None {
                    return Step::Continue(());
                }
                let from = self.first(choice, beginning);
                for uuid in graph.relaxing_from(object.uuid, from) {
                    self.cell(choice, beginning, Text::Uuid(uuid), Value::NULL, || {
                        relaxed_at(graph, uuid, object.uuid)
                    })?;
                }
                Step::Continue(())
            }
            (Section::Properties, PartOf::Property(index)) => {
                let Some((id, text)) = object.properties.get(index) else { return Step::Continue(()) };
                let Some(property) = own.property(*id) else { return Step::Continue(()) };
                let column = &property.column;
                if self.sections.get(part.section as usize) != Some(&Choice::All) && !self.columns.has(column) {
                    return Step::Continue(());
                }
                // Nothing is what a null says, and readers take it so.
                let text = &text.text();
                if text == "null" {
                    return Step::Continue(());
                }
                self.single(column, Value::Text(text), || object.written_at(&Column::Property(*id)))
            }
            (Section::Lists | Section::Maps, PartOf::Property(index)) => self.elements_of(part.section, index),
            (Section::BackReferences, PartOf::Type(source)) => match plans.of(source) {
                Some(plan) => self.back_references(source, &plan.back_reference),
                None => Step::Continue(()),
            },
            (Section::Children, PartOf::Type(child)) => match plans.of(child) {
                Some(plan) => self.children_of(child, &plan.child),
                None => Step::Continue(()),
            },
            (Section::Parent, PartOf::Type(parent)) => {
                let (Some(plan), Some(uuid)) = (plans.of(parent), object.parent) else { return Step::Continue(()) };
                let choice = self.choice(part.section, &plan.parent);
                self.cell(choice, &plan.parent, Text::Uuid(uuid), Value::NULL, || object.written_at(&Column::Parent))
            }
            (Section::ParentType, PartOf::Type(parent)) => {
                let Some(plan) = plans.of(parent) else { return Step::Continue(()) };
                let value = Value::Text(&plan.parent_type_value);
                self.single(Section::ParentType.column(), value, || object.written_at(&Column::Parent))
            }
            (Section::References, PartOf::Links(target, start, end)) => match plans.of(target) {
                Some(plan) => self.references(&plan.reference, start, end),
                None => Step::Continue(()),
            },
            _ => Step::Continue(()),
        }
    }

    /// Whether a column that is asked for was not offered before.
    fn is_due(&self, column: &[u8]) -> bool {
        self.floor.is_none_or(|floor| column > floor)
    }

    fn single(&mut self, column: &[u8], value: Value<'_>, revision: impl FnOnce() -> u64) -> Step {
        if self.is_due(column) { self.offer(ColumnName::whole(column), value, revision) } else { Step::Continue(()) }
    }

    /// How many of the columns of a section that begin so are asked for and were not offered before.
    fn choice(&self, section: Section, beginning: &[u8]) -> Choice {
        let asked = match self.sections.get(section as usize) {
            Some(Choice::All) => Choice::All,
            _ => Choice::of(self.columns, beginning),
        };
        match self.floor.map_or(Choice::All, |floor| Choice::after(floor, beginning)) {
            Choice::All => asked,
            Choice::None => Choice::None,
            Choice::Some if asked == Choice::None => Choice::None,
            Choice::Some => Choice::Some,
        }
    }

    /// Where to begin among columns that begin so and end with a uuid.
    fn first(&self, choice: Choice, beginning: &[u8]) -> Uuid {
        if choice == Choice::All {
            return Uuid::nil();
        }
        let from = match self.columns {
            Columns::Slice(Bound::Included(from) | Bound::Excluded(from), _) => Some(from.as_ref()),
            Columns::Slice(Bound::Unbounded, _) => None,
            Columns::These(these) => {
                these.range::<[u8], _>((Bound::Included(beginning), Bound::Unbounded)).next().map(AsRef::as_ref)
            }
        };
        let rests = [from, self.floor].into_iter().flatten().filter_map(|column| column.strip_prefix(beginning));
        rests.map(first_uuid).max().unwrap_or_default()
    }

    /// One of several columns that begin alike.
    fn cell(
        &mut self,
        choice: Choice,
        beginning: &[u8],
        rest: Text<'_>,
        value: Value<'_>,
        revision: impl FnOnce() -> u64,
    ) -> Step {
        match choice {
            Choice::None => return Step::Continue(()),
            Choice::All => {}
            Choice::Some => {
                self.column.clear();
                ColumnName(beginning, rest).write(self.column);
                if self.floor.is_some_and(|floor| self.column.as_slice() <= floor) {
                    return Step::Continue(());
                }
                if !self.columns.has(self.column) {
                    if is_beyond(self.columns, self.column) {
                        return Step::Break(Halt::Beyond);
                    }
                    let flow = self.gate.step();
                    return self.looked_at(flow, ColumnName(beginning, rest));
                }
            }
        }
        self.offer(ColumnName(beginning, rest), value, revision)
    }

    fn offer(&mut self, column: ColumnName<'_>, value: Value<'_>, revision: impl FnOnce() -> u64) -> Step {
        let graph = &self.snapshot.graph;
        let flow = self
            .gate
            .offer(&Offer { key: Text::Uuid(self.object.uuid), column, value }, || graph.write_time(revision()));
        self.looked_at(flow, column)
    }

    fn looked_at(&mut self, flow: Flow, column: ColumnName<'_>) -> Step {
        flow.map_break(|stop| {
            self.paused_at = Some(column.to_bytes());
            Halt::Stop(stop)
        })
    }

    fn elements_of(&mut self, section: Section, index: usize) -> Step {
        let object = self.object;
        let Some((id, PropertyText::Plain(text))) = object.properties.get(index) else { return Step::Continue(()) };
        let Some(plan) = self.plan.property(*id) else { return Step::Continue(()) };
        let choice = self.choice(section, &plan.column);
        if choice == Choice::None {
            return Step::Continue(());
        }
        let kept = self.elements.take().filter(|kept| kept.are_of(object.uuid, *id));
        let Some(elements) = kept.or_else(|| self.elements(*id, text)) else { return Step::Continue(()) };
        let floor = self.floor.and_then(|floor| floor.strip_prefix(&*plan.column));
        let mut done = Step::Continue(());
        for (name, key, text) in elements.after(floor) {
            let written = || object.written_at(&Column::Element(*id, Arc::clone(key)));
            done = self.cell(choice, &plan.column, Text::Bytes(name.as_bytes()), Value::Text(text), written);
            if done.is_break() {
                break;
            }
        }
        *self.elements = Some(elements);
        done
    }

    fn elements(&self, id: PropertyId, text: &Arc<str>) -> Option<Elements> {
        let kind = self.snapshot.graph.model().object_type(self.object.type_id);
        Some(Elements::of(self.object, kind.properties.get(usize::from(id.0))?, text, self.snapshot.colons))
    }

    fn references(&mut self, beginning: &[u8], start: usize, end: usize) -> Step {
        let object = self.object;
        let choice = self.choice(Section::References, beginning);
        if choice == Choice::None {
            return Step::Continue(());
        }
        let links = object.links.get(start..end).unwrap_or_default();
        let from = self.first(choice, beginning);
        let first = links.partition_point(|link| link.target < from);
        for link in links.get(first..).unwrap_or_default() {
            let value = Value::link(link.attribute.as_deref());
            let written = || object.written_at(&Column::Link(link.target));
            self.cell(choice, beginning, Text::Uuid(link.target), value, written)?;
        }
        Step::Continue(())
    }

    fn back_references(&mut self, source_type: TypeId, beginning: &[u8]) -> Step {
        let graph = &self.snapshot.graph;
        let object = self.object;
        let choice = self.choice(Section::BackReferences, beginning);
        let reference = graph.model().object_type(source_type).reference_to(object.type_id);
        let (Some((reference, _)), true) = (reference, choice != Choice::None) else { return Step::Continue(()) };
        let from = self.first(choice, beginning);
        for source in graph.referrers_from(object.uuid, source_type, from) {
            let link = source.link(reference, object.uuid);
            let value = Value::link(link.and_then(|link| link.attribute.as_deref()));
            let written = || source.written_at(&Column::Link(object.uuid));
            self.cell(choice, beginning, Text::Uuid(source.uuid), value, written)?;
        }
        Step::Continue(())
    }

    fn children_of(&mut self, child_type: TypeId, beginning: &[u8]) -> Step {
        let parent = self.object.uuid;
        let choice = self.choice(Section::Children, beginning);
        if choice == Choice::None {
            return Step::Continue(());
        }
        let kept = self.children.take().filter(|(uuid, type_id, _)| (*uuid, *type_id) == (parent, child_type));
        let children = kept.map_or_else(|| self.snapshot.children(parent, child_type), |(_, _, children)| children);
        *self.children = Some((parent, child_type, Arc::clone(&children)));
        let from = self.first(choice, beginning);
        let first = children.partition_point(|(uuid, _)| *uuid < from);
        for (uuid, created) in children.get(first..).unwrap_or_default() {
            self.cell(choice, beginning, Text::Uuid(*uuid), Value::NULL, || *created)?;
        }
        Step::Continue(())
    }

    /// When the row was written: the latest of its columns.
    fn latest(&mut self) -> ControlFlow<Halt, u64> {
        let graph = &self.snapshot.graph;
        let object = self.object;
        let mut latest = self
            .latest
            .take()
            .unwrap_or_else(|| Latest { revision: own_latest(graph, object), next: Some((TypeId(0), Uuid::nil())) });
        if let Some(from) = latest.next {
            for source in graph.all_referrers_from(object.uuid, from) {
                if latest.next != Some((source.type_id, source.uuid))
                    && let Flow::Break(stop) = self.gate.step()
                {
                    latest.next = Some((source.type_id, source.uuid));
                    *self.latest = Some(latest);
                    return ControlFlow::Break(Halt::Stop(stop));
                }
                latest.revision = latest.revision.max(source.written_at(&Column::Link(object.uuid)));
            }
            latest.next = None;
        }
        let revision = latest.revision;
        *self.latest = Some(latest);
        ControlFlow::Continue(revision)
    }
}

/// Whether what comes after this column is not asked for, either.
fn is_beyond(columns: &Columns, column: &[u8]) -> bool {
    match columns {
        Columns::Slice(_, Bound::Unbounded) => false,
        Columns::Slice(_, Bound::Included(to) | Bound::Excluded(to)) => column >= to.as_ref(),
        Columns::These(these) => these.last().is_none_or(|last| column > last.as_ref()),
    }
}

/// When an object said of another one that it does not stop its delete: with the reference, if there is one.
fn relaxed_at(graph: &Graph, source: Uuid, target: Uuid) -> u64 {
    graph.get(source).map_or(0, |source| source.written_at(&Column::Link(target)))
}

/// The latest of all columns of an object but the back references.
fn own_latest(graph: &Graph, object: &Object) -> u64 {
    let children = graph.child_types(object.uuid).filter_map(|child_type| {
        // They are in the order of their creation.
        graph.child_uuids(object.uuid, child_type).next_back().map(|(_, created)| created)
    });
    let relaxing = graph.relaxing(object.uuid).map(|source| relaxed_at(graph, source, object.uuid));
    let own = object.written().iter().map(|(_, revision)| *revision);
    own.chain(children).chain(relaxing).fold(object.created, u64::max)
}
