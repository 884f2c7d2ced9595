//! Every rule of the contract has a sentence, a test that carries its id in its name, and stands by its id in the code.
//! The table: `cargo test --test integration rule_table`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

#[allow(dead_code)] // The constants are for the code.
#[path = "../src/rules/engine/rule.rs"]
mod rule;

use rule::{GROUPS, RuleId};

/// The id as part of a function's name, with the separators around it: `_vn_c3_`.
fn in_names(rule: RuleId) -> String {
    format!("_{}_", rule.id().to_lowercase().replace('-', "_"))
}

/// The constant of a rule, as code names it: `rule::VN_C3`.
fn constant(rule: RuleId) -> String {
    format!("rule::{}", rule.id().replace('-', "_"))
}

/// Ids that should be there: whoever writes rules numbers them without gaps, so one that is skipped was forgotten.
fn skipped(ids: &BTreeSet<String>) -> Vec<String> {
    let mut highest: BTreeMap<&str, u32> = BTreeMap::new();
    for id in ids {
        let prefix = prefix(id);
        if let Some(number) = id.strip_prefix(prefix).and_then(|number| number.parse::<u32>().ok()) {
            let known = highest.entry(prefix).or_default();
            *known = number.max(*known);
        }
    }
    let all = highest.into_iter().flat_map(|(prefix, last)| (1..=last).map(move |number| format!("{prefix}{number}")));
    all.filter(|id| !ids.contains(id)).collect()
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
            && !after.is_some_and(|after| after.is_alphanumeric() || after == '_')
    })
}

/// A name with one separator between its words, and around them.
fn words(name: &str) -> String {
    let words = name.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
    format!("_{}_", words.collect::<Vec<_>>().join("_"))
}

/// Whether the words of a name have this id, and not only a longer one that ends like it: `_neu_gen_1_` is not `_gen_1_`.
fn names(words: &str, id: &str, longer: &[&String]) -> bool {
    longer.iter().fold(words.to_owned(), |rest, longer| rest.replace(longer.as_str(), "__")).contains(id)
}

/// A source line by line, each cut in code and comment.
fn code_and_comments(text: &str) -> (String, String) {
    let lines = text.lines().map(|line| line.split_once("//").unwrap_or((line, "")));
    let (code, comments): (Vec<&str>, Vec<&str>) = lines.unzip();
    (code.join("\n"), comments.join("\n"))
}

/// What in a comment looks like the id of a rule, by the prefixes that there are.
fn ids_in(comments: &str, prefixes: &BTreeSet<String>) -> BTreeSet<String> {
    let parts = |character: char| !(character.is_ascii_alphanumeric() || character == '-');
    let words = comments.split(parts);
    words
        .filter(|word| word.ends_with(|last: char| last.is_ascii_digit()))
        .map(str::to_owned)
        .filter(|word| prefixes.contains(prefix(word)))
        .collect()
}

/// An id without its number: `VN-C`, `GEN-`.
fn prefix(id: &str) -> &str {
    id.trim_end_matches(|character: char| character.is_ascii_digit())
}

pub fn every_rule_has_a_test_and_its_place_in_the_code() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let relative = |path: &Path| path.strip_prefix(root).unwrap().display().to_string();
    let mut tests: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut sources_of_code: BTreeMap<String, (String, String)> = BTreeMap::new();
    for path in sources(&root.join("src")).into_iter().chain(sources(&root.join("tests"))) {
        let text = fs::read_to_string(&path).unwrap();
        tests.insert(relative(&path), test_names(&text));
        if !is_test(path.strip_prefix(root).unwrap()) {
            sources_of_code.insert(relative(&path), code_and_comments(&text));
        }
    }
    let mut holes = Vec::new();
    let mut ids: BTreeSet<String> = BTreeSet::new();
    let rules = GROUPS.iter().flat_map(|group| group.subjects).flat_map(|subject| subject.rules);
    let all_in_names: Vec<String> = rules.map(|rule| in_names(*rule)).collect();
    for group in GROUPS {
        println!("\n{}", group.title);
        for rule in group.subjects.iter().flat_map(|subject| subject.rules) {
            if !ids.insert(rule.id().to_owned()) {
                holes.push(format!("{rule}: in the list twice"));
            }
            holes.extend(fault_of_sentence(rule.says()).map(|fault| format!("{rule}: {fault}")));
            if let Some(reason) = rule.not_kept() {
                println!("{:<12} not kept: {reason}", rule.id());
                continue;
            }
            let (wanted, constant) = (in_names(*rule), constant(*rule));
            let longer: Vec<&String> =
                all_in_names.iter().filter(|other| other.len() > wanted.len() && other.ends_with(&wanted)).collect();
            let shown_by: Vec<String> = tests
                .iter()
                .flat_map(|(path, names)| names.iter().map(move |name| (path, name)))
                .filter(|(_, name)| names(&words(name), &wanted, &longer))
                .map(|(path, name)| format!("{path}: {name}"))
                .collect();
            let done_in: Vec<&str> = sources_of_code
                .iter()
                .filter(|(_, (code, comments))| mentions(code, &constant) || mentions(comments, rule.id()))
                .map(|(path, _)| path.as_str())
                .collect();
            println!("{:<12} {:<60} {}", rule.id(), done_in.join(", "), shown_by.join(", "));
            if shown_by.is_empty() {
                holes.push(format!("{rule}: no test has it in its name"));
            }
            if group.in_code && done_in.is_empty() {
                holes.push(format!("{rule}: neither code nor a comment there names it"));
            }
        }
    }
    let prefixes = ids.iter().map(|id| prefix(id).to_owned()).collect();
    for (path, (_, comments)) in &sources_of_code {
        let unknown = ids_in(comments, &prefixes).into_iter().filter(|id| !ids.contains(id));
        holes.extend(unknown.map(|id| format!("{id}: {path} names it, and rules/ has no sentence for it")));
    }
    holes.extend(skipped(&ids).into_iter().map(|id| format!("{id}: neither kept nor named as not kept")));
    assert!(holes.is_empty(), "{} holes:\n{}", holes.len(), holes.join("\n"));
}

/// What is wrong with the sentence of a rule, which stands in one line, in the cell of a Markdown table.
fn fault_of_sentence(says: &str) -> Option<&'static str> {
    let outside_of_code = says.split('`').step_by(2).collect::<String>();
    match says {
        "" => Some("has no sentence"),
        says if !says.ends_with('.') || says.contains('\n') => {
            Some("its sentence is to be one line, and end with a full stop")
        }
        says if says.contains('|') || outside_of_code.contains(['<', '*']) => {
            Some("its sentence has what Markdown takes for its own")
        }
        _ => None,
    }
}

pub fn the_page_of_rules_is_current() {
    let output = Command::new(env!("CARGO_BIN_EXE_cirrus")).arg("rules").output().unwrap();
    assert!(output.status.success());
    let made = String::from_utf8(output.stdout).unwrap();
    let committed = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/rules.md")).unwrap_or_default();
    let different = made.lines().zip(committed.lines()).find(|(made, committed)| made != committed);
    assert!(made == committed, "docs/rules.md is not current: cargo run -- rules > docs/rules.md\n{different:?}");
}
