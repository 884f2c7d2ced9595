//! alarm (contrail-api R21: ALM-*).

use crate::{
    model::field_name,
    python_literal,
    rules::engine::{Decision, Draft, Rejection, Rules, Work, rule},
};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, ..Rules::NONE };

const CONDITIONS: &str = field_name::ALARM_RULES;

/// The lists of conditions; none where there is nothing, or an empty one.
fn alternatives(conditions: Option<&Value>) -> Option<&Vec<Value>> {
    conditions?.get(field_name::OR_LIST)?.as_array().filter(|alternatives| !alternatives.is_empty())
}

/// ALM-C1
fn before_create(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    match alternatives(draft.given(CONDITIONS)) {
        None => Err(Rejection::bad_request("alarm_rules not specified or null").by(rule::ALM_C1).about(CONDITIONS)),
        Some(alternatives) => check(alternatives),
    }
}

fn before_update(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    if draft.given(CONDITIONS).is_none() {
        return Ok(());
    }
    match alternatives(draft.given(CONDITIONS)) {
        None => Err(Rejection::bad_request("alarm_rules cannot be removed").by(rule::ALM_C1).about(CONDITIONS)),
        Some(alternatives) => check(alternatives),
    }
}

/// ALM-C2: any of the lists, each with all of its conditions.
fn check(alternatives: &[Value]) -> Decision<()> {
    for alternative in alternatives {
        let conditions = alternative.get(field_name::AND_LIST).and_then(Value::as_array);
        for condition in conditions
            .ok_or_else(|| Rejection::bad_request("Invalid alarm_rules").by(rule::ALM_C2).about(CONDITIONS))?
        {
            check_condition(condition)?;
        }
    }
    Ok(())
}

fn check_condition(condition: &Value) -> Decision<()> {
    let operand = condition.get("operand2").cloned().unwrap_or_default();
    let text = |name: &str| operand.get(name).and_then(Value::as_str);
    let is_range = condition.get("operation") == Some(&Value::from("range"));
    let json = match (text(field_name::UVE_ATTRIBUTE), text(field_name::JSON_VALUE)) {
        (Some(_), Some(_)) => {
            let text = "operand2 should have either 'uve_attribute' or 'json_value', not both";
            return Err(Rejection::bad_request(text).by(rule::ALM_C2).about(CONDITIONS));
        }
        (None, None) => {
            return Err(Rejection::bad_request("operand2 should have 'uve_attribute' or 'json_value'")
                .by(rule::ALM_C2)
                .about(CONDITIONS));
        }
        (Some(_), None) if is_range => {
            return Err(Rejection::bad_request("json_value not specified for 'range' operation")
                .by(rule::ALM_C2)
                .about(CONDITIONS));
        }
        (Some(_), None) => return Ok(()),
        (None, Some(json)) => json,
    };
    let parsed = serde_json::from_str::<Value>(json).map_err(|_| {
        Rejection::bad_request(format!("Invalid json_value '{json}' specified in alarm_rules"))
            .by(rule::ALM_C2)
            .about(CONDITIONS)
    })?;
    let ends = parsed.as_array().map(|ends| ends.iter().filter_map(Value::as_f64).collect::<Vec<_>>());
    let ordered = ends.is_some_and(|ends| matches!(ends[..], [low, high] if low < high));
    if is_range && !ordered {
        return Err(Rejection::bad_request(format!(
            "Invalid json_value {} for 'range' operation. json_value should be specified as '[x, y]', where x < y",
            python_literal::value(&parsed)
        ))
        .by(rule::ALM_C2)
        .about(CONDITIONS));
    }
    Ok(())
}
