//! Objects as JSON, written straight from the graph: values are text already.

use crate::{
    access::Identity,
    graph::{FqName, Graph, Link, Object},
    json_text,
    model::{ObjectType, TypeId},
    rules::LogEntry,
};
use std::{io::Write, sync::Arc};
use uuid::Uuid;

/// Which fields of an object are shown.
#[derive(Clone, Debug)]
pub enum Selection {
    /// All properties and references, and the others as said.
    All {
        /// Back references, too.
        back_references: bool,
        /// Children, too.
        children: bool,
        /// And these, whatever they are.
        also: Vec<String>,
    },
    /// Those named, and `id_perms` and `perms2`.
    Named(Vec<String>),
    /// Those named, and nothing else.
    Only(Vec<String>),
}

impl Selection {
    fn has_property(&self, name: &str) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Named(names) => matches!(name, "id_perms" | "perms2") || names.iter().any(|named| named == name),
            Self::Only(names) => names.iter().any(|named| named == name),
        }
    }

    fn has_reference(&self, name: &str) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Named(names) | Self::Only(names) => names.iter().any(|named| named == name),
        }
    }

    fn has_back_reference(&self, name: &str) -> bool {
        match self {
            Self::All { back_references: true, .. } => true,
            Self::All { also: names, .. } | Self::Named(names) | Self::Only(names) => {
                names.iter().any(|named| named == name)
            }
        }
    }

    fn has_child(&self, name: &str) -> bool {
        match self {
            Self::All { children: true, .. } => true,
            Self::All { also: names, .. } | Self::Named(names) | Self::Only(names) => {
                names.iter().any(|named| named == name)
            }
        }
    }
}

/// How objects are shown.
pub struct Renderer<'a> {
    /// Where the objects are from.
    pub graph: &'a Graph,
    /// Who looks.
    pub identity: &'a Identity,
    /// What the object's own hrefs start with; none leaves them out.
    pub base: Option<&'a str>,
    /// Whether `parent_href` and the hrefs of links are shown, too.
    pub link_hrefs: bool,
    /// Whether `name` is shown.
    pub name: bool,
    /// Whether the parent is shown.
    pub parent: bool,
}

/// A JSON object in the making.
struct Fields<'o> {
    output: &'o mut Vec<u8>,
    first: bool,
}

impl<'o> Fields<'o> {
    fn open(output: &'o mut Vec<u8>) -> Self {
        output.push(b'{');
        Self { output, first: true }
    }

    /// Starts a field; names are those of the model and need no escapes.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        if !self.first {
            self.output.push(b',');
        }
        self.first = false;
        self.output.push(b'"');
        self.output.extend_from_slice(name.as_bytes());
        self.output.extend_from_slice(b"\":");
        self.output
    }

    fn raw(&mut self, name: &str, json: &str) {
        self.name(name).extend_from_slice(json.as_bytes());
    }

    fn text(&mut self, name: &str, text: &str) {
        json_text::write(self.name(name), text);
    }

    fn uuid(&mut self, name: &str, uuid: Uuid) {
        let mut buffer = Uuid::encode_buffer();
        let text: &str = uuid.hyphenated().encode_lower(&mut buffer);
        let output = self.name(name);
        output.push(b'"');
        output.extend_from_slice(text.as_bytes());
        output.push(b'"');
    }

    fn fq_name(&mut self, name: &str, fq_name: &FqName) {
        json_text::write(self.name(name), &fq_name.elements());
    }

    fn href(&mut self, name: &str, base: &str, kind: &ObjectType, uuid: Uuid) {
        let output = self.name(name);
        output.push(b'"');
        json_text_inner(output, base);
        let _ = write!(output, "/{}/{uuid}\"", kind.name);
    }

    fn close(self) {
        self.output.push(b'}');
    }
}

/// A base in the middle of a string: hosts come from the client and may hold anything.
fn json_text_inner(output: &mut Vec<u8>, text: &str) {
    let mut quoted = Vec::with_capacity(text.len() + 2);
    json_text::write(&mut quoted, text);
    output.extend_from_slice(quoted.get(1..quoted.len() - 1).unwrap_or_default());
}

/// The data of a link as JSON.
fn data_of(link: &Link) -> &str {
    link.attribute.as_deref().unwrap_or("null")
}

/// Where it is known what the objects around an object are called.
#[derive(Clone, Copy)]
enum Known<'a> {
    /// In the graph, like the object itself.
    Graph,
    /// In the log: the object may be of another time than the graph.
    Log(&'a LogEntry),
}

