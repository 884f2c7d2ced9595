//! virtual-DNS (contrail-api R21: VDNS-*). Records and ipams that refer to one keep it; its domain has a share in it
//! (VDNS-C1, `permissions.rs`).

use crate::{
    access::Right,
    graph::Object,
    ipam,
    model::{field_name, type_name},
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, access, rule, rulebook::DomainAccess},
        shared::domain_name,
    },
};
use serde_json::Value;
use std::sync::Arc;

/// The rules of the type.
pub const RULES: Rules = Rules {
    before_create: check,
    before_update: check,
    before_delete,
    domain_access: Some(DomainAccess { itself: false, access: 5 }),
    ..Rules::NONE
};

const DATA: &str = field_name::VIRTUAL_DNS_DATA;
const NEXT: &str = field_name::NEXT_VIRTUAL_DNS;
/// In seconds.
const LONGEST_TIME_TO_LIVE: i64 = 0x7fff_ffff;

/// VDNS-U1: what is not in the request was checked before.
fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let name = draft.fq_name.name();
    if name.starts_with('-') || !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') {
        // VDNS-C2
        return Err(Rejection::forbidden("Special characters are not allowed in Virtual DNS server name")
            .by(rule::VDNS_C2)
            .about("fq_name"));
    }
    let Some(data) = draft.given(DATA).filter(|data| !data.is_null()) else { return Ok(()) };
    let text = |name: &str| data.get(name).and_then(Value::as_str).unwrap_or_default();
    // VDNS-C3
    if !domain_name::is_valid(text(field_name::DOMAIN_NAME)) {
        return Err(Rejection::forbidden("Domain name does not adhere to DNS name requirements")
            .by(rule::VDNS_C3)
            .about("virtual_DNS_data.domain_name"));
    }
    // VDNS-C4; the order of records is one that the model knows.
    check_time_to_live(data.get(field_name::DEFAULT_TTL_SECONDS))
        .map_err(|text| Rejection::bad_request(text).by(rule::VDNS_C4).about("virtual_DNS_data.default_ttl_seconds"))?;
    check_next(work, draft, text(NEXT))?;
    let mut data = data.clone();
    data.get_mut(NEXT).into_iter().for_each(ipam::write_usual_notation);
    draft.set(DATA, data);
    Ok(())
}

/// How long an answer may be kept.
///
/// # Errors
/// The text of the refusal.
pub fn check_time_to_live(seconds: Option<&Value>) -> Result<(), String> {
    let seconds = seconds.and_then(Value::as_i64);
    if seconds.is_none_or(|seconds| (0..=LONGEST_TIME_TO_LIVE).contains(&seconds)) {
        return Ok(());
    }
    Err("Invalid value for TTL".to_owned())
}

/// The virtual DNS server with this name, elements joined by colons.
pub fn find(work: &Work, joined: &str) -> Decision<Option<Arc<Object>>> {
    Ok(work.graph.find_joined(work.type_id(type_name::VIRTUAL_DNS)?, joined).cloned())
}

/// The name of the server that is asked next.
fn next_of(work: &Work, server: &Object) -> Option<String> {
    work.property(server, DATA)?.get(NEXT)?.as_str().map(str::to_owned)
}

/// VDNS-C5: the next server is there, or somewhere else, and does not ask back.
fn check_next(work: &Work, draft: &Draft, next: &str) -> Decision<()> {
    if next.is_empty() || ipam::parse_address(next).is_some_and(|address| address.is_ipv4()) {
        return Ok(());
    }
    let server = find(work, next)?;
    let refuse = || {
        let why = ipam::why_refused(next);
        Rejection::bad_request(format!("Invalid Virtual Forwarder(next virtual dns server){why}"))
            .by(rule::VDNS_C5)
            .about("virtual_DNS_data.next_virtual_DNS")
    };
    let server = server.ok_or_else(refuse)?;
    let is_new = draft.stored.as_ref().is_none_or(|stored| next_of(work, stored).as_deref() != Some(next));
    if is_new {
        access::check_right(&work.identity, Right::Link, &server)?;
    }
    if next_of(work, &server).as_deref() == Some(draft.fq_name.joined()) {
        return Err(Rejection::forbidden("Cannot have Virtual DNS Servers referring to each other")
            .by(rule::VDNS_C5)
            .about("virtual_DNS_data.next_virtual_DNS")
            .because_of([server.uuid]));
    }
    Ok(())
}

/// VDNS-D1: servers of the domain that ask this one next.
fn before_delete(work: &mut Work, server: &Arc<Object>) -> Decision<()> {
    let Some(domain) = server.parent else { return Ok(()) };
    let mut others = work.graph.children_of(domain, server.type_id).filter(|other| other.uuid != server.uuid);
    if let Some(other) = others.find(|other| next_of(work, other).as_deref() == Some(server.fq_name.joined())) {
        return Err(Rejection::forbidden("Virtual DNS server is referred by other virtual DNS servers")
            .by(rule::VDNS_D1)
            .because_of([other.uuid]));
    }
    Ok(())
}
