//! What the rules of types promise also holds for many clients on two server processes with one database: what two
//! requests would break together is refused to one of them. The numbers are those of the contract's table.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::support::{Answer, Api, Checks, Server};

/// So many clients ask at once, every other one on the other process.
const CLIENTS: usize = 12;
/// How often two requests are set against each other.
const ROUNDS: usize = 20;

pub async fn rules_hold_for_all_clients_together() {
    let first = Server::start();
    let second = first.start_another();
    let apis = || Both { one: first.api(), other: second.api() };
    let mut checks = Checks::default();
    checks.run("concurrency 3: numbers never collide", numbers(apis())).await;
    checks.run("concurrency 4: quota is exact", quota(apis())).await;
    checks.run("concurrency 5: values of a new tag type", tags(apis())).await;
    checks.run("concurrency 6: a subnet goes or an address comes", subnets_and_addresses(apis())).await;
    checks.run("concurrency 7: overlapping subnets", overlapping_subnets(apis())).await;
    checks.run("concurrency 7: tags of sub-interfaces", sub_interfaces(apis())).await;
    checks.run("concurrency 7: the gateway of a machine's port", gateways(apis())).await;
    checks.run("concurrency 8: references survive each other", references(apis())).await;
    checks.run("concurrency 10: side objects are there with their objects", side_objects(apis())).await;
    checks.run("concurrency 11: drafts and commits", drafts(apis())).await;
    checks.run("concurrency 12: route targets and the global number", route_targets(apis())).await;
    checks.run("concurrency 13: numbers of aggregated interfaces", aggregates(apis())).await;
    checks.finish();
}

/// The two processes.
#[derive(Clone)]
struct Both {
    one: Api,
    other: Api,
}

impl Both {
    fn of(&self, client: usize) -> Api {
        if client.is_multiple_of(2) { self.one.clone() } else { self.other.clone() }
    }

    /// What clients get for the bodies that this function makes for them, all at once.
    async fn post(&self, path: &str, count: usize, body: impl Fn(usize) -> Value) -> Vec<Answer> {
        let mut clients = JoinSet::new();
        for client in 0..count {
            let (api, path, body) = (self.of(client), path.to_owned(), body(client));
            clients.spawn(async move { api.post(&path, &body).await });
        }
        clients.join_all().await
    }

    async fn create(&self, kind: &str, body: Value) -> String {
        let created = self.one.post(&format!("/{kind}s"), &json!({ kind: body })).await.ok();
        created[kind]["uuid"].as_str().unwrap().to_owned()
    }

    async fn network(&self, name: &str, subnets: Value) -> String {
        let ipam = json!({"to": in_project("default-network-ipam"), "attr": {"ipam_subnets": subnets}});
        let body = json!({"fq_name": in_project(name), "parent_type": "project", "network_ipam_refs": [ipam]});
        self.create("virtual-network", body).await
    }

    async fn interface(&self, name: &str, network: &str, members: Value) -> String {
        let refs = json!([{"to": in_project(network)}]);
        let mut body = json!({"fq_name": in_project(name), "parent_type": "project", "virtual_network_refs": refs});
        body.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        self.create("virtual-machine-interface", body).await
    }

    async fn all(&self, kind: &str) -> Vec<Value> {
        let listed = self.one.get(&format!("/{kind}s?detail=true")).await.ok();
        listed[format!("{kind}s")].as_array().unwrap().iter().map(|item| item[kind].clone()).collect()
    }
}

fn in_project(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

fn subnet(prefix: &str, length: u8) -> Value {
    json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}})
}

