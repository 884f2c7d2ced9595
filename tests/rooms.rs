//! The rooms of the source, and who knows whom: an arrow that is not in the table is a decision to be made, not an accident.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// Each room, and the rooms that it imports from: only such as stand above it.
const ROOMS: &str = include_str!("data/rooms.toml");

fn rust_files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            rust_files(&entry, found);
        } else if entry.extension().is_some_and(|extension| extension == "rs") {
            found.push(entry);
        }
    }
}

/// The room that a path of modules leads to.
fn room(modules: &[&str]) -> String {
    match modules {
        ["rules", inner @ ("engine" | "shared" | "types"), ..] => format!("rules/{inner}"),
        [first, ..] => (*first).to_owned(),
        [] => "main".to_owned(),
    }
}

/// What a text names after `crate::`, each as a path of modules: `crate::{a::{b, c}, d}` is `a::b`, `a::c` and `d`.
fn imports(text: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    for (place, _) in text.match_indices("crate::") {
        // `$crate::` and names that end like it are others.
        if text
            .get(..place)
            .and_then(|before| before.chars().last())
            .is_some_and(|last| last.is_alphanumeric() || last == '_')
        {
            continue;
        }
        paths(text.get(place + "crate::".len()..).unwrap_or_default(), &mut Vec::new(), &mut found);
    }
    found
}

/// Reads one path, or a list of them in braces, and gives what is left.
fn paths<'a>(text: &'a str, above: &mut Vec<String>, found: &mut Vec<Vec<String>>) -> &'a str {
    let mut text = text.trim_start();
    if let Some(mut list) = text.strip_prefix('{') {
        loop {
            list = paths(list, above, found).trim_start();
            match list.chars().next() {
                Some(',') => list = list.get(1..).unwrap_or_default().trim_start(),
                Some('}') => return list.get(1..).unwrap_or_default(),
                _ => return list,
            }
            if let Some(rest) = list.strip_prefix('}') {
                return rest;
            }
        }
    }
    let end = text.find(|character: char| !(character.is_alphanumeric() || character == '_')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    text = rest;
    above.push(name.to_owned());
    match text.strip_prefix("::") {
        Some(inner) => text = paths(inner, above, found),
        None => found.push(above.clone()),
    }
    above.pop();
    text
}

/// The source of a file without its tests.
fn source(path: &Path) -> Option<String> {
    let is_test = path.iter().any(|part| part == "tests")
        || path.file_stem().is_some_and(|stem| stem.to_string_lossy().ends_with("tests"));
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let lines = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    (!is_test).then(|| lines.collect::<Vec<_>>().join("\n"))
}

fn arrows() -> BTreeMap<String, BTreeMap<String, BTreeSet<String>>> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&root, &mut files);
    let mut arrows: BTreeMap<String, BTreeMap<String, BTreeSet<String>>> = BTreeMap::new();
    for file in files {
        let Some(text) = source(&file) else { continue };
        let relative = file.strip_prefix(&root).unwrap().with_extension("");
        let modules: Vec<String> = relative.iter().map(|part| part.to_string_lossy().into_owned()).collect();
        let from = room(&modules.iter().map(String::as_str).collect::<Vec<_>>());
        let known = arrows.entry(from.clone()).or_default();
        for import in imports(&text) {
            let to = room(&import.iter().map(String::as_str).collect::<Vec<_>>());
            if to != from && import.first().is_some_and(|first| first.chars().next().is_some_and(char::is_lowercase)) {
                known.entry(to).or_default().insert(relative.display().to_string());
            }
        }
    }
    arrows
}

/// The source imports as the table says, the table says nothing that is not so, and no arrows run in a circle.
pub fn who_knows_whom() {
    let table: toml::Table = toml::from_str(ROOMS).unwrap();
    let (mut above, mut told) = (BTreeSet::new(), BTreeMap::new());
    let mut wrong = Vec::new();
    for (room, known) in table["knows"].as_table().unwrap() {
        let known: BTreeSet<String> = known.clone().try_into().unwrap();
        wrong.extend(
            known.difference(&above).map(|below| format!("{room} knows {below}, which does not stand above it")),
        );
        above.insert(room.clone());
        told.insert(room.clone(), known);
    }
    let arrows = arrows();
    for (from, known) in &arrows {
        for (to, files) in known.iter().filter(|(to, _)| !told.get(from).is_some_and(|told| told.contains(*to))) {
            let files: Vec<&str> = files.iter().map(String::as_str).collect();
            wrong.push(format!("{from} knows {to} and should not: {}", files.join(", ")));
        }
    }
    for (from, told) in &told {
        for to in told.iter().filter(|to| !arrows.get(from).is_some_and(|known| known.contains_key(*to))) {
            wrong.push(format!("{from} does not know {to}, as tests/data/rooms.toml says"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
