//! Whatever is sent to `/neutron/<resource>`, nothing fails: what is wrong is refused with a text or a class of Neutron that names
//! the field. Nothing of it is done, as all of it is only tried, but for what is large and right.

use serde_json::{Value, json};

use crate::support::neutron::{Plugin, Stage, Told, check_class, operations, told};
use crate::support::{Answer, Api, Checks, Server, shortened};

/// Operations of all resources together, and what is none.
const VERBS: [&str; 12] = [
    "CREATE",
    "READ",
    "UPDATE",
    "DELETE",
    "READALL",
    "READCOUNT",
    "ADDINTERFACE",
    "DELINTERFACE",
    "ADD_SUBPORTS",
    "REMOVE_SUBPORTS",
    "DELETEALL",
    "NONSENSE",
];
/// What an update of a resource changes; all else in it is ignored.
const CHANGED: [(&str, &[&str]); 14] = [
    (
        "network",
        &[
            "name",
            "admin_state_up",
            "shared",
            "router:external",
            "mtu",
            "port_security_enabled",
            "description",
            "provider:physical_network",
            "provider:segmentation_id",
            "policys",
            "route_table",
            "tags",
        ],
    ),
    ("subnet", &["name", "gateway_ip", "allocation_pools", "enable_dhcp", "dns_nameservers", "host_routes", "tags"]),
    (
        "port",
        &[
            "name",
            "mac_address",
            "device_id",
            "fixed_ips",
            "device_owner",
            "security_groups",
            "port_security_enabled",
            "admin_state_up",
            "allowed_address_pairs",
            "extra_dhcp_opts",
            "description",
            "tags",
        ],
    ),
    ("router", &["name", "admin_state_up", "description", "external_gateway_info", "tags"]),
    ("floatingip", &["port_id", "fixed_ip_address", "description", "tags"]),
    ("security_group", &["name", "description", "tags"]),
    ("security_group_rule", &[]),
    ("trunk", &["name", "admin_state_up", "description", "tags"]),
    ("policy", &["entries", "tags"]),
    ("ipam", &["mgmt", "tags"]),
    ("route_table", &["routes", "tags"]),
    ("firewall_group", &["name", "description", "admin_state_up", "shared", "ports", "ingress_firewall_policy_id"]),
    ("firewall_policy", &["name", "description", "audited", "shared", "firewall_rules"]),
    (
        "firewall_rule",
        &[
            "name",
            "description",
            "enabled",
            "shared",
            "protocol",
            "ip_version",
            "source_ip_address",
            "destination_ip_address",
            "source_port",
            "destination_port",
            "action",
        ],
    ),
];
/// What is right all the same: resource, member, and the value.
const RIGHT: [(&str, &str, &str); 4] = [
    // A number is as good as its digits.
    ("security_group_rule", "protocol", "17"),
    // Takes it off its port.
    ("floatingip", "port_id", "[]"),
    // Has none of it.
    ("router", "external_gateway_info", "{}"),
    // Whatever has been said of a host is stored.
    ("port", "binding:host_id", ""),
];
/// Texts and lists of the right type that say nothing: as JSON, by the member.
const NONSENSE: [(&str, &str, &[&str]); 21] = [
    ("network", "policys", &[r#"["default-domain"]"#, "[[]]", r#"[["nothing"]]"#]),
    ("network", "mtu", &["-1", "70000"]),
    ("subnet", "cidr", &[r#""nothing""#, r#""10.66.0.0/33""#, r#""::/24/7""#]),
    ("subnet", "gateway_ip", &[r#""nothing""#, r#""10.99.0.1""#, r#""fd00::1""#]),
    ("subnet", "dns_nameservers", &[r#"["nothing"]"#, r#"["192.0.2.1", ""]"#]),
    (
        "subnet",
        "host_routes",
        &[r#"[{"destination": "nothing", "nexthop": "10.66.0.7"}]"#, r#"[{"nexthop": "10.66.0.7"}]"#],
    ),
    ("subnet", "host_routes", &[r#"[{"destination": "192.0.2.0/24", "nexthop": "nothing"}]"#]),
    ("subnet", "allocation_pools", &[r#"[{"start": "nothing", "end": "10.66.0.9"}]"#, r#"[{"start": "10.66.0.9"}]"#]),
    ("subnet", "ipam_fq_name", &["[]", r#"["nothing"]"#]),
    ("subnet", "ip_version", &["5", r#""six""#]),
    ("port", "mac_address", &[r#""nothing""#, r#""02:00:00:00:00""#]),
    ("port", "fixed_ips", &[r#"[{"ip_address": "nothing"}]"#, r#"[{"subnet_id": "nothing"}]"#, "[{}]"]),
    ("port", "allowed_address_pairs", &[r#"[{"ip_address": "192.0.2.1", "mac_address": "nothing"}]"#]),
    ("port", "extra_dhcp_opts", &[r#"[{"opt_value": "1400"}]"#, r#"[{"opt_name": 17, "opt_value": "1400"}]"#]),
    ("floatingip", "floating_ip_address", &[r#""nothing""#]),
    ("security_group_rule", "direction", &[r#""sideways""#]),
    ("security_group_rule", "ethertype", &[r#""IPv5""#]),
    ("security_group_rule", "remote_ip_prefix", &[r#""nothing""#, r#""10.0.0.0/99""#]),
    ("security_group_rule", "port_range_min", &["-1"]),
    ("trunk", "sub_ports", &[r#"[{"segmentation_type": "vlan", "segmentation_id": 7}]"#]),
    ("network", "tags", &[r#"[""]"#, r#"["a:b"]"#]),
];
/// What texts say of a member whose name they do not have.
const WORDS: [(&str, &str); 3] =
    [("gateway_ip", "gateway"), ("ip_version", "version"), ("policys", "network_policy_refs")];

pub async fn what_is_wrong_is_refused() {
    let server = Server::start_with(&["--neutron-default-security-group", "true", "--neutron-fwaas", "true"]);
    let api = server.api();
    let project = json!({"fq_name": ["default-domain", "bad"], "parent_type": "domain"});
    let project = api.post("/projects", &json!({ "project": project })).await.ok()["project"]["uuid"].clone();
    let plugin = Plugin::member(&api, project.as_str().unwrap());
    let stage = Stage::build(plugin, &Plugin::admin(&api, project.as_str().unwrap())).await;
    let mut tries = Tries { stage: &stage, count: 0, wrong: Vec::new() };
    tries.envelopes().await;
    tries.verbs().await;
    tries.members().await;
    tries.ids().await;
    tries.filters().await;
    tries.names().await;
    let (count, wrong) = (tries.count, tries.wrong);
    println!("        {count} requests");
    let mut checks = Checks::default();
    let text = wrong.join("\n");
    checks.run("wrong requests", async move { assert!(text.is_empty(), "{} are wrong:\n{text}", wrong.len()) }).await;
    checks.run("a thousand addresses", thousands(stage)).await;
    checks.run("the server answers", still_there(api)).await;
    checks.finish();
    let log = server.log();
    assert!(!log.contains("panicked at"), "the server panicked on the way; its log:\n{}", shortened(&log));
}

async fn still_there(api: Api) {
    api.get("/virtual-networks").await.ok();
}

struct Tries<'s> {
    stage: &'s Stage,
    count: usize,
    wrong: Vec<String>,
}

/// What is said of a refusal: the text, or all of the class.
fn refusal(answer: &Answer) -> Result<String, String> {
    if answer.status != 400 {
        return Err("it is not refused".to_owned());
    }
    match serde_json::from_str::<Value>(&answer.text) {
        Ok(exception) => check_class(&exception).map(|()| answer.text.clone()),
        Err(_) => Ok(answer.text.clone()),
    }
}

impl Tries<'_> {
    async fn post(&mut self, resource: &str, body: &Value) -> Answer {
        self.count += 1;
        let answer = self.stage.plugin.api.post(&format!("/neutron/{resource}?dry_run=true"), body).await;
        if answer.status >= 500 {
            self.wrong.push(answer.to_string());
        }
        answer
    }

    /// It has to be refused, with one of these words.
    fn is_refused(&mut self, answer: &Answer, words: &[&str]) {
        let found = refusal(answer).and_then(|text| {
            let names = words.iter().any(|word| text.contains(word));
            if names { Ok(()) } else { Err(format!("it names none of {words:?}")) }
        });
        if let Err(why) = found {
            self.wrong.push(format!("{why}: {answer}"));
        }
    }

    fn envelope(&self, operation: &str, resource: &str, data: &Value) -> Value {
        self.stage.plugin.envelope(operation, resource, data.clone())
    }

    /// Every operation of every resource, with what is no envelope.
    async fn envelopes(&mut self) {
        for (resource, verbs) in operations() {
            let path = format!("/neutron/{resource}");
            let bare: [&[u8]; 3] = [b"", b"{", b"nothing"];
            for body in bare {
                self.count += 1;
                let json = [("Content-Type", "application/json")];
                let answer = self.stage.plugin.api.send("POST", &path, &json, Some(body.to_vec())).await.unwrap();
                self.is_refused(&answer, &["JSON", "body", "context"]);
            }
            for body in [json!([]), json!(17), json!("text"), json!(null)] {
                let answer = self.post(resource, &body).await;
                self.is_refused(&answer, &["object", "dict"]);
            }
            for verb in verbs {
                let right = self.envelope(verb, resource, &self.stage.data(resource, verb));
                for member in ["context", "data"] {
                    for wrong in [None, Some(json!([])), Some(json!(17)), Some(json!("text")), Some(json!(null))] {
                        let mut envelope = right.clone();
                        match wrong {
                            Some(wrong) => envelope[member] = wrong,
                            None => drop(envelope.as_object_mut().unwrap().shift_remove(member)),
                        }
                        let answer = self.post(resource, &envelope).await;
                        self.is_refused(&answer, &[member]);
                    }
                }
                for (pointer, wrong, word) in [
                    ("/data/resource", json!([]), "resource"),
                    ("/data/resource", json!("text"), "resource"),
                    ("/data/filters", json!(["id"]), "filters"),
                    ("/data/filters", json!("id"), "filters"),
                    ("/data/filters", json!({"id": 17}), "id"),
                    ("/data/filters", json!({"id": {"a": 1}}), "id"),
                    ("/data/filters", json!({"name": true}), "name"),
                    ("/context/operation", json!(17), "operation"),
                    ("/context/operation", json!(null), "operation"),
                ] {
                    let mut envelope = right.clone();
                    let (parent, member) = pointer.rsplit_once('/').unwrap();
                    envelope.pointer_mut(parent).unwrap()[member] = wrong;
                    let answer = self.post(resource, &envelope).await;
                    self.is_refused(&answer, &[word]);
                }
                // These are allowed to say anything.
                for fields in [json!(null), json!(17), json!("id"), json!({"a": []})] {
                    let mut envelope = right.clone();
                    envelope["data"]["fields"] = fields;
                    // What is in use is not deleted, whatever is to be shown of it.
                    let answer = self.post(resource, &envelope).await;
                    assert!(answer.status == 200 || verb == "DELETE", "{answer}");
                }
            }
        }
    }

    /// Operations that a resource does not have, and resources that are none.
    async fn verbs(&mut self) {
        for (resource, verbs) in operations() {
            for verb in VERBS.iter().filter(|verb| !verbs.iter().any(|known| known == *verb)) {
                let envelope = self.envelope(verb, resource, &json!({"id": "x", "resource": {}}));
                let answer = self.post(resource, &envelope).await;
                self.is_refused(&answer, &["operation"]);
            }
        }
        let envelope = self.envelope("READALL", "network", &json!({"filters": {}}));
        for resource in ["networks", "no-such", "network%00", "%F0%9F"] {
            let answer = self.post(resource, &envelope).await;
            assert!([400, 404].contains(&answer.status), "{answer}");
        }
        let answer = self.stage.plugin.api.get("/neutron/network").await;
        answer.status_is(405);
    }

    /// Members of the wrong type: numbers for texts, lists for dicts, and so on.
    async fn members(&mut self) {
        for (resource, verbs) in operations() {
            for verb in ["CREATE", "UPDATE"].iter().filter(|verb| verbs.iter().any(|known| known == *verb)) {
                if resource == "tags" {
                    continue;
                }
                let mut right = json!({"resource": self.stage.body(resource)});
                if *verb == "CREATE" {
                    right["resource"]["tenant_id"] = self.stage.plugin.hex().into();
                    right["resource"]["id"] = "00000000-0000-4000-8000-00000000abcd".into();
                    // All of it is right, so that what is refused below is refused for what is wrong in it.
                    let envelope = self.envelope(verb, resource, &right);
                    self.post(resource, &envelope).await.status_is(200);
                }
                for (member, value) in right["resource"].as_object().unwrap() {
                    let (_, changed) = CHANGED
                        .iter()
                        .find(|(known, _)| *known == resource)
                        .copied()
                        .unwrap_or((resource.as_str(), &[]));
                    if *verb == "UPDATE" && !changed.contains(&member.as_str())
                        || *verb == "CREATE" && resource == "subnet" && member == "tenant_id"
                        || *verb == "CREATE" && resource == "security_group_rule" && member == "tenant_id"
                    {
                        continue;
                    }
                    for wrong in wrong_values(value) {
                        let text = wrong.to_string();
                        let is_right = |(of, name, value): &(&str, &str, &str)| {
                            *of == resource && name == member && (value.is_empty() || text == *value)
                        };
                        if RIGHT.iter().any(is_right) {
                            continue;
                        }
                        let mut data = right.clone();
                        if *verb == "UPDATE" {
                            data = json!({"id": self.stage.id(resource), "resource": {}});
                        }
                        data["resource"][member] = wrong;
                        if resource == "trunk" && *verb == "UPDATE" {
                            data["resource"] = json!({"trunk": data["resource"]});
                        }
                        let envelope = self.envelope(verb, resource, &data);
                        let answer = self.post(resource, &envelope).await;
                        let mut words = vec![member.as_str()];
                        words.extend(WORDS.iter().filter(|(known, _)| known == member).map(|(_, word)| *word));
                        self.is_refused(&answer, &words);
                    }
                }
            }
        }
        for (resource, member, wrong) in NONSENSE {
            for wrong in wrong {
                let mut data = json!({"resource": self.stage.body(resource)});
                data["resource"][member] = serde_json::from_str(wrong).unwrap();
                let envelope = self.envelope("CREATE", resource, &data);
                let answer = self.post(resource, &envelope).await;
                let words = WORDS.iter().filter(|(known, _)| *known == member).map(|(_, word)| *word);
                self.is_refused(&answer, &words.chain([member]).collect::<Vec<_>>());
            }
        }
        for (operation, resource, member) in [
            ("ADDINTERFACE", "router", "port_id"),
            ("ADDINTERFACE", "router", "subnet_id"),
            ("DELINTERFACE", "router", "port_id"),
            ("DELINTERFACE", "router", "subnet_id"),
            ("ADD_SUBPORTS", "trunk", "sub_ports"),
            ("REMOVE_SUBPORTS", "trunk", "sub_ports"),
        ] {
            for wrong in [json!(17), json!(true), json!({"a": 1}), json!([17])] {
                let data = json!({"id": self.stage.id(resource), "resource": {(member): wrong}});
                let envelope = self.envelope(operation, resource, &data);
                let answer = self.post(resource, &envelope).await;
                self.is_refused(&answer, &[member]);
            }
        }
        for (operation, member) in [
            ("CREATE", "tags"),
            ("CREATE", "parent_id"),
            ("DELETE", "tag"),
            ("DELETE", "parent_id"),
            ("DELETEALL", "parent_id"),
        ] {
            for wrong in [json!(17), json!(null), json!({"a": 1}), json!([17])] {
                let mut data = self.stage.data("tags", operation);
                let nested =
                    if operation == "CREATE" { &mut data["resource"]["resource"] } else { &mut data["resource"] };
                nested[member] = wrong;
                let envelope = self.envelope(operation, "tags", &data);
                let answer = self.post("tags", &envelope).await;
                self.is_refused(&answer, &[member]);
            }
        }
    }

    /// Ids with dashes and without are the same; what is none is the id of nothing.
    async fn ids(&mut self) {
        for (resource, verbs) in operations() {
            if ["tags", "virtual_router"].contains(&resource.as_str()) {
                continue;
            }
            let id = self.stage.id(resource).as_str().unwrap().to_owned();
            let mut read = Vec::new();
            for id in [id.clone(), id.replace('-', ""), id.to_uppercase()] {
                let envelope = self.envelope("READ", resource, &json!({ "id": id }));
                read.push(self.post(resource, &envelope).await.ok());
                let filters = json!({"filters": {"id": [id], "tenant_id": [self.stage.plugin.hex()]}});
                let envelope = self.envelope("READALL", resource, &filters);
                let listed = self.post(resource, &envelope).await.ok();
                assert_eq!(listed.as_array().unwrap().len(), 1, "{resource} {id} is listed");
            }
            assert!(read[1..].iter().all(|other| *other == read[0]), "{resource} by its id in another form");
            for verb in verbs.iter().filter(|verb| !["CREATE", "READALL", "READCOUNT"].contains(&verb.as_str())) {
                for wrong in [json!(17), json!([id]), json!({"a": 1}), json!("x"), json!(""), json!(null)] {
                    let mut data = self.stage.data(resource, verb);
                    data["id"] = wrong;
                    let envelope = self.envelope(verb, resource, &data);
                    let answer = self.post(resource, &envelope).await;
                    // What is not there is deleted (NEU-NET-D1, NEU-SG-D1).
                    if answer.status != 200
                        || verb != "DELETE"
                        || !["network", "security_group"].contains(&resource.as_str())
                    {
                        self.is_refused(&answer, &["NotFound"]);
                    }
                }
            }
        }
    }

    /// Ten thousand filters, and ten thousand values of one.
    async fn filters(&mut self) {
        const MANY: usize = 10_000;
        const FEWER: usize = 2_000;
        let unknown: Value = (0..MANY).map(|number| (format!("unknown-{number}"), json!([number]))).collect();
        let ids = |count: usize| -> Value { (0..count).map(|n| format!("00000000-0000-4000-8000-{n:012}")).collect() };
        let addresses: Value = (0..MANY).map(|n| format!("10.64.{}.{}", n / 250, n % 250)).collect();
        let names =
            ["tenant_id", "network_id", "port_id", "device_id", "name", "mac_address", "tags", "security_group_id"];
        let each: Value = names.iter().map(|name| ((*name).to_owned(), ids(FEWER))).collect();
        for (resource, verbs) in operations() {
            if resource == "tags" || !verbs.iter().any(|verb| verb == "READALL") {
                continue;
            }
            let plain = self.envelope("READALL", resource, &json!({"filters": {}}));
            let plain = self.post(resource, &plain).await.ok();
            let many = self.envelope("READALL", resource, &json!({ "filters": unknown }));
            assert!(self.post(resource, &many).await.ok() == plain, "{resource}: what is no field is ignored");
            for filters in [json!({ "id": ids(MANY) }), each.clone()] {
                let envelope = self.envelope("READALL", resource, &json!({ "filters": filters }));
                assert_eq!(self.post(resource, &envelope).await.ok(), json!([]), "{resource}");
            }
        }
        for is_admin in [false, true] {
            let plugin = Plugin { is_admin, ..self.stage.plugin.clone() };
            let fixed_ips = json!({"ip_address": addresses, "subnet_id": ids(FEWER)});
            assert_eq!(plugin.list("port", json!({ "fixed_ips": fixed_ips })).await.len(), 0);
            let fixed_ips = json!({ "ip_address": addresses });
            assert!(!plugin.list("port", json!({ "fixed_ips": fixed_ips })).await.is_empty());
        }
    }

    /// Names are one piece: no part of them names another parent.
    async fn names(&mut self) {
        for (resource, verbs) in operations() {
            if !verbs.iter().any(|verb| verb == "CREATE") || self.stage.body_has_no_name(resource) {
                continue;
            }
            // A subnet is no object, and called by its id.
            for (name, is_right) in
                [("a:b", resource == "subnet"), ("a\u{0}b", false), ("<a> & \"b\"", true), ("🦀", true)]
            {
                let mut body = self.stage.body(resource);
                body["name"] = name.into();
                let envelope = self.envelope("CREATE", resource, &json!({ "resource": body }));
                let answer = self.post(resource, &envelope).await;
                if is_right {
                    assert_eq!(answer.ok()["name"], name, "{resource}");
                } else {
                    self.is_refused(&answer, &["name"]);
                }
            }
        }
    }
}

/// Values of other types than this one.
fn wrong_values(right: &Value) -> Vec<Value> {
    match right {
        Value::String(_) => vec![json!(17), json!(true), json!([]), json!(["text"]), json!({"a": 1})],
        Value::Bool(_) => vec![json!(17), json!("text"), json!([]), json!({})],
        Value::Number(_) => vec![json!("text"), json!(true), json!([]), json!({}), json!(1.5), json!(1e300)],
        Value::Array(_) => {
            vec![json!(17), json!("text"), json!(true), json!({}), json!([17]), json!([{}]), json!([[]]), json!([null])]
        }
        Value::Object(_) => vec![json!(17), json!("text"), json!(true), json!([]), json!([{}])],
        Value::Null => Vec::new(),
    }
}

/// A port with a thousand addresses: all of them, or none.
async fn thousands(stage: Stage) {
    const MANY: usize = 1_000;
    let plugin = &stage.plugin;
    let address = |number: usize| format!("10.64.{}.{}", number / 256, number % 256);
    let of = |addresses: Vec<String>| -> Value {
        addresses.into_iter().map(|address| json!({ "ip_address": address })).collect()
    };
    let wanted = of((20..20 + MANY).map(address).collect());
    let port = json!({"name": "large", "network_id": stage.id("network"), "fixed_ips": wanted});
    let made = plugin.create("port", port.clone()).await.done();
    assert_eq!(made["fixed_ips"].as_array().unwrap().len(), MANY);
    assert_eq!(plugin.create("port", port.clone()).await.class(), Some("IpAddressInUse"));
    let kept = json!({"fixed_ips": made["fixed_ips"], "description": "another"});
    let updated = plugin.update("port", &made["id"], kept).await.done();
    assert_eq!(updated["fixed_ips"].as_array().unwrap().len(), MANY);
    let listed =
        plugin.list("port", json!({"fixed_ips": {"ip_address": (20..20 + MANY).map(address).collect::<Vec<_>>()}}));
    assert_eq!(listed.await.len(), 1);
    let none = plugin.update("port", &made["id"], json!({"fixed_ips": []})).await.done();
    assert_eq!(none["fixed_ips"], json!([]));
    for wrong in [of(vec![address(30); MANY]), json!(vec!["10.64.0.9"; MANY]), json!(vec![17; MANY])] {
        let mut port = port.clone();
        port["fixed_ips"] = wrong;
        let refused = plugin.create("port", port).await;
        let class = refused.class().unwrap_or("done");
        assert!(["IpAddressInUse", "BadRequest"].contains(&class), "{refused}");
    }
    // More than there are.
    let mut port = port;
    port["fixed_ips"] = json!(vec![json!({"subnet_id": stage.id("subnet")}); 1_100]);
    let refused = plugin.create("port", port).await;
    assert_eq!(refused.class(), Some("BadRequest"), "{refused}");
    assert_eq!(plugin.delete("port", &made["id"]).await, Told::Done(Value::Null));
    let taken = plugin.list("port", json!({"network_id": [stage.id("network")]})).await;
    assert!(taken.iter().all(|port| port["name"] != "large"), "nothing is left of those that were refused");
    let sound = plugin.send("READALL", "port", json!({"filters": {}})).await;
    assert!(told(&sound).class().is_none());
}