fn reference(kind: &str, uuid: &str, target_kind: &str, target: &str, operation: &str, attribute: &Value) -> Value {
    json!({"type": kind, "uuid": uuid, "ref-type": target_kind, "ref-uuid": target, "operation": operation, "attr": attribute})
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

async fn numbers(both: Both) {
    let annotations: Vec<Value> = ["left-svc-vlan", "right-svc-vlan", "left-svc-asns", "right-svc-asns"]
        .iter()
        .map(|key| json!({"key": key, "value": "1"}))
        .collect();
    let mut clients = JoinSet::new();
    for client in 0..4 * CLIENTS {
        let (api, annotations) = (both.of(client), annotations.clone());
        clients.spawn(async move {
            let name = in_project(&format!("numbered-{client}"));
            // All of these want some of the same few numbers, chosen or given.
            let chosen = 5 + client / 4;
            let (path, body) = match client % 4 {
                0 => ("/virtual-networks", json!({"virtual-network": {"fq_name": name, "parent_type": "project"}})),
                1 => (
                    "/virtual-networks",
                    json!({"virtual-network": {"fq_name": name, "parent_type": "project",
                        "virtual_network_properties": {"vxlan_network_identifier": chosen}}}),
                ),
                2 => (
                    "/logical-routers",
                    json!({"logical-router": {"fq_name": name, "parent_type": "project",
                        "logical_router_type": "vxlan-routing", "vxlan_network_identifier": chosen.to_string()}}),
                ),
                _ => (
                    "/service-instances",
                    json!({"service-instance": {"fq_name": name, "parent_type": "project",
                        "service_instance_properties": {"service_virtualization_type": "physical-device"},
                        "annotations": {"key_value_pair": annotations}}}),
                ),
            };
            let answer = api.post(path, &body).await;
            assert!(answer.status == 200 || answer.text.starts_with("Cannot set VXLAN_ID"), "{answer}");
        });
    }
    clients.join_all().await;
    let mut taken: Vec<u64> = Vec::new();
    for network in both.all("virtual-network").await {
        let own = network["virtual_network_network_id"].as_u64().unwrap();
        taken.push(own);
        let chosen = network["virtual_network_properties"]["vxlan_network_identifier"].as_u64();
        taken.extend(chosen.filter(|chosen| *chosen != own));
    }
    for service in both.all("service-instance").await {
        let pairs = service["service_instance_bindings"]["key_value_pair"].as_array().cloned().unwrap_or_default();
        taken.extend(pairs.iter().map(|pair| pair["value"].as_str().unwrap().parse::<u64>().unwrap()));
    }
    let different: BTreeSet<u64> = taken.iter().copied().collect();
    assert_eq!(taken.len(), different.len(), "a number was given twice: {taken:?}");
    assert!(taken.len() > 3 * CLIENTS, "{taken:?}");
}

async fn quota(both: Both) {
    let limits = json!({"virtual_network": 3, "subnet": 5, "security_group_rule": 7});
    let body = json!({"fq_name": ["default-domain", "limited"], "parent_type": "domain", "quota": limits});
    both.create("project", body).await;
    let below = |name: String| json!(["default-domain", "limited", name]);
    let created = both
        .post(
            "/virtual-networks",
            CLIENTS,
            |client| json!({"virtual-network": {"fq_name": below(format!("n{client}")), "parent_type": "project"}}),
        )
        .await;
    assert_eq!((count(&created, 200), count(&created, 412)), (3, CLIENTS - 3));
    // Three networks get subnets, each one by one, until there are five in all.
    let networks: Vec<String> = created
        .iter()
        .filter(|answer| answer.status == 200)
        .map(|answer| answer.json()["virtual-network"]["uuid"].as_str().unwrap().to_owned())
        .collect();
    let ipam = both.one.find("network-ipam", &in_project("default-network-ipam")).await.unwrap();
    for client in 0..3 {
        let body = json!({"fq_name": below(format!("ipam{client}")), "parent_type": "project"});
        both.create("network-ipam", body).await;
    }
    let listed = both.all("network-ipam").await;
    let own = listed.iter().filter(|ipam| ipam["fq_name"][1] == "limited");
    let ipams: Vec<String> = own.map(|ipam| ipam["uuid"].as_str().unwrap().to_owned()).chain([ipam]).collect();
    let added = both
        .post("/ref-update", CLIENTS, |client| {
            let subnets = json!({"ipam_subnets": [subnet(&format!("10.{client}.0.0"), 16)]});
            reference("virtual-network", &networks[client % 3], "network-ipam", &ipams[client / 3], "ADD", &subnets)
        })
        .await;
    assert_eq!((count(&added, 200), count(&added, 412)), (5, CLIENTS - 5));
    let rule = |number: usize| json!({"protocol": number.to_string(), "src_addresses": [{"security_group": "local"}], "dst_addresses": []});
    let groups = both
        .post("/security-groups", CLIENTS, |client| {
            json!({"security-group": {"fq_name": below(format!("g{client}")), "parent_type": "project",
                "security_group_entries": {"policy_rule": [rule(client)]}}})
        })
        .await;
    assert_eq!((count(&groups, 200), count(&groups, 412)), (7, CLIENTS - 7));
}

async fn tags(both: Both) {
    let created = both
        .post("/tags", CLIENTS, |client| {
            let value = format!("v{client}");
            json!({"tag": {"fq_name": [format!("shape={value}")], "tag_type_name": "shape", "tag_value": value}})
        })
        .await;
    assert_eq!(count(&created, 200), CLIENTS);
    let stored = both.all("tag").await;
    let ids: BTreeSet<&str> = stored.iter().map(|tag| tag["tag_id"].as_str().unwrap()).collect();
    let wanted: Vec<String> = (0..CLIENTS).map(|value| format!("0x00ff{value:04x}")).collect();
    assert!(ids.iter().eq(&wanted), "{ids:?}");
    let types = both.all("tag-type").await;
    assert_eq!(types.iter().filter(|kind| kind["name"] == "shape").count(), 1);
}

async fn subnets_and_addresses(both: Both) {
    for round in 0..ROUNDS {
        let name = format!("shrinking-{round}");
        let network = both.network(&name, json!([subnet("10.1.1.0", 24)])).await;
        let ipam = both.one.find("network-ipam", &in_project("default-network-ipam")).await.unwrap();
        let remove = reference("virtual-network", &network, "network-ipam", &ipam, "DELETE", &Value::Null);
        let refs = json!([{"to": in_project(&name)}]);
        let take = json!({"instance-ip": {"fq_name": [name], "virtual_network_refs": refs}});
        let (removed, taken) =
            tokio::join!(both.one.post("/ref-update", &remove), both.other.post("/instance-ips", &take));
        match (removed.status, taken.status) {
            (200, 400) | (409, 200) => {}
            _ => panic!("only one of them can succeed: {removed}; {taken}"),
        }
    }
}

async fn overlapping_subnets(both: Both) {
    let mut ipams = Vec::new();
    for name in ["overlap-a", "overlap-b"] {
        ipams.push(both.create("network-ipam", json!({"fq_name": in_project(name), "parent_type": "project"})).await);
    }
    for round in 0..ROUNDS {
        let name = json!({"fq_name": in_project(&format!("overlapping-{round}")), "parent_type": "project"});
        let network = both.create("virtual-network", name).await;
        let add = |ipam: &str, length: u8| {
            let subnets = json!({"ipam_subnets": [subnet("10.1.1.0", length)]});
            reference("virtual-network", &network, "network-ipam", ipam, "ADD", &subnets)
        };
        let (left, right) = (add(&ipams[0], 24), add(&ipams[1], 25));
        let answers = tokio::join!(both.one.post("/ref-update", &left), both.other.post("/ref-update", &right));
        let answers = [answers.0, answers.1];
        assert_eq!((count(&answers, 200), count(&answers, 400)), (1, 1), "{}; {}", answers[0], answers[1]);
    }
}

async fn sub_interfaces(both: Both) {
    both.network("trunk", json!([])).await;
    for round in 0..ROUNDS {
        let primary = both.interface(&format!("primary-{round}"), "trunk", json!({})).await;
        let tag = json!({"virtual_machine_interface_properties": {"sub_interface_vlan_tag": 7}});
        let mut subs = Vec::new();
        for side in ["left", "right"] {
            subs.push(both.interface(&format!("{side}-{round}"), "trunk", tag.clone()).await);
        }
        let kind = "virtual-machine-interface";
        let add = |sub: &str| reference(kind, sub, kind, &primary, "ADD", &Value::Null);
        let (left, right) = (add(&subs[0]), add(&subs[1]));
        let answers = tokio::join!(both.one.post("/ref-update", &left), both.other.post("/ref-update", &right));
        let answers = [answers.0, answers.1];
        assert_eq!((count(&answers, 200), count(&answers, 400)), (1, 1), "{}; {}", answers[0], answers[1]);
    }
}

async fn gateways(both: Both) {
    both.network("routed", json!([subnet("10.1.1.0", 24)])).await;
    let machine = both.create("virtual-machine", json!({"fq_name": ["gateways"]})).await;
    for round in 0..ROUNDS {
        let name = format!("gateway-{round}");
        let port = both.interface(&name, "routed", json!({})).await;
        let refs = json!([{"to": in_project(&name)}]);
        let take = json!({"instance-ip": {"fq_name": [name], "instance_ip_address": "10.1.1.254",
            "virtual_network_refs": [{"to": in_project("routed")}], "virtual_machine_interface_refs": refs}});
        let add = reference("virtual-machine-interface", &port, "virtual-machine", &machine, "ADD", &Value::Null);
        let answers = tokio::join!(both.one.post("/instance-ips", &take), both.other.post("/ref-update", &add));
        let answers = [answers.0, answers.1];
        assert_eq!((count(&answers, 200), count(&answers, 400)), (1, 1), "{}; {}", answers[0], answers[1]);
    }
}

/// A PUT of a whole list and a reference added beside it: the list as it was before the one or after it, never a mixture
/// that nobody asked for, and no reference to what is not there.
async fn references(both: Both) {
    let network = both.network("listed", json!([])).await;
    let mut policies = Vec::new();
    for name in ["listed-a", "listed-b"] {
        policies
            .push(both.create("network-policy", json!({"fq_name": in_project(name), "parent_type": "project"})).await);
    }
    for _ in 0..ROUNDS {
        both.one
            .put(&format!("/virtual-network/{network}"), &json!({"virtual-network": {"network_policy_refs": []}}))
            .await
            .ok();
        let list = json!({"virtual-network": {"network_policy_refs": [{"uuid": policies[0], "to": in_project("listed-a"), "attr": null}]}});
        let add = reference("virtual-network", &network, "network-policy", &policies[1], "ADD", &Value::Null);
        let path = format!("/virtual-network/{network}");
        let (put, added) = tokio::join!(both.one.put(&path, &list), both.other.post("/ref-update", &add));
        assert_eq!((put.status, added.status), (200, 200));
        let read = both.other.get(&path).await.ok();
        let found: BTreeSet<&str> = read["virtual-network"]["network_policy_refs"]
            .as_array()
            .unwrap()
            .iter()
            .map(|reference| reference["uuid"].as_str().unwrap())
            .collect();
        assert!(found.contains(policies[0].as_str()), "{found:?}: the list was put");
    }
}

async fn side_objects(both: Both) {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let both = both.clone();
        clients.spawn(async move {
            let api = both.of(client);
            for round in 0..ROUNDS {
                let name = format!("side-{}", (client + round) % CLIENTS);
                let network = json!({"virtual-network": {"fq_name": in_project(&name), "parent_type": "project"}});
                let project = json!({"project": {"fq_name": ["default-domain", name], "parent_type": "domain"}});
                let router = json!({"logical-router": {"fq_name": in_project(&name), "parent_type": "project", "logical_router_type": "vxlan-routing"}});
                for (kind, body) in [("virtual-network", network), ("project", project), ("logical-router", router)] {
                    let answer = api.post(&format!("/{kind}s"), &body).await;
                    if answer.status == 200 && round % 3 != 0 {
                        let uuid = answer.json()[kind]["uuid"].as_str().unwrap().to_owned();
                        api.delete(&format!("/{kind}/{uuid}")).await.status_is(200);
                    } else {
                        assert!(matches!(answer.status, 200 | 409), "{answer}");
                    }
                }
            }
        });
    }
    clients.join_all().await;
    let names = |objects: &[Value]| -> BTreeSet<String> {
        let name = |object: &Value| {
            let parts = object["fq_name"].as_array().unwrap();
            parts.iter().map(|part| part.as_str().unwrap()).collect::<Vec<_>>().join(":")
        };
        objects.iter().map(name).collect()
    };
    let networks = names(&both.all("virtual-network").await);
    let instances = names(&both.all("routing-instance").await);
    for network in &networks {
        let own = network.rsplit(':').next().unwrap();
        assert!(instances.contains(&format!("{network}:{own}")), "{network} has no routing instance");
    }
    for instance in &instances {
        assert!(networks.contains(instance.rsplit_once(':').unwrap().0), "{instance} has no network");
    }
    let (projects, sets) = (names(&both.all("project").await), names(&both.all("application-policy-set").await));
    for project in &projects {
        assert!(sets.contains(&format!("{project}:default-application-policy-set")), "{project} has no policy set");
    }
    for set in sets.iter().filter(|set| !set.starts_with("default-policy-management:")) {
        assert!(projects.contains(set.rsplit_once(':').unwrap().0), "{set} has no project");
    }
    let routers = both.all("logical-router").await;
    let with_vxlan = routers.iter().filter(|router| router["logical_router_type"] == "vxlan-routing");
    let wanted: BTreeSet<String> = with_vxlan
        .map(|router| {
            format!("default-domain:default-project:__contrail_lr_internal_vn_{}__", router["uuid"].as_str().unwrap())
        })
        .collect();
    let internal: BTreeSet<String> =
        networks.into_iter().filter(|name| name.contains("__contrail_lr_internal_vn_")).collect();
    assert_eq!(internal, wanted);
}

