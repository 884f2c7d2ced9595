//! Exchanges recorded from existing servers, replayed against this one.
//!
//! `golden/cases/` holds them: a case is a list of steps, a step is a request and the answer to expect. The cases are
//! replayed one after the other, on one server. What is not yet as recorded is listed in
//! `golden/expected-differences.toml`; that list has to be exact.
//!
//! Before each write the same is sent with `?dry_run=true`: it has to be answered alike, and to leave nothing.
//!
//! `CIRRUS_GOLDEN_CASES=subnet` replays the cases with that in their names only.

mod normal;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::tokens::Tokens;
use crate::support::{Answer, Api, Server};
use normal::{Run, compare, covers, is_generated, is_uuid, plain_error};

/// What does something else than changing the configuration, and can't be tried.
const NOT_TRIED: [&str; 2] = ["/execute-job", "/useragent-kv"];

/// One of the requests was recorded under that name.
const OPTIONS: [&str; 2] = ["--allowed-hosts", "config.example.org"];
/// Differences of those who say who they are.
const WITH_A_TOKEN: &str = "difference_with_a_token";

struct Expected {
    case: String,
    /// `None` is the whole case.
    step: Option<usize>,
    rule: String,
    reason: String,
}

pub async fn recorded_exchanges() {
    let server = Server::start_with(&OPTIONS);
    replay_all(&server.api(), &REST, "").await;
}

/// What neutron-server's plug-in sends, on servers that are set up as the cases need it.
pub async fn neu_hook_2_recorded_exchanges_of_neutron() {
    let mut by_need: BTreeMap<String, Recordings> = BTreeMap::new();
    for (name, case) in NEUTRON.cases() {
        let need = case["needs"].as_str().unwrap_or_default().to_owned();
        by_need
            .entry(need)
            .or_insert_with(|| Recordings { cases: BTreeMap::new(), ..NEUTRON })
            .cases
            .insert(name, case);
    }
    let mut complaints = Vec::new();
    for (need, recordings) in by_need {
        let options: &[&str] = match need.as_str() {
            "" => &[],
            "fwaas_enabled" => &["--neutron-fwaas", "true"],
            "apply_subnet_host_routes" => &["--neutron-apply-subnet-host-routes", "true"],
            "strict_compliance, no contrail_extensions_enabled" => {
                &["--neutron-strict-compliance", "true", "--neutron-contrail-extensions", "false"]
            }
            other => panic!("a case needs {other}"),
        };
        let server = Server::start_with(&[&["--neutron-default-security-group", "true"], options].concat());
        complaints.extend(replay_cases(&server.api(), &recordings, "").await);
        // Elsewhere they are as what nobody knows.
        let list = json!({"context": {"operation": "READALL", "is_admin": true}, "data": {}});
        let expected = if need == "fwaas_enabled" { 200 } else { 404 };
        for resource in ["firewall_group", "firewall_policy", "firewall_rule"] {
            server.api().post(&format!("/neutron/{resource}"), &list).await.status_is(expected);
        }
    }
    assert!(complaints.is_empty(), "{} differences:\n{}\n", complaints.len(), complaints.join("\n"));
}

