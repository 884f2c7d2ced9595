//! How `cirrus interface-route` and `cirrus watch` say who asks, and how they trust servers: against servers that answer by a
//! script.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::interface_route::answer;
use crate::support::fresh_directory;
use crate::support::stand_in::{Reply, StandIn, make_certificate};

const UUID: &str = "11111111-1111-4111-8111-111111111111";
const NO_ROUTES: &str = "no static routes\n";

/// What is said by arguments, and by variables.
type Said<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)]);

/// The same, and what is in the complaint.
type Case<'a> = (&'a [&'a str], &'a [(&'a str, &'a str)], &'a str);

/// A tool without settings from the environment of whoever runs the tests.
fn tool(arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_cirrus"));
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_lowercase();
        if text.starts_with("cirrus_") || text.starts_with("os_") || text.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.args(arguments).envs(variables.iter().copied());
    command
}

/// Shows the routes of an interface at a server.
fn show(server: &str, port: u16, arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let port = port.to_string();
    let command = ["interface-route", "show", UUID, "-s", server, "-p", &port];
    tool(&[&command[..], arguments].concat(), variables).output().unwrap()
}

fn shown(server: &StandIn, arguments: &[&str], variables: &[(&str, &str)]) -> Result<String, String> {
    answer(&show("127.0.0.1", server.port, arguments, variables))
}

fn has_header(request: &str, header: &str) -> bool {
    request.split("\r\n\r\n").next().unwrap().lines().any(|line| line.eq_ignore_ascii_case(header))
}

/// A contrail-api that only answers who shows this header.
fn guarded(header: &str) -> impl Fn(&str) -> Reply + Send + 'static {
    let header = header.to_owned();
    move |request| {
        if !has_header(request, &header) {
            ("401 Unauthorized", "HTTP_AUTHORIZATION header missing".to_owned())
        } else if request.starts_with("GET /virtual-machine-interface/") {
            ("200 OK", "{\"virtual-machine-interface\": {}}".to_owned())
        } else {
            ("404 Not Found", "Name not found".to_owned())
        }
    }
}

/// A Keystone that gives this token.
fn keystone(token: &'static str) -> StandIn {
    StandIn::plain(move |_| (token, "{}".to_owned()))
}

pub fn a_server_that_asks_who_is_there() {
    let server = StandIn::plain(guarded("x-auth-token: t"));
    let complaint = shown(&server, &[], &[]).unwrap_err();
    let base = format!("http://127.0.0.1:{}", server.port);
    assert_eq!(
        complaint,
        format!("{base} wants to know who asks: give a token (--token-file), or user (-u) and password (-w)")
    );

    // Basic: aladdin and his password, as in RFC 7617.
    let server = StandIn::plain(guarded("authorization: basic YWxhZGRpbjpvcGVuc2VzYW1l"));
    assert_eq!(shown(&server, &["-u", "aladdin", "-w", "opensesame"], &[]), Ok(NO_ROUTES.to_owned()));
    assert_eq!(server.requests().len(), 3, "asked once, then told at once");

    let server = StandIn::plain(guarded("authorization: none"));
    let complaint = shown(&server, &["-u", "aladdin", "-w", "wrong-word"], &[]).unwrap_err();
    assert_eq!(complaint, format!("http://127.0.0.1:{} does not accept user and password", server.port));
    assert_eq!(server.requests().len(), 2);
}