async fn drafts(both: Both) {
    let body = json!({"fq_name": ["default-domain", "drafting"], "parent_type": "domain", "enable_security_policy_draft": true});
    let project = both.create("project", body).await;
    let review = |action: &str| json!({"scope_uuid": project, "action": action});
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (both, commit) = (both.clone(), review("commit"));
        clients.spawn(async move {
            let api = both.of(client);
            for round in 0..ROUNDS / 2 {
                if client < 2 {
                    api.post("/security-policy-draft", &commit).await.status_is(200);
                    continue;
                }
                let name = json!(["default-domain", "drafting", format!("g-{client}-{round}")]);
                let body = json!({"address-group": {"fq_name": name, "parent_type": "project"}});
                api.post("/address-groups", &body).await.status_is(202);
            }
        });
    }
    clients.join_all().await;
    both.other.post("/security-policy-draft", &review("commit")).await.ok();
    let groups = both.all("address-group").await;
    let ours: Vec<&Value> = groups.iter().filter(|group| group["fq_name"][1] == "drafting").collect();
    assert_eq!(ours.len(), (CLIENTS - 2) * (ROUNDS / 2), "each is there once");
    assert!(ours.iter().all(|group| group["parent_type"] == "project" && group["draft_mode_state"].is_null()));
}