/// The same of a cloud admin, where everybody has to say who it is: nothing is another.
pub async fn recorded_exchanges_of_an_admin() {
    let tokens = Tokens::new();
    // Called as what is recorded of those who say nothing of themselves.
    tokens.write(&Tokens::line("cloud-admin", r#"roles = ["cloud-admin-group"]"#));
    let options = [&tokens.options("rbac")[..], &["--cloud-admin-role", "cloud-admin-group"], &OPTIONS].concat();
    let server = Server::start_with(&options);
    replay_all(&tokens.api(&server, "cloud-admin"), &REST, WITH_A_TOKEN).await;
}

/// Cases, and what of them is expected to be otherwise.
struct Recordings {
    /// Below `golden/`.
    directory: &'static str,
    differences: &'static str,
    /// Those of them that are meant; all, if there are none.
    cases: BTreeMap<String, Value>,
}

const REST: Recordings = Recordings {
    directory: "cases",
    differences: include_str!("golden/expected-differences.toml"),
    cases: BTreeMap::new(),
};
const NEUTRON: Recordings = Recordings {
    directory: "neutron",
    differences: include_str!("golden/expected-differences-of-neutron.toml"),
    cases: BTreeMap::new(),
};

/// Replays all cases; those differences that are of this kind are expected, too.
async fn replay_all(api: &Api, recordings: &Recordings, kind: &str) {
    let complaints = replay_cases(api, recordings, kind).await;
    assert!(complaints.is_empty(), "{} differences:\n{}\n", complaints.len(), complaints.join("\n"));
}

async fn replay_cases(api: &Api, recordings: &Recordings, kind: &str) -> Vec<String> {
    let all = recordings.cases();
    let expected = expected_differences(recordings.differences, &all, kind);
    let cases = if recordings.cases.is_empty() { &all } else { &recordings.cases };
    let mut complaints = Vec::new();
    let (mut steps, mut as_recorded) = (0, 0);
    let mut trials = Trials::default();

    for (name, case) in cases {
        let differing = replay(api, name, case, &mut trials).await;
        let count = case["steps"].as_array().unwrap().len();
        steps += count;
        as_recorded += count - differing.len();
        println!("{name}: {} of {count} steps as recorded", count - differing.len());

        let listed: Vec<&Expected> = expected.iter().filter(|entry| entry.case == *name).collect();
        for (step, lines) in &differing {
            match listed.iter().find(|entry| entry.step.is_none_or(|listed| listed == *step)) {
                Some(entry) => println!("  step {step} differs as expected, {}: {}", entry.rule, entry.reason),
                None => complaints.extend(lines.iter().cloned()),
            }
        }
        for entry in listed {
            match entry.step {
                Some(step) if !differing.contains_key(&step) => complaints.push(format!(
                    "{name} step {step} is as recorded now: remove it from the table (rule {})",
                    entry.rule
                )),
                None if differing.is_empty() => complaints
                    .push(format!("{name} is as recorded now, whole: remove it from the table (rule {})", entry.rule)),
                _ => {}
            }
        }
    }

    println!("{as_recorded} of {steps} steps as recorded, {} cases", cases.len());
    println!("{} of them were tried before, which took {:.1} s", trials.count, trials.time.as_secs_f64());
    assert!(trials.count > 0 || steps == 0, "writes are tried");
    complaints.append(&mut trials.complaints);
    complaints
}

impl Recordings {
    fn cases(&self) -> BTreeMap<String, Value> {
        cases(self.directory)
    }
}

fn cases(directory: &str) -> BTreeMap<String, Value> {
    let wanted = std::env::var("CIRRUS_GOLDEN_CASES").unwrap_or_default();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(directory);
    let mut cases = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap() {
        let file = entry.unwrap().path();
        let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
        if file.extension().is_some_and(|extension| extension == "json") && name.contains(&wanted) {
            let text = fs::read_to_string(&file).unwrap();
            cases.insert(
                name,
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display())),
            );
        }
    }
    assert!(!cases.is_empty(), "there is no case with '{wanted}' in its name");
    cases
}

