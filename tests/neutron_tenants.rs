//! Tenants of `OpenStack` at work at the same time, on two servers with one database, each with calls that chance chooses. After each
//! call Neutron lists for the tenant what REST holds, a call that was refused has changed nothing, and what was answered is what is
//! listed. Whoever looks meanwhile sees nothing half made. When all that they made is deleted, everything is as it was before.
//!
//! `CIRRUS_NEUTRON_CALLS` is how many calls each tenant makes, 40 by itself; `CIRRUS_NEUTRON_SEED` what chance begins with.

mod at_once;
mod calls;
mod rest;
mod watcher;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::neutron::{Plugin, Told};
use crate::support::{Api, Checks, Server, random::Random, shortened};
use calls::{Call, Chooser};

const TENANTS: usize = 3;
/// How many look while they work.
const WATCHERS: usize = 2;
/// Tags are everybody's, and stay (NEU-TAG-C1): so there are these from the start.
const TAGS: [&str; 3] = ["blue", "green", "red"];

/// What a tenant has, by the names of the resources and by ids.
type Listed = BTreeMap<&'static str, BTreeMap<String, Value>>;

/// What Neutron is asked to list after each call.
const RESOURCES: [&str; 11] = [
    "network",
    "subnet",
    "port",
    "router",
    "floatingip",
    "security_group",
    "security_group_rule",
    "trunk",
    "policy",
    "ipam",
    "route_table",
];

pub async fn tenants_on_two_servers() {
    const OPTIONS: [&str; 2] = ["--neutron-default-security-group", "true"];
    let first = Server::start_with(&OPTIONS);
    let second = first.start_another_with(&OPTIONS);
    let number = |name: &str, otherwise| std::env::var(name).map_or(otherwise, |text| text.parse().expect(name));
    let (calls, seed) = (number("CIRRUS_NEUTRON_CALLS", 40), number("CIRRUS_NEUTRON_SEED", 1));
    let apis = [first.api(), second.api()];
    let database = first.database_url();
    let mut checks = Checks::default();
    let play = play(apis.clone(), database, u64::try_from(seed).unwrap(), calls);
    checks.run(&format!("calls of chance, seed {seed}"), play).await;
    at_once::run(apis, &mut checks).await;
    checks.finish();
}

async fn play(apis: [Api; 2], database: String, seed: u64, calls: usize) {
    let outside = prepare(&apis[0]).await;
    let mut projects = Vec::with_capacity(TENANTS);
    for number in 0..TENANTS {
        projects.push(project(&apis[0], &format!("tenant-{number}")).await);
    }
    let before = everything(&database, &apis[0], &outside).await;
    let (begun, begins) = watch::channel(0);
    let mut watchers = JoinSet::new();
    for number in 0..WATCHERS {
        watchers.spawn(watcher::watch(apis[number % apis.len()].clone(), begins.clone(), number));
    }
    let mut tenants = JoinSet::new();
    for (number, project) in projects.into_iter().enumerate() {
        let plugins = apis.clone().map(|api| Plugin::member(&api, &project));
        let random = Random::new(seed.wrapping_mul(100) + number as u64);
        let tenant = Tenant { number, plugins, random, seen: Listed::new(), statistics: BTreeMap::new() };
        tenants.spawn(tenant.work(calls, begun.clone()));
    }
    drop((begun, begins));
    let tenants = tenants.join_all().await;
    let looks: usize = watchers.join_all().await.into_iter().sum();
    let mut statistics: BTreeMap<(String, String), usize> = BTreeMap::new();
    for (what, count) in tenants.iter().flat_map(|tenant| &tenant.statistics) {
        *statistics.entry(what.clone()).or_default() += count;
    }
    for ((call, outcome), count) in &statistics {
        println!("        {count:4} x {call}: {outcome}");
    }
    println!("        {looks} looks at what was there meanwhile");
    assert!(looks > 0, "somebody looked");
    clean_up(tenants).await;
    let after = everything(&database, &apis[1], &outside).await;
    let new: Vec<String> = after.difference(&before).map(|row| shortened(row)).collect();
    let gone: Vec<String> = before.difference(&after).map(|row| shortened(row)).collect();
    assert!(new.is_empty() && gone.is_empty(), "left over: {new:#?}\ngone: {gone:#?}");
}

