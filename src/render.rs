//! Objects as JSON, written straight from the graph: values are text already.

use crate::{
    access::Identity,
    change_log::LogEntry,
    graph::{FqName, Graph, Link, Object},
    json_text,
    model::{ObjectType, TypeId},
};
use memchr::{memchr, memrchr};
use std::{borrow::Cow, cell::LazyCell, collections::BTreeSet, sync::Arc};
use uuid::{Uuid, fmt::Hyphenated};

/// Names of fields. There may be many of them, and each field of each object is looked up.
pub type FieldNames = BTreeSet<String>;

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
        also: FieldNames,
    },
    /// Those named, and `id_perms` and `perms2`.
    Named(FieldNames),
    /// Those named, and nothing else.
    Only(FieldNames),
}

impl Selection {
    fn has_property(&self, name: &str) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Named(names) => matches!(name, "id_perms" | "perms2") || names.contains(name),
            Self::Only(names) => names.contains(name),
        }
    }

    fn has_reference(&self, name: &str) -> bool {
        match self {
            Self::All { .. } => true,
            Self::Named(names) | Self::Only(names) => names.contains(name),
        }
    }

    fn has_back_reference(&self, name: &str) -> bool {
        match self {
            Self::All { back_references: true, .. } => true,
            Self::All { also: names, .. } | Self::Named(names) | Self::Only(names) => names.contains(name),
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
            Self::All { also: names, .. } | Self::Named(names) | Self::Only(names) => names.contains(name),
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

    /// Starts a field, `"name":`.
    fn key(&mut self, json_key: &str) -> &mut Vec<u8> {
        if !std::mem::take(&mut self.first) {
            self.output.push(b',');
        }
        self.output.extend_from_slice(json_key.as_bytes());
        self.output
    }

    /// Starts a field; names are those of the model and need no escapes.
    fn name(&mut self, name: &str) -> &mut Vec<u8> {
        let output = self.key("\"");
        output.extend_from_slice(name.as_bytes());
        output.extend_from_slice(b"\":");
        output
    }

    fn raw(&mut self, json_key: &str, json: &str) {
        self.key(json_key).extend_from_slice(json.as_bytes());
    }

    fn text(&mut self, json_key: &str, text: &str) {
        json_text::write(self.key(json_key), text);
    }

    /// A text that stands for itself.
    fn plain(&mut self, json_key: &str, text: &str) {
        let output = self.key(json_key);
        output.push(b'"');
        output.extend_from_slice(text.as_bytes());
        output.push(b'"');
    }

    fn fq_name(&mut self, json_key: &str, fq_name: &FqName) {
        fq_name.write_json(self.key(json_key));
    }

    /// The base is part of a JSON text already.
    fn href(&mut self, json_key: &str, base: &str, kind: &ObjectType, uuid: &str) {
        let output = self.key(json_key);
        output.push(b'"');
        for part in [base, &kind.path, uuid] {
            output.extend_from_slice(part.as_bytes());
        }
        output.push(b'"');
    }

    fn close(self) {
        self.output.push(b'}');
    }
}

/// A text for the middle of a JSON string: hosts come from the client and may hold anything.
pub fn escaped(text: &str) -> Cow<'_, str> {
    if json_text::is_plain(text) {
        return text.into();
    }
    let quoted = json_text::text(&text.into());
    quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned().into()
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
        fields.plain("\"uuid\":", uuid);
        if self.name {
            let name = object.fq_name.name();
            if object.fq_name.is_plain() {
                fields.plain("\"name\":", name);
            } else {
                fields.text("\"name\":", name);
            }
        }
        fields.fq_name("\"fq_name\":", &object.fq_name);
        if let Some(base) = self.base {
            fields.href("\"href\":", base, kind, uuid);
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
                let output = fields.key(&property.json_key);
                text.tell(|piece| output.extend_from_slice(piece.as_bytes()));
            }
        }
        self.references(&mut fields, object, kind, selection, known);
        if !selection.looks_around() {
            return fields.close();
        }
        // Most objects have few of the kinds that they may have, and each is looked for by itself.
        let referrers = LazyCell::new(|| self.graph.referrer_types(object.uuid).collect::<Vec<_>>());
        let backs = kind.back_references.iter().filter(|back| selection.has_back_reference(&back.field));
        for back in backs.filter(|back| referrers.contains(&back.source)) {
            let sources = self.graph.referrers(object.uuid, back.source);
            self.list(&mut fields, &back.field, sources, |renderer, output, source| {
                let links = source.links_of(back.reference);
                let first = links.partition_point(|link| link.target < object.uuid);
                let link = links.get(first).filter(|link| link.target == object.uuid);
                renderer.link(output, source.uuid, &source.fq_name, source.type_id, Some(link.map_or("null", data_of)));
            });
        }
        let child_types = LazyCell::new(|| self.graph.child_types(object.uuid).collect::<Vec<_>>());
        let children = kind.children.iter().filter(|child| selection.has_child(&child.field));
        for child in children.filter(|child| child_types.contains(&child.child)) {
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
        fields.plain("\"parent_type\":", &kind.name);
        fields.plain("\"parent_uuid\":", uuid);
        if let Some(base) = self.base.filter(|_| self.link_hrefs) {
            fields.href("\"parent_href\":", base, kind, uuid);
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
                // Of one that is gone nobody knows any more who could read it.
                if !target.map_or(self.identity.sees_everything(), |target| self.identity.may_read(target)) {
                    return None;
                }
                let name = match known {
                    Known::Graph => target.map(|target| &target.fq_name),
                    Known::Log(entry) => entry.target_names.get(first + offset)?.as_ref(),
                };
                Some((link, name?))
            });
            let mut visible = named.peekable();
            // Who may not see any of them sees that there are some, as contrail-api shows it (LIST-7).
            if visible.peek().is_none() && self.identity.sees_everything() {
                continue;
            }
            let output = fields.key(&reference.json_key);
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
        fields.fq_name("\"to\":", fq_name);
        fields.plain("\"uuid\":", uuid);
        if let Some(attribute) = attribute {
            fields.raw("\"attr\":", attribute);
        }
        if let Some(base) = self.base.filter(|_| self.link_hrefs) {
            fields.href("\"href\":", base, self.graph.model().object_type(type_id), uuid);
        }
        fields.close();
    }
}

