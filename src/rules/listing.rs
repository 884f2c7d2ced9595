//! The list of rules as a page, `docs/rules.md`.

use super::rule::{GROUPS, Group, RuleId, Subject};

/// What stands above the rules.
const HEAD: &str = "# Rules

What the server does beside storing what it is sent. Each rule has an id: of which type or subject it is, what it is about (C a
create, U an update, D a delete, R a read, G anything, X a call of its own, S subnets or a subject, M a port of a server), and a
number. The id stands by the code that keeps the rule, and in the names of the tests that show it: look for `VN-C8` in `src/`, and
for `vn_c8` in the tests. 4xx and 202 are the statuses of answers.

This page is made from `rules/` by `cirrus rules > docs/rules.md`; a test holds it current.
";

/// All rules as Markdown: a chapter for each group, a table for each subject.
pub fn page() -> String {
    let chapters: String = GROUPS.iter().map(chapter).collect();
    HEAD.to_owned() + &chapters
}

fn chapter(group: &Group) -> String {
    let tables: String = group.subjects.iter().map(table).collect();
    format!("\n## {}\n{tables}", group.title)
}

fn table(subject: &Subject) -> String {
    let rows: String = subject.rules.iter().copied().map(row).collect();
    format!("\n### {}\n\n| rule | what it says |\n|---|---|\n{rows}", subject.name)
}

fn row(rule: RuleId) -> String {
    let not_kept = rule.not_kept().map(|reason| format!(" Not kept: {reason}.")).unwrap_or_default();
    format!("| {rule} | {}{not_kept} |\n", rule.says())
}
