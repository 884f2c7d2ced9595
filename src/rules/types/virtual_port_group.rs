//! virtual-port-group (contrail-api R21: VPG-*): the physical interfaces over which a server is reached. How ports of
//! networks come to it is in `bare_metal_port`.

use crate::{
    graph::{Link, Object},
    model::{TypeId, field_name, type_name},
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rule, rulebook::Owner},
        shared::aggregate,
        types::physical_interface,
    },
};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write,
    sync::Arc,
};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules {
    before_create,
    before_update,
    after_update,
    before_delete,
    owner: Owner::CallerBelow("fabric"),
    ..Rules::NONE
};

/// Where the references to physical interfaces are.
pub const INTERFACES: &str = field_name::PHYSICAL_INTERFACE_REFS;
/// Where the references to ports are.
pub const PORTS: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
const USER_CREATED: &str = field_name::VIRTUAL_PORT_GROUP_USER_CREATED;
const TRUNK_PORT: &str = field_name::VIRTUAL_PORT_GROUP_TRUNK_PORT_ID;
/// What names of groups that the server makes begin with.
const INTERNAL_NAME: &str = "vpg-internal";
const LAST_INTERNAL_NUMBER: u64 = 65_535;

fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // VPG-C1
    let is_internal = draft.given(USER_CREATED) == Some(&Value::Bool(false));
    if !is_internal && draft.fq_name.name().contains(INTERNAL_NAME) {
        let text = format!(
            "Virtual port group({}) with name {INTERNAL_NAME} as prefix can only be created internally",
            draft.uuid
        );
        return Err(Rejection::bad_request(text).by(rule::VPG_C1).about("fq_name"));
    }
    // VPG-C2
    if draft.given_links(INTERFACES).is_some_and(|links| !links.is_empty()) {
        let text = "API Infra do not support allocating AE-ID when Physical Interface refs are sent in VPG create \
                    request. Workaround: Create VPG first, then add Physical Interface to VPG";
        return Err(Rejection::bad_request(text).by(rule::VPG_C2).about(INTERFACES));
    }
    check_trunk_port(work, draft)
}

/// VPG-C3: a trunk port is in no other group.
fn check_trunk_port(work: &Work, draft: &Draft) -> Decision<()> {
    let trunk = draft.given(TRUNK_PORT).and_then(Value::as_str).and_then(|text| Uuid::try_parse(text).ok());
    let Some(trunk) = trunk.and_then(|uuid| work.graph.get(uuid)) else { return Ok(()) };
    let referred =
        work.links(trunk, field_name::VIRTUAL_PORT_GROUP_REFS).iter().filter_map(|link| work.graph.get(link.target));
    let groups: BTreeMap<Uuid, &Arc<Object>> =
        work.graph.referrers(trunk.uuid, draft.type_id).chain(referred).map(|group| (group.uuid, group)).collect();
    if groups.is_empty() {
        return Ok(());
    }
    let mut text = format!("Trunk Port({}) already belongs to following VPG(s): ", trunk.uuid);
    for group in groups.values() {
        // Writing to a String cannot fail.
        let _ = write!(text, "\tUUID({}), FQ_NAME({})", group.uuid, group.fq_name.joined());
    }
    Err(Rejection::conflict(text).by(rule::VPG_C3).about(TRUNK_PORT).because_of(groups.into_keys()))
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(given) = draft.given_links(INTERFACES) else { return Ok(()) };
    let links: BTreeMap<Uuid, NewLink> = given.iter().map(|link| (link.target, link.clone())).collect();
    check_groups_of(work, draft, links.keys())?;
    let numbered = number_interfaces(work, draft, links)?;
    draft.set_links(INTERFACES, numbered);
    Ok(())
}

/// VPG-U1: an interface is in one group.
fn check_groups_of<'a>(work: &Work, draft: &Draft, interfaces: impl Iterator<Item = &'a Uuid>) -> Decision<()> {
    let (mut taken, mut in_the_way) = (String::new(), BTreeSet::new());
    for interface in interfaces {
        for group in work.graph.referrers(*interface, draft.type_id).filter(|group| group.uuid != draft.uuid) {
            let (uuid, name) = (group.uuid, group.fq_name.joined());
            in_the_way.insert(uuid);
            // Writing to a String cannot fail.
            let _ = write!(taken, "PI ({interface}) VPG-UUID ({uuid}) VPG-FQNAME ({name}); ");
        }
    }
    if taken.is_empty() {
        return Ok(());
    }
    let uuid = draft.uuid;
    let text =
        format!("physical interfaces already added at other VPGs can not be attached to this VPG ({uuid}): {taken}");
    Err(Rejection::bad_request(text).by(rule::VPG_U1).about(INTERFACES).because_of(in_the_way))
}

/// VPG-U2: several interfaces are aggregates, one on each router; a single one is none.
fn number_interfaces(work: &Work, draft: &Draft, links: BTreeMap<Uuid, NewLink>) -> Decision<Vec<NewLink>> {
    let is_aggregated = links.len() > 1;
    let mut by_router: BTreeMap<Option<Uuid>, Vec<NewLink>> = BTreeMap::new();
    for link in links.into_values() {
        by_router.entry(router_of(work, link.target)).or_default().push(link);
    }
    let mut numbered = Vec::new();
    for (router, links) in by_router {
        let router = router.and_then(|uuid| work.graph.get(uuid)).filter(|_| is_aggregated);
        let attribute = match router {
            Some(router) => json!({"ae_num": aggregate_number(work, draft, router, &links)?}),
            None => Value::Null,
        };
        numbered.extend(links.into_iter().map(|link| NewLink { attribute: attribute.clone(), ..link }));
    }
    Ok(numbered)
}

