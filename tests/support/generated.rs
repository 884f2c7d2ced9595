//! Dumps of `db_json_exim` as a cloud of contrail-api would have them: objects of many types with all that belongs to them in
//! Cassandra and `ZooKeeper`, and, where that is asked for, faults, each of which is told.
//!
//! The same number of objects and the same seed give the same dump, byte for byte.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Write};

use serde_json::{Value, json};

use super::random::Random;

/// The form of a dump (feeds contract 4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// A: rows are objects of columns.
    Thrift,
    /// B: rows are lists of columns.
    Cql,
    /// C: as A, without keyspaces.
    Bare,
}

/// A fault that was planted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Planted {
    /// What an import calls its kind.
    pub kind: &'static str,
    /// What the report has to name: an object, a row, a path.
    pub about: String,
}

/// When the first column was written, in microseconds since 1970.
const BEGIN: i64 = 1_526_923_797_559_916;
/// How many objects a tenant has, about.
const TENANT: usize = 130;
const NETWORKS: usize = 4;
const PORTS: usize = 8;

/// Rows of a table of a daemon, with their columns.
type DaemonRows = BTreeMap<String, BTreeMap<&'static str, String>>;
type Row = BTreeMap<String, (String, i64)>;

/// What contrail-api would have stored.
pub struct Dump {
    random: Random,
    clock: i64,
    /// `obj_uuid_table`.
    rows: BTreeMap<String, Row>,
    /// `obj_fq_name_table`: type, column, time.
    names: BTreeMap<String, BTreeMap<String, i64>>,
    /// `obj_shared_table`: type, column, value.
    shares: BTreeMap<String, BTreeMap<String, (String, i64)>>,
    key_values: BTreeMap<String, String>,
    /// Keyspaces of daemons: table, row, column, value.
    daemons: BTreeMap<(&'static str, &'static str), DaemonRows>,
    nodes: BTreeMap<String, String>,
    /// How many objects are to be imported.
    pub objects: usize,
    /// Addresses that nobody holds: no faults, but told, too.
    pub reserved: BTreeSet<String>,
    pub planted: Vec<Planted>,
}

/// An object that was made.
#[derive(Clone)]
struct Made {
    kind: &'static str,
    uuid: String,
    name: Vec<String>,
}

impl Made {
    fn joined(&self) -> String {
        self.name.join(":")
    }
}

