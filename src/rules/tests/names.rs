//! Domains, the domain name system, and what is shared with a domain.

use super::*;

fn domain(configuration: &Configuration) -> Arc<Object> {
    configuration.find("domain", "default-domain").unwrap()
}

fn server(configuration: &mut Configuration, name: &str, members: Value) -> Decision<Arc<Object>> {
    let mut data = json!({"domain_name": "example.org", "record_order": "random"});
    extend(&mut data, members);
    let domain = domain(configuration);
    configuration.below(&domain, "virtual-DNS", name, json!({ "virtual_DNS_data": data }))
}

#[test]
fn dom_c1_dom_u1_a_domain_shares_itself() {
    let mut configuration = Configuration::new();
    let domain = configuration.at_top("domain", "d", json!({})).unwrap();
    let share = json!([{"tenant": format!("domain:{}", domain.uuid), "tenant_access": 6}]);
    assert_eq!(configuration.get(&domain, "perms2")["share"], share);
    let default = self::domain(&configuration);
    configuration.update(&default, json!({"display_name": "ours"})).unwrap();
    assert_eq!(configuration.get(&default, "display_name"), "ours");
}

#[test]
fn perms2_shares_with_somebody() {
    let mut configuration = Configuration::new();
    let tenant = "11111111-1111-4111-8111-111111111111";
    let body = |share: Value| json!({"perms2": {"owner": "cloud-admin", "share": share}});
    let stored = configuration.in_project("network-policy", "p", json!({})).unwrap();
    let nobody = [
        json!({}),
        json!(null),
        json!({"tenant_access": 7}),
        json!({"tenant": null, "tenant_access": 7}),
        json!({"tenant": "", "tenant_access": 7}),
        json!({"tenant": "domain:", "tenant_access": 7}),
        json!({"tenant": "tenant:", "tenant_access": 7}),
        json!({"tenant": "x:y:z", "tenant_access": 7}),
        json!({"tenant": tenant, "tenant_access": null}),
        json!({ "tenant": tenant }),
    ];
    for bad in nobody {
        let share = json!([{"tenant": tenant, "tenant_access": 5}, bad]);
        let created = refusal(configuration.in_project("network-policy", "q", body(share.clone())));
        assert_eq!(created, "400 Bad Request, invalid share list", "{bad}");
        let updated = refusal(configuration.update(&stored, body(share)));
        assert_eq!(updated, "400 Bad Request, invalid share list", "{bad}");
    }
    assert_eq!(configuration.get(&stored, "perms2")["share"], json!([]));
    let undashed = tenant.replace('-', "");
    for good in [tenant.to_owned(), undashed, format!("tenant:{tenant}"), format!("domain:{tenant}")] {
        let share = json!([{"tenant": good, "tenant_access": 5}]);
        configuration.update(&stored, body(share.clone())).unwrap();
        assert_eq!(configuration.get(&stored, "perms2")["share"], share);
    }
    configuration.update(&stored, body(json!([]))).unwrap();
    configuration.in_project("network-policy", "r", body(json!(null))).unwrap();
}

#[test]
fn st_c1_vdns_c1_templates_and_servers_are_shared_with_their_domain() {
    let mut configuration = Configuration::new();
    let domain = domain(&configuration);
    let share = json!([{"tenant": format!("domain:{}", domain.uuid), "tenant_access": 5}]);
    let template = configuration.below(&domain, "service-template", "t", json!({})).unwrap();
    let server = server(&mut configuration, "s", json!({})).unwrap();
    for object in [&template, &server] {
        assert_eq!(configuration.get(object, "perms2")["share"], share);
    }
}

