//! Objects as JSON, written straight from the graph: values are text already.

use crate::{
    access::Identity,
    graph::{FqName, Graph, Link, Object},
    json_text,
    model::{ObjectType, TypeId},
    rules::LogEntry,
};
use memchr::memchr;
use std::{borrow::Cow, sync::Arc};
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

    /// Whether anything of it can be of other objects. There are many names to go through.
    fn looks_around(&self) -> bool {
        match self {
            Self::All { back_references, children, also } => *back_references || *children || !also.is_empty(),
            Self::Named(names) | Self::Only(names) => !names.is_empty(),
        }
    }

    /// Whether there is anything of it beside names and hrefs.
    fn is_empty(&self) -> bool {
        matches!(self, Self::Only(names) if names.is_empty())
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
    /// What the object's own hrefs start with, escaped; none leaves them out.
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

    fn uuid(&mut self, name: &str, uuid: &str) {
        let output = self.name(name);
        output.push(b'"');
        output.extend_from_slice(uuid.as_bytes());
        output.push(b'"');
    }

    fn fq_name(&mut self, name: &str, fq_name: &FqName) {
        write_fq_name(self.name(name), fq_name);
    }

    /// The base is part of a JSON text already.
    fn href(&mut self, name: &str, base: &str, kind: &ObjectType, uuid: &str) {
        let output = self.name(name);
        output.push(b'"');
        for part in [base, "/", &kind.name, "/", uuid, "\""] {
            output.extend_from_slice(part.as_bytes());
        }
    }

    fn close(self) {
        self.output.push(b'}');
    }
}

/// Whether a text stands for itself in JSON.
fn is_plain(text: &str) -> bool {
    let needs_care = |byte: u8| !matches!(byte, b' ' | b'!' | b'#'..=b'[' | b']'..=b'~');
    // To the end in any case: so it is done for many bytes at a time.
    !text.bytes().fold(false, |found, byte| found | needs_care(byte))
}

/// A text for the middle of a JSON string: hosts come from the client and may hold anything.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if is_plain(text) {
        return text.into();
    }
    let quoted = json_text::text(&text.into());
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned().into()
}

/// A name as a list of its elements. Nearly all names are plain, and there are many of them.
fn write_fq_name(output: &mut Vec<u8>, fq_name: &FqName) {
    if !is_plain(fq_name.joined()) {
        return json_text::write(output, &fq_name.elements());
    }
    output.extend_from_slice(b"[\"");
    let mut rest = fq_name.joined().as_bytes();
    // All colons are between elements, but in a name of a single one.
    while let Some(colon) = memchr(b':', rest).filter(|_| !fq_name.is_single()) {
        output.extend_from_slice(rest.get(..colon).unwrap_or_default());
        output.extend_from_slice(b"\",\"");
        rest = rest.get(colon + 1..).unwrap_or_default();
    }
    output.extend_from_slice(rest);
    output.extend_from_slice(b"\"]");
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
        let mut buffer = Uuid::encode_buffer();
        let uuid = object.uuid.hyphenated().encode_lower(&mut buffer);
        fields.uuid("uuid", uuid);
        if self.name {
            fields.text("name", object.fq_name.name());
        }
        fields.fq_name("fq_name", &object.fq_name);
        if let Some(base) = self.base {
            fields.href("href", base, kind, uuid);
        }
        if let Some(parent) = object.parent.filter(|_| self.parent) {
            self.parent(&mut fields, parent, known);
        }
        if selection.is_empty() {
            return fields.close();
        }
        for (id, text) in &object.properties {
            if let Some(property) = kind.properties.get(usize::from(id.0))
                && selection.has_property(&property.name)
            {
                fields.raw(&property.name, text);
            }
        }
        self.references(&mut fields, object, kind, selection, known);
        if !selection.looks_around() {
            return fields.close();
        }
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
        let mut buffer = Uuid::encode_buffer();
        let uuid = parent.hyphenated().encode_lower(&mut buffer);
        fields.text("parent_type", &kind.name);
        fields.uuid("parent_uuid", uuid);
        if let Some(base) = self.base.filter(|_| self.link_hrefs) {
            fields.href("parent_href", base, kind, uuid);
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
        let mut buffer = Uuid::encode_buffer();
        let uuid = uuid.hyphenated().encode_lower(&mut buffer);
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_fast_is_what_json_has() {
        for elements in
            [&["a", "b-c", "d e"][..], &["target:1:2"], &[""], &["", ""], &["ü", "x"], &["a\"", "\\", "\n\u{7f}"]]
        {
            let mut output = Vec::new();
            write_fq_name(&mut output, &FqName::new(elements));
            assert_eq!(serde_json::from_slice::<Vec<String>>(&output).unwrap(), elements);
            assert!(output.is_ascii());
        }
        for text in ["http://localhost:8082", "http://ü\"", "\\"] {
            let quoted = format!("\"{}\"", escaped(text));
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}