/// Writes objects of one type with uuid, name and href alone, as a [`Renderer`] would, but many in a row: what they have in
/// common is made once.
pub struct BriefRenderer {
    /// Between the name and the uuid in the href; none without hrefs.
    href: Option<Vec<u8>>,
    /// The name of the last object up to the colon before its last element, ...
    parent: Vec<u8>,
    /// ... and the same as JSON, up to the quote before it.
    parent_json: Vec<u8>,
}

impl BriefRenderer {
    /// For objects of this type; the base is what hrefs start with, escaped; none leaves them out.
    pub fn new(kind: &ObjectType, base: Option<&str>) -> Self {
        let href = base.map(|base| format!(",\"href\":\"{base}{}", kind.path).into_bytes());
        Self { href, parent: Vec::new(), parent_json: b"[\"".to_vec() }
    }

    /// Appends an object.
    pub fn object(&mut self, output: &mut Vec<u8>, object: &Object) {
        let mut uuid = [0; Hyphenated::LENGTH];
        object.uuid.hyphenated().encode_lower(&mut uuid);
        output.extend_from_slice(b"{\"uuid\":\"");
        output.extend_from_slice(&uuid);
        output.extend_from_slice(b"\",\"fq_name\":");
        self.fq_name(output, &object.fq_name);
        if let Some(href) = &self.href {
            output.extend_from_slice(href);
            output.extend_from_slice(&uuid);
            output.push(b'"');
        }
        output.push(b'}');
    }

    fn fq_name(&mut self, output: &mut Vec<u8>, fq_name: &FqName) {
        if !fq_name.is_plain() || fq_name.is_single() {
            return fq_name.write_json(output);
        }
        let joined = fq_name.joined().as_bytes();
        let mut own = joined.strip_prefix(self.parent.as_slice()).unwrap_or(joined);
        if own.len() == joined.len() || memchr(b':', own).is_some() {
            let (parent, last) = joined.split_at(memrchr(b':', joined).map_or(0, |colon| colon + 1));
            self.parent = parent.to_vec();
            self.parent_json = [b"[\"", String::from_utf8_lossy(parent).replace(':', "\",\"").as_bytes()].concat();
            own = last;
        }
        output.extend_from_slice(&self.parent_json);
        output.extend_from_slice(own);
        output.extend_from_slice(b"\"]");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{graph::Graph, model::Model};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    static MODEL: LazyLock<Arc<Model>> = LazyLock::new(|| Arc::new(Model::read(None).unwrap()));

    proptest! {
        #[test]
        fn a_brief_object_is_the_same_one_by_one_and_in_a_row(
            names in prop::collection::vec(prop::collection::vec("[ab:\"ü]{0,2}", 1..4), 0..20),
            base in prop::option::of(Just("http://host")),
        ) {
            let model = Arc::clone(&MODEL);
            let (type_id, kind) = model.find("virtual-network").map(|id| (id, model.object_type(id))).unwrap();
            let graph = Graph::new(Arc::clone(&model));
            let identity = Identity::server("test");
            let renderer =
                Renderer { graph: &graph, identity: &identity, base, link_hrefs: false, name: false, parent: false };
            let mut brief = BriefRenderer::new(kind, base);
            for elements in names {
                // Colons are in single elements only.
                let elements: Vec<String> = match elements.as_slice() {
                    [one] => vec![one.clone()],
                    more => more.iter().map(|element| element.replace(':', "")).collect(),
                };
                let object = Object::new(Uuid::new_v4(), type_id, FqName::new(&elements), 0);
                let (mut expected, mut written) = (Vec::new(), Vec::new());
                renderer.object(&mut expected, &object, &Selection::Only(FieldNames::new()));
                brief.object(&mut written, &object);
                prop_assert_eq!(String::from_utf8(written).unwrap(), String::from_utf8(expected).unwrap());
            }
        }
    }

    #[test]
    fn what_is_written_fast_is_what_json_has() {
        for elements in
            [&["a", "b-c", "d e"][..], &["target:1:2"], &[""], &["", ""], &["ü", "x"], &["a\"", "\\", "\n\u{7f}"]]
        {
            let name = FqName::new(elements);
            let mut output = Vec::new();
            name.write_json(&mut output);
            assert_eq!(name.json_len(), output.len());
            assert_eq!(serde_json::from_slice::<Vec<String>>(&output).unwrap(), elements);
            assert!(output.is_ascii());
        }
        for text in ["http://localhost:8082", "http://ü\"", "\\"] {
            let quoted = format!("\"{}\"", escaped(text));
            assert_eq!(serde_json::from_str::<String>(&quoted).unwrap(), text);
        }
    }
}