#[test]
fn vdns_c2_vdns_c3_vdns_c4_vdns_u1_names_and_times() {
    let mut configuration = Configuration::new();
    for name in ["a_b", "-a", "a.b", "a b"] {
        let text = "403 Special characters are not allowed in Virtual DNS server name";
        assert_eq!(refusal(server(&mut configuration, name, json!({}))), text);
    }
    let data = |members: Value| {
        let mut data = json!({"domain_name": "example.org"});
        extend(&mut data, members);
        json!({ "virtual_DNS_data": data })
    };
    let stored = server(&mut configuration, "s", json!({})).unwrap();
    for name in ["", "a..b", "-a.org", "a_b.org"] {
        let text = "403 Domain name does not adhere to DNS name requirements";
        assert_eq!(refusal(server(&mut configuration, "x", json!({"domain_name": name}))), text);
        assert_eq!(refusal(configuration.update(&stored, data(json!({"domain_name": name})))), text);
    }
    for seconds in [-1_i64, 2_147_483_648] {
        let text = "400 Invalid value for TTL";
        assert_eq!(refusal(server(&mut configuration, "x", json!({"default_ttl_seconds": seconds}))), text);
    }
    let order = refusal(server(&mut configuration, "x", json!({"record_order": "alphabetic"})));
    assert!(order.starts_with("400 Bad property in create"));
    configuration.update(&stored, data(json!({"domain_name": "example.org.", "default_ttl_seconds": 0}))).unwrap();
    configuration.update(&stored, json!({"display_name": "without data"})).unwrap();
}

#[test]
fn vdns_c5_vdns_d1_the_next_server() {
    let mut configuration = Configuration::new();
    let next = |next: &str| json!({"next_virtual_DNS": next});
    let unknown = server(&mut configuration, "a", next("default-domain:b"));
    assert_eq!(refusal(unknown), "400 Invalid Virtual Forwarder(next virtual dns server)");
    let first = server(&mut configuration, "a", next("8.8.8.8")).unwrap();
    let second = server(&mut configuration, "b", next("default-domain:a")).unwrap();
    let back = json!({"virtual_DNS_data": {"domain_name": "example.org", "next_virtual_DNS": "default-domain:b"}});
    let text = "403 Cannot have Virtual DNS Servers referring to each other";
    assert_eq!(refusal(configuration.update(&first, back)), text);
    let text = "403 Virtual DNS server is referred by other virtual DNS servers";
    assert_eq!(refusal(configuration.delete(&first)), text);
    configuration.delete(&second).unwrap();
    configuration.delete(&first).unwrap();
}

#[test]
fn vdns_c5_vdnsr_c1_addresses_are_written_without_leading_zeros() {
    let mut configuration = Configuration::new();
    let next = |next: &str| json!({"next_virtual_DNS": next});
    let refused = refusal(server(&mut configuration, "a", next("8.8.8.08")));
    assert!(refused.contains("(is 08 octal or decimal?"), "{refused}");
    let first = server(&mut configuration, "a", next("8.8.8.04")).unwrap();
    assert_eq!(configuration.get(&first, "virtual_DNS_data")["next_virtual_DNS"], "8.8.8.4");
    let record = |kind: &str, name: &str, data: &str| {
        json!({"virtual_DNS_record_data": {"record_name": name,
        "record_type": kind, "record_class": "IN", "record_data": data, "record_ttl_seconds": 60}})
    };
    let mut create = |name: &str, members: Value| configuration.below(&first, "virtual-DNS-record", name, members);
    let refused = refusal(create("r", record("A", "www", "10.1.1.010")));
    assert!(refused.starts_with("403 Invalid IP address (is 010 octal or decimal?"), "{refused}");
    let refused = refusal(create("r", record("PTR", "10.1.1.010", "example.org")));
    assert!(refused.contains("(is 010 octal or decimal?"), "{refused}");
    let forward = create("a", record("A", "www", "10.1.1.01")).unwrap();
    let backward = create("p", record("PTR", "10.1.1.01", "example.org")).unwrap();
    assert_eq!(configuration.get(&forward, "virtual_DNS_record_data")["record_data"], "10.1.1.1");
    assert_eq!(configuration.get(&backward, "virtual_DNS_record_data")["record_name"], "10.1.1.1");
}