fn expected_differences(differences: &str, cases: &BTreeMap<String, Value>, kind: &str) -> Vec<Expected> {
    let table: toml::Table = differences.parse().expect("the table is TOML");
    let of = |name: &str| table.get(name).and_then(toml::Value::as_array).cloned().unwrap_or_default();
    let mut entries = of("difference");
    entries.extend(of(kind));
    let mut seen = BTreeSet::new();
    let parse = |entry: toml::Value| {
        let text = |key: &str| match entry.get(key).and_then(toml::Value::as_str) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => panic!("an entry of expected-differences.toml needs a {key}: {entry}"),
        };
        let step = match entry.get("step") {
            Some(toml::Value::Integer(number)) => Some(usize::try_from(*number).unwrap()),
            Some(toml::Value::String(all)) if all == "*" => None,
            _ => panic!("an entry of expected-differences.toml needs a step, a number or \"*\": {entry}"),
        };
        let expected = Expected { case: text("case"), step, rule: text("rule"), reason: text("reason") };
        if let Some(case) = cases.get(&expected.case) {
            let count = case["steps"].as_array().unwrap().len();
            assert!(step.is_none_or(|step| (1..=count).contains(&step)), "there is no such step: {entry}");
        } else {
            assert!(std::env::var("CIRRUS_GOLDEN_CASES").is_ok(), "there is no such case: {entry}");
        }
        assert!(seen.insert((expected.case.clone(), step)), "twice in expected-differences.toml: {entry}");
        expected
    };
    entries.into_iter().map(parse).collect()
}

/// Replays a case; gives the lines to show for each step that is not as recorded.
async fn replay(api: &Api, name: &str, case: &Value, trials: &mut Trials) -> BTreeMap<usize, Vec<String>> {
    let steps = case["steps"].as_array().unwrap();
    let mut run = Run::new(api.base(), steps);
    let mut differing: BTreeMap<usize, Vec<String>> = BTreeMap::new();
    for (number, step) in (1..).zip(steps) {
        let (method, path) = (step["method"].as_str().unwrap(), step["path"].as_str().unwrap());
        let about = format!("{name} step {number} {method} {path}");
        let mut complain = |what: String| differing.entry(number).or_default().push(format!("{about}: {what}"));

        let begin = Instant::now();
        let tried = match method {
            "GET" => None,
            _ if NOT_TRIED.iter().any(|untried| path.starts_with(untried)) => None,
            _ => Some(ask(api, &run, step, true).await.unwrap()),
        };
        trials.time += begin.elapsed();
        let answer = match ask(api, &run, step, false).await {
            Ok(answer) => answer,
            Err(error) => {
                complain(format!("no answer: {error}"));
                continue;
            }
        };
        trials.compare(&about, tried.as_ref(), &answer);
        let body = run.own_part(step, answer.status, body_of(&answer));
        for (variable, place) in step["save"].as_object().into_iter().flatten() {
            let place = place.as_str().unwrap();
            match pick(&answer, &body, place) {
                Some(value) => run.save(variable, &value),
                None => complain(format!("unsaved {variable}: there is no {place} in {body}")),
            }
        }

        let recorded = &step["expect"];
        if recorded["status"] != answer.status {
            complain(format!("status: recorded {}, answered {} {body}", recorded["status"], answer.status));
            continue;
        }
        let ordered = step["ordered"] == true;
        let mut differences = Vec::new();
        if let Some(headers) = recorded.get("headers") {
            let header = |name: &String| {
                answer.headers.get(&name.to_lowercase()).map_or(Value::Null, |text| text.as_str().into())
            };
            let answered =
                headers.as_object().unwrap().keys().map(|name| (name.clone(), run.normal(&header(name), true)));
            compare(headers, &Value::Object(answered.collect()), "", &mut differences);
        }
        if let Some(body_recorded) = recorded.get("body") {
            let body_recorded = if ordered { body_recorded.clone() } else { run.sorted(body_recorded) };
            compare(&body_recorded, &run.normal(&body, ordered), "", &mut differences);
        }
        let ignored: Vec<&str> = [&step["ignore"], &case["ignore"]]
            .iter()
            .filter_map(|list| list.as_array())
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        for difference in differences {
            if !ignored.iter().any(|pattern| covers(pattern, &difference.place)) {
                complain(format!(
                    "{} {}: recorded {}, answered {}",
                    difference.kind, difference.place, difference.recorded, difference.answered
                ));
            }
        }
    }
    differing
}