/// A project, with its default group.
async fn project(api: &Api, name: &str) -> String {
    let project = json!({"fq_name": ["default-domain", name], "parent_type": "domain"});
    let project = api.post("/projects", &json!({"project": project})).await.ok();
    project["project"]["uuid"].as_str().unwrap().to_owned()
}

/// What operators give to all: an external network, a shared one, and the tags. Gives the networks.
async fn prepare(api: &Api) -> Vec<String> {
    let operator = Plugin::admin(api, &project(api, "operator").await);
    let mut networks = Vec::new();
    for (name, kind, cidr) in
        [("outside", "router:external", "198.18.0.0/27"), ("everywhere", "shared", "10.90.0.0/26")]
    {
        let network = operator.create("network", json!({"name": name, (kind): true, "tags": TAGS})).await.done();
        let subnet = json!({"network_id": network["id"], "cidr": cidr, "ip_version": 4});
        operator.create("subnet", subnet).await.done();
        networks.push(network["id"].as_str().unwrap().to_owned());
    }
    networks
}

/// All rows of the tables that say how things are, without when they came to be so; and what is free in the networks of all.
async fn everything(database: &str, api: &Api, networks: &[String]) -> BTreeSet<String> {
    const TABLES: [&str; 4] = [
        "select to_jsonb(object) - '{created, revision, written}'::text[] from object",
        "select to_jsonb(reference) from reference",
        "select to_jsonb(address_hold) from address_hold",
        "select to_jsonb(key_value) from key_value",
    ];
    let mut connection = PgConnection::connect(database).await.unwrap();
    let mut rows = BTreeSet::new();
    for query in TABLES {
        let found: Vec<Value> = sqlx::query_scalar(query).fetch_all(&mut connection).await.unwrap();
        rows.extend(found.iter().map(Value::to_string));
    }
    assert!(rows.len() > 50, "there is something");
    for network in networks {
        let all = api.get(&format!("/virtual-network/{network}")).await.ok();
        let subnets = &all["virtual-network"]["network_ipam_refs"][0]["attr"]["ipam_subnets"];
        let cidr = |subnet: &Value| format!("{}/{}", subnet["subnet"]["ip_prefix"], subnet["subnet"]["ip_prefix_len"]);
        let cidrs: Vec<String> =
            subnets.as_array().unwrap().iter().map(|subnet| cidr(subnet).replace('"', "")).collect();
        let path = format!("/virtual-network/{network}/subnet-ip-count");
        let counts = api.post(&path, &json!({ "subnet_list": cidrs })).await.ok();
        rows.insert(format!("taken in {network}: {counts}"));
    }
    rows
}

struct Tenant {
    number: usize,
    plugins: [Plugin; 2],
    random: Random,
    /// What was listed last.
    seen: Listed,
    /// How often which call had which outcome.
    statistics: BTreeMap<(String, String), usize>,
}

impl Tenant {
    async fn work(mut self, calls: usize, begun: watch::Sender<usize>) -> Self {
        self.look(0, "the start").await;
        for number in 0..calls {
            let foreign = self.networks_of_others().await;
            let mut chooser =
                Chooser { seen: &self.seen, foreign: &foreign, random: &mut self.random, number: self.number };
            let call = calls::any(&mut chooser);
            let server = self.random.below(2);
            begun.send_modify(|count| *count += 1);
            let told = call.send(&self.plugins[server]).await;
            let outcome = told.class().unwrap_or("done").to_owned();
            *self.statistics.entry((format!("{} {}", call.resource, call.operation), outcome)).or_default() += 1;
            let about = format!("tenant {} call {number}: {call} -> {told}", self.number);
            let before = self.seen.clone();
            self.look(1 - server, &about).await;
            match told {
                Told::Refused(_) => {
                    for resource in RESOURCES {
                        let changed = difference(&before[resource], &self.seen[resource]);
                        assert!(changed.is_empty(), "{about}\nhas changed, of {resource}:\n{changed}");
                    }
                }
                Told::Done(answer) => self.check_answer(&call, &answer, &about),
            }
        }
        self
    }