#[test]
fn vdnsr_c1_records() {
    let mut configuration = Configuration::new();
    let server = server(&mut configuration, "s", json!({})).unwrap();
    let long = format!("{}.org", "a".repeat(64));
    let mut create = |kind: &str, name: &str, data: &str, members: Value| {
        let mut record = json!({"record_name": name, "record_type": kind, "record_class": "IN", "record_data": data, "record_ttl_seconds": 60});
        extend(&mut record, members);
        let number = configuration.graph.len();
        configuration.below(
            &server,
            "virtual-DNS-record",
            &number.to_string(),
            json!({ "virtual_DNS_record_data": record }),
        )
    };
    for (kind, name, data, members, expected) in [
        ("A", "www", "10.1.1.1", json!({}), ""),
        ("A", "www", "fd00::1", json!({}), "Invalid IP address"),
        ("A", &long, "10.1.1.1", json!({}), "Record name does not adhere to DNS name requirements"),
        ("AAAA", "www", "fd00::1", json!({}), ""),
        ("AAAA", "www", "10.1.1.1", json!({}), "Invalid IPv6 address"),
        ("CNAME", "www", "example.org.", json!({}), ""),
        ("CNAME", "www", "a_b", json!({}), "Record data does not adhere to DNS name requirements"),
        ("PTR", "10.1.1.1", "example.org", json!({}), ""),
        ("PTR", "1.1.1.10.in-addr.arpa", "example.org", json!({}), ""),
        ("PTR", "www", "example.org", json!({}), "PTR Record name has to be IP address or reverse.ip.in-addr.arpa"),
        ("NS", "sub", "default-domain:s", json!({}), ""),
        ("NS", "sub", "10.1.1.1", json!({}), ""),
        ("NS", "sub", "default-domain:x", json!({}), "Invalid virtual dns server in record data"),
        ("MX", "mail", "example.org", json!({"record_mx_preference": 10}), ""),
        ("MX", "mail", "example.org", json!({"record_mx_preference": 65536}), "Invalid value for MX record preference"),
        ("A", "www", "10.1.1.1", json!({"record_ttl_seconds": -1}), "Invalid value for TTL"),
    ] {
        let answer = create(kind, name, data, members);
        match expected {
            "" => drop(answer.unwrap()),
            text => assert_eq!(refusal(answer), format!("403 {text}"), "{kind} {name} {data}"),
        }
    }
    assert!(refusal(create("TXT", "www", "x", json!({}))).starts_with("400 Bad property in create"));
}

#[test]
fn ipam_u1_machines_keep_their_dns_server() {
    let method = |method: Option<&str>| json!({"network_ipam_mgmt": {"ipam_dns_method": method}});
    let text = "400 Cannot change DNS Method  with active VMs referring to the IPAM";
    let (default, tenant, own) = (Some("default-dns-server"), Some("tenant-dns-server"), Some("virtual-dns-server"));
    let none = Some("none");
    for (old, new, accepted) in [
        (default, default, true),
        (default, own, true),
        (default, tenant, false),
        (own, none, false),
        (tenant, default, false),
        (None, default, false),
        (none, default, true),
    ] {
        let mut configuration = Configuration::new();
        let ipam = configuration.in_project("network-ipam", "i", method(old)).unwrap();
        let refs = json!({"network_ipam_refs": [{"to": ipam.fq_name.elements(), "attr": {"ipam_subnets": [subnet("10.1.1.0", 24)]}}]});
        let network = configuration.in_project("virtual-network", "blue", refs).unwrap();
        let interface = configuration.interface("p", &network);
        let answer = configuration.update(&ipam, method(new));
        if accepted {
            answer.unwrap();
        } else {
            assert_eq!(refusal(answer), text, "{old:?} {new:?}");
            configuration.delete(&interface).unwrap();
            configuration.update(&ipam, method(new)).unwrap();
        }
    }
}