pub fn a_token_is_told_at_once() {
    let directory = fresh_directory();
    let file = directory.path().join("token");
    std::fs::write(&file, "secret-token\nof alice\n").unwrap();
    let file = file.to_str().unwrap();
    let user = [("OS_USERNAME", "me"), ("OS_PASSWORD", "secret-word"), ("OS_AUTH_URL", "http://127.0.0.1:1/v3")];
    let ways: &[Said] = &[
        (&["--token", "secret-token"], &[]),
        (&[], &[("CIRRUS_TOKEN", "secret-token")]),
        (&["--token-file", file], &[]),
        (&[], &[("OS_TOKEN", "secret-token")]),
        (&["--os-token", "secret-token"], &[]),
        // What is on the command line counts before what is in the environment, a token there before a user.
        (&["--token", "secret-token"], &user),
        (&["--token", "secret-token"], &[("CIRRUS_TOKEN", "another"), ("OS_TOKEN", "third")]),
        (&["--token-file", file], &[("CIRRUS_TOKEN", "another")]),
        (&[], &[("CIRRUS_TOKEN", "secret-token"), ("OS_TOKEN", "another"), user[0], user[1]]),
    ];
    for (arguments, variables) in ways {
        let server = StandIn::plain(guarded("x-auth-token: secret-token"));
        assert_eq!(shown(&server, arguments, variables), Ok(NO_ROUTES.to_owned()), "{arguments:?} {variables:?}");
        let told = server.requests().iter().filter(|request| has_header(request, "x-auth-token: secret-token")).count();
        assert_eq!(told, 2, "with each request, the first too: {arguments:?} {variables:?}");
        assert_eq!(server.requests().len(), 2);
    }

    // A server that does not accept it is not asked again, and nobody reads the token.
    for (arguments, variables) in ways {
        let server = StandIn::plain(guarded("x-auth-token: none"));
        let complaint = shown(&server, arguments, variables).unwrap_err();
        assert!(complaint.contains(" does not accept the token of "), "{complaint}");
        assert!(!complaint.contains("secret"), "{complaint}");
        assert_eq!(server.requests().len(), 1, "{arguments:?}");
        let help = tool(&["watch", "--help"], variables).output().unwrap();
        assert!(!String::from_utf8(help.stdout).unwrap().contains("secret"));
    }

    // A user on the command line is not a token in the environment.
    let server = StandIn::plain(guarded("authorization: basic YWxhZGRpbjpvcGVuc2VzYW1l"));
    let user = shown(&server, &["-u", "aladdin", "-w", "opensesame"], &[("CIRRUS_TOKEN", "secret-token")]);
    assert_eq!(user, Ok(NO_ROUTES.to_owned()));
}