/// An object that is to be made.
#[derive(Default)]
struct Draft<'d> {
    parent: Option<&'d Made>,
    properties: Vec<(&'d str, Value)>,
    /// Of lists and maps: the property, the position or key, the element.
    elements: Vec<(&'d str, &'d str, String, Value)>,
    references: Vec<(&'d Made, Value)>,
    shares: Vec<(String, u8)>,
    global_access: u8,
}

/// About so many objects, without a fault.
pub fn sound(objects: usize, seed: u64) -> Dump {
    let mut dump = Dump {
        random: Random::new(seed),
        clock: BEGIN,
        rows: BTreeMap::new(),
        names: BTreeMap::new(),
        shares: BTreeMap::new(),
        key_values: BTreeMap::new(),
        daemons: BTreeMap::new(),
        nodes: BTreeMap::new(),
        objects: 0,
        reserved: BTreeSet::new(),
        planted: Vec::new(),
    };
    let root = dump.root();
    let tenants = (objects / TENANT).max(1);
    for number in 0..tenants {
        dump.tenant(&root, number);
    }
    dump
}

/// The same, with fifty faults of more than twenty kinds, each about objects of its own.
pub fn with_faults(objects: usize, seed: u64) -> Dump {
    let mut dump = sound(objects, seed);
    dump.plant();
    assert_eq!(dump.planted.len(), 50);
    let kinds: BTreeSet<&str> = dump.planted.iter().map(|fault| fault.kind).collect();
    assert!(kinds.len() >= 20, "{kinds:?}");
    dump
}

/// What is above all tenants.
struct Root {
    domain: Made,
    tier: Made,
}

impl Dump {
    fn tick(&mut self) -> i64 {
        self.clock += 1 + i64::try_from(self.random.below(1000)).unwrap();
        self.clock
    }

    fn uuid(&mut self) -> String {
        let (high, low) = (self.random.next(), self.random.next());
        uuid::Builder::from_random_bytes(((u128::from(high) << 64) | u128::from(low)).to_be_bytes())
            .into_uuid()
            .to_string()
    }

    /// An object with its row, and all that others have of it.
    fn make(&mut self, kind: &'static str, name: Vec<String>, draft: &Draft<'_>) -> Made {
        let made = Made { kind, uuid: self.uuid(), name };
        let time = self.tick();
        self.objects += 1;
        let mut row = Row::new();
        let mut put = |column: String, value: String| row.insert(column, (value, time));
        put("META:latest_col_ts".into(), "null".into());
        put("type".into(), json!(kind).to_string());
        put("fq_name".into(), json!(made.name).to_string());
        let owner = draft.parent.map_or_else(|| "cloud-admin".to_owned(), |parent| parent.uuid.replace('-', ""));
        let shares: Vec<Value> =
            draft.shares.iter().map(|(tenant, access)| json!({"tenant": tenant, "tenant_access": access})).collect();
        let perms2 = json!({"owner": owner, "owner_access": 7, "global_access": draft.global_access, "share": shares});
        put("prop:perms2".into(), perms2.to_string());
        put("prop:id_perms".into(), id_perms(&made.uuid).to_string());
        put("prop:display_name".into(), json!(made.name.last()).to_string());
        for (property, value) in &draft.properties {
            put(format!("prop:{property}"), value.to_string());
        }
        for (sort, property, key, value) in &draft.elements {
            put(format!("{sort}:{property}:{key}"), value.to_string());
        }
        if let Some(parent) = draft.parent {
            put("parent_type".into(), json!(parent.kind.replace('_', "-")).to_string());
            put(format!("parent:{}:{}", parent.kind, parent.uuid), "null".into());
        }
        for (target, attribute) in &draft.references {
            let value = json!({"attr": attribute, "is_weakref": false}).to_string();
            put(format!("ref:{}:{}", target.kind, target.uuid), value);
        }
        self.rows.insert(made.uuid.clone(), row);
        if let Some(parent) = draft.parent {
            self.put(&parent.uuid, format!("children:{kind}:{}", made.uuid), "null".into(), time);
        }
        for (target, attribute) in &draft.references {
            let value = json!({"attr": attribute, "is_weakref": false}).to_string();
            self.put(&target.uuid, format!("backref:{kind}:{}", made.uuid), value, time);
        }
        let joined = made.joined();
        self.names.entry(kind.to_owned()).or_default().insert(format!("{joined}:{}", made.uuid), time);
        self.nodes.insert(format!("/fq-name-to-uuid/{kind}:{joined}/"), made.uuid.clone());
        for (tenant, access) in &draft.shares {
            let (with, whom) = tenant.split_once(':').unwrap_or(("tenant", tenant));
            let column = format!("{with}:{whom}:{}", made.uuid);
            self.shares.entry(kind.to_owned()).or_default().insert(column, (access.to_string(), time));
        }
        if draft.global_access > 0 {
            let column = format!("global::{}", made.uuid);
            self.shares.entry(kind.to_owned()).or_default().insert(column, (draft.global_access.to_string(), time));
        }
        made
    }

    /// A column more, of a row that is there.
    fn put(&mut self, uuid: &str, column: String, value: String, time: i64) {
        let row = self.rows.get_mut(uuid).unwrap();
        row.insert("META:latest_col_ts".into(), ("null".into(), time));
        row.insert(column, (value, time));
    }

    /// An object below another one.
    fn child(&mut self, kind: &'static str, parent: &Made, name: &str, draft: Draft<'_>) -> Made {
        let names = parent.name.iter().cloned().chain([name.to_owned()]).collect();
        self.make(kind, names, &Draft { parent: Some(parent), ..draft })
    }

    fn root(&mut self) -> Root {
        let properties = vec![("autonomous_system", json!(64512)), ("ibgp_auto_mesh", json!(true))];
        let system = self.make(
            "global_system_config",
            vec!["default-global-system-config".into()],
            &Draft { properties, ..Draft::default() },
        );
        for number in 0..3 {
            let properties = vec![("virtual_router_ip_address", json!(format!("172.16.0.{}", number + 1)))];
            self.child(
                "virtual_router",
                &system,
                &format!("compute-{number}"),
                Draft { properties, ..Draft::default() },
            );
        }
        let tier = self.make(
            "tag_type",
            vec!["tier".into()],
            &Draft { properties: vec![("tag_type_id", json!("0x0002"))], ..Draft::default() },
        );
        self.nodes.insert("/id/tags/types/0000000002/".into(), "tier".into());
        let domain = self.make("domain", vec!["default-domain".into()], &Draft::default());
        Root { domain, tier }
    }

    fn tenant(&mut self, root: &Root, number: usize) {
        let other = format!("tenant:{}", self.uuid());
        let project = self.child("project", &root.domain, &format!("tenant-{number}"), Draft::default());
        let ipam = self.child(
            "network_ipam",
            &project,
            "ipam",
            Draft {
                shares: vec![(other, 5)],
                global_access: 5 * u8::from(number.is_multiple_of(7)),
                ..Draft::default()
            },
        );
        let policy = self.child(
            "network_policy",
            &project,
            "policy",
            Draft {
                properties: vec![(
                    "network_policy_entries",
                    json!({"policy_rule": [{
                "direction": "<>", "protocol": "any", "action_list": {"simple_action": "pass"},
                "src_addresses": [{"virtual_network": "any"}], "src_ports": [{"start_port": -1, "end_port": -1}],
                "dst_addresses": [{"virtual_network": "any"}], "dst_ports": [{"start_port": -1, "end_port": -1}]}]}),
                )],
                ..Draft::default()
            },
        );
        let tag = self.tag(root, &project, number);
        let groups: Vec<Made> = (0..2).map(|group| self.security_group(&project, number * 2 + group)).collect();
        for network in 0..NETWORKS {
            let number = number * NETWORKS + network;
            self.network(&project, number, (&ipam, &policy), (&tag, &groups));
        }
        let routes = json!({"route": [{"prefix": format!("192.168.{}.0/24", number % 256), "next_hop": "10.0.0.1",
            "next_hop_type": "ip-address", "community_attributes": {"community_attribute": ["64512:1"]}}]});
        self.child(
            "route_table",
            &project,
            "routes",
            Draft { properties: vec![("routes", routes)], ..Draft::default() },
        );
        let target = self.route_target(9_000_000 + number);
        self.child(
            "logical_router",
            &project,
            "router \u{fc}",
            Draft {
                properties: vec![("logical_router_type", json!("snat-routing"))],
                references: vec![(&target, Value::Null)],
                ..Draft::default()
            },
        );
    }

    fn tag(&mut self, root: &Root, project: &Made, number: usize) -> Made {
        let value = format!("web-{number}");
        let tag = self.child(
            "tag",
            project,
            &format!("tier={value}"),
            Draft {
                properties: vec![
                    ("tag_type_name", json!("tier")),
                    ("tag_value", json!(value)),
                    ("tag_id", json!(format!("0x0002{:04x}", number))),
                ],
                references: vec![(&root.tier, Value::Null)],
                ..Draft::default()
            },
        );
        self.nodes.insert(format!("/id/tags/values/tier/{number:010}/"), tag.joined());
        tag
    }

    fn security_group(&mut self, project: &Made, number: usize) -> Made {
        let rule = json!({"direction": ">", "protocol": "tcp", "ethertype": "IPv4", "rule_uuid": self.uuid(),
            "src_addresses": [{"security_group": "local"}], "src_ports": [{"start_port": 0, "end_port": 65535}],
            "dst_addresses": [{"subnet": {"ip_prefix": "0.0.0.0", "ip_prefix_len": 0}}],
            "dst_ports": [{"start_port": 0, "end_port": 65535}]});
        let group = self.child(
            "security_group",
            project,
            &format!("group-{number}"),
            Draft {
                properties: vec![
                    ("security_group_id", json!(8_000_001 + number)),
                    ("security_group_entries", json!({"policy_rule": [rule]})),
                ],
                ..Draft::default()
            },
        );
        self.nodes.insert(format!("/id/security-groups/id/{:010}/", number + 1), group.joined());
        for direction in ["ingress", "egress"] {
            self.child(
                "access_control_list",
                &group,
                &format!("{direction}-access-control-list"),
                Draft {
                    properties: vec![
                        ("access_control_list_entries", json!({"acl_rule": [], "dynamic": null})),
                        ("access_control_list_hash", json!(u64::MAX - number as u64)),
                    ],
                    ..Draft::default()
                },
            );
        }
        group
    }

    fn route_target(&mut self, number: usize) -> Made {
        let target = self.make("route_target", vec![format!("target:64512:{number}")], &Draft::default());
        self.nodes.insert(format!("/id/bgp/route-targets/type0/{number:010}/"), target.joined());
        target
    }

    fn network(
        &mut self,
        project: &Made,
        number: usize,
        (ipam, policy): (&Made, &Made),
        (tag, groups): (&Made, &[Made]),
    ) {
        let prefix = format!("10.{}.{}", number / 256 % 256, number % 256);
        let subnet_uuid = self.uuid();
        let subnets = json!({"host_routes": null, "ipam_subnets": [{"subnet": {"ip_prefix": format!("{prefix}.0"),
            "ip_prefix_len": 24}, "default_gateway": format!("{prefix}.1"), "dns_server_address": format!("{prefix}.2"),
            "subnet_uuid": subnet_uuid, "subnet_name": "s", "enable_dhcp": true, "addr_from_start": true, "alloc_unit": 1,
            "allocation_pools": [], "dns_nameservers": [], "host_routes": null, "dhcp_option_list": null}]});
        let timer = json!({"sequence": {"major": 0, "minor": 0}, "timer": null});
        let annotation = json!({"key": "a:b", "value": "\u{fc} \"x\""});
        let network = self.child(
            "virtual_network",
            project,
            &format!("network-{number}"),
            Draft {
                properties: vec![
                    ("virtual_network_network_id", json!(number + 1)),
                    ("router_external", json!(number.is_multiple_of(4))),
                    ("virtual_network_properties", json!({"forwarding_mode": "l2_l3", "rpf": "enable"})),
                    ("route_target_list", json!({"route_target": []})),
                ],
                elements: vec![("propm", "annotations", "a:b".into(), annotation)],
                references: vec![(ipam, subnets), (policy, timer), (tag, Value::Null)],
                ..Draft::default()
            },
        );
        self.nodes.insert(format!("/id/virtual-networks/{number:010}/"), network.joined());
        self.key_values.insert(subnet_uuid, format!("{} {prefix}.0/24", network.uuid));
        let target = self.route_target(8_000_000 + number);
        let instance = self.child(
            "routing_instance",
            &network,
            network.name.last().unwrap(),
            Draft {
                properties: vec![("routing_instance_is_default", json!(true))],
                references: vec![(&target, json!({"import_export": null}))],
                ..Draft::default()
            },
        );
        let targets = self.daemons.entry(("to_bgp_keyspace", "route_target_table")).or_default();
        targets.insert(instance.joined(), BTreeMap::from([("rtgt_num", (8_000_000 + number).to_string())]));
        for port in 0..PORTS {
            self.port(project, number * PORTS + port, (&network, &prefix, port + 3), (&instance, &groups[port % 2]));
        }
        if number.is_multiple_of(4) {
            let pool = self.child("floating_ip_pool", &network, "pool", Draft::default());
            for address in 0..4 {
                let last = 100 + address;
                let text = format!("{prefix}.{last}");
                let floating = self.child(
                    "floating_ip",
                    &pool,
                    &format!("floating-{address}"),
                    Draft {
                        properties: vec![
                            ("floating_ip_address", json!(text)),
                            ("floating_ip_is_virtual_ip", json!(false)),
                        ],
                        references: vec![(project, Value::Null)],
                        ..Draft::default()
                    },
                );
                self.hold(&network, &prefix, last, &floating.uuid);
            }
            let nobody = self.uuid();
            let path = self.hold(&network, &prefix, 200, &nobody);
            self.reserved.insert(path);
        }
    }

    /// An address of a network of 256, in `ZooKeeper`.
    fn hold(&mut self, network: &Made, prefix: &str, last: usize, holder: &str) -> String {
        let address: std::net::Ipv4Addr = format!("{prefix}.{last}").parse().unwrap();
        let path = format!("/api-server/subnets/{}:{prefix}.0/24/{:010}/", network.joined(), u32::from(address));
        self.nodes.insert(path.clone(), holder.to_owned());
        path
    }

    fn port(
        &mut self,
        project: &Made,
        number: usize,
        (network, prefix, last): (&Made, &str, usize),
        (instance, group): (&Made, &Made),
    ) {
        let machine = self.make("virtual_machine", vec![format!("machine-{number}")], &Draft::default());
        let mac = format!("02:00:00:{:02x}:{:02x}:{:02x}", number >> 16 & 255, number >> 8 & 255, number & 255);
        let forwarding = json!({"direction": "both", "mpls_label": null, "vlan_tag": null, "src_mac": null, "dst_mac": null,
            "service_chain_address": null, "ipv6_service_chain_address": null, "protocol": null});
        let binding = json!({"key": "host_id", "value": format!("compute-{}", number % 3)});
        let flow = |port: usize| json!({"protocol": "udp", "port": port});
        let elements = vec![
            ("propm", "virtual_machine_interface_bindings", "host_id".to_owned(), binding),
            ("propl", "virtual_machine_interface_fat_flow_protocols", "0".to_owned(), flow(1)),
            ("propl", "virtual_machine_interface_fat_flow_protocols", "1".to_owned(), flow(2)),
        ];
        let port = self.child(
            "virtual_machine_interface",
            project,
            &format!("port-{number}"),
            Draft {
                properties: vec![
                    ("virtual_machine_interface_mac_addresses", json!({"mac_address": [mac]})),
                    ("virtual_machine_interface_device_owner", json!("compute:nova")),
                    ("port_security_enabled", json!(true)),
                ],
                elements,
                references: vec![
                    (network, Value::Null),
                    (&machine, Value::Null),
                    (instance, forwarding),
                    (group, Value::Null),
                ],
                ..Draft::default()
            },
        );
        self.address(number, network, (prefix, last), Some(&port));
    }

    fn address(&mut self, number: usize, network: &Made, (prefix, last): (&str, usize), port: Option<&Made>) -> Made {
        let properties =
            vec![("instance_ip_address", json!(format!("{prefix}.{last}"))), ("instance_ip_family", json!("v4"))];
        let references = [Some(network), port].into_iter().flatten().map(|target| (target, Value::Null)).collect();
        let draft = Draft { properties, references, ..Draft::default() };
        let address = self.make("instance_ip", vec![format!("address-{number}")], &draft);
        self.hold(network, prefix, last, &address.uuid);
        address
    }

    fn found(&mut self, kind: &'static str, about: impl Into<String>) {
        self.planted.push(Planted { kind, about: about.into() });
    }

    /// An object that a fault is about, and nothing else.
    fn victim(&mut self, project: &Made, name: &str) -> Made {
        self.child("network_policy", project, name, Draft::default())
    }

    /// Takes out all that is said of an object elsewhere.
    fn forget(&mut self, made: &Made, parent: &Made) {
        let joined = made.joined();
        self.names.get_mut(made.kind).unwrap().remove(&format!("{joined}:{}", made.uuid));
        self.nodes.remove(&format!("/fq-name-to-uuid/{}:{joined}/", made.kind));
        self.row(parent).remove(&format!("children:{}:{}", made.kind, made.uuid));
        self.objects -= 1;
    }

    fn row(&mut self, made: &Made) -> &mut Row {
        self.rows.get_mut(&made.uuid).unwrap()
    }

    fn plant(&mut self) {
        let domain =
            Made { kind: "domain", uuid: self.find("domain:default-domain"), name: vec!["default-domain".into()] };
        let project = self.child("project", &domain, "faults", Draft::default());
        let other = self.child("project", &domain, "more-faults", Draft::default());
        self.plant_rows(&project);
        self.plant_names(&project);
        self.plant_parents(&project, &other);
        self.plant_references(&project);
        self.plant_numbers(&project);
        self.plant_nodes(&project);
    }

    fn find(&self, name: &str) -> String {
        self.nodes[&format!("/fq-name-to-uuid/{name}/")].clone()
    }

    /// Rows that were left behind, and columns that say nothing.
    fn plant_rows(&mut self, project: &Made) {
        for number in 0..2 {
            let key = format!("no-uuid-{number}");
            self.rows.insert(key.clone(), Row::from([("type".into(), ("\"network_policy\"".into(), BEGIN))]));
            self.found("bad-uuid", key);
        }
        for number in 0..2 {
            let left = self.victim(project, &format!("without-type-{number}"));
            self.forget(&left, project);
            self.row(&left).retain(|column, _| column.starts_with("prop:") || column.starts_with("META"));
            self.found("row-without-type", left.uuid);
        }
        for number in 0..2 {
            let left = self.victim(project, &format!("without-name-{number}"));
            self.forget(&left, project);
            self.row(&left).remove("fq_name");
            self.found("row-without-name", left.uuid);
        }
        for number in 0..2 {
            let unknown = self.victim(project, &format!("unknown-{number}"));
            self.forget(&unknown, project);
            self.row(&unknown).insert("type".into(), ("\"flux_compensator\"".into(), BEGIN));
            self.found("unknown-type", unknown.uuid);
        }
        for (kind, column, value) in [
            ("bad-json", "prop:network_policy_entries", "{\"policy_rule\": ["),
            ("bad-json", "propm:annotations:a", "a"),
            ("bad-json", "prop:draft_mode_state", ""),
            ("unknown-column", "strange", "null"),
            ("unknown-column", "prop:with:colon", "null"),
            ("unknown-property", "prop:no_such_property", "7"),
            ("unknown-property", "propl:no_such_list:0", "{}"),
        ] {
            let victim = self.victim(project, &format!("column {}", column.replace(':', " ")));
            self.row(&victim).insert(column.into(), (value.into(), BEGIN));
            self.found(kind, victim.uuid);
        }
    }

    fn plant_names(&mut self, project: &Made) {
        for number in 0..3 {
            let name = format!("twice-{number}");
            let first = self.victim(project, &name);
            let second = self.victim(project, &name);
            // Who came second took the name away from the first in `ZooKeeper`, where it is once.
            self.forget(&second, project);
            self.nodes.insert(format!("/fq-name-to-uuid/network_policy:{}/", first.joined()), first.uuid);
            self.found("name-twice", second.uuid);
        }
        for number in 0..3 {
            let uuid = self.uuid();
            let column = format!("{}:gone-{number}:{uuid}", project.joined());
            self.names.get_mut("network_policy").unwrap().insert(column, BEGIN);
            self.found("name-without-object", uuid);
        }
        for number in 0..2 {
            let victim = self.victim(project, &format!("without-entry-{number}"));
            self.names.get_mut("network_policy").unwrap().remove(&format!("{}:{}", victim.joined(), victim.uuid));
            self.found("object-without-entry", victim.uuid);
        }
        let victim = self.victim(project, "renamed");
        let names = self.names.get_mut("network_policy").unwrap();
        let time = names.remove(&format!("{}:{}", victim.joined(), victim.uuid)).unwrap();
        names.insert(format!("{}:before:{}", project.joined(), victim.uuid), time);
        self.found("name-differs", victim.uuid);
    }

    fn plant_parents(&mut self, project: &Made, other: &Made) {
        for number in 0..2 {
            let victim = self.victim(project, &format!("two-parents-{number}"));
            self.row(&victim).insert(format!("parent:project:{}", other.uuid), ("null".into(), BEGIN));
            self.found("several-parents", victim.uuid);
        }
        for number in 0..2 {
            let victim = self.victim(project, &format!("orphan-{number}"));
            self.forget(&victim, project);
            let nobody = self.uuid();
            let row = self.row(&victim);
            row.retain(|column, _| !column.starts_with("parent:"));
            row.insert(format!("parent:project:{nobody}"), ("null".into(), BEGIN));
            self.found("parent-missing", victim.uuid);
        }
        for _ in 0..2 {
            let child = self.uuid();
            self.put(&other.uuid, format!("children:network_policy:{child}"), "null".into(), BEGIN);
            self.found("child-differs", child);
        }
        for number in 0..2 {
            let victim = self.victim(project, &format!("not-listed-{number}"));
            self.row(project).remove(&format!("children:network_policy:{}", victim.uuid));
            self.found("child-not-listed", victim.uuid);
        }
    }

    fn plant_references(&mut self, project: &Made) {
        for number in 0..2 {
            let target = self.uuid();
            let table = self.child("route_table", project, &format!("dangling-{number}"), Draft::default());
            let value = json!({"attr": null, "is_weakref": false}).to_string();
            self.row(&table).insert(format!("ref:tag:{target}"), (value, BEGIN));
            self.found("dangling-reference", target);
        }
        for number in 0..2 {
            let (victim, source) = (self.victim(project, &format!("referred-{number}")), self.uuid());
            self.row(&victim).insert(format!("backref:virtual_network:{source}"), ("null".into(), BEGIN));
            self.found("back-reference-differs", source);
        }
        for number in 0..2 {
            let target = self.route_target(7_000_000 + number);
            let router = self.child(
                "logical_router",
                project,
                &format!("unheard-{number}"),
                Draft { references: vec![(&target, Value::Null)], ..Draft::default() },
            );
            self.row(&target).remove(&format!("backref:logical_router:{}", router.uuid));
            self.found("back-reference-missing", target.uuid);
        }
    }

    fn plant_numbers(&mut self, project: &Made) {
        for number in 0..2 {
            let id = 9_000_000 + number;
            let make = |dump: &mut Self, name: String| {
                let properties = vec![("security_group_id", json!(id))];
                dump.child("security_group", project, &name, Draft { properties, ..Draft::default() })
            };
            let first = make(self, format!("first-{number}"));
            let second = make(self, format!("second-{number}"));
            self.nodes.insert(format!("/id/security-groups/id/{:010}/", id - 8_000_000), first.joined());
            self.found("number-twice", second.uuid);
        }
        let network = self.victim_network(project, 1);
        for number in 0..2 {
            let place = ("172.31.1", 10 + number);
            let first = self.address(900_000 + number, &network, place, None);
            let second = self.address(910_000 + number, &network, place, None);
            self.hold(&network, place.0, place.1, &first.uuid);
            self.found("address-twice", second.uuid);
        }
        let outside = self.address(920_000, &network, ("172.31.99", 9), None);
        self.nodes.retain(|path, _| !path.contains(":172.31.99.0/24/"));
        self.found("address-outside-subnets", outside.uuid);
    }

    fn victim_network(&mut self, project: &Made, number: usize) -> Made {
        let ipam = self.child("network_ipam", project, &format!("ipam-{number}"), Draft::default());
        let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": format!("172.31.{number}.0"), "ip_prefix_len": 24},
            "default_gateway": format!("172.31.{number}.1"), "dns_server_address": format!("172.31.{number}.2"),
            "subnet_uuid": self.uuid(), "addr_from_start": true}]});
        let id = 1_000_000 + number;
        let network = self.child(
            "virtual_network",
            project,
            &format!("network-{number}"),
            Draft {
                properties: vec![("virtual_network_network_id", json!(id))],
                references: vec![(&ipam, subnets)],
                ..Draft::default()
            },
        );
        self.nodes.insert(format!("/id/virtual-networks/{:010}/", id - 1), network.joined());
        network
    }

    fn plant_nodes(&mut self, project: &Made) {
        let network = self.victim_network(project, 2);
        for number in 0..2 {
            let path =
                format!("/api-server/subnets/default-domain:gone:{number}:172.30.0.0/24/{:010}/", 2_887_647_240_u32);
            let nobody = self.uuid();
            self.nodes.insert(path.clone(), nobody);
            self.found("unusable-reservation", path.trim_end_matches('/'));
        }
        for number in 0..2 {
            let held = self.address(930_000 + number, &network, ("172.31.2", 20 + number), None);
            self.nodes.retain(|path, holder| *holder != held.uuid || !path.starts_with("/api-server/"));
            self.found("address-not-in-zookeeper", held.uuid);
        }
        let held = self.address(940_000, &network, ("172.31.2", 30), None);
        let another = self.uuid();
        self.hold(&network, "172.31.2", 30, &another);
        self.found("address-of-another", held.uuid);
        let nobody = self.uuid();
        let path = format!("/fq-name-to-uuid/network_policy:{}:nobody/", project.joined());
        self.nodes.insert(path, nobody.clone());
        self.found("zookeeper-name-differs", nobody);
        let path = format!("/id/security-groups/id/{:010}/", 2_000_000);
        self.nodes.insert(path.clone(), "default-domain:gone:group".into());
        self.found("zookeeper-id-differs", path.trim_end_matches('/'));
    }

    /// Writes it in one of the forms.
    pub fn write(&self, form: Form, output: &mut impl Write) -> io::Result<()> {
        let names = self.names.iter().map(|(kind, columns)| {
            let columns = columns.iter().map(|(column, time)| (column.as_str(), "null", *time));
            (kind.as_str(), columns.collect::<Vec<_>>())
        });
        let objects = self.rows.iter().map(|(key, row)| {
            let columns = row.iter().map(|(column, (value, time))| (column.as_str(), value.as_str(), *time));
            (key.as_str(), columns.collect::<Vec<_>>())
        });
        let shares = self.shares.iter().map(|(kind, columns)| {
            let columns = columns.iter().map(|(column, (value, time))| (column.as_str(), value.as_str(), *time));
            (kind.as_str(), columns.collect::<Vec<_>>())
        });
        let pairs = self.key_values.iter().map(|(key, value)| (key.as_str(), vec![("value", value.as_str(), BEGIN)]));
        let mut keyspaces = Parts { form, first: true };
        write!(output, "{{\"cassandra\": {{")?;
        keyspaces.open(output, "config_db_uuid")?;
        table(output, &mut keyspaces, "obj_uuid_table", objects)?;
        table(output, &mut keyspaces, "obj_fq_name_table", names)?;
        table(output, &mut keyspaces, "obj_shared_table", shares)?;
        keyspaces.close(output)?;
        keyspaces.open(output, "useragent")?;
        table(output, &mut keyspaces, "useragent_keyval_table", pairs)?;
        keyspaces.close(output)?;
        for ((keyspace, name), rows) in &self.daemons {
            keyspaces.open(output, keyspace)?;
            let rows = rows.iter().map(|(key, columns)| {
                let columns = columns.iter().map(|(column, value)| (*column, value.as_str(), BEGIN));
                (key.as_str(), columns.collect::<Vec<_>>())
            });
            table(output, &mut keyspaces, name, rows)?;
            keyspaces.close(output)?;
        }
        write!(output, "}}, \"zookeeper\": \"[")?;
        let stat = [4_294_967_400_i64, 4_294_967_400, BEGIN / 1000, BEGIN / 1000, 0, 0, 0, 0, 36, 0, 4_294_967_400];
        for (index, (path, value)) in self.nodes.iter().enumerate() {
            let node = json!([path, [value, stat]]).to_string();
            let text = json!(node).to_string();
            write!(output, "{}{}", if index == 0 { "" } else { ", " }, &text[1..text.len() - 1])?;
        }
        write!(output, "]\"}}")
    }
}