fn router_of(work: &Work, interface: Uuid) -> Option<Uuid> {
    work.graph.get(interface)?.parent
}

/// VPG-U2: the number of a group on a router: the one that it has, the one that is asked for, or the next.
fn aggregate_number(work: &Work, draft: &Draft, router: &Object, links: &[NewLink]) -> Decision<u64> {
    let stored = draft.stored_links(INTERFACES);
    let mut mine = stored.iter().filter(|link| router_of(work, link.target) == Some(router.uuid));
    let current = mine.find_map(|link| aggregate::number_of(&link.attribute));
    let taken = aggregate::taken(work, router.uuid, Some(draft.uuid));
    let router_name = router.fq_name.name();
    let mut number = current;
    for link in links {
        let Some(wanted) = link.attribute.get(field_name::AE_NUM).filter(|wanted| !wanted.is_null()) else { continue };
        let Some(wanted) = wanted.as_u64().filter(|wanted| *wanted <= aggregate::LAST) else {
            let last = aggregate::LAST;
            return Err(Rejection::bad_request(format!("{INTERFACES}: ae_num must be 0 to {last}, not {wanted}"))
                .by(rule::VPG_U2)
                .about(INTERFACES));
        };
        let in_use = number.or_else(|| taken.contains(&wanted).then_some(wanted));
        if in_use.is_some_and(|in_use| in_use != wanted || number.is_none()) {
            let text = format!(
                "AE-ID ({}) already allocated at PR ({router_name}) for PI ({}) Failed allocating user-defined AE-ID \
                 ({wanted})",
                in_use.unwrap_or(wanted),
                link.target
            );
            return Err(Rejection::bad_request(text).by(rule::VPG_U2).about(INTERFACES));
        }
        number = Some(wanted);
    }
    number.or_else(|| (0..=aggregate::LAST).find(|number| !taken.contains(number))).ok_or_else(|| {
        let group = draft.fq_name.name();
        let text = format!(
            "ResourceExhaustionError: when allocating AE-ID for virtual-port-group ({group}) at physical-router \
             ({router_name})"
        );
        Rejection::bad_request(text).by(rule::VPG_U2).about(INTERFACES)
    })
}

/// VPG-U1: interfaces in a group are those of servers.
fn after_update(work: &mut Work, before: &Arc<Object>, after: &Arc<Object>) -> Decision<()> {
    let targets = |links: &[Link]| -> BTreeSet<Uuid> { links.iter().map(|link| link.target).collect() };
    let (old, new) = (targets(work.links(before, INTERFACES)), targets(work.links(after, INTERFACES)));
    for interface in old.difference(&new) {
        physical_interface::set_type(work, *interface, Value::Null);
    }
    for interface in new.difference(&old) {
        physical_interface::set_type(work, *interface, "access".into());
    }
    Ok(())
}

/// VPG-D1
fn before_delete(work: &mut Work, group: &Arc<Object>) -> Decision<()> {
    let ports = work.links(group, PORTS);
    if !ports.is_empty() {
        let text = format!(
            "Virtual port group({}) can not be deleted as refernces to VMI and BMS instance association still exists.",
            group.uuid
        );
        return Err(Rejection::bad_request(text).by(rule::VPG_D1).because_of(ports.iter().map(|link| link.target)));
    }
    for link in work.links(group, INTERFACES) {
        physical_interface::set_type(work, link.target, Value::Null);
    }
    Ok(())
}

/// VPG-M2: a group that the server makes, because a port is to be attached and no group is named.
///
/// # Errors
/// 409 if there are too many.
pub fn add_internal(work: &mut Work, fabric: &Arc<Object>) -> Decision<Arc<Object>> {
    let group_type = work.type_id(type_name::VIRTUAL_PORT_GROUP)?;
    let taken: BTreeSet<u64> =
        work.graph.objects_of(group_type).filter_map(|group| internal_number(group.fq_name.name())).collect();
    let number = (0..=LAST_INTERNAL_NUMBER).find(|number| !taken.contains(number));
    let number = number.ok_or_else(|| Rejection::conflict("No virtual port group number is free").by(rule::VPG_M2))?;
    let mut draft = Draft::child(work, fabric, type_name::VIRTUAL_PORT_GROUP, &format!("{INTERNAL_NAME}-{number}"))?;
    draft.set(USER_CREATED, false.into());
    draft.set(field_name::VIRTUAL_PORT_GROUP_LACP_ENABLED, true.into());
    Ok(work.save(&draft))
}

fn internal_number(name: &str) -> Option<u64> {
    name.strip_prefix(INTERNAL_NAME)?.strip_prefix('-')?.parse().ok()
}

/// VPG-M2, VMI-D4: a group that the server has made goes with its last port.
///
/// # Errors
/// None: there are no ports.
pub fn remove_if_unused(work: &mut Work, group: Uuid, port_type: TypeId) -> Decision<()> {
    let Some(group) = work.graph.get(group).cloned() else { return Ok(()) };
    let is_internal = work.property(&group, USER_CREATED) == Some(Value::Bool(false));
    let has_ports =
        !work.links(&group, PORTS).is_empty() || work.graph.referrers(group.uuid, port_type).next().is_some();
    if is_internal && !has_ports {
        before_delete(work, &group)?;
        work.remove(&group);
    }
    Ok(())
}

/// The port that carries the others of a group.
pub fn is_trunk_port(work: &Work, group: &Object, port: Uuid) -> bool {
    work.property(group, TRUNK_PORT) == Some(port.to_string().into())
}