    /// Networks that it may use and that are others', which may go at any time.
    async fn networks_of_others(&self) -> Vec<Value> {
        let networks = self.plugins[0].list("network", json!({})).await;
        networks.into_iter().filter(|network| network["tenant_id"] != self.plugins[0].hex().as_str()).collect()
    }

    /// Lists everything by this server, and compares it with what REST holds.
    async fn look(&mut self, server: usize, about: &str) {
        let plugin = &self.plugins[server];
        let mut listed = Listed::new();
        for resource in RESOURCES {
            let all = plugin.list(resource, json!({})).await;
            // Others have networks for all, and ports on networks of this one.
            let own = all.into_iter().filter(|item| item["tenant_id"] == plugin.hex().as_str());
            let by_id: BTreeMap<String, Value> =
                own.map(|item| (item["id"].as_str().unwrap().to_owned(), item)).collect();
            let count = plugin.call("READCOUNT", resource, json!({"filters": {"tenant_id": [plugin.hex()]}})).await;
            assert_eq!(count.done(), json!({"count": by_id.len()}), "{about}\ncount of {resource}");
            listed.insert(resource, by_id);
        }
        let held = rest::held(&plugin.api, &plugin.tenant, &listed).await;
        for resource in RESOURCES {
            let shown = listed[resource].iter().map(|(id, item)| (id.clone(), rest::comparable(resource, item)));
            let shown: BTreeMap<String, Value> = shown.collect();
            let held = held.get(resource).unwrap_or_else(|| panic!("REST has {resource}"));
            assert!(shown == *held, "{about}\n{resource} held, and listed\n{}", difference(held, &shown));
        }
        self.seen = listed;
    }

    /// What a create and an update answer is what is listed then, and what is deleted is gone.
    fn check_answer(&self, call: &Call, answer: &Value, about: &str) {
        // Tags are shown with what they are on.
        let Some(listed) = self.seen.get(call.resource) else { return };
        match call.operation {
            "CREATE" | "UPDATE" => {
                // It may be the time of before (NEU-GEN-6).
                let plain = |item: &Value| {
                    let mut item = item.clone();
                    item.as_object_mut().unwrap().shift_remove("updated_at");
                    item
                };
                let listed = listed.get(answer["id"].as_str().unwrap());
                let listed = listed.unwrap_or_else(|| panic!("{about}\nis not listed"));
                assert_eq!(plain(answer), plain(listed), "{about}\nis listed otherwise");
            }
            "DELETE" => assert!(!listed.contains_key(call.id().unwrap()), "{about}\nis still listed"),
            _ => {}
        }
    }
}

/// The things that are others.
fn difference(before: &BTreeMap<String, Value>, after: &BTreeMap<String, Value>) -> String {
    let ids: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let others = ids.into_iter().filter(|id| before.get(*id) != after.get(*id));
    let text = |item: Option<&Value>| item.map_or_else(|| "nothing".to_owned(), Value::to_string);
    let lines = others.map(|id| format!("{id}\n  {}\n  {}", text(before.get(id)), text(after.get(id))));
    lines.collect::<Vec<_>>().join("\n")
}

/// Deletes all that tenants have, those things first that stand in the way of others, each by any server.
async fn clean_up(mut tenants: Vec<Tenant>) {
    for resource in
        ["trunk", "floatingip", "router", "port", "network", "policy", "ipam", "route_table", "security_group"]
    {
        for tenant in &mut tenants {
            let items: Vec<Value> = tenant.seen[resource].values().cloned().collect();
            for item in items {
                if resource == "security_group" && item["name"] == "default" {
                    continue;
                }
                let plugin = &tenant.plugins[tenant.random.below(2)];
                if resource == "router" {
                    for port in tenant.seen["port"].values().filter(|port| port["device_id"] == item["id"]) {
                        let data = json!({"id": item["id"], "resource": {"port_id": port["id"]}});
                        plugin.call("DELINTERFACE", "router", data).await.done();
                    }
                }
                let told = plugin.delete(resource, &item["id"]).await;
                // The interface of a router is gone already.
                let is_gone = resource == "port" && told.class() == Some("PortNotFound");
                assert!(is_gone || told == Told::Done(Value::Null), "delete of {resource} {item}: {told}");
            }
        }
    }
}
