use super::*;
use crate::access::Scope;
use std::io::Write;

fn callers() -> Arc<Callers> {
    let roles = SpecialRoles { cloud_admin: "admin".to_owned(), global_read_only: None };
    Arc::new(Callers { roles, default_domain_id: "default".to_owned() })
}

fn line(token: &str, rest: &str) -> String {
    format!("{} = {{ {rest} }}\n", token::digest_name(&token::digest(token)))
}

fn file(text: &str) -> Result<(tempfile::NamedTempFile, TokenFile), String> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let read = TokenFile::read(file.path(), callers())?;
    Ok((file, read))
}

fn with(roles: &[&str]) -> Caller {
    let roles = roles.iter().map(|role| (*role).to_owned()).collect();
    callers().complete(Caller { roles, ..Caller::of_level(Level::Nobody) })
}

#[test]
fn role_1_role_4_role_9_a_cloud_admin_is_one_in_any_case_and_of_any_scope() {
    for roles in [&["admin"][..], &["ADMIN"], &["member", "Admin"]] {
        assert_eq!(with(roles).level, Level::Admin, "{roles:?}");
    }
    let project = Some(Scope::new("7", None));
    let of_project = callers().complete(Caller { project, ..with(&["admin"]) });
    assert_eq!(of_project.level, Level::Admin);
    for roles in [&["administrator"][..], &["member"], &["admin "], &[]] {
        assert_eq!(with(roles).level, Level::Member, "{roles:?}");
    }
}

#[test]
fn role_2_role_7_a_setting_that_is_empty_is_nobodys_role() {
    let mut callers = Callers::clone(&callers());
    let of = |callers: &Callers, roles: &[&str]| callers.complete(with(roles)).level;
    for setting in [None, Some(String::new())] {
        callers.roles.global_read_only = setting;
        assert_eq!(of(&callers, &[]), Level::Member);
        assert_eq!(callers.complete(Caller { roles: vec![String::new()], ..with(&[]) }).level, Level::Member);
    }
    callers.roles.global_read_only = Some("auditor".to_owned());
    assert_eq!(of(&callers, &["Auditor"]), Level::ReadAll);
    assert_eq!(of(&callers, &["auditor", "admin"]), Level::Admin);
    assert!(callers.complete(Caller { roles: vec![" ".to_owned()], ..with(&[]) }).roles.is_empty());
}

#[test]
fn ks_2_who_has_no_domain_or_the_one_of_the_setting_is_of_default_domain() {
    let of = |id: Option<&str>| {
        let domain = id.map(|id| Scope::new(id, Some("a name".to_owned())));
        callers().complete(Caller { domain, ..with(&[]) }).domain.unwrap()
    };
    for id in [None, Some("default"), Some("")] {
        let domain = of(id);
        assert!(domain.is_default, "{id:?}");
        assert_eq!(domain.name.as_deref(), Some("default-domain"));
    }
    let other = of(Some("aaaaaaaa000040008000000000000005"));
    assert!(!other.is_default);
    assert_eq!(other.name.as_deref(), Some("a name"));
    let dashed =
        Callers { default_domain_id: "aaaaaaaa-0000-4000-8000-000000000005".to_owned(), ..Callers::clone(&callers()) };
    assert!(dashed.complete(Caller { domain: Some(other), ..with(&[]) }).domain.unwrap().is_default);
}

#[test]
fn ks_1_ks_3_ks_5_ids_are_uuids_with_or_without_dashes_or_nothing() {
    let (dashed, plain) = ("aaaaaaaa-0000-4000-8000-000000000005", "aaaaaaaa000040008000000000000005");
    assert_eq!(Scope::new(dashed, None).uuid, Scope::new(plain, None).uuid);
    assert_eq!(Scope::new("no uuid", None).uuid, None);
    let project = Some(Scope::new("no uuid", None));
    assert_eq!(callers().complete(Caller { project, ..with(&["member"]) }).project_uuid(), None);
}

#[test]
fn a_line_says_whose_a_token_is() {
    let project = "aaaaaaaa-0000-4000-8000-000000000002";
    let rest = format!(
        r#"user = "alice", project = "{project}", project_name = "p", roles = ["member", ""], expires = "2126-01-01T00:00:00+01:00""#
    );
    let (_file, tokens) = file(&format!("# who\n\n{}", line("a token", &rest))).unwrap();
    let known = tokens.ask("a token", None).unwrap();
    assert_eq!(known.caller.user.as_deref(), Some("alice"));
    assert_eq!(known.caller.project_uuid().unwrap().to_string(), project);
    assert_eq!(known.caller.roles, ["member"]);
    let token = &known.token_info["token"];
    assert_eq!(token["project"]["id"], project.replace('-', ""));
    assert_eq!(token["expires_at"], "2125-12-31T23:00:00.000000Z");
    assert!(!known.token_info.to_string().contains("a token"));
    assert_eq!(tokens.ask("another", None).unwrap_err(), Unknown::Nobody);
    assert_eq!(tokens.ask("", None).unwrap_err(), Unknown::Nobody);
    // A service that forwards it has to be known as well.
    assert!(tokens.ask("a token", Some("a token")).is_ok());
    assert!(tokens.ask("a token", Some("another")).is_err());
}

