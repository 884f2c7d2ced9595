//! Reads the files of the schema into the form in which they are written. What the names in them mean
//! is settled in `resolve`.

use super::object_type::{Facts, Presence};
use include_dir::Dir;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use std::fs;
use std::ops::Range;
use std::path::Path;
use toml::Spanned;

const OBJECT_TYPES: &str = "object-types";
const VALUE_TYPES: &str = "value-types";
const COMMON: &str = "common.toml";

/// A mistake in the schema, with the place where it is.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{file}:{line}: {reason}")]
pub struct SchemaError {
    /// The file, relative to the directory of the schema.
    pub file: String,
    /// The line, counted from 1; 1 if the whole file is meant.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
}

impl SchemaError {
    fn of_file(file: impl Into<String>, reason: impl Into<String>) -> Self {
        Self { file: file.into(), line: 1, reason: reason.into() }
    }
}

/// A file of the schema that has not been parsed.
#[derive(Clone, Debug)]
pub(super) struct SourceFile {
    /// Relative to the directory of the schema, with `/`.
    pub(super) path: String,
    pub(super) text: String,
}

impl SourceFile {
    /// The mistake at a place in this file.
    pub(super) fn error(&self, place: Range<usize>, reason: impl Into<String>) -> SchemaError {
        let before = self.text.as_bytes().iter().take(place.start);
        SchemaError {
            file: self.path.clone(),
            line: 1 + before.filter(|byte| **byte == b'\n').count(),
            reason: reason.into(),
        }
    }

    /// Name of the file without directory and extension.
    fn stem(&self) -> &str {
        let name = self.path.rsplit('/').next().unwrap_or_default();
        name.strip_suffix(".toml").unwrap_or(name)
    }

    fn is_in(&self, directory: &str) -> bool {
        self.path.strip_prefix(directory).is_some_and(|rest| rest.starts_with('/'))
    }

    fn parse<T: DeserializeOwned>(&self) -> Result<T, SchemaError> {
        toml::from_str(&self.text).map_err(|error| self.error(error.span().unwrap_or(0..0), error.message()))
    }
}

/// A file with its parsed content.
#[derive(Debug)]
pub(super) struct Parsed<'files, T> {
    pub(super) file: &'files SourceFile,
    pub(super) content: T,
}

/// All files, parsed.
#[derive(Debug)]
pub(super) struct Files<'files> {
    pub(super) common: Parsed<'files, CommonFile>,
    pub(super) object_types: Vec<Parsed<'files, ObjectTypeFile>>,
    pub(super) value_types: Vec<Parsed<'files, ValueTypesFile>>,
}

/// Entries of a table with the places of their names.
pub(super) type Table<T> = IndexMap<Spanned<String>, T>;

/// `common.toml`: what every object type has.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommonFile {
    #[serde(default)]
    pub(super) properties: Table<PropertyEntry>,
    #[serde(default)]
    pub(super) references: Table<ReferenceEntry>,
}

/// A file in `object-types/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ObjectTypeFile {
    pub(super) name: Spanned<String>,
    #[serde(default)]
    pub(super) parents: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) parent_links: Table<LinkEntry>,
    #[serde(default)]
    pub(super) properties: Table<PropertyEntry>,
    #[serde(default)]
    pub(super) references: Table<ReferenceEntry>,
    #[serde(default)]
    pub(super) example: Map<String, Value>,
}

/// A file in `value-types/`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ValueTypesFile {
    #[serde(default)]
    pub(super) simple: Table<SimpleEntry>,
    #[serde(default)]
    pub(super) complex: Table<Table<FieldEntry>>,
}

/// A property of an object type: exactly one of `type`, `list` and `map` is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "one for each mark in the file")]
pub(super) struct PropertyEntry {
    #[serde(rename = "type")]
    pub(super) plain: Option<Spanned<String>>,
    pub(super) list: Option<Spanned<String>>,
    pub(super) map: Option<Spanned<String>>,
    pub(super) key: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) enforced: bool,
    #[serde(default)]
    presence: Presence,
    operations: Option<Spanned<String>>,
    pub(super) default: Option<Spanned<toml::Value>>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default = "yes")]
    implemented: bool,
    since: Option<String>,
}

