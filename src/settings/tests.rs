//! The layers together, and the files that are made of the options.

use super::{
    CommandLine, default_file,
    faults::Faults,
    layers::{self, Given, Layer, Read, is_setting, is_switch},
    origin::{Shown, Source},
    settings_file::{self, nearest},
};
use clap::{Arg, Command, CommandFactory};
use std::{ffi::OsString, path::Path};
use tempfile::TempDir;

fn serve() -> Command {
    CommandLine::command().find_subcommand("serve").unwrap().clone()
}

fn settings() -> Vec<Arg> {
    serve().get_arguments().filter(|argument| is_setting(argument)).cloned().collect()
}

/// What `cirrus serve` makes of a settings file and of arguments.
fn read(directory: &TempDir, file: &str, arguments: &[&str]) -> Read {
    let path = directory.path().join("cirrus.toml");
    std::fs::write(&path, file).unwrap();
    let first = ["cirrus", "serve", "--settings-file", path.to_str().unwrap()].map(OsString::from);
    let all: Vec<OsString> = first.into_iter().chain(arguments.iter().map(OsString::from)).collect();
    layers::read(&CommandLine::command(), &all).unwrap()
}

fn faults_of(file: &str, arguments: &[&str]) -> Vec<String> {
    let directory = tempfile::tempdir().unwrap();
    let told = read(&directory, file, arguments).faults.to_string().replace(directory.path().to_str().unwrap(), "DIR");
    told.lines().map(|line| line.trim().to_owned()).filter(|line| !line.contains("settings are wrong")).collect()
}

/// Something that each option takes; `add` one if a new option takes none of them.
const SAMPLES: [&str; 18] = [
    "true",
    "off",
    "5",
    "8",
    "127.0.0.1:8095",
    "127.0.0.2",
    "10.0.0.0/24",
    "subnet=1",
    "rbac",
    "optional",
    "postgresql://me:secret-word@db/cirrus",
    "amqp://me:secret-word@broker/%2F",
    "https://keystone/v3",
    "admin",
    "linearizable",
    "json",
    "openid",
    "https://api.example",
];

fn sample(argument: &Arg) -> &'static str {
    let takes = |sample: &&str| {
        let mut faults = Faults::default();
        let text = format!("{} = \"{sample}\"", argument.get_long().unwrap());
        let text = if is_switch(argument) { text.replace('"', "") } else { text };
        let layer = settings_file::read_text(&serve(), Path::new("f"), &text, &mut faults);
        let given = layer.get(argument.get_id().as_str());
        given.is_some_and(|given| layers::check(argument, given).is_ok()) && faults.is_empty()
    };
    SAMPLES.into_iter().find(takes).unwrap_or_else(|| panic!("no sample for {}", argument.get_id()))
}

#[test]
fn every_option_is_a_setting_with_a_variable_of_its_name() {
    for argument in serve().get_arguments() {
        let long = argument.get_long().unwrap();
        let variable = argument.get_env().unwrap_or_else(|| panic!("--{long} has no variable")).to_str().unwrap();
        assert_eq!(variable, format!("CIRRUS_{}", long.replace('-', "_").to_uppercase()));
        assert_eq!(argument.get_id().as_str(), long.replace('-', "_"), "its field is another one");
    }
}

#[test]
fn every_option_can_be_given_in_the_file() {
    let directory = tempfile::tempdir().unwrap();
    for argument in settings().iter().filter(|argument| argument.get_id() != "settings_file") {
        let (key, sample) = (argument.get_long().unwrap(), sample(argument));
        let quoted = if ["true", "5"].contains(&sample) { sample.to_owned() } else { format!("\"{sample}\"") };
        let read = read(&directory, &format!("# first\n{key} = {quoted}\n"), &[]);
        let id = argument.get_id().as_str();
        let origin = read.origins.get(id).unwrap();
        assert!(matches!(&origin.source, Source::File(place, name) if place.line == 2 && name == key), "{origin:?}");
        assert_eq!(read.given[id].text(), sample, "{key}");
        // What needs another one says so; files that are not there are another matter.
        let told = read.faults.to_string();
        let is_needed = told.contains("cirrus.toml:2: ") && told.contains(" needed, too");
        assert!(read.faults.is_empty() || is_needed || key == "conf-file", "{key}: {told}");
        if read.faults.is_empty() && !is_switch(argument) {
            let matches = read.matches.subcommand_matches("serve").unwrap();
            assert_eq!(matches.get_raw(id).unwrap().next().unwrap(), sample, "{key}");
        }
        assert!(!told.contains("secret-word"), "{told}");
    }
}

