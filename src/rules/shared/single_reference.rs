//! References of which an object may have one at most.

use crate::{
    python_literal,
    rules::engine::{Decision, Draft, Rejection, RuleId, Work},
};
use serde_json::{Value, json};

/// Refuses several references of one kind by a rule; `kind` and `noun` are the words of the text.
///
/// # Errors
/// 400 with all the names.
pub fn check(work: &Work, draft: &Draft, rule: RuleId, field: &str, kind: &str, noun: &str) -> Decision<()> {
    let links = draft.given_links(field).unwrap_or_default();
    if links.len() < 2 {
        return Ok(());
    }
    let targets = links.iter().filter_map(|link| work.graph.get(link.target));
    let names: Vec<Value> = targets.map(|target| json!(target.fq_name.elements())).collect();
    let text = format!(
        "{kind} {} has more than one {noun} refs {}",
        python_literal::list(draft.fq_name.elements()),
        python_literal::value(&Value::Array(names))
    );
    Err(Rejection::bad_request(text).by(rule).about(field))
}