/// A field of a complex type: `type` or `list` is given.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(clippy::struct_excessive_bools, reason = "one for each mark in the file")]
pub(super) struct FieldEntry {
    #[serde(rename = "type")]
    pub(super) plain: Option<Spanned<String>>,
    pub(super) list: Option<Spanned<String>>,
    pub(super) max_items: Option<u32>,
    #[serde(default)]
    pub(super) alternative: bool,
    #[serde(default)]
    presence: Presence,
    operations: Option<Spanned<String>>,
    pub(super) default: Option<Spanned<toml::Value>>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    internal: bool,
    #[serde(default = "yes")]
    implemented: bool,
    since: Option<String>,
}

/// A reference of an object type; its name is the type that is referred to.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ReferenceEntry {
    pub(super) attribute: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) attribute_presence: Presence,
    #[serde(default)]
    pub(super) derived: bool,
    #[serde(default)]
    presence: Presence,
    operations: Option<Spanned<String>>,
    #[serde(default)]
    deprecated: bool,
    #[serde(default)]
    internal: bool,
    since: Option<String>,
}

/// What is unusual about a link to a parent.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LinkEntry {
    #[serde(default)]
    pub(super) derived: bool,
    #[serde(default)]
    presence: Presence,
    operations: Option<Spanned<String>>,
    #[serde(default)]
    deprecated: bool,
}

/// A simple type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SimpleEntry {
    pub(super) base: Spanned<String>,
    #[serde(default)]
    pub(super) values: Vec<Spanned<String>>,
    pub(super) minimum: Option<Spanned<i64>>,
    pub(super) maximum: Option<Spanned<i64>>,
    pub(super) pattern: Option<String>,
    #[serde(default)]
    pub(super) union: Vec<String>,
    #[serde(default)]
    pub(super) patterns: Vec<String>,
    pub(super) default: Option<Spanned<toml::Value>>,
    pub(super) since: Option<String>,
}

fn yes() -> bool {
    true
}

impl PropertyEntry {
    /// The facts without the default, which needs the type.
    pub(super) fn facts(&self, file: &SourceFile) -> Result<Facts, SchemaError> {
        Ok(Facts {
            deprecated: self.deprecated,
            internal: self.internal,
            implemented: self.implemented,
            since: self.since.clone(),
            ..plain_facts(file, self.presence, self.operations.as_ref())?
        })
    }
}

impl FieldEntry {
    /// The facts without the default, which needs the type.
    pub(super) fn facts(&self, file: &SourceFile) -> Result<Facts, SchemaError> {
        Ok(Facts {
            deprecated: self.deprecated,
            internal: self.internal,
            implemented: self.implemented,
            since: self.since.clone(),
            ..plain_facts(file, self.presence, self.operations.as_ref())?
        })
    }
}

impl ReferenceEntry {
    pub(super) fn facts(&self, file: &SourceFile) -> Result<Facts, SchemaError> {
        Ok(Facts {
            deprecated: self.deprecated,
            internal: self.internal,
            since: self.since.clone(),
            ..plain_facts(file, self.presence, self.operations.as_ref())?
        })
    }
}

impl LinkEntry {
    pub(super) fn facts(&self, file: &SourceFile) -> Result<Facts, SchemaError> {
        Ok(Facts { deprecated: self.deprecated, ..plain_facts(file, self.presence, self.operations.as_ref())? })
    }
}

