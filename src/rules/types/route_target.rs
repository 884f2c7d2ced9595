//! route-target (contrail-api R21: RT-*): its name, and route targets in lists of users.
//!
//! An object may have a number of the automatic range (RT-G1): the schema transformer makes them. It is found by its whole
//! name only (RT-G0), like all others.

use crate::{
    ipam,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, Rejection, Rules, Work, rule},
};
use serde_json::Value;
use std::{net::IpAddr, ops::RangeInclusive};

const FORM: &str = "Route target must be of the format 'target:<asn>:<number>' or 'target:<ip>:<number>'";

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, colons_in_names: true, ..Rules::NONE };

/// A route target taken apart.
struct RouteTarget<'a> {
    /// An autonomous system number, or an address.
    administrator: &'a str,
    number: u64,
}

/// RT-C1
fn parse(text: &str) -> Decision<RouteTarget<'_>> {
    let form = || Rejection::bad_request(FORM).by(rule::RT_C1);
    let mut parts = text.split(':');
    let (Some("target"), Some(administrator), Some(number), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(form());
    };
    let number = number.parse().map_err(|_| form())?;
    let is_number = administrator.trim_end_matches('L').parse::<u64>().is_ok();
    if is_number || address_of(administrator).is_some() {
        Ok(RouteTarget { administrator, number })
    } else {
        Err(Rejection::bad_request(format!("{FORM}{}", ipam::why_refused(administrator))).by(rule::RT_C1))
    }
}

/// The address of an administrator that is no number, in its usual notation.
fn address_of(administrator: &str) -> Option<String> {
    ipam::parse_address(administrator).filter(IpAddr::is_ipv4).map(|address| address.to_string())
}

/// RT-C1, RT-C2. A name is not rewritten, so an address in it has to be in its usual notation.
fn before_create(_work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let about = |refusal: Rejection| refusal.about("fq_name");
    let target = parse(draft.fq_name.name()).map_err(about)?;
    if address_of(target.administrator).is_some_and(|usual| usual != target.administrator) {
        return Err(about(Rejection::bad_request(FORM).by(rule::RT_C1)));
    }
    if target.administrator.ends_with('L') && target.number > 0xffff {
        let text = "Route Target index value must be less than 0xFFFF in case of 4 byte ASN";
        return Err(about(Rejection::bad_request(text).by(rule::RT_C2)));
    }
    Ok(())
}

/// The part of the global configuration that decides about autonomous systems and route targets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AutonomousSystem {
    /// The global number.
    pub number: u64,
    /// Whether numbers may have four bytes.
    pub four_bytes: bool,
}

impl AutonomousSystem {
    /// As it is now.
    pub fn global(work: &Work) -> Self {
        let config = work.graph.model().find(type_name::GLOBAL_SYSTEM_CONFIG);
        let config = config.and_then(|kind| work.graph.objects_of(kind).next().cloned());
        let property = |name: &str| config.as_ref().and_then(|config| work.property(config, name));
        Self {
            number: property(field_name::AUTONOMOUS_SYSTEM).as_ref().and_then(Value::as_u64).unwrap_or(64512),
            four_bytes: property(field_name::ENABLE_4BYTE_AS) == Some(Value::Bool(true)),
        }
    }

    /// RT-G2
    ///
    /// # Errors
    /// 400 for a number that no autonomous system can have.
    pub fn check_number(self, number: u64) -> Decision<()> {
        let highest = if self.four_bytes { 0xffff_ffff } else { 0xffff };
        if (1..=highest).contains(&number) {
            return Ok(());
        }
        Err(Rejection::bad_request(format!("ASN out of range, should be between 1-0x{highest:X}")).by(rule::RT_G2))
    }

    /// The numbers that are given to route targets automatically (RT-G3).
    pub fn automatic_range(self) -> RangeInclusive<u64> {
        if self.four_bytes && self.number > 0xffff { 8000..=1 << 15 } else { 8_000_000..=1 << 24 }
    }

    /// Whether users have to keep out: only with the global number, and beyond what fits beside it (RT-G3, RT-G4).
    fn reserves(self, administrator: u64, number: u64) -> bool {
        let last = if self.four_bytes { 0xffff } else { u64::from(u32::MAX) };
        administrator == self.number && (self.automatic_range().contains(&number) || number > last)
    }
}

/// A route target that a user lists and that is in the automatic range of an autonomous system, without `target:`.
pub fn automatic(system: AutonomousSystem, text: &str) -> Option<&str> {
    let RouteTarget { administrator, number } = parse(text).ok()?;
    let asn = administrator.trim_end_matches('L').parse::<u64>().ok()?;
    let taken = asn == system.number && system.automatic_range().contains(&number);
    taken.then(|| text.trim_start_matches("target:"))
}

/// VN-C7, LR-C4: users keep out of the range of automatic route targets; the form is normalised in place.
///
/// # Errors
/// 400 for the first that is not acceptable.
pub fn check_lists(work: &Work, draft: &mut Draft, properties: &[&str]) -> Decision<()> {
    for name in properties {
        let Some(mut value) = draft.given(name).cloned() else { continue };
        let Some(targets) = value.get_mut(field_name::ROUTE_TARGET).and_then(Value::as_array_mut) else { continue };
        let system = AutonomousSystem::global(work);
        for target in targets {
            let text = target.as_str().ok_or_else(|| Rejection::bad_request(FORM).by(rule::RT_C1));
            let checked = text.and_then(|text| check_configured(system, text));
            *target = checked.map_err(|refusal| refusal.about(*name))?.into();
        }
        draft.set(name, value);
    }
    Ok(())
}

/// Checks a route target that a user lists, and gives its normal form `target:<asn>:<number>`.
///
/// # Errors
/// 400 for another form, an autonomous system number out of range, or a number in the automatic range.
fn check_configured(system: AutonomousSystem, text: &str) -> Decision<String> {
    let RouteTarget { administrator, number } = parse(text)?;
    let Ok(asn) = administrator.trim_end_matches('L').parse::<u64>() else {
        return Ok(format!("target:{}:{number}", address_of(administrator).unwrap_or_default()));
    };
    system.check_number(asn)?;
    if system.reserves(asn, number) {
        let range = system.automatic_range();
        return Err(Rejection::bad_request(format!(
            "Configured route target must use ASN that is different from global ASN or route target value must be less than {} and greater than {}",
            range.start(),
            range.end()
        )).by(rule::RT_G3));
    }
    Ok(format!("target:{asn}:{number}"))
}