impl Renderer<'_> {
    /// Appends an object with the selected fields; properties that are not set and empty lists are left out.
    pub fn object(&self, output: &mut Vec<u8>, object: &Object, selection: &Selection) {
        self.write(output, object, selection, Known::Graph);
    }

    /// The same for an object as it was at a change: its own fields are those of then. Back references and children are
    /// those of the graph: they are not its own, and their changes are told elsewhere.
    pub fn logged_object(&self, output: &mut Vec<u8>, entry: &LogEntry, object: &Object, selection: &Selection) {
        self.write(output, object, selection, Known::Log(entry));
    }

    fn write(&self, output: &mut Vec<u8>, object: &Object, selection: &Selection, known: Known<'_>) {
        let model = self.graph.model();
        let kind = model.object_type(object.type_id);
        let mut fields = Fields::open(output);
        fields.uuid("uuid", object.uuid);
        if self.name {
            fields.text("name", object.fq_name.name());
        }
        fields.fq_name("fq_name", &object.fq_name);
        if let Some(base) = self.base {
            fields.href("href", base, kind, object.uuid);
        }
        if let Some(parent) = object.parent.filter(|_| self.parent) {
            self.parent(&mut fields, parent, known);
        }
        for (id, text) in &object.properties {
            if let Some(property) = kind.properties.get(usize::from(id.0))
                && selection.has_property(&property.name)
            {
                fields.raw(&property.name, text);
            }
        }
        self.references(&mut fields, object, kind, selection, known);
        for back in kind.back_references.iter().filter(|back| selection.has_back_reference(&back.field)) {
            let sources = self.graph.referrers(object.uuid, back.source);
            self.list(&mut fields, &back.field, sources, |renderer, output, source| {
                let link = source.links.iter().find(|link| link.target == object.uuid);
                renderer.link(output, source.uuid, &source.fq_name, source.type_id, Some(link.map_or("null", data_of)));
            });
        }
        for child in kind.children.iter().filter(|child| selection.has_child(&child.field)) {
            let children = self.graph.children_of(object.uuid, child.child);
            self.list(&mut fields, &child.field, children, |renderer, output, child| {
                renderer.link(output, child.uuid, &child.fq_name, child.type_id, None);
            });
        }
        fields.close();
    }

    fn parent(&self, fields: &mut Fields<'_>, parent: Uuid, known: Known<'_>) {
        let type_id = match known {
            Known::Graph => self.graph.get(parent).map(|parent| parent.type_id),
            Known::Log(entry) => entry.parent_type,
        };
        let Some(type_id) = type_id else { return };
        let kind = self.graph.model().object_type(type_id);
        fields.text("parent_type", &kind.name);
        fields.uuid("parent_uuid", parent);
        if let Some(base) = self.base.filter(|_| self.link_hrefs) {
            fields.href("parent_href", base, kind, parent);
        }
    }

    fn references(
        &self,
        fields: &mut Fields<'_>,
        object: &Object,
        kind: &ObjectType,
        selection: &Selection,
        known: Known<'_>,
    ) {
        let mut index = 0;
        for links in object.links.chunk_by(|one, other| one.reference == other.reference) {
            let first = index;
            index += links.len();
            let Some(reference) = links.first().and_then(|link| kind.references.get(usize::from(link.reference.0)))
            else {
                continue;
            };
            if !selection.has_reference(&reference.field) {
                continue;
            }
            let named = links.iter().enumerate().filter_map(|(offset, link)| {
                let target = self.graph.get(link.target);
                if target.is_some_and(|target| !self.identity.may_read(target)) {
                    return None;
                }
                let name = match known {
                    Known::Graph => target.map(|target| &target.fq_name),
                    Known::Log(entry) => entry.target_names.get(first + offset)?.as_ref(),
                };
                Some((link, name?))
            });
            let mut visible = named.peekable();
            if visible.peek().is_none() {
                continue;
            }
            let output = fields.name(&reference.field);
            output.push(b'[');
            for (index, (link, name)) in visible.enumerate() {
                if index > 0 {
                    output.push(b',');
                }
                self.link(output, link.target, name, reference.target, Some(data_of(link)));
            }
            output.push(b']');
        }
    }

    fn list<'g>(
        &self,
        fields: &mut Fields<'_>,
        name: &str,
        objects: impl Iterator<Item = &'g Arc<Object>>,
        write: impl Fn(&Self, &mut Vec<u8>, &Object),
    ) {
        let mut visible = objects.filter(|object| self.identity.may_read(object)).peekable();
        if visible.peek().is_none() {
            return;
        }
        let output = fields.name(name);
        output.push(b'[');
        for (index, object) in visible.enumerate() {
            if index > 0 {
                output.push(b',');
            }
            write(self, output, object);
        }
        output.push(b']');
    }

    /// A link to an object; `attribute` is the JSON of its data, none for a child, which has no such field.
    fn link(&self, output: &mut Vec<u8>, uuid: Uuid, fq_name: &FqName, type_id: TypeId, attribute: Option<&str>) {
        let mut fields = Fields::open(output);
        fields.fq_name("to", fq_name);
        fields.uuid("uuid", uuid);
        if let Some(attribute) = attribute {
            fields.raw("attr", attribute);
        }
        if let Some(base) = self.base.filter(|_| self.link_hrefs) {
            fields.href("href", base, self.graph.model().object_type(type_id), uuid);
        }
        fields.close();
    }
}