#[test]
fn layers_win_over_those_below() {
    let directory = tempfile::tempdir().unwrap();
    let conf = directory.path().join("contrail-api.conf");
    std::fs::write(&conf, "[DEFAULTS]\nmax_requests = 3\npaginate_count = 4\nlisten_port = 5\nmax_request_size = 6\n")
        .unwrap();
    let file = "max-requests = 30\npaginate-count = 40\nopen = true\nallowed-hosts = [\"a\", \"b\"]\namqp-url = [\"amqp://a/\", \"amqp://b/\"]\n";
    let read = read(&directory, file, &["--conf_file", conf.to_str().unwrap(), "--max-requests", "300"]);
    assert!(read.faults.is_empty(), "{}", read.faults);
    let value = |id: &str| read.given.get(id).map(Given::text);
    for (id, expected) in [
        ("max_requests", "300"),
        ("paginate_count", "40"),
        ("max_request_size", "6"),
        ("listen", "0.0.0.0:5"),
        ("open", "true"),
        ("allowed_hosts", "a,b"),
        ("amqp_url", "amqp://a/,amqp://b/"),
    ] {
        assert_eq!(value(id).as_deref(), Some(expected), "{id}");
    }
    assert_eq!(value("batch_limit"), None);
    let told = read.origins.told("listen", "0.0.0.0:5");
    assert!(told.ends_with("contrail-api.conf:4: listen_port (--listen 0.0.0.0:5)"), "{told}");
}

#[test]
fn an_empty_value_is_none() {
    let directory = tempfile::tempdir().unwrap();
    let read = read(&directory, "database-url = \"\"\nallowed-hosts = []\nquota = []\n", &[]);
    assert!(read.faults.is_empty() && !read.origins.is_given("quota"), "{}", read.faults);
    assert!(read.given.keys().all(|id| id == "settings_file"), "{:?}", read.given);
}

#[test]
fn all_that_is_wrong_is_told() {
    let file =
        "max-requests = 0\nlisten = 8082\nopen = \"yes\"\nlisten-adress = 1\npaginate-count = [1, 2]\n[quota]\nx = 1\n";
    let arguments =
        ["--batch-limit", "many", "--nonsense", "x", "--keystone-user", "me", "--max-connections", "none", "--log"];
    let told = faults_of(file, &arguments);
    let expected = [
        "--nonsense: there is no such option",
        "--log <FILTER>: the value is missing",
        "DIR/cirrus.toml:1: max-requests = 0: a whole number in 1..=1000000 is expected",
        "DIR/cirrus.toml:2: listen = 8082: invalid socket address; an address with a port is expected, like 127.0.0.1:8082",
        "DIR/cirrus.toml:3: open = \"yes\": true or false is expected",
        "DIR/cirrus.toml:4: listen-adress: there is no such setting; is listen meant?",
        "DIR/cirrus.toml:5: paginate-count = [1, 2]: one value is expected, not several",
        "DIR/cirrus.toml:6: quota = [quota]: a text, a whole number, true or false is expected",
        "--batch-limit many: a whole number from 1 on is expected",
        "--max-connections none: a whole number in 1..=1000000 is expected",
        "--keystone-user me: --keystone-url <URL> is needed, too",
    ];
    for text in expected {
        assert!(told.iter().any(|line| line == text), "'{text}' is expected in {told:#?}");
    }
    assert_eq!(told.len(), expected.len(), "{told:#?}");
}

#[test]
fn what_follows_from_a_fault_is_not_told() {
    // Nothing is known of the URL, so nobody can say that it is missing.
    let told = faults_of("keystone-url = \"nowhere\"\nkeystone-user = \"me\"\nkeystone-project = \"p\"\n", &[]);
    assert_eq!(told.len(), 1, "{told:#?}");
    assert!(told[0].contains("cirrus.toml:1: keystone-url = ...: "), "{told:#?}");
}

#[test]
fn contradictions_are_told_across_the_layers() {
    let told = faults_of(
        "keystone-url = \"http://keystone:5000/v3\"\nkeystone-domain = \"d\"\n",
        &["--keystone-project", "p", "--max-requests", "1", "--max-requests=2", "--open=true", "word"],
    );
    for text in [
        "DIR/cirrus.toml:2: keystone-domain = d: it can't be together with --keystone-project p",
        "--max-requests 1, 2: it is given more than once",
        "--open: it takes no value",
        "word: only options are expected",
    ] {
        assert!(told.iter().any(|line| line == text), "'{text}' is expected in {told:#?}");
    }
    assert_eq!(told.len(), 4, "{told:#?}");
}