async fn route_targets(both: Both) {
    let global = both.one.find("global-system-config", &json!(["default-global-system-config"])).await.unwrap();
    let path = format!("/global-system-config/{global}");
    for round in 0..ROUNDS {
        let number = 64600 + round;
        let name = in_project(&format!("target-{round}"));
        let targets = json!({"route_target": [format!("target:{number}:8000005")]});
        let network =
            json!({"virtual-network": {"fq_name": name, "parent_type": "project", "route_target_list": targets}});
        let change = json!({"global-system-config": {"autonomous_system": number}});
        let (changed, created) =
            tokio::join!(both.one.put(&path, &change), both.other.post("/virtual-networks", &network));
        let answers = [changed, created];
        assert_eq!((count(&answers, 200), count(&answers, 400)), (1, 1), "{}; {}", answers[0], answers[1]);
    }
}

/// All interfaces of a group on one router have one number, and no other group has it.
async fn aggregates(both: Both) {
    let global = |name: &str| json!(["default-global-system-config", name]);
    let parent = "global-system-config";
    both.create("fabric", json!({"fq_name": global("f"), "parent_type": parent})).await;
    both.create("physical-router", json!({"fq_name": global("r"), "parent_type": parent})).await;
    let mut groups = Vec::new();
    for name in ["one", "two", "three"] {
        let fq_name = json!(["default-global-system-config", "f", name]);
        groups.push(both.create("virtual-port-group", json!({"fq_name": fq_name, "parent_type": "fabric"})).await);
    }
    let mut interfaces = Vec::new();
    for number in 0..CLIENTS {
        let fq_name = json!(["default-global-system-config", "r", format!("xe-{number}")]);
        interfaces.push(
            both.create("physical-interface", json!({"fq_name": fq_name, "parent_type": "physical-router"})).await,
        );
    }
    let added = both
        .post("/ref-update", CLIENTS, |client| {
            let group = &groups[client % groups.len()];
            reference("virtual-port-group", group, "physical-interface", &interfaces[client], "ADD", &Value::Null)
        })
        .await;
    assert_eq!(count(&added, 200), CLIENTS, "{:?}", added.iter().map(ToString::to_string).collect::<Vec<_>>());
    let mut numbers = BTreeSet::new();
    for group in &groups {
        let read = both.other.get(&format!("/virtual-port-group/{group}")).await.ok();
        let references = read["virtual-port-group"]["physical_interface_refs"].as_array().unwrap();
        assert_eq!(references.len(), CLIENTS / groups.len());
        let own: BTreeSet<u64> =
            references.iter().map(|reference| reference["attr"]["ae_num"].as_u64().unwrap()).collect();
        assert_eq!(own.len(), 1, "{references:?}");
        numbers.extend(own);
    }
    assert_eq!(numbers.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
}
