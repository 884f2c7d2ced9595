//! virtual-DNS-record (contrail-api R21: VDNSR-C1). The model knows the types and classes of records.

use crate::{
    ipam,
    model::field_name,
    rules::{
        engine::{Decision, Draft, Rejection, Rules, Work, rule},
        shared::domain_name,
        types::virtual_dns,
    },
};
use serde_json::Value;

/// The rules of the type.
pub const RULES: Rules = Rules { before_create: check, before_update: check, ..Rules::NONE };

const RECORD: &str = field_name::VIRTUAL_DNS_RECORD_DATA;

/// VDNSR-C1
fn check(work: &mut Work, draft: &mut Draft) -> Decision<()> {
    let Some(record) = draft.given(RECORD).filter(|record| !record.is_null()) else { return Ok(()) };
    let text = |name: &str| record.get(name).and_then(Value::as_str).unwrap_or_default();
    let (kind, name, data) =
        (text(field_name::RECORD_TYPE).to_uppercase(), text(field_name::RECORD_NAME), text(field_name::RECORD_DATA));
    check_name(&kind, name)?;
    check_data(work, &kind, data)?;
    virtual_dns::check_time_to_live(record.get(field_name::RECORD_TTL_SECONDS)).map_err(|text| {
        Rejection::forbidden(text).by(rule::VDNSR_C1).about("virtual_DNS_record_data.record_ttl_seconds")
    })?;
    let preference = record.get(field_name::RECORD_MX_PREFERENCE).and_then(Value::as_i64);
    if kind == "MX" && preference.is_some_and(|preference| !(0..=0xffff).contains(&preference)) {
        return Err(Rejection::forbidden("Invalid value for MX record preference")
            .by(rule::VDNSR_C1)
            .about("virtual_DNS_record_data.record_mx_preference"));
    }
    let address = match kind.as_str() {
        "A" => field_name::RECORD_DATA,
        "PTR" => field_name::RECORD_NAME,
        _ => return Ok(()),
    };
    let mut record = record.clone();
    record.get_mut(address).into_iter().for_each(ipam::write_usual_notation);
    draft.set(RECORD, record);
    Ok(())
}

fn check_name(kind: &str, name: &str) -> Decision<()> {
    if kind == "PTR" {
        let reverse = [".in-addr.arpa", ".ip6.arpa"].iter().any(|end| name.trim_end_matches('.').ends_with(end));
        if ipam::parse_address(name).is_some() || reverse && domain_name::is_valid(name) {
            return Ok(());
        }
        let text = "PTR Record name has to be IP address or reverse.ip.in-addr.arpa";
        return Err(Rejection::forbidden(format!("{text}{}", ipam::why_refused(name)))
            .by(rule::VDNSR_C1)
            .about("virtual_DNS_record_data.record_name"));
    }
    if domain_name::is_valid(name) {
        return Ok(());
    }
    Err(Rejection::forbidden("Record name does not adhere to DNS name requirements")
        .by(rule::VDNSR_C1)
        .about("virtual_DNS_record_data.record_name"))
}

fn check_data(work: &Work, kind: &str, data: &str) -> Decision<()> {
    let (good, complaint) = match kind {
        "A" => (ipam::parse_address(data).is_some_and(|address| address.is_ipv4()), "Invalid IP address"),
        "AAAA" => (ipam::parse_address(data).is_some_and(|address| address.is_ipv6()), "Invalid IPv6 address"),
        "NS" => {
            let known = domain_name::is_valid(data) || virtual_dns::find(work, data)?.is_some();
            (known, "Invalid virtual dns server in record data")
        }
        _ => (domain_name::is_valid(data), "Record data does not adhere to DNS name requirements"),
    };
    let why = if kind == "A" { ipam::why_refused(data) } else { String::new() };
    if good {
        Ok(())
    } else {
        Err(Rejection::forbidden(format!("{complaint}{why}"))
            .by(rule::VDNSR_C1)
            .about("virtual_DNS_record_data.record_data"))
    }
}