pub fn what_is_contradictory_is_refused() {
    let directory = fresh_directory();
    let empty = directory.path().join("empty");
    std::fs::write(&empty, "\nsecret-token\n").unwrap();
    let empty = empty.to_str().unwrap();
    let of_server = directory.path().join("tokens.toml");
    std::fs::write(&of_server, "# secret\nsha256-00 = { user = \"secret\", roles = [] }\n").unwrap();
    let of_server = of_server.to_str().unwrap();
    let keystone = ["-u", "me", "-w", "secret-word", "--auth-url", "http://127.0.0.1:1/v3"];
    let with = |more: &[&'static str]| [&keystone[..], more].concat();
    let server = StandIn::plain(guarded("x-auth-token: none"));
    let cases: &[Case] = &[
        (
            &["--token", "secret-token", "--token-file", empty],
            &[],
            "--token and --token-file contradict each other: give one",
        ),
        (&["--token", "secret-token", "-u", "me"], &[], "--token and --user contradict each other: give one"),
        (&["--token-file", "/nowhere/token"], &[], "--token-file /nowhere/token: No such file"),
        (&["--token-file", empty], &[], "is empty, or has characters that no token has"),
        (&["--token-file", of_server], &[], "that is a server's file"),
        (&["--token", "secret\ntoken"], &[], "the token of --token is empty, or has characters that no token has"),
        (&[], &[("CIRRUS_TOKEN", "secret\u{1}")], "the token of CIRRUS_TOKEN is empty, or has"),
        (&["--cacert", "/nowhere/ca.pem"], &[], "--cacert /nowhere/ca.pem: No such file"),
        (&[], &[("OS_CACERT", empty)], "there is no certificate in it (PEM, -----BEGIN CERTIFICATE-----)"),
        (&["--insecure"], &[("OS_CACERT", empty)], "leave out one"),
        (&["-u", "a:b", "-w", "secret-word"], &[], "--user: a name with a colon"),
        (
            &["-u", "me", "-w", "secret-word", "--auth-url", "http://keystone:5000/v2.0"],
            &[],
            "--auth-url (OS_AUTH_URL) is of Keystone's version 2, which is gone: write http://keystone:5000/v3",
        ),
        (
            &["-u", "me", "-w", "secret-word"],
            &[("OS_AUTH_URL", "http://me:secret-word@keystone:5000/v3")],
            "has user or password in it",
        ),
        (&with(&["--project-id", "1", "-t", "ours"]), &[], "--project-id and --tenant contradict each other: give one"),
        (
            &with(&["--user-domain-id", "1", "--user-domain-name", "2"]),
            &[],
            "--user-domain-id and --user-domain-name contradict each other",
        ),
    ];
    for (arguments, variables, text) in cases {
        let complaint = shown(&server, arguments, variables).unwrap_err();
        assert!(complaint.contains(text), "{arguments:?} {variables:?}: {complaint}");
        assert!(!complaint.contains("secret"), "{complaint}");
    }
    let named = format!("127.0.0.1:{}", server.port);
    let complaint = answer(&show(&named, 1, &[], &[])).unwrap_err();
    assert_eq!(complaint, format!("--server '{named}' and --port 1 contradict each other"));
    assert!(server.requests().is_empty(), "nothing is asked before it is clear who asks");
    for server in [named.clone(), format!("http://{named}/")] {
        let elsewhere = [("CIRRUS_API_PORT", "1")];
        let reached = tool(&["interface-route", "show", UUID, "-s", &server], &elsewhere).output().unwrap();
        assert!(answer(&reached).unwrap_err().contains("wants to know who asks"), "{server}");
    }
    assert_eq!(server.requests().len(), 2);
    let complaint = answer(&show("https://me:secret-word@127.0.0.1", server.port, &[], &[])).unwrap_err();
    assert!(complaint.contains("--server has user or password in it") && !complaint.contains("secret"), "{complaint}");
}

pub fn a_token_of_keystone() {
    let giver = keystone("201 Created\r\nX-Subject-Token: secret");
    let server = StandIn::plain(guarded("x-auth-token: secret"));
    let url = format!("http://127.0.0.1:{}/v3", giver.port);
    let variables = [("OS_PASSWORD", "word"), ("OS_AUTH_URL", url.as_str())];
    assert_eq!(shown(&server, &["-u", "me", "-t", "ours"], &variables), Ok(NO_ROUTES.to_owned()));
    assert_eq!(server.requests().len(), 3);
    let asked = giver.requests();
    assert_eq!(asked.len(), 1, "one login for all requests");
    assert!(asked[0].starts_with("POST /v3/auth/tokens "));
    let named = |name: &str| json!({"name": name});
    assert_eq!(body(&asked[0]), login("me", &named("Default"), &json!({"name": "ours", "domain": named("Default")})));

    // All that there is in the environment of OpenStack's clients: ids say more than names, unless a name is on the command line.
    let all = [
        ("OS_USERNAME", "me"),
        ("OS_PASSWORD", "word"),
        ("OS_USER_DOMAIN_NAME", "Users"),
        ("OS_PROJECT_NAME", "ours"),
        ("OS_PROJECT_DOMAIN_NAME", "Projects"),
        ("OS_USER_DOMAIN_ID", "u1"),
        ("OS_PROJECT_ID", "p1"),
        ("OS_PROJECT_DOMAIN_ID", "d1"),
    ];
    let project = json!({"name": "ours", "domain": named("Projects")});
    for (variables, arguments, wanted) in [
        (&all[..2], &[][..], login("me", &named("Default"), &json!({"name": "admin", "domain": named("Default")}))),
        (&all[..5], &[], login("me", &named("Users"), &project)),
        (&all[..6], &[], login("me", &json!({"id": "u1"}), &project)),
        (&all[..], &[], login("me", &json!({"id": "u1"}), &json!({"id": "p1"}))),
        (
            &all[..],
            &["-t", "yours"],
            login("me", &json!({"id": "u1"}), &json!({"name": "yours", "domain": {"id": "d1"}})),
        ),
        (
            &all[..],
            &["-t", "yours", "--project-domain-name", "Else", "--user-domain-name", "There"],
            login("me", &named("There"), &json!({"name": "yours", "domain": named("Else")})),
        ),
    ] {
        let giver = keystone("201 Created\r\nX-Subject-Token: secret");
        let url = format!("http://127.0.0.1:{}", giver.port);
        let variables = [variables, &[("OS_AUTH_URL", url.as_str())]].concat();
        assert_eq!(shown(&server, arguments, &variables), Ok(NO_ROUTES.to_owned()));
        assert_eq!(body(&giver.requests()[0]), wanted, "{variables:?} {arguments:?}");
    }

    for (reply, text) in [
        ("401 Unauthorized", "no token for this user, status 401"),
        ("201 Created", "no token for this user, status 201"),
        ("503 Service Unavailable", "answers 503: Keystone gives no tokens at the moment"),
        (
            "301 Moved Permanently\r\nLocation: https://elsewhere/v3",
            "it is at https://elsewhere/v3, which is not followed",
        ),
    ] {
        let giver = keystone(reply);
        let server = StandIn::plain(guarded("x-auth-token: none"));
        let url = format!("http://127.0.0.1:{}", giver.port);
        let complaint = shown(&server, &["-u", "me", "-w", "secret-word", "--auth-url", &url], &[]).unwrap_err();
        assert!(complaint.contains(text) && !complaint.contains("secret"), "{complaint}");
        assert_eq!((giver.requests().len(), server.requests().len()), (1, 1));
    }

    // Its token is not accepted either: no second one is asked for.
    let giver = keystone("201 Created\r\nX-Subject-Token: secret");
    let server = StandIn::plain(guarded("x-auth-token: none"));
    let url = format!("http://127.0.0.1:{}/v3", giver.port);
    let complaint = shown(&server, &["-u", "me", "-w", "word", "--auth-url", &url], &[]).unwrap_err();
    assert!(complaint.ends_with(&format!("does not accept the token of Keystone at {url}/auth/tokens")), "{complaint}");
    assert_eq!((giver.requests().len(), server.requests().len()), (1, 2));
}

fn body(request: &str) -> Value {
    serde_json::from_str(request.split("\r\n\r\n").nth(1).unwrap()).unwrap()
}

/// What Keystone is asked with.
fn login(user: &str, domain: &Value, project: &Value) -> Value {
    let user = json!({"name": user, "password": "word", "domain": domain});
    let identity = json!({"methods": ["password"], "password": {"user": user}});
    json!({"auth": {"identity": identity, "scope": {"project": project}}})
}

pub fn a_token_goes_nowhere_else() {
    let elsewhere = StandIn::plain(guarded("x-auth-token: secret"));
    let moved = format!("302 Found\r\nLocation: http://127.0.0.1:{}/", elsewhere.port);
    let moved: &'static str = moved.leak();
    let server = StandIn::plain(move |_| (moved, String::new()));
    let complaint = shown(&server, &["--token", "secret"], &[]).unwrap_err();
    assert!(complaint.contains("answers 302: it is at http://127.0.0.1:"), "{complaint}");
    assert!(elsewhere.requests().is_empty());
}

pub fn servers_with_tls() {
    let directory = fresh_directory();
    let (certificate, key) = make_certificate(directory.path(), "server");
    let (other, _) = make_certificate(directory.path(), "other");
    let server = StandIn::with_tls((&certificate, &key), guarded("x-auth-token: secret"));
    let keystone =
        StandIn::with_tls((&certificate, &key), |_| ("201 Created\r\nX-Subject-Token: secret", "{}".to_owned()));
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (certificate, other) = (text(&certificate), text(&other));
    let show = |arguments: &[&str], variables: &[(&str, &str)]| {
        show("https://127.0.0.1", server.port, &[&["--token", "secret"], arguments].concat(), variables)
    };

    assert_eq!(answer(&show(&["--cacert", &certificate], &[])), Ok(NO_ROUTES.to_owned()));
    assert_eq!(answer(&show(&[], &[("OS_CACERT", &certificate)])), Ok(NO_ROUTES.to_owned()));
    // Several in a file, with what else is in there.
    let both = directory.path().join("both.pem");
    let pem = |path: &str| std::fs::read_to_string(path).unwrap();
    std::fs::write(&both, format!("# ours\n{}\n{}", pem(&other), pem(&certificate))).unwrap();
    assert_eq!(answer(&show(&["--cacert", &text(&both)], &[])), Ok(NO_ROUTES.to_owned()));

    let asked = server.requests().len();
    for arguments in [&[][..], &["--cacert", &other]] {
        let complaint = answer(&show(arguments, &[])).unwrap_err();
        assert!(complaint.contains("can't be reached: ") && complaint.contains("certificate"), "{complaint}");
    }
    let complaint = answer(&show(&[], &[("OS_INSECURE", "false")])).unwrap_err();
    assert!(complaint.contains("UnknownIssuer; --cacert names a file"), "{complaint}");
    assert_eq!(server.requests().len(), asked, "nothing was told to a server that is not trusted");

    for (arguments, variables) in [(&["--insecure"][..], &[][..]), (&[], &[("OS_INSECURE", "1")])] {
        let output = show(arguments, variables);
        assert!(output.status.success(), "{output:?}");
        let warning = String::from_utf8(output.stderr).unwrap();
        assert!(warning.starts_with("cirrus: --insecure: nobody looks at certificates"), "{warning}");
        assert_eq!(warning.lines().count(), 1, "{warning}");
    }

    // Keystone, too.
    let url = format!("https://127.0.0.1:{}/v3", keystone.port);
    let plain = StandIn::plain(guarded("x-auth-token: secret"));
    let arguments = ["-u", "me", "-w", "word", "--auth-url", &url];
    let trusted = shown(&plain, &arguments, &[("OS_CACERT", &certificate)]);
    assert_eq!(trusted, Ok(NO_ROUTES.to_owned()));
    assert!(shown(&plain, &arguments, &[]).unwrap_err().contains("UnknownIssuer"));
    assert_eq!(keystone.requests().len(), 1);

    let plain = answer(&self::show("https://127.0.0.1", plain.port, &[], &[])).unwrap_err();
    assert!(plain.contains("can't be reached"), "{plain}");
}

/// A Cirrus that answers `/changes` to whom it accepts, which it is told of each time: the number of the question.
fn changes(mut accepts: impl FnMut(usize, &str) -> Option<Reply> + Send + 'static) -> StandIn {
    let mut asked = 0;
    StandIn::plain(move |request| {
        if let Some(reply) = accepts(asked, request) {
            return reply;
        }
        asked += 1;
        let change = json!({"operation": "create", "type": "alarm", "fq_name": [format!("{asked}")]});
        ("200 OK", json!({"changes": [change], "to": format!("e-{asked}")}).to_string())
    })
}

const REFUSED: &str = "401 Unauthorized";

pub fn watch_goes_on_when_a_token_has_expired() {
    // Each token is good for two answers.
    let given = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&given);
    let keystone = StandIn::plain(move |_| {
        let tokens = ["201 Created\r\nX-Subject-Token: t0", "201 Created\r\nX-Subject-Token: t1", "401 Unauthorized"];
        (tokens[counter.fetch_add(1, Ordering::SeqCst).min(2)], "{}".to_owned())
    });
    let server = changes(|asked, request| {
        let good = has_header(request, &format!("x-auth-token: t{}", asked / 2));
        (!good).then(|| (REFUSED, String::new()))
    });
    let (port, url) = (server.port.to_string(), format!("http://127.0.0.1:{}/v3", keystone.port));
    let arguments = ["watch", "-s", "127.0.0.1", "-p", &port, "--since", "oldest", "-u", "me", "--auth-url", &url];
    let output = tool(&arguments, &[("OS_PASSWORD", "secret-word")]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let lines = String::from_utf8(output.stdout).unwrap();
    let names: Vec<_> = lines.lines().map(|line| line.split_whitespace().nth(3).unwrap()).collect();
    assert_eq!(names, ["1", "2", "3", "4"], "{lines}");
    let errors = String::from_utf8(output.stderr).unwrap();
    let wanted = format!("cirrus: Keystone at {url}/auth/tokens: no token for this user, status 401\n");
    assert_eq!(errors, wanted);
    assert_eq!(given.load(Ordering::SeqCst), 3, "one login when it is asked for, one for each token that has expired");

    // Somebody else puts new tokens into a file. The server refuses the first one from its second question on.
    let directory = fresh_directory();
    let file = directory.path().join("token");
    std::fs::write(&file, "t0\n").unwrap();
    let (renewed, renews) = (Arc::new(Mutex::new(false)), file.clone());
    let server = changes(move |asked, request| {
        let mut renewed = renewed.lock().unwrap();
        if asked == 2 && !*renewed {
            *renewed = true;
            std::fs::write(&renews, "t1\n").unwrap();
        }
        let good = has_header(request, &format!("x-auth-token: t{}", asked / 2));
        (!good).then(|| (REFUSED, String::new()))
    });
    let (port, file) = (server.port.to_string(), file.to_str().unwrap());
    let arguments = ["watch", "-s", "127.0.0.1", "-p", &port, "--since", "oldest", "--token-file", file];
    let output = tool(&arguments, &[]).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    assert_eq!(lines.lines().count(), 4, "{lines}");
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(errors.contains(&format!("does not accept the token of --token-file {file}")), "{errors}");
    assert_eq!(server.requests().len(), 6, "four answers, and two refusals; the last token is not sent twice");
}