#[test]
fn a_file_that_is_no_toml_is_told_without_its_text() {
    let told = faults_of(
        "keystone-password = \"secret\nlisten = \"127.0.0.1:1\"\n= 3\nkeystone-password = ['secret', 1.5]\n",
        &[],
    );
    assert!(told.iter().any(|line| line.starts_with("DIR/cirrus.toml:1: ")), "{told:#?}");
    assert!(told.iter().any(|line| line.starts_with("DIR/cirrus.toml:3: ")), "{told:#?}");
    assert!(!told.concat().contains("secret"), "{told:#?}");
    let told = faults_of("", &["--keystone-password", "secret", "--admin-password=secret"]);
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told.concat().contains("CIRRUS_KEYSTONE_PASSWORD") && !told.concat().contains("secret"), "{told:#?}");
}

#[test]
fn passwords_are_marked() {
    for argument in settings() {
        let name = argument.get_long().unwrap();
        let is_password = name.ends_with("password");
        assert_eq!(Shown::of(&argument) == Shown::Nothing, is_password, "{name}");
        let has_one = name.ends_with("-url") && !is_password;
        assert!(!has_one || Shown::of(&argument) == Shown::Masked, "{name} may have a password in it");
    }
}

/// What a settings file says of this text.
fn layer(text: &str) -> Layer {
    let mut faults = Faults::default();
    let layer = settings_file::read_text(&serve(), Path::new("f"), text, &mut faults);
    assert!(faults.is_empty(), "{faults}");
    layer
}

#[test]
fn the_file_of_defaults_is_a_settings_file() {
    let text = default_file();
    assert!(layer(&text).is_empty(), "it says nothing by itself");
    let is_line = |line: &&str| line.starts_with('#') && !line.starts_with("# ") && line.contains(" = ");
    let lines: Vec<&str> = text.lines().filter(is_line).map(|line| &line[1..]).collect();
    assert_eq!(lines.len(), settings().len() - 1, "all but the one that names the file");
    let says = layer(&lines.join("\n"));
    for argument in settings() {
        let id = argument.get_id().as_str();
        let defaults = argument.get_default_values().iter().map(|value| value.to_str().unwrap());
        let default = if is_switch(&argument) { "false".to_owned() } else { defaults.collect::<Vec<_>>().join(",") };
        let said = says.get(id).map(Given::text).unwrap_or_default();
        assert_eq!(said, default, "{id}");
        assert!(says.get(id).is_none_or(|given| layers::check(&argument, given).is_ok()), "{id}");
    }
    assert!(text.lines().all(|line| line.chars().count() <= 130), "{text}");
}

#[test]
fn the_file_of_the_package_is_current() {
    let packaged = include_str!("../../packaging/cirrus.toml");
    assert!(packaged == default_file(), "cargo run -- settings --defaults > packaging/cirrus.toml");
}

#[test]
fn what_counts_is_shown_with_its_source_and_can_be_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cirrus.toml");
    std::fs::write(&path, "database-url = \"postgresql://me:secret-word@db/x\"\nkeystone-password = \"secret-word\"\nquota = [\"subnet=1\", \"defaults=2\"]\n").unwrap();
    let shown =
        |arguments: &[&str]| match CommandLine::of(&[&["cirrus", "settings"], arguments].concat()).unwrap().command {
            super::Command::Settings(shown) => shown.serve.effective(),
            other => panic!("{other:?}"),
        };
    let file = path.to_str().unwrap();
    let text = shown(&["--settings-file", file, "--open", "--max-requests", "7"]);
    for line in [
        format!("database-url = \"...@db/x\"  # {file}:1"),
        format!("keystone-password = \"...\"  # {file}:2"),
        format!("quota = [\"subnet=1\", \"defaults=2\"]  # {file}:3"),
        "open = true  # --open".to_owned(),
        "max-requests = 7  # --max-requests".to_owned(),
        "batch-limit = 512  # default".to_owned(),
        "#data-dir = \"\"  # not set".to_owned(),
    ] {
        assert!(text.lines().any(|found| found == line), "'{line}' is expected in\n{text}");
    }
    assert!(!text.contains("secret-word"), "{text}");
    assert_eq!(layer(&text).get("quota").unwrap().text(), "subnet=1,defaults=2");
}

#[test]
fn the_nearest_name_is_found() {
    let names = || ["listen", "max-requests", "max-request-size", "quota"].into_iter();
    assert_eq!(nearest("listne", names()), Some("listen"));
    assert_eq!(nearest("max-request", names()), Some("max-requests"));
    assert_eq!(nearest("xyz", names()), None);
}
