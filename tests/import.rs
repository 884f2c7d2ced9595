//! `cirrus import` of dumps: what a server has moves into another one, whatever form the dump has; each kind of inconsistency is told;
//! and what can't be imported leaves nothing behind.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};
use tokio::task::block_in_place;

use crate::support::{
    Api, Checks, Process, Server, cirrus_program,
    dump::{Dump, Form, TIME, uuid},
    fresh_directory,
    neutron::Plugin,
    postgresql::Cluster,
    samples::Samples,
};

const LIMIT: Duration = Duration::from_mins(2);

pub async fn a_configuration_moves_in() {
    let cluster = block_in_place(|| Cluster::start("import", &[]));
    let database = |name: &str| block_in_place(|| cluster.create_database_called(name));
    let mut checks = Checks::default();
    checks.run("each kind of inconsistency", async { each_kind() }).await;
    checks.run("who has no id gets one", numbered(database("numbered"))).await;
    checks.run("all of them at once", all_at_once(database("everything"))).await;
    checks.run("what a server has, in each form", moves([database("a"), database("b"), database("c")])).await;
    checks.run("a server runs meanwhile", while_a_server_runs(database("running"))).await;
    checks.run("neu_tag_g2 tags of subnets are with their networks then", tags_of_subnets(database("tagged"))).await;
    checks.run("a private database", async { private() }).await;
    checks.run("what is in the way", in_the_way(database("taken"))).await;
    checks.run("nobody reads what is told", unheard(database("unheard"))).await;
    checks.run("broken dumps", broken(database("broken"))).await;
    checks.run("a database that takes nothing", refusing(database("refusing"))).await;
    checks.run("killed in the middle", killed(database("killed"))).await;
    checks.finish();
}

fn cirrus(arguments: &[&str]) -> Command {
    let mut command = cirrus_program();
    command.args(arguments);
    command
}

fn run(arguments: &[&str]) -> Output {
    block_in_place(|| cirrus(arguments).output().unwrap())
}

/// What it says, when it ends with this status: on standard output, and where that is not 0, the one line of the error.
#[track_caller]
fn told(arguments: &[&str], status: i32) -> (String, String) {
    let output = run(arguments);
    let (told, errors) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert_eq!(output.status.code(), Some(status), "{arguments:?}: {told}{errors}");
    if status != 0 {
        assert!(errors.starts_with("cirrus: ") && !errors.contains("panicked"), "{errors}");
    }
    (told, errors)
}

/// The kinds of the findings that it tells of, each once.
fn kinds(told: &str) -> BTreeSet<&str> {
    let known = documented();
    told.lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(kind, _)| kind)
        .filter(|kind| known.contains(*kind))
        .collect()
}

/// The kinds that the documentation has.
fn documented() -> BTreeSet<&'static str> {
    let rows = include_str!("../docs/moving.md").lines().filter_map(|line| line.strip_prefix("| `"));
    rows.filter_map(|row| row.split_once("` | ")).map(|(kind, _)| kind).collect()
}

const DOMAIN: u32 = 1;
const PROJECT: u32 = 2;
const IPAM: u32 = 3;
const NETWORK: u32 = 4;
const ADDRESS: u32 = 6;

fn subnets(prefix: &str, gateway: &str, service: &str) -> Value {
    let subnet = json!({
        "subnet": {"ip_prefix": prefix, "ip_prefix_len": 24}, "default_gateway": gateway, "dns_server_address": service,
        "alloc_unit": 1, "addr_from_start": true, "enable_dhcp": true, "subnet_uuid": uuid(0xa0),
    });
    json!({"attr": {"ipam_subnets": [subnet]}, "is_weakref": false})
}

/// A small configuration in which nothing is wrong.
fn sound() -> Dump {
    let mut dump = Dump::default();
    let project = Some(("project", PROJECT));
    dump.add("domain", DOMAIN, &["d"], None, &[]);
    dump.add("project", PROJECT, &["d", "p"], Some(("domain", DOMAIN)), &[]);
    dump.add("network_ipam", IPAM, &["d", "p", "i"], project, &[]);
    let ipam = format!("ref:network_ipam:{}", uuid(IPAM));
    let network = |id: u32| {
        [("prop:virtual_network_network_id", json!(id)), (&*ipam, subnets("10.0.0.0", "10.0.0.1", "10.0.0.2"))]
    };
    dump.add("virtual_network", NETWORK, &["d", "p", "n"], project, &network(5));
    let network = format!("ref:virtual_network:{}", uuid(NETWORK));
    let address = [("prop:instance_ip_address", json!("10.0.0.10")), (&*network, json!({"attr": null}))];
    dump.add("instance_ip", ADDRESS, &["address"], None, &address);
    dump.add("security_group", 7, &["d", "p", "g"], project, &[("prop:security_group_id", json!(8_000_001))]);
    for (path, value) in [
        ("/fq-name-to-uuid/virtual_network:d:p:n/", uuid(NETWORK)),
        ("/id/virtual-networks/0000000004/", "d:p:n".to_owned()),
        ("/id/security-groups/id/0000000001/", "d:p:g".to_owned()),
        // 10.0.0.10, and the service address.
        ("/api-server/subnets/d:p:n:10.0.0.0/24/0167772170/", uuid(ADDRESS)),
        ("/api-server/subnets/d:p:n:10.0.0.0/24/0167772162/", "dns_server".to_owned()),
    ] {
        dump.node(path, &value);
    }
    dump.key_values.insert("k".to_owned(), json!({"value": ["v", TIME]}));
    dump.targets.insert("d:p:n:n".to_owned(), json!({"rtgt_num": ["8000004", TIME]}));
    dump
}

