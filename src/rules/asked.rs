//! Whether the roles of who asks allow what is asked for: before anything else is looked at, and again with the graph that
//! answers, or on which the request is decided (access contract 4).

use crate::{
    access::{
        Identity,
        role_rules::{KeptRoleRules, Question, Questions, Verdict},
    },
    graph::Graph,
    rules::engine::{Decision, Rejection, rule},
};

/// Asks the rules of this graph.
///
/// # Errors
/// 403 with what is refused.
pub fn check(kept: &KeptRoleRules, graph: &Graph, identity: &Identity, asked: &Questions) -> Decision<()> {
    asked.questions().try_for_each(|question| match kept.decide(graph, identity, question) {
        Verdict::Granted => Ok(()),
        Verdict::NoRules => Err(Rejection::forbidden("Permission Denied RBAC rule list empty").by(rule::RBAC_3)),
        Verdict::Refused { field: None } => Err(refusal(graph, identity, question).by(rule::RBAC_11)),
        Verdict::Refused { field: Some(field) } => {
            Err(refusal(graph, identity, question).by(rule::RBAC_10).about(field))
        }
    })
}

fn refusal(graph: &Graph, identity: &Identity, question: &Question) -> Rejection {
    let object = question.subject.name(graph).unwrap_or("None");
    Rejection::forbidden(identity.caller.refusal(question.letter, object))
}
