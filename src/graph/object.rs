//! One object of the configuration, as every room below `api` sees it.

use super::{Column, Permissions, PropertyText, Written};
use crate::{
    json_text::{self, is_plain},
    model::{PropertyId, ReferenceId, TypeId},
    timestamp::Timestamp,
};
use memchr::{memchr, memchr_iter};
use serde_json::Value;
use std::{collections::BTreeMap, net::IpAddr, sync::Arc};
use uuid::Uuid;

/// JSON text, ASCII only: values are kept as they are sent out, and parsed only by the rule that looks into one.
pub type JsonText = Arc<str>;

/// About how much memory a shared text takes, in bytes: its counts, too.
pub fn text_weight(text: &Arc<str>) -> usize {
    text.len() + 2 * size_of::<usize>()
}

/// A fully qualified name: root first, own name last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct FqName {
    joined: Arc<str>,
    /// Only route targets have colons in their (single) element.
    single: bool,
    /// Whether it stands for itself in JSON.
    plain: bool,
}

impl FqName {
    /// From its elements.
    pub fn new<S: AsRef<str>>(elements: &[S]) -> Self {
        Self::of(elements.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(":"), elements.len() == 1)
    }

    fn of(joined: String, single: bool) -> Self {
        Self { plain: is_plain(&joined), joined: joined.into(), single }
    }

    /// The elements joined by `:`; what names are compared and sorted by.
    pub fn joined(&self) -> &Arc<str> {
        &self.joined
    }

    /// The elements, root first.
    pub fn elements(&self) -> Vec<&str> {
        if self.single { vec![&self.joined] } else { self.joined.split(':').collect() }
    }

    /// Whether there is one element only, whatever is in it.
    pub fn is_single(&self) -> bool {
        self.single
    }

    /// Whether all characters of it stand for themselves in JSON.
    pub fn is_plain(&self) -> bool {
        self.plain
    }

    /// The last element.
    pub fn name(&self) -> &str {
        if self.single { &self.joined } else { self.joined.rsplit(':').next().unwrap_or_default() }
    }

    /// Appends it as a list of its elements in JSON. Nearly all names are plain, and there are many of them.
    pub fn write_json(&self, output: &mut Vec<u8>) {
        if !self.plain {
            return json_text::write(output, &self.elements());
        }
        output.extend_from_slice(b"[\"");
        let mut rest = self.joined.as_bytes();
        // All colons are between elements, but in a name of a single one.
        while let Some(colon) = memchr(b':', rest).filter(|_| !self.single) {
            output.extend_from_slice(rest.get(..colon).unwrap_or_default());
            output.extend_from_slice(b"\",\"");
            rest = rest.get(colon + 1..).unwrap_or_default();
        }
        output.extend_from_slice(rest);
        output.extend_from_slice(b"\"]");
    }

    /// How many bytes that appends.
    pub fn json_len(&self) -> usize {
        if !self.plain {
            let mut output = Vec::new();
            self.write_json(&mut output);
            return output.len();
        }
        let colons = if self.single { 0 } else { memchr_iter(b':', self.joined.as_bytes()).count() };
        // A colon becomes two quotes and a comma; brackets and quotes are around all.
        self.joined.len() + 2 * colons + 4
    }

    /// About how much memory it takes beside itself, in bytes.
    pub fn weight(&self) -> usize {
        text_weight(&self.joined)
    }

    /// The name of a child.
    #[must_use]
    pub fn child(&self, name: &str) -> Self {
        Self::of(format!("{}:{name}", self.joined), false)
    }
}

/// A reference to another object, seen from its holder.
#[derive(Clone, PartialEq, Debug)]
pub struct Link {
    /// Which reference of the holder's type.
    pub reference: ReferenceId,
    /// The object referred to.
    pub target: Uuid,
    /// The data of the link; `None` is shown as null.
    pub attribute: Option<JsonText>,
}

/// An address that an object occupies. The address of a gateway that several share is not held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Hold {
    /// The virtual network, or the flat network ipam, whose pool the address is of.
    pub scope: Uuid,
    /// The first address of the unit held.
    pub address: IpAddr,
}

