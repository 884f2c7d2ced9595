//! Makes cargo notice new files of what is built in, says which commit it is built from, and makes Rust of the list of rules and of
//! the names in the schema.

use std::{
    collections::BTreeSet,
    error::Error,
    fmt::Write,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

#[allow(clippy::print_stdout)] // Cargo listens there.
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed=rules");
    println!("cargo:rerun-if-changed=schema");
    println!("cargo:rerun-if-changed=migrations");
    println!("cargo:rerun-if-env-changed=CIRRUS_COMMIT");
    // A new commit writes there. Where there is no repository (an archive, an image) nobody is asked.
    if let Some(log) = git(&["rev-parse", "--git-path", "logs/HEAD"]) {
        println!("cargo:rerun-if-changed={log}");
    }
    let given = std::env::var("CIRRUS_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = given.or_else(|| git(&["rev-parse", "--short=12", "HEAD"]));
    let commit = commit.map(|commit| format!(" ({commit})")).unwrap_or_default();
    println!("cargo:rustc-env=CIRRUS_VERSION={}{commit}", env!("CARGO_PKG_VERSION"));
    let made = PathBuf::from(std::env::var("OUT_DIR")?);
    fs::write(made.join("rules.rs"), rules(Path::new("rules"))?)?;
    let (types, fields) = names(Path::new("schema"))?;
    fs::write(made.join("type_names.rs"), constants(&types))?;
    fs::write(made.join("field_names.rs"), constants(&fields))?;
    Ok(())
}

/// What git says of this directory, if it is there and knows it.
fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The list of rules as Rust, for `src/rules/engine/rule.rs`: a constant for each that is kept, and all of them by group and
/// subject, in the order of the files and of what is in them.
fn rules(directory: &Path) -> Result<String, Box<dyn Error>> {
    let files = toml_files(directory)?;
    let (mut constants, mut groups) = (String::new(), String::new());
    for path in files {
        let told = |error: &str| format!("{}: {error}", path.display());
        let mut group: toml::Table =
            fs::read_to_string(&path)?.parse().map_err(|error: toml::de::Error| told(&error.to_string()))?;
        let title = group.remove("title").and_then(text).ok_or_else(|| told("`title` has to be a text"))?;
        let in_code = group.remove("in_code").and_then(|value| value.as_bool());
        let in_code = in_code.ok_or_else(|| told("`in_code` has to be true or false"))?;
        writeln!(groups, "Group {{ title: {title:?}, in_code: {in_code}, subjects: &[")?;
        for (subject, rules) in group {
            writeln!(groups, "Subject {{ name: {subject:?}, rules: &[")?;
            for (id, rule) in rules.as_table().ok_or_else(|| told(&format!("{subject} has to be a table")))? {
                let (constant, listed) = rule_as_rust(id, rule).ok_or_else(|| {
                    told(&format!("{id} has to be a text, or a table of the texts `says` and `not_kept`"))
                })?;
                constants.push_str(&constant);
                writeln!(groups, "{listed},")?;
            }
            groups.push_str("] },\n");
        }
        groups.push_str("] },\n");
    }
    Ok(format!("{constants}\n/// All rules, in the order of the list.\npub static GROUPS: &[Group] = &[\n{groups}];\n"))
}

/// The constant for a rule, and what stands for it in the list. What is not kept has no constant: nothing may refer to it.
fn rule_as_rust(id: &str, rule: &toml::Value) -> Option<(String, String)> {
    let value = |says: &str, not_kept: Option<&str>| {
        format!("RuleId(&Rule {{ id: {id:?}, says: {says:?}, not_kept: {not_kept:?} }})")
    };
    match rule {
        toml::Value::String(says) => {
            let name = id.replace('-', "_");
            let constant = format!("#[doc = {says:?}]\npub const {name}: RuleId = {};\n", value(says, None));
            Some((constant, name))
        }
        toml::Value::Table(table) if table.len() == 2 => {
            let says = table.get("says")?.as_str()?;
            Some((String::new(), value(says, Some(table.get("not_kept")?.as_str()?))))
        }
        _ => None,
    }
}

/// The files of a directory that say something, in order.
fn toml_files(directory: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let files = fs::read_dir(directory)?.map(|entry| entry.map(|entry| entry.path()));
    let mut files = files.collect::<Result<Vec<PathBuf>, _>>()?;
    files.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    files.sort();
    Ok(files)
}

/// The names of types, and those of properties, of references by the field that shows them, and of members of values. Whether the
/// schema is as it should be is not asked here: the loader says that better.
fn names(schema: &Path) -> Result<(BTreeSet<String>, BTreeSet<String>), Box<dyn Error>> {
    let (mut types, mut fields) = (BTreeSet::new(), BTreeSet::new());
    let keys = |table: Option<&toml::Value>| -> Vec<String> {
        table.and_then(toml::Value::as_table).into_iter().flat_map(toml::Table::keys).cloned().collect()
    };
    let object_types = toml_files(&schema.join("object-types"))?;
    for path in object_types.into_iter().chain([schema.join("common.toml")]) {
        let file: toml::Table = fs::read_to_string(&path)?.parse()?;
        types.extend(file.get("name").and_then(toml::Value::as_str).map(str::to_owned));
        fields.extend(keys(file.get("properties")));
        fields.extend(keys(file.get("references")).iter().map(|target| format!("{}_refs", target.replace('-', "_"))));
    }
    for path in toml_files(&schema.join("value-types"))? {
        let file: toml::Table = fs::read_to_string(&path)?.parse()?;
        let complex = file.get("complex").and_then(toml::Value::as_table);
        fields.extend(complex.into_iter().flat_map(toml::Table::values).flat_map(|members| keys(Some(members))));
    }
    Ok((types, fields))
}

/// A constant for each name: `virtual-DNS` is `VIRTUAL_DNS`.
fn constants(names: &BTreeSet<String>) -> String {
    let constant = |name: &String| {
        let of = name.replace(|character: char| !character.is_ascii_alphanumeric(), "_").to_uppercase();
        format!("/// `{name}`\npub const {of}: &str = {name:?};\n")
    };
    names.iter().map(constant).collect()
}

/// A value that is a text.
fn text(value: toml::Value) -> Option<String> {
    match value {
        toml::Value::String(text) => Some(text),
        _ => None,
    }
}
