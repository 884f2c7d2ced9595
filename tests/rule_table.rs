//! Every rule of the contract has a test that carries its id in its name, and stands by its id in the code.
//! The table: `cargo test --test integration rule_table`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// A rule, what code knows it by, and what tests do.
struct Rule {
    id: String,
    in_code: bool,
}

impl Rule {
    /// The id as part of a function's name, with the separators around it: `_vn_c3_`.
    fn in_names(&self) -> String {
        format!("_{}_", self.id.to_lowercase().replace(['-', '.'], "_"))
    }
}

/// `1-3 2.4` as `1`, `2`, `3`, `2.4`.
fn numbers(ranges: &str) -> Vec<String> {
    let expand = |range: &str| match range.split_once('-') {
        None => vec![range.to_owned()],
        Some((first, last)) => {
            (first.parse::<u32>().unwrap()..=last.parse().unwrap()).map(|number| number.to_string()).collect()
        }
    };
    ranges.split_whitespace().flat_map(expand).collect()
}

/// The id with this prefix: letters are followed by the number at once, other prefixes by a hyphen.
fn id(prefix: &str, number: &str) -> String {
    let operation = prefix.rsplit_once('-').is_some_and(|(_, letter)| letter.len() == 1);
    if operation { format!("{prefix}{number}") } else { format!("{prefix}-{number}") }
}

fn table() -> toml::Table {
    include_str!("rule_table/rules.toml").parse().unwrap()
}

/// Rules that are not kept, each with the reason.
fn not_kept() -> BTreeMap<String, String> {
    let reasons = table()["not_kept"].as_table().unwrap().clone();
    reasons.into_iter().map(|(id, reason)| (id, reason.as_str().unwrap().to_owned())).collect()
}

/// Ids that should be there: whoever writes rules numbers them without gaps, so one that is skipped was forgotten.
fn skipped(ids: &BTreeSet<String>) -> Vec<String> {
    let mut highest: BTreeMap<&str, u32> = BTreeMap::new();
    for id in ids.iter().filter(|id| !id.contains('.')) {
        let prefix = id.trim_end_matches(|character: char| character.is_ascii_digit());
        if let Some(number) = id.strip_prefix(prefix).and_then(|number| number.parse::<u32>().ok()) {
            let known = highest.entry(prefix).or_default();
            *known = number.max(*known);
        }
    }
    let all = highest.into_iter().flat_map(|(prefix, last)| (1..=last).map(move |number| format!("{prefix}{number}")));
    all.filter(|id| !ids.contains(id)).collect()
}

fn groups() -> Vec<(String, Vec<Rule>)> {
    let table = table();
    let group = |group: &toml::Value| {
        let in_code = group["code"].as_bool().unwrap();
        let rules = group["rules"].as_table().unwrap().iter().flat_map(|(prefix, ranges)| {
            numbers(ranges.as_str().unwrap()).into_iter().map(move |number| Rule { id: id(prefix, &number), in_code })
        });
        (group["title"].as_str().unwrap().to_owned(), rules.collect())
    };
    table["group"].as_array().unwrap().iter().map(group).collect()
}

/// All Rust sources below a directory.
fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Whether a source is a test: then ids in its comments do not count as code.
fn is_test(path: &Path) -> bool {
    let mut parts = path.components().map(|part| part.as_os_str().to_string_lossy());
    parts.any(|part| part == "tests" || part.ends_with("_tests.rs"))
}

/// The names of test functions and of named checks, by source: `fn name(` after an attribute that makes it a test, what an
/// integration test shows to the table of them all, or the name given to `run(`.
fn test_names(text: &str) -> Vec<String> {
    let mut names = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") || line.starts_with("#[actix_web::test") {
            marked = true;
        } else if let Some((head, rest)) = line.split_once("fn ").filter(|(head, _)| HEADS.contains(head)) {
            if marked || head.starts_with("pub ") {
                names.extend(rest.split('(').next().map(str::to_owned));
            }
            marked = false;
        } else if let Some((_, rest)) = line.split_once(".run(\"") {
            names.extend(rest.split('"').next().map(str::to_owned));
        }
    }
    names
}

/// What may stand before the `fn` of a test.
const HEADS: [&str; 4] = ["", "async ", "pub ", "pub async "];

/// Whether `text` has `id` as a whole word.
fn mentions(text: &str, id: &str) -> bool {
    text.match_indices(id).any(|(start, _)| {
        let before = text[..start].chars().next_back();
        let after = text[start + id.len()..].chars().next();
        !before.is_some_and(|before| before.is_alphanumeric() || before == '-')
            && !after.is_some_and(char::is_alphanumeric)
    })
}

/// A name with one separator between its words, and around them.
fn words(name: &str) -> String {
    let words = name.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    format!("_{}_", words.collect::<Vec<_>>().join("_"))
}

/// The comments of a source.
fn comments(text: &str) -> String {
    text.lines().filter_map(|line| line.split_once("//").map(|(_, comment)| comment)).collect::<Vec<_>>().join("\n")
}

pub fn every_rule_has_a_test_and_its_place_in_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let relative = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut code: BTreeMap<String, String> = BTreeMap::new();
    for path in sources(&root.join("src")).into_iter().chain(sources(&root.join("tests"))) {
        let text = fs::read_to_string(&path).unwrap();
        tests.insert(relative(&path), test_names(&text));
        if !is_test(path.strip_prefix(root).unwrap()) {
            code.insert(relative(&path), comments(&text));
        }
    }
    let mut holes = Vec::new();
    let not_kept = not_kept();
    let mut ids: BTreeSet<String> = not_kept.keys().cloned().collect();
    for (title, rules) in groups() {
        println!("\n{title}");
        for rule in rules {
            if not_kept.contains_key(&rule.id) {
                holes.push(format!("{}: kept and not kept", rule.id));
            }
            ids.insert(rule.id.clone());
            let wanted = rule.in_names();
            let shown_by: Vec<String> = tests
                .iter()
                .flat_map(|(path, names)| names.iter().map(move |name| (path, name)))
                .filter(|(_, name)| words(name).contains(&wanted))
                .map(|(path, name)| format!("{path}: {name}"))
                .collect();
            let done_in: Vec<&String> =
                code.iter().filter(|(_, comments)| mentions(comments, &rule.id)).map(|(path, _)| path).collect();
            let places = done_in.iter().map(|path| path.as_str()).collect::<Vec<_>>().join(", ");
            println!("{:<12} {:<60} {}", rule.id, places, shown_by.join(", "));
            if shown_by.is_empty() {
                holes.push(format!("{}: no test has it in its name", rule.id));
            }
            if rule.in_code && done_in.is_empty() {
                holes.push(format!("{}: no comment of the code names it", rule.id));
            }
        }
    }
    println!("\nNot kept");
    for (id, reason) in not_kept {
        println!("{id:<12} {reason}");
    }
    holes.extend(skipped(&ids).into_iter().map(|id| format!("{id}: neither kept nor named as not kept")));
    assert!(holes.is_empty(), "{} holes:\n{}", holes.len(), holes.join("\n"));
}