/// An object. Shared and never changed once it is in a graph; a change puts another one in its place.
#[derive(Clone, PartialEq, Debug)]
pub struct Object {
    /// Unique over all types.
    pub uuid: Uuid,
    /// Index into the model's types.
    pub type_id: TypeId,
    /// Unique within the type.
    pub fq_name: FqName,
    /// None at the top level.
    pub parent: Option<Uuid>,
    /// Grows with each object created: the order of children.
    pub created: u64,
    /// `id_perms.last_modified`.
    pub modified: Timestamp,
    /// `id_perms.user_visible` is false.
    pub hidden: bool,
    /// What `perms2` says.
    pub permissions: Arc<Permissions>,
    /// Those that are set, by id.
    pub properties: Vec<(PropertyId, PropertyText)>,
    /// By reference, then target.
    pub links: Vec<Link>,
    /// The address that it occupies.
    pub hold: Option<Hold>,
    /// None where there is nothing in it; read and written by the methods.
    pub rare: Option<Box<Rare>>,
}

/// With its counts it takes 192 bytes, which is what the allocator has next below 224; there may be millions of them.
const _: () = assert!(size_of::<Object>() <= 192 - 2 * size_of::<usize>());

/// Positions of the elements of list properties that were ever addressed by position.
pub type Positions = BTreeMap<PropertyId, Vec<String>>;

/// What few objects have: at a place of its own, so that all others are a third smaller.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Rare {
    positions: Positions,
    relaxed: Vec<Uuid>,
    written: Written,
}

static NOTHING: Rare = Rare { positions: Positions::new(), relaxed: Vec::new(), written: Written::new() };

impl Object {
    /// An object with nothing but its identity, at the top level.
    pub fn new(uuid: Uuid, type_id: TypeId, fq_name: FqName, created: u64) -> Self {
        Self {
            uuid,
            type_id,
            fq_name,
            parent: None,
            created,
            modified: Timestamp::default(),
            hidden: false,
            permissions: Permissions::shared(None),
            properties: Vec::new(),
            links: Vec::new(),
            hold: None,
            rare: None,
        }
    }

    /// The text of a property that is set.
    pub fn property_text(&self, id: PropertyId) -> Option<&PropertyText> {
        let index = self.properties.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        self.properties.get(index).map(|(_, text)| text)
    }

    /// The text of a property that is set and is not `id_perms`.
    pub fn plain_text(&self, id: PropertyId) -> Option<&JsonText> {
        self.property_text(id).and_then(PropertyText::plain)
    }

    /// The parsed value of a property that is set.
    pub fn property(&self, id: PropertyId) -> Option<Value> {
        self.property_text(id).and_then(|text| serde_json::from_str(&text.text()).ok())
    }

    /// Sets a property, or removes it.
    pub fn set_property(&mut self, id: PropertyId, text: Option<PropertyText>) {
        match (self.properties.binary_search_by_key(&id, |(id, _)| *id), text) {
            (Ok(index), Some(text)) => {
                if let Some(slot) = self.properties.get_mut(index) {
                    slot.1 = text;
                }
            }
            (Ok(index), None) => {
                self.properties.remove(index);
            }
            (Err(index), Some(text)) => self.properties.insert(index, (id, text)),
            (Err(_), None) => {}
        }
    }

    /// The links of one kind, by target.
    pub fn links_of(&self, reference: ReferenceId) -> &[Link] {
        let start = self.links.partition_point(|link| link.reference < reference);
        let end = self.links.partition_point(|link| link.reference <= reference);
        self.links.get(start..end).unwrap_or_default()
    }

    /// The link of one kind to a target.
    pub fn link(&self, reference: ReferenceId, target: Uuid) -> Option<&Link> {
        let index = self.links.binary_search_by_key(&(reference, target), |link| (link.reference, link.target)).ok()?;
        self.links.get(index)
    }

    /// Replaces the links of one kind.
    pub fn set_links(&mut self, reference: ReferenceId, mut links: Vec<Link>) {
        self.links.retain(|link| link.reference != reference);
        self.links.append(&mut links);
        self.links.sort_by_key(|link| (link.reference, link.target));
        self.links.shrink_to_fit();
    }

    /// Positions of the elements of list properties that were ever addressed by position.
    pub fn positions(&self) -> &Positions {
        &self.rare().positions
    }

