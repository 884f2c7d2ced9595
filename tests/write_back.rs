//! What was read can be written back: the body that a GET gives is accepted by a PUT, all of it, and changes nothing. Tools
//! read an object, change one field of it, and send the whole; what they did not touch must not stand in their way.

use serde_json::{Value, json};

use crate::support::{
    Answer, Api, Server, revision,
    samples::{Samples, strings},
};

pub async fn what_was_read_can_be_written_back() {
    // The samples have ids of tags with twelve digits.
    let server = Server::start_with(&["--tag-id-digits", "12"]);
    let api = server.api();
    let (first, _) = write_everything_back(&api).await;
    assert!(first > 30, "{first} objects of the first start");
    make_examples(&api).await;
    make_what_was_refused(&api).await;
    let (all, without) = write_everything_back(&api).await;
    assert_eq!(without, [""; 0], "types without an object");
    assert!(all > first + 200, "{all} objects");
    make_drafts(&api).await;
    assert!(write_everything_back(&api).await.0 > all);
    println!("{all} objects written back");
}

/// Reads every object and writes it back. Gives how many there are, and the types of which there is none.
async fn write_everything_back(api: &Api) -> (usize, Vec<String>) {
    let mut complaints = Vec::new();
    let (mut count, mut without) = (0, Vec::new());
    for kind in types(api).await {
        let list = api.get(&format!("/{kind}s")).await.ok();
        let listed = list[format!("{kind}s")].as_array().unwrap();
        if listed.is_empty() {
            without.push(kind.clone());
        }
        for listed in listed {
            count += 1;
            let path = format!("/{kind}/{}", listed["uuid"].as_str().unwrap());
            let read = api.get(&path).await;
            let written = api.put(&path, &read.ok()).await;
            let again = api.get(&path).await;
            if written.status != 200 {
                complaints.push(written.to_string());
            } else if position(&again) != position(&read) || again.text != read.text {
                complaints.push(format!("{path} has changed: {} {}", listed["fq_name"], read.text));
            } else if let Some(warning) = written.headers.get("warning") {
                complaints.push(format!("{path}: {warning}"));
            }
        }
    }
    assert!(complaints.is_empty(), "{} of {count} objects:\n{}", complaints.len(), complaints.join("\n"));
    (count, without)
}

fn position(answer: &Answer) -> u64 {
    revision(&answer.headers["x-cirrus-revision"])
}

async fn types(api: &Api) -> Vec<String> {
    let home = api.get("/").await.ok();
    let links = home["links"].as_array().unwrap().iter().map(|link| &link["link"]);
    let types = links.filter(|link| link["rel"] == "collection").map(|link| link["name"].as_str().unwrap().to_owned());
    let types: Vec<String> = types.collect();
    assert!(types.len() >= 126, "{} types", types.len());
    types
}

/// Each type with its smallest and with its richest body, and each reference set that can be.
pub async fn make_examples(api: &Api) {
    let mut samples = Samples::load();
    let all = samples.all.clone();
    for sample in &all {
        for variant in ["minimal", "rich"] {
            let part = &sample["bodies"][variant];
            if part["status"] == 200 {
                let key = format!("{}/{variant}", sample["type"].as_str().unwrap());
                if let Err(error) = samples.ensure(api, &[&key]).await {
                    // There is one of these for a project; the other variant is there.
                    assert!(key.starts_with("host-based-service/"), "{error}");
                }
            }
        }
    }
    let (mut set, mut tried) = (0, 0);
    for sample in &all {
        let kind = sample["type"].as_str().unwrap();
        for reference in sample["references"].as_array().unwrap() {
            let holder = format!("{kind}/minimal");
            let needed = [strings(&reference["create_first"]), vec![&*holder]].concat();
            let Ok(uuids) = samples.ensure(api, &needed).await else { continue };
            let target = &reference["value"][0];
            let body = json!({"type": kind, "uuid": uuids.last(), "ref-type": reference["to_type"],
                "ref-fq-name": target["to"], "operation": "ADD", "attr": target["attr"]});
            tried += 1;
            set += usize::from(api.post("/ref-update", &body).await.status == 200);
        }
    }
    assert!(set > 150, "{set} of {tried} references are set");
}

/// Objects that were in the way of their own update.
pub async fn make_what_was_refused(api: &Api) {
    let of_project = |name: &str| json!(["default-domain", "default-project", name]);
    let create = async |kind: &str, name: &str, members: Value| {
        let mut body = json!({"fq_name": of_project(name), "parent_type": "project"});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        api.post(&format!("/{kind}s"), &json!({ kind: body })).await.ok()[kind]["uuid"].as_str().unwrap().to_owned()
    };
    let subnets = json!([
        {"subnet": {"ip_prefix": "10.71.0.0", "ip_prefix_len": 24}, "allocation_pools": [{"start": "10.71.0.10", "end": "10.71.0.20"}]},
        {"subnet": {"ip_prefix": "fd71::", "ip_prefix_len": 64}, "addr_from_start": true},
    ]);
    let ipam = json!([{"to": of_project("default-network-ipam"), "attr": {"ipam_subnets": subnets}}]);
    let external = json!({"router_external": true, "network_ipam_refs": ipam});
    let external = create("virtual-network", "external", external).await;
    create("virtual-network", "odd", json!({"router_external": true, "is_shared": true})).await;
    let network = json!({"virtual_network_refs": [{"uuid": external}]});
    let mut address = network.clone();
    address["fq_name"] = json!(["address"]);
    api.post("/instance-ips", &json!({ "instance-ip": address })).await.ok();
    let bindings =
        json!({"key_value_pair": [{"key": "vnic_type", "value": "direct"}, {"key": "host_id", "value": "h"}]});
    let mut port = network.clone();
    port["virtual_machine_interface_bindings"] = bindings;
    create("virtual-machine-interface", "port", port).await;
    for value in ["web", "db"] {
        let tag = json!({"tag_type_name": "tier", "tag_value": value});
        create("tag", &format!("tier={value}"), tag).await;
    }
    create("address-group", "labelled", json!({})).await;
    let rule = json!({"service": {"protocol": "tcp"}, "match_tags": {"tag_list": ["site"]}, "direction": ">",
        "endpoint_1": {"tags": ["tier=web"]}, "endpoint_2": {"address_group": "default-domain:default-project:labelled"}});
    create("firewall-rule", "tagged", rule).await;
    let router = json!({"logical_router_type": "vxlan-routing", "vxlan_network_identifier": "4711",
        "virtual_network_refs": [{"uuid": external}]});
    create("logical-router", "router", router).await;
    let tag = json!({"obj_type": "virtual_network", "obj_uuid": external, "tier": {"value": "db"}});
    api.post("/set-tag", &tag).await.ok();
}

/// Drafts of each state, in a project of their own.
pub async fn make_drafts(api: &Api) {
    let project = json!({"project": {"fq_name": ["default-domain", "drafting"], "parent_type": "domain",
        "enable_security_policy_draft": true}});
    api.post("/projects", &project).await.ok();
    let group =
        json!({"address-group": {"fq_name": ["default-domain", "drafting", "group"], "parent_type": "project"}});
    api.post("/address-groups", &group).await.status_is(202);
    let endpoint = json!({"address_group": "default-domain:drafting:draft-policy-management:group"});
    let rule = json!({"firewall-rule": {"fq_name": ["default-domain", "drafting", "rule"], "parent_type": "project",
        "service": {"protocol": "udp"}, "endpoint_1": endpoint, "endpoint_2": {"any": true}}});
    api.post("/firewall-rules", &rule).await.status_is(202);
}
