//! instance-ip (contrail-api R21: IIP-*, address management ADM-S9, ADM-S12, ADM-S13, ADM-S15).
//!
//! What else a client says is only stored: whose interfaces share the address, and how (IIP-C11). Floating-ips below
//! an instance-ip stop its delete, as all children do (IIP-D2).

use crate::{
    graph::Object,
    ipam,
    model::field_name,
    rules::{
        engine::{Decision, Draft, NewLink, Rejection, Rules, Work, rule},
        shared::{
            addresses::{self, Version, Wish, parse_wish},
            gateway_address::is_unmanaged,
            subscriber,
        },
        types::virtual_network::first_network,
    },
};
use serde_json::{Value, json};
use std::{collections::BTreeSet, sync::Arc};
use uuid::Uuid;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create, before_update, after_delete, ..Rules::NONE };

const ADDRESS: &str = field_name::INSTANCE_IP_ADDRESS;
const SUBNET: &str = field_name::SUBNET_UUID;
const INTERFACES: &str = field_name::VIRTUAL_MACHINE_INTERFACE_REFS;
/// Where an address may come from; the first that there is counts.
const SOURCES: [&str; 3] =
    [field_name::VIRTUAL_NETWORK_REFS, field_name::NETWORK_IPAM_REFS, field_name::VIRTUAL_ROUTER_REFS];
/// IIP-C3: the address is of a network, of the pools of a virtual router, or of a flat ipam. IIP-C10: what was found is
/// filled in.
fn before_create(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let links = |field: &str| draft.given_links(field).unwrap_or_default();
    let (networks, ipams, routers) = (
        links(field_name::VIRTUAL_NETWORK_REFS),
        links(field_name::NETWORK_IPAM_REFS),
        links(field_name::VIRTUAL_ROUTER_REFS),
    );
    check_sources(draft, networks, ipams, routers)?;
    let version = Version::of(draft.given(field_name::INSTANCE_IP_FAMILY));
    let address = parse_wish(ADDRESS, draft.given(ADDRESS))?;
    let subscriber = draft.given(field_name::INSTANCE_IP_SUBSCRIBER_TAG).and_then(Value::as_str).map(str::to_owned);
    let found = if let Some(network) = first_network(work, networks) {
        if is_unmanaged(&network) {
            write_usual_notation(draft);
            return Ok(());
        }
        let wish =
            Wish { address, subnet: subnet(draft), version, subscriber: subscriber.clone(), may_share_gateway: true };
        let found =
            addresses::find(work, &network, &wish).map_err(|refusal| complete_refusal(refusal, &network, draft))?;
        if found.hold.is_none() {
            check_no_virtual_machine(work, &draft.links(INTERFACES))?;
        }
        found
    } else {
        // IIP-C4
        if address.is_some() {
            let text = "allocation for requested IP from a network_ipam is not supported";
            return Err(Rejection::bad_request(text).by(rule::IIP_C4).about(ADDRESS));
        }
        match (first_network(work, routers), first_network(work, ipams)) {
            (Some(router), _) => addresses::find_for_router(work, &router, version)?,
            (None, Some(ipam)) => {
                let wish = Wish { version, subscriber: subscriber.clone(), ..Wish::default() };
                addresses::find_in_ipam(work, &ipam, &wish)?
            }
            (None, None) => {
                let text = "instance-ip needs one of virtual_network_refs, network_ipam_refs and virtual_router_refs";
                return Err(Rejection::bad_request(text).by(rule::IIP_C3).about(field_name::VIRTUAL_NETWORK_REFS));
            }
        }
    };
    draft.set(ADDRESS, found.address.to_string().into());
    if let Some(subnet) = found.subnet {
        draft.set(SUBNET, subnet.to_string().into());
    }
    draft.hold = found.hold;
    if let Some((hold, subscriber)) = found.hold.zip(subscriber)
        && let Some(prefix) = subscriber::subscribe(work, hold, &subscriber)
    {
        draft.set(
            field_name::INSTANCE_IP_SUBNET,
            json!({"ip_prefix": prefix.network(), "ip_prefix_len": prefix.prefix()}),
        );
    }
    Ok(())
}

/// IIP-D1: the address is free with the object; its subnet may be free for another subscriber, too.
fn after_delete(work: &mut Work, address: &Arc<Object>) -> Decision<()> {
    if let Some(hold) = address.hold {
        subscriber::release(work, hold);
    }
    Ok(())
}