/// What makes a sound configuration one with a fault of this kind, beside which no other is told of.
type Fault = (&'static str, fn(&mut Dump));

fn network(dump: &mut Dump, number: u32, name: &str, columns: &[(&str, Value)]) {
    const ID: &str = "prop:virtual_network_network_id";
    let mut columns = columns.to_vec();
    if !columns.iter().any(|(column, _)| *column == ID) {
        columns.push((ID, json!(number)));
    }
    dump.add("virtual_network", number, &["d", "p", name], Some(("project", PROJECT)), &columns);
}

fn address(dump: &mut Dump, number: u32, name: &str, address: &str) {
    let network = format!("ref:virtual_network:{}", uuid(NETWORK));
    let columns = [("prop:instance_ip_address", json!(address)), (&*network, json!({"attr": null}))];
    dump.add("instance_ip", number, &[name], None, &columns);
}

const FAULTS: &[Fault] = &[
    ("bad-uuid", |dump| _ = dump.objects.insert("no uuid".to_owned(), json!({"type": ["\"domain\"", TIME]}))),
    ("object-twice", |dump| {
        let again = dump.objects[&uuid(7)].clone();
        dump.objects.insert(uuid(7).to_uppercase(), again);
        // Digits have no case: another spelling of a uuid with letters is needed.
        dump.add("domain", 0xabcd, &["twice"], None, &[]);
        let again = dump.objects[&uuid(0xabcd)].clone();
        dump.objects.remove(&uuid(7).to_uppercase()).map(|row| dump.objects.insert(uuid(7), row));
        dump.objects.insert(uuid(0xabcd).to_uppercase(), again);
    }),
    ("row-without-type", |dump| _ = dump.objects.insert(uuid(0x10), json!({"META:latest_col_ts": ["null", TIME]}))),
    ("row-without-name", |dump| _ = dump.objects.insert(uuid(0x11), json!({"type": ["\"domain\"", TIME]}))),
    ("unknown-type", |dump| {
        dump.add("flux_capacitor", 0x12, &["f"], None, &[]);
        dump.names.remove("flux_capacitor");
    }),
    ("bad-name", |dump| {
        dump.add("domain", 0x13, &["a", "b:c"], None, &[]);
        dump.names["domain"].as_object_mut().unwrap().remove(&format!("a:b:c:{}", uuid(0x13)));
    }),
    ("bad-json", |dump| dump.column(DOMAIN, "prop:display_name", "{")),
    ("column-twice", |_| {}),
    ("part-twice", |_| {}),
    ("unknown-column", |dump| dump.column(PROJECT, "colour", "1")),
    ("unknown-property", |dump| dump.column(PROJECT, "prop:colour", "1")),
    ("unknown-reference", |dump| dump.column(PROJECT, &format!("ref:colour:{}", uuid(NETWORK)), "null")),
    ("unknown-table", |dump| _ = dump.shares.remove("-")),
    ("value-of-wrong-shape", |dump| dump.column(DOMAIN, "prop:domain_limits", "\"much\"")),
    ("value-refused", |dump| dump.column(PROJECT, "prop:quota", "{\"colour\": 1}")),
    ("bad-time", |dump| {
        dump.objects[&uuid(PROJECT)]["prop:display_name"] = json!(["\"p\"", 9_000_000_000_000_000_i64]);
    }),
    ("without-id-perms", |dump| dump.without(7, "prop:id_perms")),
    ("other-uuid-in-id-perms", |dump| {
        let other = dump.objects[&uuid(NETWORK)]["prop:id_perms"].clone();
        dump.objects[&uuid(IPAM)]["prop:id_perms"] = other;
    }),
    ("without-perms2", |dump| dump.without(IPAM, "prop:perms2")),
    ("name-twice", |dump| {
        network(dump, 0x20, "n", &[]);
        dump.names["virtual_network"].as_object_mut().unwrap().remove(&format!("d:p:n:{}", uuid(0x20)));
        dump.without(PROJECT, &format!("children:virtual_network:{}", uuid(0x20)));
    }),
    ("name-without-object", |dump| dump.name("virtual_network", "d:p:gone", &uuid(0x21))),
    ("object-without-entry", |dump| {
        dump.add("domain", 0x22, &["unnamed"], None, &[]);
        dump.names["domain"].as_object_mut().unwrap().remove(&format!("unnamed:{}", uuid(0x22)));
    }),
    ("name-differs", |dump| {
        dump.add("domain", 0x23, &["one"], None, &[]);
        dump.names["domain"].as_object_mut().unwrap().remove(&format!("one:{}", uuid(0x23)));
        dump.name("domain", "other", &uuid(0x23));
    }),
    ("name-not-below-parent", |dump| {
        let id = [("prop:virtual_network_network_id", json!(0x24))];
        dump.add("virtual_network", 0x24, &["d", "q", "astray"], Some(("project", PROJECT)), &id);
    }),
    ("several-parents", |dump| {
        dump.add("project", 0x25, &["d", "other"], Some(("domain", DOMAIN)), &[]);
        dump.objects[&uuid(IPAM)][format!("parent:project:{}", uuid(0x25))] = json!(["null", TIME - 1]);
    }),
    ("parent-missing", |dump| {
        dump.add("virtual_network", 0x26, &["d", "gone", "n"], Some(("project", 0xffff)), &[]);
        dump.names["virtual_network"].as_object_mut().unwrap().remove(&format!("d:gone:n:{}", uuid(0x26)));
    }),
    ("parent-by-name", |dump| {
        network(dump, 0x27, "lost", &[]);
        dump.without(0x27, &format!("parent:project:{}", uuid(PROJECT)));
    }),
    ("wrong-parent", |dump| {
        dump.add("virtual_network", 0x28, &["d", "wrong"], Some(("domain", DOMAIN)), &[]);
        dump.names["virtual_network"].as_object_mut().unwrap().remove(&format!("d:wrong:{}", uuid(0x28)));
        dump.without(DOMAIN, &format!("children:virtual_network:{}", uuid(0x28)));
    }),
    ("parent-cycle", |dump| {
        dump.add("project", 0x29, &["a", "b"], Some(("domain", 0x2a)), &[]);
        dump.add("domain", 0x2a, &["a"], Some(("project", 0x29)), &[]);
        dump.without(0x29, &format!("children:domain:{}", uuid(0x2a)));
        dump.names["project"].as_object_mut().unwrap().remove(&format!("a:b:{}", uuid(0x29)));
        dump.names["domain"].as_object_mut().unwrap().remove(&format!("a:{}", uuid(0x2a)));
    }),
    ("child-differs", |dump| dump.column(PROJECT, &format!("children:virtual_network:{}", uuid(0x2b)), "null")),
    ("child-not-listed", |dump| {
        network(dump, 0x2c, "unlisted", &[]);
        dump.without(PROJECT, &format!("children:virtual_network:{}", uuid(0x2c)));
    }),
    ("dangling-reference", |dump| {
        dump.column(NETWORK, &format!("ref:network_policy:{}", uuid(0x2d)), "{\"attr\": null}");
    }),
    ("wrong-target", |dump| {
        network(dump, 0x2e, "astray target", &[]);
        dump.column(0x2e, &format!("ref:network_policy:{}", uuid(7)), "{\"attr\": null}");
        dump.column(7, &format!("backref:virtual_network:{}", uuid(0x2e)), "null");
        dump.without(7, &format!("backref:virtual_network:{}", uuid(0x2e)));
    }),
    ("one-sided-reference", |dump| {
        network(dump, 0x30, "left", &[]);
        let parent = Some(("virtual_network", 0x30));
        dump.add("routing_instance", 0x31, &["d", "p", "left", "left"], parent, &[]);
        dump.add("routing_instance", 0x32, &["d", "p", "left", "right"], parent, &[]);
        dump.column(
            0x31,
            &format!("ref:routing_instance:{}", uuid(0x32)),
            "{\"attr\": {\"destination_instance\": \"d:p:n\"}}",
        );
    }),
    ("back-reference-differs", |dump| dump.column(NETWORK, &format!("backref:instance_ip:{}", uuid(0x33)), "null")),
    ("back-reference-missing", |dump| {
        address(dump, 0x34, "quiet", "10.0.0.34");
        dump.without(NETWORK, &format!("backref:instance_ip:{}", uuid(0x34)));
        dump.node("/api-server/subnets/d:p:n:10.0.0.0/24/0167772194/", &uuid(0x34));
    }),
    ("relaxed-for-nobody", |dump| dump.column(NETWORK, &format!("relaxbackref:{}", uuid(0x35)), "null")),
    ("share-differs", |dump| {
        let share = format!("tenant:{}:{}", uuid(PROJECT), uuid(NETWORK));
        dump.shares.insert("virtual_network".to_owned(), json!({share: ["7", TIME]}));
    }),
    ("bad-number", |dump| network(dump, 0x36, "nought", &[("prop:virtual_network_network_id", json!(0))])),
    ("number-twice", |dump| network(dump, 0x37, "five too", &[("prop:virtual_network_network_id", json!(5))])),
    ("without-number", |dump| dump.add("tag", 0x41, &["of no type"], None, &[])),
    ("overlapping-subnets", |dump| {
        let column = format!("ref:network_ipam:{}", uuid(IPAM));
        let mut link = subnets("10.7.0.0", "10.7.0.1", "10.7.0.2");
        let mut wider = link["attr"]["ipam_subnets"][0].clone();
        wider["subnet"]["ip_prefix_len"] = json!(16);
        wider["default_gateway"] = json!("10.7.1.1");
        link["attr"]["ipam_subnets"].as_array_mut().unwrap().push(wider);
        network(dump, 0x42, "overlapping", &[(&*column, link)]);
    }),
    ("without-address", |dump| dump.add("instance_ip", 0x38, &["bare"], None, &[])),
    ("address-twice", |dump| {
        address(dump, 0x39, "same", "10.0.0.10");
    }),
    ("address-outside-subnets", |dump| address(dump, 0x3a, "outside", "192.0.2.1")),
    ("address-of-nothing", |dump| {
        dump.add("instance_ip", 0x3b, &["of nothing"], None, &[("prop:instance_ip_address", json!("192.0.2.2"))]);
    }),
    ("reserved-address", |dump| dump.node("/api-server/subnets/d:p:n:10.0.0.0/24/0167772260/", &uuid(0x3c))),
    ("unusable-reservation", |dump| dump.node("/api-server/subnets/d:p:gone:10.0.0.0/24/0167772260/", &uuid(0x3c))),
    ("address-not-in-zookeeper", |dump| address(dump, 0x3d, "unknown there", "10.0.0.61")),
    ("address-of-another", |dump| {
        address(dump, 0x3e, "another's", "10.0.0.62");
        dump.node("/api-server/subnets/d:p:n:10.0.0.0/24/0167772222/", &uuid(0x3f));
    }),
    ("zookeeper-name-differs", |dump| dump.node("/fq-name-to-uuid/virtual_network:d:p:never/", &uuid(0x40))),
    ("zookeeper-id-differs", |dump| dump.node("/id/virtual-networks/0000000041/", "d:p:n")),
    ("bad-table-name", |_| {}),
    ("bad-cell", |dump| _ = dump.targets.insert(String::new(), json!({"rtgt_num": ["8000005", TIME]}))),
    ("bad-key-value", |dump| _ = dump.key_values.insert("nul".to_owned(), json!({"value": ["\0", TIME]}))),
];

/// Faults that are planted in the text of the dump.
const IN_TEXT: &[(&str, &str, &str)] = &[
    ("unknown-table", "\"obj_shared_table\"", "\"obj_flux_table\""),
    ("bad-table-name", "\"to_bgp_keyspace\"", "\"to bgp\""),
    (
        "column-twice",
        "{\"type\":[\"\\\"virtual_network\\\"\"",
        "{\"type\":[\"\\\"virtual_network\\\"\",1526923797559916],\"type\":[\"\\\"project\\\"\"",
    ),
    ("part-twice", "\"useragent\":", "\"useragent\":{},\"useragent\":"),
];

fn each_kind() {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    let file = file.to_str().unwrap();
    fs::write(file, sound().text(Form::A)).unwrap();
    let (told_of, _) = told(&["import", "--dry-run", "--strict", file], 0);
    assert!(told_of.contains("6 objects, 0 reserved addresses, 1 key-values would be stored"), "{told_of}");
    assert!(told_of.contains("to_bgp_keyspace.route_target_table: 1 rows with 1 columns would be stored"), "{told_of}");
    let planted: BTreeSet<&str> = FAULTS.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(planted, documented());
    for (kind, plant) in FAULTS {
        let mut dump = sound();
        plant(&mut dump);
        let mut text = dump.text(Form::A);
        // What no object of JSON in memory can have.
        for (of, there, instead) in IN_TEXT {
            if of == kind {
                assert!(text.contains(there), "{there}");
                text = text.replacen(there, instead, 1);
            }
        }
        fs::write(file, text).unwrap();
        let (told_of, _) = told(&["import", "--dry-run", file], 0);
        assert_eq!(kinds(&told_of), BTreeSet::from([*kind]), "{told_of}");
        let (_, errors) = told(&["import", "--dry-run", "--strict", file], 3);
        assert!(errors.contains("findings; nothing was stored (--strict)"), "{errors}");
    }
}

/// A database, asked.
async fn ask<T>(url: &str, query: &'static str) -> T
where
    T: for<'r> sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres> + Send + Unpin,
{
    let mut database = PgConnection::connect(url).await.unwrap();
    sqlx::query_scalar(query).fetch_one(&mut database).await.unwrap()
}

/// Ids that are missing, or none: each is told of, each gets one, and a check finds nothing.
async fn numbered(url: String) {
    const NETWORK_ID: &str = "prop:virtual_network_network_id";
    const GROUP_ID: &str = "prop:security_group_id";
    let digits = "7".repeat(400);
    let texts = ["null", "NaN", "1e400", "-7", "0", "16777217", "1.5", "\"x\"", "{}", &digits];
    let mut dump = sound();
    let project = Some(("project", PROJECT));
    let mut expected = Vec::new();
    for (kind, column, begin) in [
        ("virtual_network", NETWORK_ID, 0x100),
        ("security_group", GROUP_ID, 0x200),
        ("sub_cluster", "prop:sub_cluster_id", 0x300),
        ("tag_type", "prop:tag_type_id", 0x400),
        ("tag", "prop:tag_id", 0x500),
    ] {
        let is_below = ["virtual_network", "security_group"].contains(&kind);
        for (number, text) in (begin..).zip([None].into_iter().chain(texts.iter().map(Some))) {
            // For some types these are ids.
            let is_decimal = !kind.starts_with("tag");
            let is_id = match text {
                Some(&"16777217") => kind != "virtual_network",
                Some(&"1.5") => is_decimal,
                Some(&"0") => !is_decimal,
                _ => false,
            };
            if is_id {
                continue;
            }
            let name = format!("{kind}-{number}");
            let names: &[&str] = if is_below { &["d", "p", &name] } else { &[&name] };
            let of_type = [("prop:tag_type_name", json!("tag_type-1024"))];
            let columns: &[(&str, Value)] = if kind == "tag" { &of_type } else { &[] };
            dump.add(kind, number, names, project.filter(|_| is_below), columns);
            if let Some(text) = text {
                dump.column(number, column, text);
            }
            expected.push((kind, number));
        }
    }
    // What ZooKeeper says counts, if nobody has it; this one is another one's already.
    dump.node(&format!("/id/virtual-networks/{:010}/", 76), "d:p:virtual_network-256");
    dump.node(&format!("/id/security-groups/id/{:010}/", 88), "d:p:security_group-512");
    dump.node(&format!("/id/virtual-networks/{:010}/", 4), "d:p:virtual_network-257");
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    fs::write(&file, dump.text(Form::A)).unwrap();
    let (told_of, _) = told(&["import", "--database-url", &url, file.to_str().unwrap()], 0);
    for (kind, number) in &expected {
        let begin = format!("bad-number: {} {} ", kind.replace('_', "-"), uuid(*number));
        assert_eq!(told_of.lines().filter(|line| line.starts_with(&begin)).count(), 1, "{begin}{told_of}");
    }
    assert!(told_of.contains(": it has none; ") && told_of.contains(": -7; "), "{told_of}");
    let mut database = PgConnection::connect(&url).await.unwrap();
    let query = "select (properties->>'virtual_network_network_id')::bigint from object where uuid = $1::uuid";
    let of = async |database: &mut PgConnection, number: u32| -> i64 {
        sqlx::query_scalar(query).bind(uuid(number)).fetch_one(database).await.unwrap()
    };
    assert_eq!(of(&mut database, 0x100).await, 77);
    assert!(![5, 77].contains(&of(&mut database, 0x101).await));
    let group = "select (properties->>'security_group_id')::bigint from object where uuid = '00000200-0000-4000-8000-000000000000'";
    assert_eq!(ask::<i64>(&url, group).await, 8_000_088);
    let clusters = "select count(distinct properties->'sub_cluster_id') from object where type = 'sub-cluster'";
    assert_eq!(ask::<i64>(&url, clusters).await, 9);
    let (checked, _) = told(&["check", "--database-url", &url], 0);
    assert!(checked.contains(" objects, "), "{checked}");
}

async fn all_at_once(url: String) {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    let mut dump = sound();
    for (_, plant) in FAULTS {
        plant(&mut dump);
    }
    fs::write(&file, dump.text(Form::B)).unwrap();
    let (told_of, _) = told(&["import", "--database-url", &url, file.to_str().unwrap()], 0);
    let mut expected = documented();
    for (kind, ..) in IN_TEXT {
        expected.remove(kind);
    }
    assert_eq!(kinds(&told_of), expected, "{told_of}");
    // What was kept as it was is told by a check, too, and nothing else.
    let (kept, _) = told(&["check", "--database-url", &url], 1);
    for line in kept.lines().filter(|line| line.contains(": ")) {
        let is_kept = ["missing-hold: ", "missing-number: tag ", "overlapping-subnets: "];
        assert!(is_kept.iter().any(|kind| line.starts_with(kind)), "{kept}");
    }
    let mut server = Server::start_on(&url);
    let api = server.api();
    let network = api.get(&format!("/virtual-network/{}", uuid(NETWORK))).await.ok()["virtual-network"].clone();
    assert_eq!(network["virtual_network_network_id"], 5);
    assert_eq!(network["id_perms"]["created"], "2018-05-21T17:29:57.559916");
    let other = api.get(&format!("/virtual-network/{}", uuid(0x37))).await.ok()["virtual-network"].clone();
    assert!(![0, 5].contains(&other["virtual_network_network_id"].as_i64().unwrap()), "{other}");
    // What is reserved stays so until it is given back.
    let id = uuid(NETWORK);
    let wanted = json!({"subnet": "10.0.0.0/24", "count": 300});
    let refused = api.post(&format!("/virtual-network/{id}/ip-alloc"), &wanted).await;
    assert_ne!(refused.status, 200, "{refused}");
    let taken = |host: u8| {
        let body = json!({"instance-ip": {
            "fq_name": [format!("taken-{host}")], "instance_ip_address": format!("10.0.0.{host}"),
            "virtual_network_refs": [{"uuid": id}],
        }});
        let api = api.clone();
        async move { api.post("/instance-ips", &body).await.status }
    };
    for host in [10, 34, 61, 62, 100] {
        assert_ne!(taken(host).await, 200, "10.0.0.{host}");
    }
    assert_eq!(taken(11).await, 200);
    assert_eq!(ask::<i64>(&url, "select count(*) from address_hold where owner is null").await, 1);
    let key = api.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": "k"})).await.ok();
    assert_eq!(key["value"], "v");
    // Both ends of what one row said.
    let right = api.get(&format!("/routing-instance/{}", uuid(0x32))).await.ok();
    assert_eq!(right["routing-instance"]["routing_instance_refs"][0]["attr"]["destination_instance"], "d:p:n");
    // Its own look at the end would find what was kept, too.
    server.kill();
}

/// All objects as they are shown, by uuid, without what is of the server that shows them, and in an order of its own.
async fn shown(api: &Api) -> BTreeMap<String, Value> {
    let mut all = BTreeMap::new();
    let home = api.get("/").await.ok();
    let links =
        home["links"].as_array().unwrap().iter().map(|link| &link["link"]).filter(|link| link["rel"] == "collection");
    for kind in links.map(|link| link["name"].as_str().unwrap()) {
        let listed = api.get(&format!("/{kind}s?detail=true")).await.ok();
        for object in listed[format!("{kind}s")].as_array().unwrap() {
            let mut object = object[kind].clone();
            normalise(&mut object);
            all.insert(object["uuid"].as_str().unwrap().to_owned(), object);
        }
    }
    all
}

fn normalise(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|name, _| name != "href" && !name.ends_with("_href"));
            for (name, field) in fields {
                normalise(field);
                if name.ends_with("_refs")
                    && let Some(items) = field.as_array_mut()
                {
                    items.sort_by_key(|item| item["uuid"].to_string());
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(normalise),
        _ => {}
    }
}

async fn moves(urls: [String; 3]) {
    let old = Server::start();
    let api = old.api();
    let mut samples = Samples::load();
    let keys: Vec<String> =
        samples.all.iter().map(|sample| format!("{}/rich", sample["type"].as_str().unwrap())).collect();
    let mut made = 0;
    for key in &keys {
        // Some exclude each other.
        made += usize::from(samples.ensure(&api, &[key]).await.is_ok());
    }
    assert!(made > 100, "{made} of {} types", keys.len());
    let (network, address) = make_network(&api).await;
    let expected = shown(&api).await;
    let mut dump = Dump::of(&api).await;
    dump.key_values.insert("k\u{fc}".to_owned(), json!({"value": ["v", TIME]}));
    // Nobody's address, as ip-alloc has left it.
    dump.node("/api-server/subnets/default-domain:default-project:moves:10.9.0.0/24/0168362048/", "somebody");
    let directory = fresh_directory();
    for (form, url) in [Form::A, Form::B, Form::C].into_iter().zip(&urls) {
        let file = directory.path().join("dump");
        match form {
            Form::B => fs::write(&file, dump.packed(form)).unwrap(),
            _ => fs::write(&file, dump.text(form)).unwrap(),
        }
        let file = file.to_str().unwrap();
        let import = ["import", "--database-url", url, file];
        let (told_of, _) = told(&import, 0);
        let found = kinds(&told_of);
        // What the samples do that no cloud does: values are filled in without sense.
        let harmless = BTreeSet::from([
            "reserved-address",
            "address-outside-subnets",
            "without-address",
            "address-of-nothing",
            "address-not-in-zookeeper",
        ]);
        assert!(found.is_subset(&harmless), "{form:?}: {told_of}");
        told(&["check", "--database-url", url], 0);
        let new = Server::start_on(url);
        let api = new.api();
        let mut found = shown(&api).await;
        found.retain(|uuid, _| expected.contains_key(uuid));
        assert_eq!(found.len(), expected.len());
        for (uuid, object) in &expected {
            assert_eq!(&found[uuid], object, "{form:?}");
        }
        // Addresses are held by whom they were, and what only ZooKeeper knew of is reserved.
        for taken in [address.as_str(), "10.9.0.64"] {
            let again = json!({"instance-ip": {
                "fq_name": [format!("again {taken}")], "instance_ip_address": taken, "virtual_network_refs": [{"uuid": network}],
            }});
            assert_eq!(api.post("/instance-ips", &again).await.status, 409, "{taken}");
        }
        drop(new);
        let (told_of, _) = told(&import, 0);
        assert!(told_of.contains("there already, all as it would be imported; nothing was stored"), "{told_of}");
    }
}

/// A network with an address, an interface with positions, and a rule with order.
async fn make_network(api: &Api) -> (String, String) {
    let made = async |kind: &str, body: Value| {
        let body = json!({kind: body});
        api.post(&format!("/{kind}s"), &body).await.ok()[kind]["uuid"].as_str().unwrap().to_owned()
    };
    let below = |name: &str| json!(["default-domain", "default-project", name]);
    let subnet = json!({"subnet": {"ip_prefix": "10.9.0.0", "ip_prefix_len": 24}});
    let ipam = json!({"to": below("default-network-ipam"), "attr": {"ipam_subnets": [subnet]}});
    let network = json!({"fq_name": below("moves"), "parent_type": "project", "network_ipam_refs": [ipam]});
    let network = made("virtual-network", network).await;
    let address = json!({"fq_name": ["moves"], "virtual_network_refs": [{"uuid": network}]});
    let address = made("instance-ip", address).await;
    let address = api.get(&format!("/instance-ip/{address}")).await.ok()["instance-ip"]["instance_ip_address"].clone();
    let flows: Vec<Value> = (0..10).map(|port| json!({"protocol": "tcp", "port": port})).collect();
    let interface = json!({
        "fq_name": below("interface"), "parent_type": "project", "virtual_network_refs": [{"uuid": network}],
        "annotations": {"key_value_pair": [{"key": "a:b", "value": "\u{fc}"}, {"key": "c", "value": "1"}]},
        "virtual_machine_interface_fat_flow_protocols": {"fat_flow_protocol": flows},
    });
    made("virtual-machine-interface", interface).await;
    (network, address.as_str().unwrap().to_owned())
}

async fn while_a_server_runs(url: String) {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    fs::write(&file, sound().text(Form::A)).unwrap();
    let server = Server::start_on(&url);
    let api = server.api();
    let before = api.position().await;
    told(&["import", "--database-url", &url, file.to_str().unwrap()], 0);
    // At once, though nobody told it.
    api.get(&format!("/virtual-network/{}", uuid(NETWORK))).await.ok();
    let gone = api.get(&format!("/changes?since={before}")).await;
    assert_eq!(gone.status, 410, "{gone}");
    let after = api.position().await;
    assert_ne!(before.rsplit_once('-').unwrap().0, after.rsplit_once('-').unwrap().0);
    // It goes on, and so does the log.
    let body = json!({"virtual-network": {"fq_name": ["d", "p", "new"], "parent_type": "project"}});
    let made = api.post("/virtual-networks", &body).await.ok();
    assert!(made["virtual-network"]["uuid"].is_string());
    let changes = api.get(&format!("/changes?since={after}")).await.ok();
    assert!(!changes["changes"].as_array().unwrap().is_empty(), "{changes}");
    // The server compares what it knows with what is stored.
    drop(server);
    told(&["check", "--database-url", &url], 0);
}

/// What contrail-api keeps beside the objects for Neutron: where subnets are, and their tags.
async fn tags_of_subnets(url: String) {
    let mut dump = sound();
    let (subnet, gone) = (uuid(0xa0), uuid(0xa1));
    let place = format!("{} 10.0.0.0/24", uuid(NETWORK));
    // Names of tags, as texts and as lists.
    let tags =
        json!({(subnet.as_str()): ["neutron_tag=blue", ["neutron_tag=red"]], (gone.as_str()): ["neutron_tag=blue"]});
    for (key, value) in [
        (subnet.as_str(), place.clone()),
        (&gone, place.clone()),
        ("subnet_to_neutron_tags", tags.to_string()),
        ("neutron_tag_to_subnets", json!({"neutron_tag=blue": [gone]}).to_string()),
    ] {
        dump.key_values.insert(key.to_owned(), json!({"value": [value, TIME]}));
    }
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    fs::write(&file, dump.text(Form::A)).unwrap();
    let file = file.to_str().unwrap();
    let (told_of, _) = told(&["import", "--database-url", &url, file], 0);
    assert!(told_of.contains(" 1 key-values stored"), "what was stored by clients alone: {told_of}");
    told(&["check", "--database-url", &url], 0);
    let server = Server::start_on(&url);
    let api = server.api();
    let neutron = Plugin::admin(&api, &uuid(PROJECT));
    let listed = neutron.list("subnet", json!({})).await;
    assert_eq!((listed.len(), &listed[0]["tags"]), (1, &json!(["blue", "red"])), "{listed:?}");
    let all = api.post("/useragent-kv", &json!({"operation": "RETRIEVE", "key": null})).await.ok();
    let pairs = all["value"].as_array().unwrap().iter();
    let told_now: BTreeMap<&str, &str> =
        pairs.map(|pair| (pair["key"].as_str().unwrap(), pair["value"].as_str().unwrap())).collect();
    let of_subnets = json!({(subnet.as_str()): ["neutron_tag=blue", "neutron_tag=red"]}).to_string();
    let of_tags = json!({"neutron_tag=blue": [subnet], "neutron_tag=red": [subnet]}).to_string();
    let expected =
        [("k", "v"), ("neutron_tag_to_subnets", &of_tags), ("subnet_to_neutron_tags", &of_subnets), (&subnet, &place)];
    assert_eq!(told_now, BTreeMap::from(expected));
    drop(server);
    let (told_of, _) = told(&["import", "--database-url", &url, file], 0);
    assert!(told_of.contains("there already, all as it would be imported"), "{told_of}");
}

fn private() {
    let directory = fresh_directory();
    let (file, data) = (directory.path().join("dump"), directory.path().join("data"));
    fs::write(&file, sound().text(Form::A)).unwrap();
    let (file, data) = (file.to_str().unwrap(), data.to_str().unwrap());
    crate::support::postgresql::put_new_cluster(Path::new(data));
    told(&["import", "--data-dir", data, file], 0);
    let server = Server::start_in(Path::new(data));
    let shown = format!("{}/virtual-network/{}", server.url(), uuid(NETWORK));
    let status = tokio::runtime::Handle::current();
    let answer = block_in_place(|| status.block_on(async { reqwest::get(&shown).await.unwrap().status() }));
    assert_eq!(answer, 200);
    // On which its server may run.
    let (told_of, _) = told(&["import", "--data-dir", data, file], 0);
    assert!(told_of.contains("there already"), "{told_of}");
    drop(server);
    let (told_of, _) = told(&["import", "--data-dir", data, file], 0);
    assert!(told_of.contains("there already"), "{told_of}");
}

async fn in_the_way(url: String) {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    fs::write(&file, sound().text(Form::A)).unwrap();
    let file = file.to_str().unwrap();
    let server = Server::start_on(&url);
    let body = json!({"virtual-network": {"fq_name": ["default-domain", "default-project", "mi\nne"], "parent_type": "project"}});
    let made = server.api().post("/virtual-networks", &body).await.ok();
    let (_, errors) = told(&["import", "--database-url", &url, file], 1);
    assert!(errors.contains("virtual-network default-domain:default-project:mi\u{fffd}ne"), "{errors}");
    assert_eq!(errors.lines().count(), 1, "{errors}");
    let (_, errors) = told(&["import", "--dry-run", "--database-url", &url, file], 1);
    assert!(errors.contains("Nothing was stored"), "{errors}");
    server
        .api()
        .delete(&format!("/virtual-network/{}", made["virtual-network"]["uuid"].as_str().unwrap()))
        .await
        .status_is(200);
    server.api().post("/useragent-kv", &json!({"operation": "STORE", "key": "a", "value": "b"})).await.status_is(200);
    let (_, errors) = told(&["import", "--database-url", &url, file], 1);
    assert!(errors.contains("1 key-values"), "{errors}");
    server.api().post("/useragent-kv", &json!({"operation": "DELETE", "key": "a"})).await.status_is(200);
    let domain = server.api().find("domain", &json!(["default-domain"])).await.unwrap();
    server
        .api()
        .put(&format!("/domain/{domain}"), &json!({"domain": {"display_name": "changed"}}))
        .await
        .status_is(200);
    let (_, errors) = told(&["import", "--database-url", &url, file], 1);
    assert!(errors.contains("domain default-domain (changed since the first start)"), "{errors}");
}

/// Nobody reads what is told: whether something was stored is told all the same.
async fn unheard(url: String) {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    let deaf = |dump: &Dump| {
        fs::write(&file, dump.text(Form::A)).unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let arguments = ["import", "--database-url", &url, file.to_str().unwrap()];
        let output = block_in_place(|| cirrus(&arguments).stdout(writer).output().unwrap());
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let mut dump = sound();
    dump.column(PROJECT, "colour", "1");
    let (status, errors) = deaf(&dump);
    assert!(status == Some(1) && errors.contains("nothing was stored"), "{errors}");
    assert!(!ask::<bool>(&url, "select exists (select from pg_tables where schemaname = 'public')").await);
    let (status, errors) = deaf(&sound());
    assert!(status == Some(0) && errors.contains("cirrus: stored; nobody takes"), "{errors}");
    assert_eq!(ask::<i64>(&url, "select count(*) from object").await, 6);
}

async fn broken(url: String) {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    let whole = sound().text(Form::A);
    let packed = sound().packed(Form::A);
    let mut damaged = packed.clone();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    let cases: Vec<(Vec<u8>, &str)> = vec![
        (whole.as_bytes()[..whole.len() / 2].to_vec(), "at byte"),
        (packed[..packed.len() / 2].to_vec(), "at byte"),
        (damaged, "at byte"),
        (whole.replacen('{', "[", 1).into_bytes(), "a dump of db_json_exim"),
        (b"{}".to_vec(), "no \"cassandra\" in it"),
        (b"".to_vec(), "at byte 0"),
        (b"a text".to_vec(), "at byte"),
        (json!({"cassandra": {"config_db_uuid": {"obj_uuid_table": 5}}}).to_string().into_bytes(), "obj_uuid_table"),
        (json!({"cassandra": {"config_db_uuid": {}}}).to_string().into_bytes(), "there are no objects in it"),
        ([&packed[..], &[0; 600], b"x"].concat(), "at byte"),
    ];
    for (text, expected) in cases {
        fs::write(&file, &text).unwrap();
        let (_, errors) = told(&["import", "--database-url", &url, file.to_str().unwrap()], 1);
        assert!(errors.contains(expected) && errors.lines().count() == 1, "{expected} is expected in {errors}");
    }
    // What can't be read twice is not even opened.
    let pipe = directory.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for source in [pipe.to_str().unwrap(), "-", directory.path().to_str().unwrap(), "/dev/null"] {
        let (_, errors) = told(&["import", "--database-url", &url, source], 2);
        assert!(errors.contains("a dump is read twice: write it into a file"), "{errors}");
    }
    fs::write(&file, [&packed[..], &[0; 600]].concat()).unwrap();
    told(&["import", "--dry-run", file.to_str().unwrap()], 0);
    let (_, errors) = told(&["import", "--database-url", &url, directory.path().join("no").to_str().unwrap()], 1);
    assert!(errors.contains("No such file"), "{errors}");
    assert!(!ask::<bool>(&url, "select exists (select from pg_tables where schemaname = 'public')").await);
}

async fn refusing(url: String) {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    fs::write(&file, sound().text(Form::A)).unwrap();
    let file = file.to_str().unwrap();
    let import = ["import", "--database-url", &url, file];
    // Nobody listens there.
    let nowhere = format!("postgresql://cirrus@localhost/none?host={}", directory.path().display());
    assert!(told(&["import", "--database-url", &nowhere, file], 1).1.contains("database none at "));
    drop(Server::start_on(&url));
    let before: i64 = ask(&url, "select count(*) from object").await;
    let mut database = PgConnection::connect(&url).await.unwrap();
    for (make, unmake, expected) in [
        (
            "create function disk_full() returns trigger language plpgsql as $$ begin
                if new.type = 'instance-ip' then
                    raise exception 'could not extend file \"base/1/2\": No space left on device' using errcode = '53100';
                end if;
                return new;
             end $$;
             create trigger disk_full before insert on object for each row execute function disk_full()",
            "drop trigger disk_full on object",
            "No space left on device",
        ),
        (
            "alter database refusing set default_transaction_read_only = on",
            "set default_transaction_read_only = off; alter database refusing reset default_transaction_read_only",
            "it is read-only, or a standby",
        ),
        (
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time) values (9999, '', true, '', 0)",
            "delete from _sqlx_migrations where version = 9999",
            "newer release",
        ),
        (
            "update _sqlx_migrations set version = -version where version = 10",
            "update _sqlx_migrations set version = -version where version = -10",
            "",
        ),
    ] {
        sqlx::raw_sql(make).execute(&mut database).await.unwrap();
        let output = run(&import);
        let errors = String::from_utf8(output.stderr).unwrap();
        assert!(matches!(output.status.code(), Some(1 | 2)), "{errors}");
        assert!(errors.contains(expected) && errors.lines().count() == 1, "'{expected}' is expected in {errors}");
        sqlx::raw_sql(unmake).execute(&mut database).await.unwrap();
        assert_eq!(ask::<i64>(&url, "select count(*) from object").await, before);
    }
    told(&import, 0);
}

async fn killed(url: String) {
    let directory = fresh_directory();
    let file = directory.path().join("dump");
    fs::write(&file, sound().text(Form::A)).unwrap();
    let file = file.to_str().unwrap();
    drop(Server::start_on(&url));
    let state = "select concat((select count(*) from object), ' ', (select count(*) from key_value), ' ', (select count(*) from wide_row),
        ' ', (select last_rev || ' ' || epoch from feed_sequence))";
    let before: String = ask(&url, state).await;
    let mut database = PgConnection::connect(&url).await.unwrap();
    // Where it has written nearly all.
    sqlx::raw_sql("begin; lock table address_hold in share mode").execute(&mut database).await.unwrap();
    let mut import = Process::spawn(&mut cirrus(&["import", "--database-url", &url, file]));
    let waits =
        "select exists (select from pg_stat_activity where wait_event_type = 'Lock' and application_name = 'cirrus'
        and datname = current_database())";
    let mut waited = 0;
    while !ask::<bool>(&url, waits).await {
        waited += 1;
        assert!(waited < 3000 && import.wait(Duration::from_millis(20)).is_none(), "{}", import.errors());
    }
    import.signal("KILL");
    import.wait(LIMIT);
    sqlx::raw_sql("rollback").execute(&mut database).await.unwrap();
    let others = "select exists (select from pg_stat_activity where application_name = 'cirrus' and datname = current_database())";
    while ask::<bool>(&url, others).await {
        tokio::task::yield_now().await;
    }
    assert_eq!(ask::<String>(&url, state).await, before);
    told(&["import", "--database-url", &url, file], 0);
    told(&["check", "--database-url", &url], 0);
}
