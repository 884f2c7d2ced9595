//! The numbers of aggregated ethernet interfaces (`ae<n>`), a pool for each physical router. A number is taken by an
//! interface with such a name, and by a virtual port group for its interfaces on the router.

use crate::{
    graph::Object,
    model::{field_name, type_name},
    rules::engine::{Decision, Draft, Rejection, Work, rule},
};
use serde_json::Value;
use std::collections::BTreeSet;
use uuid::Uuid;

/// The last one of a router; the first is 0.
pub const LAST: u64 = 128;
/// No name of an interface says the last one (PI-C3).
const NAMED: std::ops::Range<u64> = 0..LAST;

/// The number in the data of a reference from a port group.
pub fn number_of(attribute: &Value) -> Option<u64> {
    attribute.get(field_name::AE_NUM)?.as_u64()
}

/// PI-C3: an interface with such a name takes its number.
///
/// # Errors
/// 403 if the number is taken.
pub fn check_interface(work: &Work, draft: &Draft, router: &Object) -> Decision<()> {
    let Some(number) = number_in_name(draft.fq_name.name()) else { return Ok(()) };
    if taken(work, router.uuid, None).contains(&number) {
        let text = format!(
            "Interface ae{number} can't get AE-ID {number} because it is already occupied on {} physical router.",
            router.fq_name.name()
        );
        return Err(Rejection::forbidden(text).by(rule::PI_C3).about("fq_name"));
    }
    Ok(())
}

fn number_in_name(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("ae")?;
    let number: u64 = digits.parse().ok().filter(|number| NAMED.contains(number))?;
    (number.to_string() == digits).then_some(number)
}

/// The numbers taken on a router, but for those that only one group has.
pub fn taken(work: &Work, router: Uuid, but_for: Option<Uuid>) -> BTreeSet<u64> {
    let model = work.graph.model();
    let kinds = model.find(type_name::PHYSICAL_INTERFACE).zip(model.find(type_name::VIRTUAL_PORT_GROUP));
    let Some((interface_type, group_type)) = kinds else { return BTreeSet::new() };
    let mut taken = BTreeSet::new();
    for interface in work.graph.children_of(router, interface_type) {
        taken.extend(number_in_name(interface.fq_name.name()));
        let groups = work.graph.referrers(interface.uuid, group_type);
        for group in groups.filter(|group| Some(group.uuid) != but_for) {
            let links = work.links(group, field_name::PHYSICAL_INTERFACE_REFS).iter();
            let attributes =
                links.filter(|link| link.target == interface.uuid).filter_map(|link| link.attribute.as_deref());
            taken.extend(attributes.filter_map(|text| number_of(&serde_json::from_str(text).ok()?)));
        }
    }
    taken
}