/// Members of an object, with keyspaces as a level of their own or without.
struct Parts {
    form: Form,
    first: bool,
}

impl Parts {
    fn separate(&mut self, output: &mut impl Write) -> io::Result<()> {
        if !std::mem::take(&mut self.first) {
            write!(output, ", ")?;
        }
        Ok(())
    }

    fn open(&mut self, output: &mut impl Write, keyspace: &str) -> io::Result<()> {
        if self.form != Form::Bare {
            self.separate(output)?;
            write!(output, "{}: {{", json!(keyspace))?;
            self.first = true;
        }
        Ok(())
    }

    fn close(&mut self, output: &mut impl Write) -> io::Result<()> {
        if self.form != Form::Bare {
            write!(output, "}}")?;
            self.first = false;
        }
        Ok(())
    }
}

fn table<'r>(
    output: &mut impl Write,
    parts: &mut Parts,
    name: &str,
    rows: impl Iterator<Item = (&'r str, Vec<(&'r str, &'r str, i64)>)>,
) -> io::Result<()> {
    parts.separate(output)?;
    write!(output, "{}: {{", json!(name))?;
    for (index, (key, columns)) in rows.enumerate() {
        write!(output, "{}{}: ", if index == 0 { "" } else { ", " }, json!(key))?;
        let is_list = parts.form == Form::Cql;
        write!(output, "{}", if is_list { '[' } else { '{' })?;
        for (index, (column, value, time)) in columns.into_iter().enumerate() {
            write!(output, "{}", if index == 0 { "" } else { ", " })?;
            if is_list {
                write!(output, "{}", json!([column, value, time]))?;
            } else {
                write!(output, "{}: {}", json!(column), json!([value, time]))?;
            }
        }
        write!(output, "{}", if is_list { ']' } else { '}' })?;
    }
    write!(output, "}}")
}

fn id_perms(uuid: &str) -> Value {
    let (high, low) = uuid::Uuid::parse_str(uuid).unwrap().as_u64_pair();
    json!({"enable": true, "description": null, "creator": null, "user_visible": true,
        "created": "2018-05-21T17:29:57.559916", "last_modified": "2018-05-21T17:29:57.559916",
        "uuid": {"uuid_mslong": high, "uuid_lslong": low},
        "permissions": {"owner": "admin", "owner_access": 7, "other_access": 7, "group": "admin", "group_access": 7}})
}
