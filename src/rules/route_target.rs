//! route-target (contrail-api R21: RT-*): its name, and route targets in lists of users.

use super::{Decision, Draft, Rejection, Rules, Work};
use serde_json::Value;
use std::net::Ipv4Addr;

const FORM: &str = "Route target must be of the format 'target:<asn>:<number>' or 'target:<ip>:<number>'";

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, ..Rules::NONE };

/// A route target taken apart.
struct RouteTarget<'a> {
    /// An autonomous system number, or an address.
    administrator: &'a str,
    number: u64,
}

/// RT-C1
fn parse(text: &str) -> Decision<RouteTarget<'_>> {
    let form = || Rejection::bad_request(FORM);
    let mut parts = text.split(':');
    let (Some("target"), Some(administrator), Some(number), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(form());
    };
    let number = number.parse().map_err(|_| form())?;
    let is_number = administrator.trim_end_matches('L').parse::<u64>().is_ok();
    if is_number || administrator.parse::<Ipv4Addr>().is_ok() {
        Ok(RouteTarget { administrator, number })
    } else {
        Err(form())
    }
}

/// RT-C1, RT-C2
fn before_create(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let target = parse(draft.fq_name.name())?;
    if target.administrator.ends_with('L') && target.number > 0xffff {
        let text = "Route Target index value must be less than 0xFFFF in case of 4 byte ASN";
        return Err(Rejection::bad_request(text));
    }
    Ok(())
}

/// The part of the global configuration that decides about route targets.
struct Global {
    asn: u64,
    four_bytes: bool,
}

fn global(work: &Work) -> Global {
    let config = work.graph.model().find("global-system-config");
    let config = config.and_then(|kind| work.graph.objects_of(kind).next().cloned());
    let property = |name: &str| config.as_ref().and_then(|config| work.property(config, name));
    Global {
        asn: property("autonomous_system").as_ref().and_then(Value::as_u64).unwrap_or(64512),
        four_bytes: property("enable_4byte_as") == Some(Value::Bool(true)),
    }
}

/// VN-C7, LR-C4: users keep out of the range of automatic route targets; the form is normalised in place.
///
/// # Errors
/// 400 for the first that is not acceptable.
pub fn check_lists(work: &Work, draft: &mut Draft, properties: &[&str]) -> Decision<()> {
    for name in properties {
        let Some(mut value) = draft.given(name).cloned() else { continue };
        let Some(targets) = value.get_mut("route_target").and_then(Value::as_array_mut) else { continue };
        for target in targets {
            if let Some(text) = target.as_str() {
                *target = check_configured(work, text)?.into();
            }
        }
        draft.set(name, value);
    }
    Ok(())
}

/// Checks a route target that a user lists, and gives its normal form `target:<asn>:<number>`.
///
/// # Errors
/// 400 for another form, an autonomous system number out of range, or a number in the automatic range.
fn check_configured(work: &Work, text: &str) -> Decision<String> {
    let RouteTarget { administrator, number } = parse(text)?;
    let Ok(asn) = administrator.trim_end_matches('L').parse::<u64>() else {
        return Ok(format!("target:{administrator}:{number}"));
    };
    let global = global(work);
    let highest = if global.four_bytes { 0xffff_ffff } else { 0xffff };
    if asn == 0 || asn > highest {
        return Err(Rejection::bad_request(format!("ASN out of range, should be between 1-0x{highest:X}")));
    }
    let (first, last) = match (global.four_bytes, asn > 0xffff) {
        (true, true) => (8000, 1 << 15),
        _ => (8_000_000, 1 << 24),
    };
    let beyond = if global.four_bytes { 0xffff } else { u64::from(u32::MAX) };
    if asn == global.asn && ((first..=last).contains(&number) || number > beyond) {
        return Err(Rejection::bad_request(format!(
            "Configured route target must use ASN that is different from global ASN or route target value must be less than {first} and greater than {last}"
        )));
    }
    Ok(format!("target:{asn}:{number}"))
}
