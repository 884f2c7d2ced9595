//! Nothing that a client sends makes the server fail: the answer is the client's fault (4xx), or the request is
//! accepted, and afterwards the server still answers.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::support::samples::{Samples, strings};
use crate::support::{Answer, Api, Checks, Server, shortened};

const JSON: &[(&str, &str)] = &[("Content-Type", "application/json")];
/// The largest body that is taken.
const BODY_LIMIT: usize = 1_024_000;

/// These ask a message bus, which need not be there: they may say so (503).
const BUS: [&str; 4] = ["/execute-job", "/abort-job", "/amqp-publish", "/amqp-request"];

/// The objects that the checks use.
#[derive(Clone)]
struct Objects {
    network: String,
    policy: String,
    project: String,
    subnet: String,
}

pub async fn bad_input_is_refused() {
    // By any name, as its requests have several.
    let server = Server::start_with(&["--allowed-hosts", "*"]);
    let (api, address) = (server.api(), server.address());
    let objects = objects(&api).await;
    let mut checks = Checks::default();
    macro_rules! check {
        ($name:literal, $check:expr) => {
            checks.run($name, $check).await;
            let answers = api.clone();
            checks
                .run(concat!("the server answers after: ", $name), async move {
                    answers.get("/virtual-networks").await.ok();
                })
                .await;
        };
    }
    check!("NUL characters", nul_characters(api.clone(), objects.clone()));
    check!("long names, keys and values", long_texts(api.clone(), objects.clone()));
    check!("deep nesting", nesting(api.clone(), objects.clone()));
    check!("wrong UTF-8", wrong_utf8(api.clone(), address, objects.clone()));
    check!("numbers of 400 digits", numbers(api.clone(), objects.clone()));
    check!("counts of addresses", counts(api.clone(), objects.clone()));
    check!("bodies that are too large", large_bodies(api.clone(), address));
    check!("request lines up to 65,535 bytes", long_request_line(api.clone()));
    check!("requests that stop half-way", half_way(address));
    check!("no HTTP at all", garbage(address));
    check!("unknown methods and paths", methods(api.clone(), objects.clone()));
    check!("content types and empty bodies", content_types(api.clone(), objects.clone()));
    check!("query strings", query_strings(api.clone(), objects.clone()));
    check!("actions with JSON of the wrong shape", actions(api.clone(), objects.clone()));
    check!("objects with JSON of the wrong shape", wrong_objects(api.clone()));
    checks.finish();
    let log = server.log();
    assert!(!log.contains("panicked at"), "the server panicked on the way; its log:\n{}", shortened(&log));
}

async fn objects(api: &Api) -> Objects {
    let subnets = json!({"ipam_subnets": [{"subnet": {"ip_prefix": "10.64.0.0", "ip_prefix_len": 24}}]});
    let ipam = json!({"to": ["default-domain", "default-project", "default-network-ipam"], "attr": subnets});
    let mut body =
        json!({"virtual-network": {"fq_name": ["default-domain", "default-project", "bad"], "parent_type": "project"}});
    body["virtual-network"]["network_ipam_refs"] = json!([ipam]);
    let network = api.post("/virtual-networks", &body).await.ok()["virtual-network"].clone();
    let uuid = network["uuid"].as_str().unwrap().to_owned();
    let read = api.get(&format!("/virtual-network/{uuid}")).await.ok();
    let subnet = &read["virtual-network"]["network_ipam_refs"][0]["attr"]["ipam_subnets"][0]["subnet_uuid"];
    let body =
        json!({"network-policy": {"fq_name": ["default-domain", "default-project", "bad"], "parent_type": "project"}});
    let policy = api.post("/network-policys", &body).await.ok()["network-policy"]["uuid"].as_str().unwrap().to_owned();
    let project = api.find("project", &json!(["default-domain", "default-project"])).await.unwrap();
    Objects { network: uuid, policy, project, subnet: subnet.as_str().unwrap().to_owned() }
}

/// Collects what is wrong, so that one check shows all of it.
struct Findings {
    api: Api,
    tried: usize,
    wrong: Vec<String>,
}

impl Findings {
    fn new(api: &Api) -> Self {
        Self { api: api.clone(), tried: 0, wrong: Vec::new() }
    }