    /// Sets the positions of a property's elements, or forgets them.
    pub fn set_positions(&mut self, id: PropertyId, positions: Option<Vec<String>>) {
        if positions.as_ref() == self.positions().get(&id) {
            return;
        }
        self.change_rare(|rare| match positions {
            Some(positions) => drop(rare.positions.insert(id, positions)),
            None => drop(rare.positions.remove(&id)),
        });
    }

    /// Targets whose delete this object does not stop.
    pub fn relaxed(&self) -> &[Uuid] {
        &self.rare().relaxed
    }

    /// One more.
    pub fn relax(&mut self, target: Uuid) {
        self.change_rare(|rare| rare.relaxed.push(target));
    }

    /// Says which those are.
    pub fn set_relaxed(&mut self, relaxed: Vec<Uuid>) {
        if relaxed != self.relaxed() {
            self.change_rare(|rare| rare.relaxed = relaxed);
        }
    }

    /// Its columns that became what they are after it was made.
    pub fn written(&self) -> &Written {
        &self.rare().written
    }

    /// Says which those are, and when.
    pub fn set_written(&mut self, written: Written) {
        if written != *self.written() {
            self.change_rare(|rare| rare.written = written);
        }
    }

    /// Forgets all others.
    pub fn retain_written(&mut self, keep: impl FnMut(&(Column, u64)) -> bool) {
        self.change_rare(|rare| rare.written.retain(keep));
    }

    fn rare(&self) -> &Rare {
        self.rare.as_deref().unwrap_or(&NOTHING)
    }

    fn change_rare(&mut self, change: impl FnOnce(&mut Rare)) {
        let mut rare = self.rare.take().unwrap_or_default();
        change(&mut rare);
        self.rare = Some(rare).filter(|rare| **rare != NOTHING);
    }

    /// About how much memory it takes, in bytes, if it shares nothing with another one.
    pub fn weight(&self) -> usize {
        let properties = self.properties.iter().map(|(_, text)| text.weight());
        let properties = properties.sum::<usize>() + size_of_val(self.properties.as_slice());
        let attributes: usize = self.links.iter().filter_map(|link| link.attribute.as_ref()).map(text_weight).sum();
        let lists = self.positions().values().flatten();
        let positions: usize = lists.map(|position| position.len() + size_of::<String>()).sum();
        let links = size_of_val(self.links.as_slice()) + size_of_val(self.relaxed());
        let keys = self.written().iter().map(|(column, _)| match column {
            Column::Element(_, key) => text_weight(key),
            Column::Name | Column::Parent | Column::Property(_) | Column::Link(_) => 0,
        });
        let written = keys.sum::<usize>() + size_of_val(self.written().as_slice());
        let rare = if self.rare.is_some() { size_of::<Rare>() } else { 0 };
        let permissions = self.permissions.weight();
        size_of::<Self>()
            + rare
            + permissions
            + self.fq_name.weight()
            + properties
            + attributes
            + links
            + positions
            + written
    }

    /// Whether two states of an object differ in nothing, however their values are written, and whenever they were.
    pub fn says_the_same(&self, other: &Self) -> bool {
        let same_link = |one: &Link, other: &Link| {
            (one.reference, one.target) == (other.reference, other.target)
                && is_same_json(one.attribute.as_deref(), other.attribute.as_deref())
        };
        self.uuid == other.uuid
            && self.fq_name == other.fq_name
            && self.parent == other.parent
            && self.hold == other.hold
            && self.relaxed() == other.relaxed()
            && self.positions() == other.positions()
            && self.links.len() == other.links.len()
            && self.links.iter().zip(&other.links).all(|(one, other)| same_link(one, other))
            && self.properties.len() == other.properties.len()
            && self
                .properties
                .iter()
                .zip(&other.properties)
                .all(|((id, text), (other_id, other_text))| id == other_id && text.says_the_same(other_text))
    }

    /// Whether this object refers to `target` in a way that stops its delete.
    pub fn needs(&self, target: Uuid) -> bool {
        !self.relaxed().contains(&target) && self.links.iter().any(|link| link.target == target)
    }
}

/// Whether two values say the same, however they are written, or neither is there.
pub(super) fn is_same_json(one: Option<&str>, other: Option<&str>) -> bool {
    let parsed = |text: Option<&str>| serde_json::from_str::<Value>(text?).ok();
    one == other || parsed(one).is_some_and(|one| Some(one) == parsed(other))
}