/// Checks the operations: letters of CRUD, in this order, each at most once. Absent means all.
fn plain_facts(
    file: &SourceFile,
    presence: Presence,
    operations: Option<&Spanned<String>>,
) -> Result<Facts, SchemaError> {
    let all = "CRUD";
    if let Some(given) = operations {
        let ordered: String = all.chars().filter(|letter| given.get_ref().contains(*letter)).collect();
        if ordered.is_empty() || ordered != *given.get_ref() {
            return Err(file.error(
                given.span(),
                format!("operations are letters of CRUD in this order, not {:?}", given.get_ref()),
            ));
        }
    }
    Ok(Facts {
        presence,
        operations: operations.map_or_else(|| all.to_owned(), |given| given.get_ref().clone()),
        default: None,
        deprecated: false,
        internal: false,
        implemented: true,
        since: None,
    })
}

/// The files that are compiled in.
pub(super) fn embedded_files(directory: &Dir<'_>) -> Result<Vec<SourceFile>, SchemaError> {
    let mut files = Vec::new();
    let subdirectories = directory.dirs().flat_map(Dir::files);
    for file in directory.files().chain(subdirectories) {
        let path = file.path().to_string_lossy().replace('\\', "/");
        if is_schema_file(&path) {
            let text =
                file.contents_utf8().ok_or_else(|| SchemaError::of_file(&path, "the file is not UTF-8"))?.to_owned();
            files.push(SourceFile { path, text });
        }
    }
    Ok(files)
}

/// The files of a directory on disk.
pub(super) fn directory_files(directory: &Path) -> Result<Vec<SourceFile>, SchemaError> {
    let read = |path: String| {
        let text = fs::read_to_string(directory.join(&path))
            .map_err(|error| SchemaError::of_file(&path, error.to_string()))?;
        Ok(SourceFile { path, text })
    };
    let mut files = vec![read(COMMON.to_owned())?];
    for subdirectory in [OBJECT_TYPES, VALUE_TYPES] {
        let failure = |error: std::io::Error| SchemaError::of_file(subdirectory, error.to_string());
        for entry in fs::read_dir(directory.join(subdirectory)).map_err(failure)? {
            let name = entry.map_err(failure)?.file_name();
            let path = format!("{subdirectory}/{}", name.to_string_lossy());
            if is_schema_file(&path) {
                files.push(read(path)?);
            }
        }
    }
    Ok(files)
}

/// Documentation and hidden files (backups of editors) may lie beside the schema.
fn is_schema_file(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or_default();
    !name.starts_with('.') && Path::new(name).extension() == Some("toml".as_ref())
}

/// Parses all files. The order of the files does not matter.
pub(super) fn parse(files: &[SourceFile]) -> Result<Files<'_>, SchemaError> {
    let mut sorted: Vec<&SourceFile> = files.iter().collect();
    sorted.sort_by(|one, other| one.path.cmp(&other.path));
    let mut common = None;
    let mut object_types = Vec::new();
    let mut value_types = Vec::new();
    for file in sorted {
        if file.path == COMMON {
            common = Some(Parsed { file, content: file.parse()? });
        } else if file.is_in(OBJECT_TYPES) {
            let content: ObjectTypeFile = file.parse()?;
            if content.name.get_ref() != file.stem() {
                return Err(file.error(
                    content.name.span(),
                    format!(
                        "the file of object type {:?} has to be {}.toml",
                        content.name.get_ref(),
                        content.name.get_ref()
                    ),
                ));
            }
            object_types.push(Parsed { file, content });
        } else if file.is_in(VALUE_TYPES) {
            value_types.push(Parsed { file, content: file.parse()? });
        } else {
            return Err(SchemaError::of_file(
                &file.path,
                format!("only {COMMON} and files in {OBJECT_TYPES} and {VALUE_TYPES} are read"),
            ));
        }
    }
    let common = common.ok_or_else(|| SchemaError::of_file(COMMON, "the file is missing"))?;
    // Paths sort with the extension ("tag-type.toml" before "tag.toml"), names without.
    object_types.sort_by(|one, other| one.content.name.get_ref().cmp(other.content.name.get_ref()));
    Ok(Files { common, object_types, value_types })
}