    /// Sends it; anything but a server error is right.
    async fn send(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Option<Answer> {
        self.tried += 1;
        let about = format!("{method} {} {}", shortened(path), shortened(&String::from_utf8_lossy(&body)));
        match self.api.send(method, path, headers, Some(body)).await {
            Ok(answer) => {
                let no_bus = answer.status == 503 && BUS.contains(&path);
                if answer.status >= 500 && !no_bus {
                    self.wrong.push(answer.to_string());
                }
                Some(answer)
            }
            Err(error) => {
                self.wrong.push(format!("{about}: no answer: {error:?}"));
                None
            }
        }
    }

    async fn json(&mut self, method: &str, path: &str, body: &Value) -> Option<Answer> {
        self.send(method, path, JSON, serde_json::to_vec(body).unwrap()).await
    }

    /// Sends it; it has to be refused.
    async fn refused(&mut self, method: &str, path: &str, headers: &[(&str, &str)], body: Vec<u8>) {
        if let Some(answer) = self.send(method, path, headers, body).await
            && answer.status < 400
        {
            self.wrong.push(format!("{answer}: should be refused"));
        }
    }

    fn finish(self) {
        println!("        {} requests", self.tried);
        assert!(
            self.wrong.is_empty(),
            "{} of {} are answered wrongly:\n{}",
            self.wrong.len(),
            self.tried,
            self.wrong.join("\n")
        );
    }
}

/// A network with this JSON as its name, and with more fields.
fn network_body(name: &str, more: &str) -> Vec<u8> {
    let fields = format!(r#""fq_name": ["default-domain", "default-project", {name}], "parent_type": "project"{more}"#);
    format!(r#"{{"virtual-network": {{{fields}}}}}"#).into_bytes()
}

async fn nul_characters(api: Api, objects: Objects) {
    let mut findings = Findings::new(&api);
    let (network, policy) = (&objects.network, &objects.policy);
    let nul = "a\0b";
    // In names: contrail-api refuses characters that XML does not have.
    findings.refused("POST", "/virtual-networks", JSON, network_body(r#""a\u0000b""#, "")).await;
    let deep = json!({"virtual-network": {"fq_name": ["default-domain", nul, "n"], "parent_type": "project"}});
    findings.refused("POST", "/virtual-networks", JSON, serde_json::to_vec(&deep).unwrap()).await;
    for kind in ["virtual-network", nul] {
        findings.json("POST", "/fqname-to-id", &json!({"type": kind, "fq_name": ["default-domain", nul]})).await;
    }
    findings.json("POST", "/id-to-fqname", &json!({"uuid": nul})).await;

    // In values: refused, or kept as they are.
    let path = format!("/network-policy/{policy}");
    for (field, value) in [
        ("display_name", json!(nul)),
        ("annotations", json!({"key_value_pair": [{"key": nul, "value": nul}]})),
        ("id_perms", json!({"enable": true, "description": nul})),
        ("perms2", json!({"owner": nul, "owner_access": 7, "global_access": 0, "share": []})),
    ] {
        if let Some(answer) = findings.json("PUT", &path, &json!({"network-policy": {field: value}})).await
            && answer.status == 200
        {
            let read = api.get(&path).await.ok();
            let kept = &read["network-policy"][field];
            let same = match field {
                "id_perms" => kept["description"] == nul,
                "perms2" => kept["owner"] == nul,
                _ => *kept == value,
            };
            if !same {
                findings.wrong.push(format!("{field} with NUL was accepted and reads {kept}"));
            }
        }
    }
    findings.json("PUT", &path, &json!({"network-policy": {nul: nul}})).await;
    findings.json("PUT", &path, &json!({nul: {"display_name": "x"}})).await;
    findings.json("PUT", &path, &json!({"network-policy": {"network_policy_entries": {nul: 1}}})).await;

    // In actions, and in what is kept apart from objects.
    findings.json("POST", "/useragent-kv", &json!({"operation": "STORE", "key": nul, "value": "v"})).await;
    findings.json("POST", "/useragent-kv", &json!({"operation": "STORE", "key": "nul", "value": nul})).await;
    for operation in ["RETRIEVE", "DELETE", nul] {
        findings.json("POST", "/useragent-kv", &json!({"operation": operation, "key": nul})).await;
    }
    findings.json("POST", "/useragent-kv", &json!({"operation": "RETRIEVE", "key": [nul, "nul"]})).await;
    let update = |field: &str, value: Value, position: &str| {
        let update = json!({"field": field, "operation": "set", "value": value, "position": position});
        json!({"uuid": network, "updates": [update]})
    };
    findings
        .json("POST", "/prop-collection-update", &update("annotations", json!({"key": nul, "value": nul}), nul))
        .await;
    findings.json("POST", "/prop-collection-update", &update(nul, json!({}), "x")).await;
    let mut list = update("virtual_network_fat_flow_protocols", json!({"protocol": "tcp", "port": 1}), nul);
    list["updates"][0]["operation"] = "add".into();
    findings.json("POST", "/prop-collection-update", &list).await;
    findings.json("POST", "/chown", &json!({"uuid": network, "owner": nul})).await;
    findings
        .json("POST", "/set-tag", &json!({"obj_type": "virtual_network", "obj_uuid": network, nul: {"value": nul}}))
        .await;
    let tag = json!({"fq_name": [nul], "tag_type_name": nul, "tag_value": nul});
    findings.json("POST", "/tags", &json!({"tag": tag})).await;
    let bulk = json!({"type": "virtual-network", "obj_uuids": nul, "parent_id": nul, "filters": nul, "fields": nul});
    findings.json("POST", "/list-bulk-collection", &bulk).await;

    // In paths and queries.
    for path in [
        "/virtual-network/%00",
        "/%00",
        "/virtual-networks?parent_id=%00",
        "/virtual-networks?obj_uuids=%00&fields=%00",
        "/virtual-networks?filters=display_name==%00",
        "/virtual-networks?filters=%00==1",
        "/virtual-networks?fq_names=a:%00&parent_fq_name_str=%00:%00",
        "/virtual-networks?page_marker=%00&page_limit=%00",
        "/prop-collection-get?uuid=%00&fields=%00",
        "/watch?resource_type=%00",
        "/documentation/%00",
        "/documentation/..%2f..%2f..%2fetc%2fpasswd",
    ] {
        findings.send("GET", path, &[], Vec::new()).await;
    }
    findings.finish();
}

async fn long_texts(api: Api, objects: Objects) {
    let mut findings = Findings::new(&api);
    // Text that does not compress, for what has to fit into an index.
    let noise = |length: usize| {
        let mut text = String::new();
        while text.len() < length {
            write!(text, "{}", uuid::Uuid::new_v4().simple()).unwrap();
        }
        text.truncate(length);
        text
    };
    let (usual, long) = (noise(3_000), noise(400_000));
    if let Some(answer) =
        findings.send("POST", "/virtual-networks", JSON, network_body(&format!("{usual:?}"), "")).await
        && answer.status != 200
    {
        findings.wrong.push(format!("{answer}: a name of 3,000 characters is legal"));
    }
    for text in [&usual, &long] {
        let policy = json!({"fq_name": ["default-domain", "default-project", text], "parent_type": "project"});
        findings.json("POST", "/network-policys", &json!({"network-policy": policy})).await;
        findings.json("POST", "/useragent-kv", &json!({"operation": "STORE", "key": text, "value": text})).await;
        findings.json("POST", "/useragent-kv", &json!({"operation": "RETRIEVE", "key": text})).await;
        findings.json("POST", "/fqname-to-id", &json!({"type": text, "fq_name": [text]})).await;
        findings.json("POST", "/instance-ips", &json!({"instance-ip": {"fq_name": [text]}})).await;
        findings
            .json("POST", "/tags", &json!({"tag": {"fq_name": ["x"], "tag_type_name": text, "tag_value": text}}))
            .await;
        let path = format!("/network-policy/{}", objects.policy);
        let pairs = json!({"key_value_pair": [{"key": text, "value": text}]});
        findings.json("PUT", &path, &json!({"network-policy": {"display_name": text, "annotations": pairs}})).await;
        let value = json!({"key": text, "value": "v"});
        let update = json!({"field": "annotations", "operation": "set", "value": value});
        findings.json("POST", "/prop-collection-update", &json!({"uuid": objects.network, "updates": [update]})).await;
    }
    let names = vec!["x"; 50_000];
    findings.json("POST", "/fqname-to-id", &json!({"type": "virtual-network", "fq_name": names})).await;
    let many = json!({"network-policy": {"fq_name": names, "parent_type": "project"}});
    findings.json("POST", "/network-policys", &many).await;
    findings.finish();
}

async fn nesting(api: Api, objects: Objects) {
    const DEPTH: usize = 10_000;
    let mut findings = Findings::new(&api);
    let arrays = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let open = "[".repeat(DEPTH);
    let maps = format!("{}1{}", r#"{"a":"#.repeat(DEPTH), "}".repeat(DEPTH));
    for deep in [&arrays, &maps, &open] {
        let network = objects.network.as_str();
        for (method, path) in
            [("POST", "/virtual-networks"), ("POST", "/fqname-to-id"), ("POST", "/useragent-kv"), ("POST", "/db-check")]
        {
            findings.send(method, path, JSON, deep.clone().into_bytes()).await;
        }
        let path = format!("/virtual-network/{network}");
        findings.send("PUT", &path, JSON, deep.clone().into_bytes()).await;
        for more in ["display_name", "unknown", "annotations", "network_ipam_refs", "virtual_network_properties"] {
            let body = format!(r#"{{"virtual-network": {{"{more}": {deep}}}}}"#);
            findings.send("PUT", &path, JSON, body.into_bytes()).await;
            findings
                .send("POST", "/virtual-networks", JSON, network_body("\"deep\"", &format!(r#", "{more}": {deep}"#)))
                .await;
        }
        findings.send("POST", "/virtual-networks", JSON, network_body(deep, "")).await;
        let store = format!(r#"{{"operation": "STORE", "key": "deep", "value": {deep}}}"#);
        findings.send("POST", "/useragent-kv", JSON, store.into_bytes()).await;
        let update = format!(r#"{{"uuid": "{network}", "updates": {deep}}}"#);
        findings.send("POST", "/prop-collection-update", JSON, update.into_bytes()).await;
        let tags = format!(r#"{{"obj_type": "virtual_network", "obj_uuid": "{network}", "label": {deep}}}"#);
        findings.send("POST", "/set-tag", JSON, tags.into_bytes()).await;
    }
    // A value of a filter is JSON too, and so is the text in it.
    let path = format!("/virtual-networks?filters=display_name=={}", "%5B".repeat(DEPTH));
    findings.send("GET", &path, &[], Vec::new()).await;
    let filter = format!("id_perms=={}", Value::from(arrays));
    findings.json("POST", "/list-bulk-collection", &json!({"type": "virtual-network", "filters": filter})).await;
    findings.finish();
}

async fn wrong_utf8(api: Api, address: SocketAddr, objects: Objects) {
    let mut findings = Findings::new(&api);
    for wrong in [&b"\xff"[..], b"\xc3\x28", b"\xed\xa0\x80", b"\xf8\x88\x80\x80\x80", b"\xc0\x80", b"caf\xe9"] {
        let quoted = [b"\"", wrong, b"\""].concat();
        let body = [
            br#"{"virtual-network": {"fq_name": ["default-domain", "default-project", "#,
            &quoted[..],
            br#"], "parent_type": "project"}}"#,
        ]
        .concat();
        findings.refused("POST", "/virtual-networks", JSON, body).await;
        let body = [br#"{"network-policy": {"display_name": "#, &quoted[..], b"}}"].concat();
        findings.refused("PUT", &format!("/network-policy/{}", objects.policy), JSON, body).await;
        let body = [br#"{"operation": "STORE", "key": "#, &quoted[..], br#", "value": "#, &quoted[..], b"}"].concat();
        findings.refused("POST", "/useragent-kv", JSON, body).await;
        findings.refused("POST", "/fqname-to-id", JSON, wrong.to_vec()).await;
        // The same as raw bytes of the request line and of a header.
        for request in [
            [b"GET /virtual-network/", wrong, b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"].concat(),
            [b"GET /virtual-networks?parent_id=", wrong, b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"].concat(),
            [
                b"GET /virtual-networks HTTP/1.1\r\nHost: ",
                wrong,
                b"\r\nX-User: ",
                wrong,
                b"\r\nConnection: close\r\n\r\n",
            ]
            .concat(),
        ] {
            findings.wrong.extend(server_fault(&exchange(address, request, false).await));
        }
    }
    // Escapes that are halves of a character.
    for half in [r#""\ud800""#, r#""\udc00\ud800""#, r#""\uZZZZ""#] {
        findings.refused("POST", "/virtual-networks", JSON, network_body(half, "")).await;
        let body = format!(r#"{{"network-policy": {{"display_name": {half}}}}}"#);
        findings.refused("PUT", &format!("/network-policy/{}", objects.policy), JSON, body.into_bytes()).await;
    }
    for path in [
        "/%ff",
        "/virtual-network/%ff%fe",
        "/virtual-networks?filters=display_name==%ff",
        "/virtual-networks?%ff=%ff",
        "/prop-collection-get?uuid=%c3%28&fields=%ff",
    ] {
        findings.send("GET", path, &[], Vec::new()).await;
    }
    findings.finish();
}

/// Properties of a network with a NUMBER in them.
const PROPERTIES_WITH_NUMBERS: &[&str] = &[
    r#""mac_aging_time": NUMBER"#,
    r#""display_name": NUMBER"#,
    r#""unknown": NUMBER"#,
    r#""is_shared": NUMBER"#,
    r#""virtual_network_properties": {"vxlan_network_identifier": NUMBER}"#,
    r#""virtual_network_network_id": NUMBER"#,
    r#""route_target_list": {"route_target": [NUMBER]}"#,
    r#""perms2": {"owner": "x", "owner_access": NUMBER, "global_access": NUMBER, "share": []}"#,
    r#""network_ipam_refs": [{"to": ["default-domain", "default-project", "default-network-ipam"],
        "attr": {"ipam_subnets": [
            {"subnet": {"ip_prefix": "10.64.0.0", "ip_prefix_len": NUMBER}, "alloc_unit": NUMBER}]}}]"#,
];

/// Actions and creates with a NUMBER in their bodies.
const ACTIONS_WITH_NUMBERS: &[(&str, &str)] = &[
    ("/virtual-network/NETWORK/ip-alloc", r#"{"count": NUMBER}"#),
    ("/virtual-network/NETWORK/ip-free", r#"{"ip_addr": [NUMBER]}"#),
    ("/useragent-kv", r#"{"operation": "STORE", "key": "number", "value": NUMBER}"#),
    ("/useragent-kv", r#"{"operation": "STORE", "key": NUMBER, "value": "x"}"#),
    ("/chmod", r#"{"uuid": "NETWORK", "owner_access": NUMBER, "global_access": NUMBER}"#),
    ("/list-bulk-collection", r#"{"type": "virtual-network", "page_limit": NUMBER, "page_marker": "None"}"#),
    ("/list-bulk-collection", r#"{"type": "virtual-network", "detail": NUMBER, "count": NUMBER}"#),
    ("/obj-cache", r#"{"count": NUMBER}"#),
    (
        "/prop-collection-update",
        r#"{"uuid": "NETWORK", "updates": [{"field": "virtual_network_fat_flow_protocols", "operation": "add",
            "value": {"protocol": "tcp", "port": NUMBER}, "position": NUMBER}]}"#,
    ),
    (
        "/ref-update",
        r#"{"type": "virtual-network", "uuid": "NETWORK", "ref-type": "network-policy", "ref-uuid": "POLICY",
            "operation": "ADD", "attr": {"sequence": {"major": NUMBER, "minor": NUMBER}}}"#,
    ),
    (
        "/security-groups",
        r#"{"security-group": {"fq_name": ["default-domain", "default-project", "numbers"],
            "parent_type": "project", "configured_security_group_id": NUMBER}}"#,
    ),
    (
        "/instance-ips",
        r#"{"instance-ip": {"fq_name": ["numbers"], "instance_ip_address": NUMBER,
            "virtual_network_refs": [{"to": ["default-domain", "default-project", "bad"]}]}}"#,
    ),
    ("/tag-types", r#"{"tag-type": {"fq_name": ["numbers"], "tag_type_id": NUMBER}}"#),
    ("/route-targets", r#"{"route-target": {"fq_name": ["target:64512:NUMBER"]}}"#),
];

async fn counts(api: Api, objects: Objects) {
    for count in [json!(-1), json!(65_537), json!(1.5), json!("many"), json!([1])] {
        let answer =
            api.post(&format!("/virtual-network/{}/ip-alloc", objects.network), &json!({"count": count})).await;
        let expected = (400, "Bad Request, count must be an integer from 0 to 65536");
        assert_eq!((answer.status, answer.text.as_str()), expected, "{count}");
    }
}

async fn numbers(api: Api, objects: Objects) {
    let mut findings = Findings::new(&api);
    let network = &objects.network;
    let long = "9".repeat(400);
    let numbers = [
        long.clone(),
        format!("-{long}"),
        format!("0.{long}"),
        format!("{long}.{long}e-400"),
        "1e400".to_owned(),
        "-1e400".to_owned(),
        "1e-400".to_owned(),
        "1E+99999999999999999999".to_owned(),
        "18446744073709551616".to_owned(),
        "9223372036854775808".to_owned(),
        "-9223372036854775809".to_owned(),
        "1000000000000".to_owned(),
        "-1".to_owned(),
        format!("\"{long}\""),
        "\"-0x1\"".to_owned(),
        "\"\u{0661}\u{0662}\"".to_owned(),
    ];
    for number in &numbers {
        for property in PROPERTIES_WITH_NUMBERS {
            let property = property.replace("NUMBER", number);
            let update = format!(r#"{{"virtual-network": {{{property}}}}}"#);
            findings.send("PUT", &format!("/virtual-network/{network}"), JSON, update.into_bytes()).await;
            let create = network_body("\"numbers\"", &format!(", {property}"));
            findings.send("POST", "/virtual-networks", JSON, create).await;
        }
        for (path, body) in ACTIONS_WITH_NUMBERS {
            // Within a text there are no more quotes.
            let number = if *path == "/route-targets" { number.trim_matches('"') } else { number };
            let body = body.replace("NETWORK", network).replace("POLICY", &objects.policy).replace("NUMBER", number);
            findings.send("POST", &path.replace("NETWORK", network), JSON, body.into_bytes()).await;
        }
        let number = number.trim_matches('"');
        for query in ["page_marker=None&page_limit=NUMBER", "filters=mac_aging_time==NUMBER", "page_marker=NUMBER"] {
            findings
                .send("GET", &format!("/virtual-networks?{}", query.replace("NUMBER", number)), &[], Vec::new())
                .await;
        }
    }
    findings.finish();
}

async fn large_bodies(api: Api, address: SocketAddr) {
    let mut findings = Findings::new(&api);
    // Just as large as it may be: the whole is blanks around an object.
    let name = format!("\"large-{}\"", uuid::Uuid::new_v4());
    let mut body = network_body(&name, "");
    body.resize(BODY_LIMIT, b' ');
    if let Some(answer) = findings.send("POST", "/virtual-networks", JSON, body.clone()).await
        && answer.status != 200
    {
        findings.wrong.push(format!(
            "a body of exactly {BODY_LIMIT} bytes: {} {}",
            answer.status,
            shortened(&answer.text)
        ));
    }
    // A client reads the answer also when the server does not want to hear the rest.
    for length in [BODY_LIMIT + 1, 5 * BODY_LIMIT] {
        for path in ["/virtual-networks", "/fqname-to-id", "/useragent-kv"] {
            body.resize(length, b' ');
            let head = format!(
                "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
                 Content-Length: {length}\r\n\r\n"
            );
            let told = exchange(address, [head.as_bytes(), &body].concat(), false).await;
            if !told.starts_with("HTTP/1.1 413") {
                findings.wrong.push(format!("POST {path} of {length} bytes: 413 expected, not {}", shortened(&told)));
            }
        }
    }
    // Nobody says how long it is.
    let mut chunks = b"POST /virtual-networks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
        .to_vec();
    for _ in 0..40 {
        chunks.extend(b"10000\r\n");
        chunks.extend(vec![b' '; 0x10000]);
        chunks.extend(b"\r\n");
    }
    chunks.extend(b"0\r\n\r\n");
    let told = exchange(address, chunks, false).await;
    if !told.starts_with("HTTP/1.1 413") {
        findings.wrong.push(format!("chunks of 2.6 MB: 413 expected, not {}", shortened(&told)));
    }
    findings.finish();
}

async fn long_request_line(api: Api) {
    let missing = uuid::Uuid::new_v4().to_string();
    let mut path = "/virtual-networks?obj_uuids=".to_owned();
    while path.len() + missing.len() < 65_400 {
        path.push_str(&missing);
        path.push(',');
    }
    assert_eq!(api.get(&path).await.ok(), json!({"virtual-networks": []}));
}

/// Sends bytes, and gives what comes back until the server closes the connection, or has nothing more to say.
async fn exchange(address: SocketAddr, request: Vec<u8>, close: bool) -> String {
    const LIMIT: Duration = Duration::from_secs(20);
    let (mut reader, mut writer) = TcpStream::connect(address).await.expect("the server listens").into_split();
    let sending = tokio::spawn(async move {
        // The server may hang up before it has heard all: its good right.
        writer.write_all(&request).await.ok();
        if close {
            writer.shutdown().await.ok();
        }
        writer
    });
    let mut told = Vec::new();
    let reading = async {
        let mut piece = vec![0; 65_536];
        while let Ok(length @ 1..) = reader.read(&mut piece).await {
            told.extend_from_slice(&piece[..length]);
        }
    };
    tokio::time::timeout(LIMIT, reading).await.ok();
    sending.abort();
    String::from_utf8_lossy(&told).into_owned()
}

/// A status line that says that the server failed. What it does not know of HTTP it may say (501, 505).
fn server_fault(told: &str) -> Option<String> {
    let faults =
        told.match_indices("HTTP/1.1 5").filter(|(at, _)| !matches!(told.get(at + 9..at + 12), Some("501" | "505")));
    faults.map(|_| shortened(told)).next()
}

async fn exchange_all(address: SocketAddr, requests: Vec<(String, Vec<u8>, bool)>) {
    let mut exchanges = JoinSet::new();
    for (about, request, close) in requests {
        exchanges.spawn(async move {
            let told = exchange(address, request, close).await;
            server_fault(&told).map(|fault| format!("{about}: {fault}"))
        });
    }
    let faults: Vec<String> = exchanges.join_all().await.into_iter().flatten().collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

async fn half_way(address: SocketAddr) {
    let body = network_body("\"half\"", "");
    let head = format!(
        "POST /virtual-networks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let whole = [head.as_bytes(), &body].concat();
    let mut requests = Vec::new();
    // Cut at many places; with the connection closed there, and with a client that just never goes on.
    let cuts = [
        1,
        4,
        5,
        20,
        26,
        30,
        34,
        50,
        head.len() - 3,
        head.len() - 1,
        head.len(),
        head.len() + 1,
        whole.len() / 2,
        whole.len() - 1,
    ];
    for cut in cuts {
        for close in [true, false] {
            requests.push((format!("cut after {cut} bytes, close: {close}"), whole[..cut].to_vec(), close));
        }
    }
    let chunked = "POST /virtual-networks HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\n\r\n";
    for rest in ["", "5", "5\r\n", "5\r\n{\"a", "5\r\n{\"abc", "5\r\n{\"abc\r\n"] {
        requests.push((format!("chunks that end after {rest:?}"), format!("{chunked}{rest}").into_bytes(), true));
    }
    exchange_all(address, requests).await;
}

async fn garbage(address: SocketAddr) {
    let mut requests: Vec<(String, Vec<u8>, bool)> = Vec::new();
    let mut add = |request: &[u8]| {
        requests.push((shortened(&String::from_utf8_lossy(request)), request.to_vec(), true));
    };
    add(b"\0\0\0\0\0\0\0\0\r\n\r\n");
    add(b"\r\n\r\n\r\n\r\n");
    add(&(0..=255).cycle().take(100_000).collect::<Vec<u8>>());
    // The first words of TLS, of HTTP/2, and of PostgreSQL.
    add(b"\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03\x01\x02\x03\x04\x05\x06\x07");
    add(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0");
    add(b"\0\0\0\x08\x04\xd2\x16\x2f");
    add(b"GET / HTTP/9.9\r\nHost: x\r\n\r\n");
    add(b"GET / HTTP/1.1\r\n\r\n");
    add(b"GET /\r\n\r\n");
    add(b"GET / HTTP/1.1\r\nHost x\r\n\r\n");
    add(b"GET / HTTP/1.1\r\nHost: x\r\n : y\r\n\r\n");
    add(b"GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\nConnection: close\r\n\r\n");
    add(b"GET / HTTP/1.1\r\nHost: \r\nConnection: close\r\n\r\n");
    add(b"GET / HTTP/1.1\r\nHost: a b<c>\"'\\\r\nConnection: close\r\n\r\n");
    add(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Host: \"\\\xff\r\nConnection: close\r\n\r\n");
    add(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-Proto: \xff\r\nConnection: close\r\n\r\n");
    add(b"GET http://elsewhere/virtual-networks HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    add(b"GET * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    add(b"CONNECT elsewhere:80 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    add(b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    add(b"GET /% HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    add(b"GET /virtual-networks?filters=%&fields=%zz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    for header in [
        "Content-Length: -1",
        "Content-Length: 99999999999999999999999999",
        "Content-Length: 1, 2",
        "Content-Length: 2\r\nContent-Length: 3",
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: nonsense",
        "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nzz\r\n{}\r\n0\r\n",
        "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n",
        "Transfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n-1\r\n{}\r\n0\r\n",
        "Expect: nonsense\r\nContent-Length: 2",
        "Content-Encoding: gzip\r\nContent-Type: application/json\r\nContent-Length: 2",
        "Upgrade: websocket\r\nConnection: upgrade",
        "Content-Type: \u{1}\u{2}\r\nContent-Length: 2",
    ] {
        add(format!("POST /virtual-networks HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n{{}}").as_bytes());
    }
    add(format!("GET / HTTP/1.1\r\nHost: x\r\nX-Long: {}\r\n\r\n", "x".repeat(1_000_000)).as_bytes());
    add(format!("GET /{} HTTP/1.1\r\nHost: x\r\n\r\n", "x".repeat(1_000_000)).as_bytes());
    let headers: String = (0..5_000).fold(String::new(), |mut text, number| {
        write!(text, "X-{number}: y\r\n").unwrap();
        text
    });
    add(format!("GET / HTTP/1.1\r\nHost: x\r\n{headers}\r\n").as_bytes());
    exchange_all(address, requests).await;
}

async fn methods(api: Api, objects: Objects) {
    let mut findings = Findings::new(&api);
    let network = format!("/virtual-network/{}", objects.network);
    for method in ["OPTIONS", "PATCH", "BREW", "TRACE", "PROPFIND", "get"] {
        for path in ["/", "/virtual-networks", &network, "/fqname-to-id", "/watch", "/aaa-mode", "/no-such-thing"] {
            findings.refused(method, path, &[], Vec::new()).await;
        }
    }
    for (method, path) in [
        ("PUT", "/virtual-networks"),
        ("DELETE", "/virtual-networks"),
        ("POST", network.as_str()),
        ("DELETE", "/fqname-to-id"),
        ("POST", "/watch"),
        ("PATCH", network.as_str()),
        ("OPTIONS", "/virtual-networks"),
    ] {
        if let Some(answer) = findings.send(method, path, &[], Vec::new()).await
            && answer.status != 405
        {
            findings.wrong.push(format!("{answer}: 405 expected"));
        }
    }
    for path in [
        "/virtual-networks/",
        "/virtual-network/",
        "//",
        "/virtual-networkss",
        "/virtual_networks",
        "/VIRTUAL-NETWORKS",
        "/config-root/x/y",
        "/virtual-network/x/y/z",
    ] {
        if let Some(answer) = findings.send("GET", path, &[], Vec::new()).await
            && answer.status != 404
        {
            findings.wrong.push(format!("{answer}: 404 expected"));
        }
    }
    findings.finish();
}

async fn content_types(api: Api, objects: Objects) {
    let mut findings = Findings::new(&api);
    let path = format!("/virtual-network/{}", objects.network);
    let types = [
        "",
        "text/plain",
        "application/xml",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/json; charset=nonsense",
        "application/json;;;",
        "nonsense",
        "application/jsonp",
    ];
    for kind in types {
        let headers = [("Content-Type", kind)];
        for (method, path, body) in everything(&objects) {
            findings.send(method, &path, &headers, serde_json::to_vec(&body).unwrap()).await;
            findings.send(method, &path, &headers, Vec::new()).await;
        }
        findings.send("POST", "/virtual-networks", &headers, network_body("\"typed\"", "")).await;
        findings.send("PUT", &path, &headers, br#"{"virtual-network": {"display_name": "typed"}}"#.to_vec()).await;
    }
    // Empty, cut off, or no JSON; with the right type and with none.
    for headers in [JSON, &[]] {
        for body in [
            &b""[..],
            b" ",
            b"{",
            b"}",
            b"{\"a\"",
            b"{\"a\":",
            b"{}{}",
            b"{},",
            b"nul",
            b"'a'",
            b"{'a': 1}",
            b"{a: 1}",
            b"[1,]",
            b"NaN",
            b"Infinity",
            b"// x",
            b"\xef\xbb\xbf{}",
            b"{\"virtual-network\": {}, \"virtual-network\": {}}",
        ] {
            for (method, path, _) in everything(&objects) {
                findings.send(method, &path, headers, body.to_vec()).await;
            }
            findings.send("POST", "/virtual-networks", headers, body.to_vec()).await;
            findings.send("PUT", &path, headers, body.to_vec()).await;
            findings.send("DELETE", "/virtual-network/nonsense", headers, body.to_vec()).await;
            findings.send("GET", "/virtual-networks?count=true", headers, body.to_vec()).await;
        }
    }
    findings.finish();
    let nothing = api.send("PUT", &path, JSON, Some(Vec::new())).await.unwrap();
    assert_eq!((nothing.status, nothing.text.as_str()), (200, ""), "an update without a body changes nothing");
}

async fn query_strings(api: Api, objects: Objects) {
    let mut findings = Findings::new(&api);
    let values = [
        "",
        "nonsense",
        "-1",
        "0",
        "true",
        "null",
        "%5B%5D",
        "%7B%7D",
        "%22",
        "a==b",
        "==",
        "==,==",
        ",",
        ",,,",
        "a:b:c",
        "%2C",
        "%F0%9F%98%80",
        "1e999",
        "shared:x",
        "a%3Ab%3Ac",
    ];
    for key in [
        "parent_id",
        "parent_type",
        "parent_fq_name_str",
        "back_ref_id",
        "obj_uuids",
        "fq_names",
        "filters",
        "detail",
        "fields",
        "count",
        "shared",
        "exclude_hrefs",
        "page_limit",
        "page_marker",
        "unknown",
    ] {
        for value in values {
            findings.send("GET", &format!("/virtual-networks?{key}={value}"), &[], Vec::new()).await;
            let both = format!("/virtual-networks?page_marker=None&detail=true&{key}={value}&{key}");
            findings.send("GET", &both, &[], Vec::new()).await;
        }
    }
    for value in values {
        for query in [
            "display_name==VALUE",
            "id_perms==VALUE",
            "virtual_network_properties==VALUE",
            "is_shared==VALUE",
            "VALUE==1",
        ] {
            let path = format!("/virtual-networks?filters={}", query.replace("VALUE", value));
            findings.send("GET", &path, &[], Vec::new()).await;
        }
        for path in [
            format!("/virtual-network/{}?fields={value}", objects.network),
            format!("/virtual-network/{value}x"),
            format!("/prop-collection-get?uuid={value}&fields={value}"),
            format!("/prop-collection-get?uuid={}&fields={value}&position={value}", objects.network),
            format!("/prop-collection-get?uuid={}&fields=annotations&position={value}", objects.network),
            format!("/obj-perms?uuid={value}"),
            format!("/documentation/{value}x"),
        ] {
            findings.send("GET", &path, &[], Vec::new()).await;
        }
    }
    for path in [
        "/watch",
        "/watch?resource_type=",
        "/watch?resource_type=nope",
        "/watch?resource_type=,,",
        "/watch?resource_type=virtual_network,nope",
    ] {
        findings.refused("GET", path, &[], Vec::new()).await;
    }
    findings.finish();
}

/// Every action, with a body as it should be.
fn everything(objects: &Objects) -> Vec<(&'static str, String, Value)> {
    let Objects { network, policy, project, subnet } = objects;
    let post = |path: &str, body: Value| ("POST", path.to_owned(), body);
    vec![
        post(
            "/fqname-to-id",
            json!({"type": "virtual-network", "fq_name": ["default-domain", "default-project", "bad"]}),
        ),
        post("/id-to-fqname", json!({"uuid": network})),
        post(
            "/ref-update",
            json!({
                "type": "virtual-network", "uuid": network, "ref-type": "network-policy", "ref-uuid": policy,
                "ref-fq-name": ["default-domain", "default-project", "bad"], "operation": "ADD",
                "attr": {"sequence": {"major": 1, "minor": 0}, "timer": null}, "relax_ref_for_delete": false,
            }),
        ),
        post("/ref-relax-for-delete", json!({"uuid": network, "ref-uuid": policy})),
        post(
            "/prop-collection-update",
            json!({"uuid": network, "updates": [
                {"field": "annotations", "operation": "set", "value": {"key": "k", "value": "v"}, "position": "k"},
                {"field": "virtual_network_fat_flow_protocols", "operation": "add",
                    "value": {"protocol": "tcp", "port": 1}, "position": "1"},
                {"field": "virtual_network_fat_flow_protocols", "operation": "delete", "position": "1"},
            ]}),
        ),
        post("/useragent-kv", json!({"operation": "STORE", "key": "k", "value": "v"})),
        post("/useragent-kv", json!({"operation": "RETRIEVE", "key": ["k"]})),
        post("/useragent-kv", json!({"operation": "DELETE", "key": "k"})),
        post(
            "/list-bulk-collection",
            json!({
                "type": "virtual-network", "parent_id": project, "parent_type": "project",
                "parent_fq_name_str": "default-domain:default-project", "back_ref_id": policy, "obj_uuids": network,
                "fq_names": "default-domain:default-project:bad", "fields": "is_shared", "detail": true, "count": false,
                "shared": false, "filters": "is_shared==true", "exclude_hrefs": true,
                "page_marker": "None", "page_limit": 100,
            }),
        ),
        post("/chown", json!({"uuid": policy, "owner": project})),
        post(
            "/chmod",
            json!({
                "uuid": policy, "owner": project, "owner_access": 7, "global_access": 0,
                "share": [{"tenant": project, "tenant_access": 7}],
            }),
        ),
        ("PUT", "/aaa-mode".to_owned(), json!({"aaa-mode": "no-auth"})),
        post(
            "/set-tag",
            json!({
                "obj_type": "virtual_network", "obj_uuid": network, "application": {"value": "none", "is_global": true},
                "label": {"is_global": false, "add_values": ["none"], "delete_values": ["none"]}, "site": null,
            }),
        ),
        post("/security-policy-draft", json!({"scope_uuid": project, "action": "commit"})),
        post(&format!("/virtual-network/{network}/ip-alloc"), json!({"count": 1, "subnet": subnet, "family": "v4"})),
        post(&format!("/virtual-network/{network}/ip-free"), json!({"ip_addr": ["10.64.0.252"]})),
        post(&format!("/virtual-network/{network}/subnet-ip-count"), json!({"subnet_list": [subnet]})),
        post(
            "/execute-job",
            json!({
                "job_template_id": policy, "job_template_fq_name": ["a", "b"], "input": {},
                "params": {"device_list": [policy]},
            }),
        ),
        post("/abort-job", json!({"input": {"job_execution_ids": ["x"], "abort_mode": "force"}})),
        post(
            "/amqp-publish",
            json!({
                "exchange": "x", "exchange_type": "topic", "routing_key": "x", "headers": {"a": "b"}, "payload": {},
            }),
        ),
        post(
            "/amqp-request",
            json!({
                "exchange": "x", "exchange_type": "topic", "routing_key": "x", "response_key": "y",
                "headers": {"a": "b"},
                "payload": {}, "amqp_timeout": 1,
            }),
        ),
        post("/hbs-get", json!({"hbs_fq_name": ["a"], "hbs_uuid": policy})),
        post("/db-check", json!({})),
        post("/fetch-records", json!({"fetch_records": null})),
        post("/start-profile", json!({})),
        post("/stop-profile", json!({})),
        post("/obj-cache", json!({"uuids": [network], "count": 10})),
    ]
}

/// Values of all kinds, to stand where another one should.
fn of_wrong_kinds() -> Vec<Value> {
    vec![
        Value::Null,
        json!(7),
        json!("text"),
        json!([]),
        json!({}),
        json!(true),
        json!(-1.5),
        json!([null]),
        json!({"a": null}),
        json!([[], {}, "x", 1]),
        json!(""),
        json!(":"),
    ]
}

/// The ways to all values in a document, itself first.
fn places(value: &Value) -> Vec<String> {
    let mut found = vec![String::new()];
    let below = |key: &str, value: &Value| {
        let key = key.replace('~', "~0").replace('/', "~1");
        places(value).into_iter().map(move |rest| format!("/{key}{rest}")).collect::<Vec<_>>()
    };
    match value {
        Value::Object(fields) => found.extend(fields.iter().flat_map(|(key, value)| below(key, value))),
        Value::Array(items) => {
            found.extend(items.iter().enumerate().flat_map(|(at, value)| below(&at.to_string(), value)));
        }
        _ => {}
    }
    found
}

/// The document with another value at one place, or without what is there.
fn with(document: &Value, place: &str, other: Option<Value>) -> Value {
    let mut changed = document.clone();
    if let Some(other) = other {
        *changed.pointer_mut(place).unwrap() = other;
    } else {
        let (parent, key) = place.rsplit_once('/').unwrap();
        match changed.pointer_mut(parent).unwrap() {
            Value::Object(fields) => {
                fields.shift_remove(&key.replace("~1", "/").replace("~0", "~"));
            }
            Value::Array(items) => {
                items.remove(key.parse().unwrap());
            }
            _ => unreachable!("a place is in an object or in a list"),
        }
    }
    changed
}

async fn actions(api: Api, objects: Objects) {
    let mut findings = Findings::new(&api);
    for (method, path, body) in everything(&objects) {
        for place in places(&body) {
            let mut others: Vec<Option<Value>> = of_wrong_kinds().into_iter().map(Some).collect();
            if !place.is_empty() {
                others.push(None);
            }
            for other in others {
                let changed = with(&body, &place, other);
                findings.json(method, &path, &changed).await;
            }
        }
    }
    findings.finish();
}

/// Each value in the rich body of each type is replaced by values of other kinds, for creates and for updates.
async fn wrong_objects(api: Api) {
    let mut samples = Samples::load();
    let all = samples.all.clone();
    let mut work = JoinSet::new();
    let mut ready = Vec::new();
    for sample in &all {
        let kind = sample["type"].as_str().unwrap();
        let rich = &sample["bodies"]["rich"];
        // What the other checks are about is not asked here: a type whose sample is not accepted is tried as it is.
        samples.ensure(&api, &strings(&rich["create_first"])).await.ok();
        let present = samples.ensure(&api, &[&format!("{kind}/minimal")]).await.ok();
        ready.push((
            kind.to_owned(),
            sample["path"].clone(),
            rich["body"].clone(),
            present.map(|uuids| uuids[0].clone()),
        ));
    }
    let workers = 8;
    for worker in 0..workers {
        let mine: Vec<_> = ready.iter().skip(worker).step_by(workers).cloned().collect();
        let mut findings = Findings::new(&api);
        work.spawn(async move {
            for (number, (kind, path, body, present)) in mine.into_iter().enumerate() {
                wrong_object(&mut findings, (number, &kind), path.as_str().unwrap(), &body, present).await;
            }
            findings
        });
    }
    let mut together = Findings::new(&api);
    for findings in work.join_all().await {
        together.tried += findings.tried;
        together.wrong.extend(findings.wrong);
    }
    together.finish();
}

/// So many types share the places of what all types have.
const TYPES_A_COMMON_PLACE: usize = 5;

/// The type with its number.
async fn wrong_object(
    findings: &mut Findings,
    (type_number, kind): (usize, &str),
    path: &str,
    body: &Value,
    present: Option<String>,
) {
    let wrong = of_wrong_kinds();
    for (number, place) in places(body).into_iter().enumerate() {
        // Near the top all kinds, further down some, different ones at each place: there are thousands of places.
        let depth = place.matches('/').count();
        let common =
            ["/id_perms", "/perms2", "/annotations", "/display_name"].iter().any(|field| place.contains(field));
        if common && number % TYPES_A_COMMON_PLACE != type_number % TYPES_A_COMMON_PLACE {
            continue;
        }
        let mut others: Vec<Option<Value>> = if depth <= 2 && !common {
            wrong.iter().cloned().map(Some).collect()
        } else {
            (0..3).map(|step| Some(wrong[(number + step * 4) % wrong.len()].clone())).collect()
        };
        if depth > 1 {
            others.push(None);
        }
        for other in others {
            let changed = with(body, &place, other);
            let answer = findings.json("POST", path, &changed).await;
            // Away with it, so that the next one is looked at as closely.
            if let Some(answer) = answer.filter(|answer| matches!(answer.status, 200 | 202))
                && let Some(uuid) = answer.json()[kind]["uuid"].as_str()
            {
                findings.json("DELETE", &format!("/{kind}/{uuid}"), &json!({})).await;
            }
            // Settings of the whole system, such as drafts, would change the answers to all that follows.
            if let Some(uuid) = present.as_ref().filter(|_| kind != "global-system-config" && depth <= 3) {
                findings.json("PUT", &format!("/{kind}/{uuid}"), &changed).await;
            }
        }
    }
}