/// Writes that were tried before they were done.
#[derive(Default)]
struct Trials {
    count: usize,
    time: Duration,
    /// The position of the last answer. Nobody else writes meanwhile.
    position: Option<String>,
    complaints: Vec<String>,
}

impl Trials {
    fn compare(&mut self, about: &str, tried: Option<&Answer>, answer: &Answer) {
        let position = |answer: &Answer| answer.headers.get("x-cirrus-revision").cloned();
        let before = std::mem::replace(&mut self.position, position(answer));
        let Some(tried) = tried else { return };
        self.count += 1;
        if before.is_some() && position(tried) != before {
            self.complaints.push(format!("{about}: a trial moves the revision from {before:?}: {tried}"));
        }
        let alike = masked(&tried.text, &answer.text) == masked(&answer.text, &tried.text);
        if tried.status != answer.status || !alike {
            self.complaints.push(format!("{about}: tried: {tried}, done: {answer}"));
        }
    }
}

/// A text with `<new>` for each uuid that is not in the other one: each try to create something has others.
fn masked(text: &str, other: &str) -> String {
    let mut masked = without_halves(text);
    for place in 0..text.len() {
        // Uuids; of Neutron also times, MAC addresses, uuids without dashes, and names of sockets with the first part of a uuid.
        for length in [36, 32, 26, 22, 17] {
            let part = text.get(place..place + length);
            let is_new = |part: &&str| is_uuid(part) || is_generated(part) || is_socket(part);
            if let Some(part) = part.filter(|part| is_new(part) && !other.contains(part)) {
                masked = masked.replace(part, "<new>");
            }
        }
    }
    masked
}

/// A text without the uuids that `id_perms` write as two numbers.
fn without_halves(text: &str) -> String {
    let mut pieces = text.split("slong\":");
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| {
        text + "slong\":"
            + piece.trim_start_matches([' ', '-']).trim_start_matches(|digit: char| digit.is_ascii_digit())
    })
}

/// Whether a text of 22 characters is the name of a port's socket.
fn is_socket(text: &str) -> bool {
    text.len() == 22 && text.starts_with("uvh_vif_tap")
}

async fn ask(api: &Api, run: &Run, step: &Value, only_try: bool) -> Result<Answer, String> {
    let body = match run.fill_in(&step["body"]) {
        Value::Null => None,
        Value::String(text) => Some(text.into_bytes()),
        other => Some(serde_json::to_vec(&other).unwrap()),
    };
    let mut headers: Vec<(&str, String)> = Vec::new();
    for (name, value) in step["headers"].as_object().into_iter().flatten() {
        headers.push((name, run.fill_in_text(value.as_str().unwrap())));
    }
    if body.is_some() && !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("Content-Type")) {
        headers.push(("Content-Type", "application/json".to_owned()));
    }
    let headers: Vec<(&str, &str)> = headers.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let mut path = run.fill_in_text(step["path"].as_str().unwrap());
    if only_try {
        path.push_str(if path.contains('?') { "&dry_run=true" } else { "?dry_run=true" });
    }
    api.send(step["method"].as_str().unwrap(), &path, &headers, body).await.map_err(|error| format!("{error:?}"))
}

/// The body as JSON, or as the text that it is.
fn body_of(answer: &Answer) -> Value {
    serde_json::from_str(&answer.text).unwrap_or_else(|_| match answer.status {
        400.. => plain_error(&answer.text).into(),
        _ => answer.text.as_str().into(),
    })
}

/// A part of the answer: `@Etag` is a header, all else a way into the body.
fn pick(answer: &Answer, body: &Value, place: &str) -> Option<Value> {
    if let Some(header) = place.strip_prefix('@') {
        return answer.headers.get(&header.to_lowercase()).map(|text| text.as_str().into());
    }
    let mut value = body;
    for part in place.split('.') {
        value = match value {
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            other => other.get(part)?,
        };
    }
    Some(value.clone())
}