/// Writes an address that is only stored without leading zeros, for readers that take these for octal.
fn write_usual_notation(draft: &mut Draft) {
    if let Some(mut address) = draft.given(ADDRESS).cloned() {
        ipam::write_usual_notation(&mut address);
        draft.set(ADDRESS, address);
    }
}

/// IIP-C1
fn check_sources(draft: &Draft, networks: &[NewLink], ipams: &[NewLink], routers: &[NewLink]) -> Decision<()> {
    if routers.is_empty() {
        return Ok(());
    }
    let refuse = |field: &str, text: &str| Err(Rejection::bad_request(text).by(rule::IIP_C1).about(field));
    if !ipams.is_empty() {
        return refuse(field_name::NETWORK_IPAM_REFS, "virtual_router_refs and ipam_refs are not allowed");
    }
    if !networks.is_empty() {
        return refuse(field_name::VIRTUAL_NETWORK_REFS, "router_refs and network_refs are not allowed");
    }
    if routers.len() > 1 {
        return refuse(field_name::VIRTUAL_ROUTER_REFS, "Instance IP cannot refer to multiple vrouters");
    }
    if draft.value(SUBNET).is_some() {
        return refuse(SUBNET, "subnet uuid based allocation not supported with vrouter");
    }
    Ok(())
}

fn subnet(draft: &Draft) -> Option<Uuid> {
    let given = draft.given(SUBNET).and_then(Value::as_str).filter(|text| !text.is_empty());
    // What is no uuid is the uuid of no subnet; which text is answered then depends on the network's name.
    given.map(|text| Uuid::try_parse(text).unwrap_or_default())
}

/// IIP-C7: the text of an unknown subnet prints what was given. What is about nothing else is about the address asked for.
fn complete_refusal(refusal: Rejection, network: &Object, draft: &Draft) -> Rejection {
    match draft.given(SUBNET).and_then(Value::as_str) {
        Some(given) if refusal.is_about(SUBNET) => {
            refusal.in_words(ipam::unknown_subnet(&network.fq_name.elements(), given))
        }
        _ if refusal.field.is_none() && draft.given(ADDRESS).is_some() => refusal.about(ADDRESS),
        _ => refusal,
    }
}

/// IIP-C5, IIP-U2: the address of a gateway is for routers.
fn check_no_virtual_machine(work: &Work, interfaces: &[NewLink]) -> Decision<()> {
    let has_machine = |link: &NewLink| {
        let interface = work.graph.get(link.target);
        interface.is_some_and(|interface| !work.links(interface, field_name::VIRTUAL_MACHINE_REFS).is_empty())
    };
    if interfaces.iter().any(has_machine) {
        return Err(Rejection::bad_request("Gateway IP cannot be used by VM port").by(rule::IIP_C5).about(INTERFACES));
    }
    Ok(())
}

fn before_update(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    // Where the address is from stays; the peer lets it go astray here (ADM-S9). What counts less may be referred to.
    for field in SOURCES {
        let targets = |links: &[NewLink]| links.iter().map(|link| link.target).collect::<BTreeSet<Uuid>>();
        let stored = targets(&draft.stored_links(field));
        if draft.given_links(field).is_some_and(|given| targets(given) != stored) {
            return Err(Rejection::bad_request(format!("{field} of an instance-ip can not be changed"))
                .by(rule::ADM_S9)
                .about(field));
        }
        if !stored.is_empty() {
            break;
        }
    }
    write_usual_notation(draft);
    let network = first_network(work, &draft.stored_links(field_name::VIRTUAL_NETWORK_REFS));
    if network.as_ref().is_some_and(|network| is_unmanaged(network)) {
        return Ok(());
    }
    let changed = |name: &str| draft.given(name).is_some() && draft.value(name) != draft.stored_value(name);
    // IIP-U1
    if changed(ADDRESS) {
        return Err(Rejection::bad_request("Instance IP Address can not be changed").by(rule::IIP_U1).about(ADDRESS));
    }
    if draft.hold.is_none() && draft.given_links(INTERFACES).is_some() {
        check_no_virtual_machine(work, &draft.links(INTERFACES)).map_err(|refusal| refusal.by(rule::IIP_U2))?;
    }
    Ok(())
}