#[test]
fn damage_is_told_with_its_line_and_without_tokens() {
    let good = line("a", r#"user = "a", roles = []"#);
    let secret = format!("{}0123456789", token::PREFIX);
    for (bad, expected) in [
        (line("b", r#"user = "a""#), "line 2: missing field `roles`"),
        (line("b", r#"user = "a", roles = [], rolls = []"#), "line 2: unknown field `rolls`"),
        (line("b", r#"user = "a", roles = "member""#), "line 2: invalid type"),
        (line("b", r#"user = " ", roles = []"#), "line 2: `user` has to be a name"),
        (line("b", r#"user = "b", roles = [], project = "blue""#), "line 2: "),
        (line("b", r#"user = "b", roles = [], expires = "soon""#), "line 2: `expires` has to be a time like"),
        (good.clone(), "line 2: "),
        ("sha256-12 = { user = \"a\", roles = [] }\n".to_owned(), "line 2: `sha256-` and 64"),
        ("what is this\n".to_owned(), "line 2: "),
        (secret.clone(), "line 2: a token itself has no place here"),
        (format!("{secret}\n"), "line 2: a token itself has no place here"),
        (format!("\"{secret}\" = {{}}\n"), "line 2: a token itself has no place here"),
        (format!("token = \"{secret}\"\n"), "line 2: a token itself has no place here"),
        (format!("{secret} = {{ user = \"a\", roles = [] }}\n"), "line 2: a token itself"),
        (line("b", &format!("user = \"a\", roles = [], {secret} = 1")), "line 2: a token itself has no place here"),
    ] {
        let refused = file(&format!("{good}{bad}")).err().unwrap_or_else(|| panic!("{bad}"));
        assert!(refused.starts_with(expected), "{bad}{refused}");
        assert!(
            refused.ends_with("a line like the second one that `cirrus token new` prints is expected"),
            "{refused}"
        );
        assert!(!refused.contains(&secret), "{refused}");
    }
    let missing = TokenFile::read(std::path::Path::new("/nowhere/tokens"), callers()).err().unwrap();
    assert!(missing.starts_with("can't be read: "), "{missing}");
}

#[tokio::test]
async fn what_has_ended_or_is_too_long_is_nobodys() {
    let text = [
        line("ended", r#"user = "a", roles = ["admin"], expires = "2020-01-01T00:00:00Z""#),
        line("good", r#"user = "a", roles = []"#),
        line(&"x".repeat(LONGEST_TOKEN), r#"user = "a", roles = []"#),
        line(&"x".repeat(LONGEST_TOKEN + 1), r#"user = "a", roles = []"#),
    ];
    let (_file, tokens) = file(&text.concat()).unwrap();
    let sources = vec![Source::File(Arc::new(tokens))];
    let authenticator = Authenticator::new(AaaMode::Rbac, callers(), sources, Failures::limited_to(2), None);
    let address = Some("192.0.2.1".parse().unwrap());
    let ask = async |token: &str, service_token: Option<&str>| {
        let service_token = service_token.map(str::to_owned);
        let presented = Presented { token: Some(token.to_owned()), service_token };
        authenticator.authenticate(&presented, address).await.map(|_| ())
    };
    // No token is no attempt.
    for _ in 0..5 {
        assert_eq!(authenticator.authenticate(&Presented::default(), address).await.err(), Some(Refused::Unknown));
    }
    assert_eq!(ask("good", None).await, Ok(()));
    assert_eq!(ask(&"x".repeat(LONGEST_TOKEN), None).await, Ok(()));
    assert_eq!(ask("ended", None).await, Err(Refused::Unknown));
    assert_eq!(ask(&"x".repeat(LONGEST_TOKEN + 1), None).await, Err(Refused::Unknown));
    assert!(matches!(ask("good", Some("ended")).await, Err(Refused::TooMany(_))));
    assert_eq!(ask("good", None).await, Ok(()));
}

#[test]
fn a_client_is_told_where_to_go() {
    let of = |uri| Authenticator::new(AaaMode::Rbac, callers(), Vec::new(), Failures::limited_to(1), uri).challenge;
    assert_eq!(of(None), "Bearer realm=\"cirrus\"");
    assert_eq!(of(Some("http://keystone:5000/v3")), "Keystone uri=\"http://keystone:5000/v3\"");
}

#[test]
fn names_that_no_database_takes_are_others() {
    let scope = |id: &str| Some(Scope::new(id, Some("a\0name".to_owned())));
    let caller = Caller {
        user: Some("al\0ice".to_owned()),
        user_id: Some("\0".to_owned()),
        project: scope("a\0project"),
        domain: scope("a\0domain"),
        ..with(&["ad\0min", "member"])
    };
    // By hand, as `with` has completed it already.
    let caller = callers().complete(Caller { roles: vec!["ad\0min".to_owned(), "member".to_owned()], ..caller });
    assert!(!format!("{caller:?}").contains("\\0"), "{caller:?}");
    assert_eq!(caller.level, Level::Member, "it is not the role without it");
    assert!(!caller.has_role("admin") && caller.has_role("member"));
}
