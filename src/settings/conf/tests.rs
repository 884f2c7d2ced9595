//! What becomes of contrail-api's files.

use super::super::{
    faults::Faults,
    layers::{Given, Layer},
    origin::Source,
};
use super::*;

/// What is made of these files, with nothing above them.
fn made(texts: &[&str]) -> (Layer, Vec<Note>, Faults) {
    made_below(texts, &Layer::new())
}

fn made_below(texts: &[&str], above: &Layer) -> (Layer, Vec<Note>, Faults) {
    let directory = tempfile::tempdir().unwrap();
    let files: Vec<PathBuf> = (0..texts.len()).map(|number| directory.path().join(format!("f{number}"))).collect();
    for (file, text) in files.iter().zip(texts) {
        std::fs::write(file, text).unwrap();
    }
    let mut faults = Faults::default();
    let (layer, notes) = read(&files, above, |file| format!("--conf-file {file}"), &mut faults);
    (layer, notes, faults)
}

fn value(layer: &Layer, field: &str) -> Option<String> {
    layer.get(field).map(Given::text)
}

fn says(notes: &[Note], warns: bool, text: &str) {
    assert!(
        notes.iter().any(|note| note.warns == warns && note.text.contains(text)),
        "'{text}' is expected in {notes:#?}"
    );
}

const KEYSTONE: &str = "[DEFAULTS]\nauth = keystone\naaa_mode = rbac\n[KEYSTONE]\nauth_url = http://keystone:5000/v3\n\
    admin_user = contrail\nadmin_password = sec%%ret\n";

#[test]
fn each_setting_is_what_its_keys_say() {
    // Keys, and what comes of them; nothing where nothing does.
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "",
            &[
                ("listen", "0.0.0.0:8082"),
                ("aaa_mode", "no-auth"),
                ("amqp_url", ""),
                ("tcp_keepalive", ""),
                ("log", ""),
            ],
        ),
        ("listen_ip_addr = 10.0.0.1", &[("listen", "10.0.0.1:8082")]),
        ("listen_ip_addr = ::1\nlisten_port = 9", &[("listen", "[::1]:9")]),
        ("auth = noauth\naaa_mode = rbac", &[("aaa_mode", "no-auth"), ("keystone_url", "")]),
        (
            "max_requests = 7\nmax_request_size = 8\npaginate_count = 9\nwatch_keepalive_interval = 10\namqp_timeout = 11",
            &[
                ("max_requests", "7"),
                ("max_request_size", "8"),
                ("paginate_count", "9"),
                ("watch_keepalive_interval", "10"),
                ("amqp_timeout", "11"),
            ],
        ),
        ("tcp_keepalive_idle_time = 60\ntcp_keepalive_probes = 3", &[("tcp_keepalive", "60,75,3")]),
        ("tcp_keepalive_enable = False\ntcp_keepalive_probes = 3", &[("tcp_keepalive", "off")]),
        ("log_level = SYS_NOTICE", &[("log", "")]),
        ("log_level = SYS_ERR", &[("log", "error")]),
        ("log_level = SYS_DEBUG", &[("log", "info,sqlx=warn,actix_server=warn,cirrus=debug")]),
        ("rabbit_server = a", &[("amqp_url", "amqp://guest:guest@a:5672/%2F")]),
        (
            "rabbit_server = a, b:1\nrabbit_port = 2\nrabbit_user = u:\nrabbit_password = p@%%/\nrabbit_vhost = /v",
            &[("amqp_url", "amqp://u%3A:p%40%25%2F@a:2/%2Fv,amqp://u%3A:p%40%25%2F@b:1/%2Fv")],
        ),
        (
            "rabbit_server = ::1\nrabbit_vhost = None\nkombu_ssl_ca_certs = /ca",
            &[("amqp_url", "amqp://guest:guest@[::1]:5672/%2F"), ("amqp_ca_file", "")],
        ),
        (
            "rabbit_server = a\nrabbit_use_ssl = true\nkombu_ssl_ca_certs = /ca\nkombu_ssl_certfile = /c\nkombu_ssl_keyfile = /k",
            &[
                ("amqp_url", "amqps://guest:guest@a:5672/%2F"),
                ("amqp_ca_file", "/ca"),
                ("amqp_certificate", "/c"),
                ("amqp_key", "/k"),
            ],
        ),
        ("config_api_ssl_certfile = /c\nconfig_api_ssl_keyfile = /k", &[("tls_certificate", ""), ("tls_key", "")]),
        (
            "config_api_ssl_enable = True\nconfig_api_ssl_certfile = /c\nconfig_api_ssl_keyfile = /k\nconfig_api_ssl_ca_cert = /a",
            &[("tls_certificate", "/c"), ("tls_key", "/k"), ("tls_client_ca", "")],
        ),
        (
            "global_read_only_role = None\ncloud_admin_role = boss",
            &[("global_read_only_role", ""), ("cloud_admin_role", "boss")],
        ),
        ("[QUOTA]\nsubnet = 5\ndefaults = -1", &[("quota", "defaults=-1,subnet=5")]),
    ];
    for (keys, expected) in cases {
        let (layer, _, faults) = made(&[&format!("[DEFAULTS]\n{keys}\n")]);
        assert!(faults.is_empty(), "{keys}: {faults}");
        for (field, expected) in *expected {
            assert_eq!(value(&layer, field).unwrap_or_default(), *expected, "{field} of {keys}");
        }
    }
}

#[test]
fn keystone_is_asked_as_before() {
    let cases: &[(&str, &[(&str, &str)])] = &[
        (
            "",
            &[
                ("keystone_url", "http://keystone:5000/v3"),
                ("keystone_user", "contrail"),
                ("keystone_password", "sec%ret"),
                ("aaa_mode", "rbac"),
                ("keystone_insecure", ""),
                ("admin_listen", ""),
                ("keystone_project", ""),
            ],
        ),
        ("auth_url = http://keystone:35357/v2.0", &[("keystone_url", "http://keystone:35357/v3")]),
        ("auth_url = https://keystone/identity/", &[("keystone_url", "https://keystone/identity/v3")]),
        (
            "auth_url =\nauth_host = k\nauth_port = 5000\nauth_protocol = https",
            &[("keystone_url", "https://k:5000/v3")],
        ),
        (
            "admin_tenant_name = service\nproject_domain_name = Default\nuser_domain_name = U",
            &[
                ("keystone_project", "service"),
                ("keystone_project_domain", "Default"),
                ("keystone_user_domain", "U"),
                ("keystone_domain", ""),
            ],
        ),
        (
            "admin_tenant_name = service\nproject_name = p\nproject_domain_id = i",
            &[("keystone_project", "p"), ("keystone_project_domain_id", "i")],
        ),
        ("admin_tenant_name = service\ndomain_name = d", &[("keystone_project", ""), ("keystone_domain", "d")]),
        ("insecure = True\ncafile = /c", &[("keystone_insecure", "true"), ("keystone_ca_file", "")]),
        ("insecure = False\ncafile = /c", &[("keystone_insecure", ""), ("keystone_ca_file", "/c")]),
        ("token_cache_time = -1", &[("keystone_token_cache_time", "0")]),
        ("token_cache_time = 3600", &[("keystone_token_cache_time", "300")]),
        (
            "keystone_sync_on_demand = no\ninterface = internal\nregion_name = R\ndefault_domain_id = d",
            &[
                ("keystone_sync_on_demand", "false"),
                ("keystone_interface", "internal"),
                ("keystone_region", "R"),
                ("default_domain_id", "d"),
            ],
        ),
        (
            "admin_port = 8096",
            &[("admin_listen", "127.0.0.1:8096"), ("admin_user", "contrail"), ("admin_password", "sec%ret")],
        ),
    ];
    for (keys, expected) in cases {
        let (layer, _, faults) = made(&[KEYSTONE, &format!("[KEYSTONE]\n{keys}\n")]);
        assert!(faults.is_empty(), "{keys}: {faults}");
        for (field, expected) in *expected {
            assert_eq!(value(&layer, field).unwrap_or_default(), *expected, "{field} of {keys}");
        }
    }
}

#[test]
fn mode_1_to_3_who_may_ask() {
    let auth = "auth_url = http://k/v3\nadmin_user = a\nadmin_password = b\n";
    for (keys, mode) in [
        ("", "no-auth"),
        ("aaa_mode = rbac", "no-auth"),
        ("auth = no-auth\nmulti_tenancy = true", "no-auth"),
        ("auth = keystone", "cloud-admin"),
        ("auth = Keystone\naaa_mode = rbac", "rbac"),
        ("auth = keystone\naaa_mode = no-auth", "no-auth"),
        ("auth = keystone\nmulti_tenancy = True", "cloud-admin"),
        ("auth = keystone\nmulti_tenancy = False", "no-auth"),
        ("auth = keystone\nmulti_tenancy = False\naaa_mode = rbac", "rbac"),
    ] {
        let (layer, _, faults) = made(&[&format!("[DEFAULTS]\n{auth}{keys}\n")]);
        assert!(faults.is_empty(), "{keys}: {faults}");
        assert_eq!(value(&layer, "aaa_mode").as_deref(), Some(mode), "{keys}");
        assert_eq!(layer.contains_key("keystone_url"), mode != "no-auth", "{keys}");
    }
    let (_, notes, _) = made(&["[DEFAULTS]\naaa_mode = rbac\n[KEYSTONE]\nauth_url = http://k/v3\n"]);
    says(&notes, true, "f0:2: aaa_mode (rbac) has no effect without auth = keystone");
    says(&notes, true, "f0:4: [KEYSTONE] is not used without auth = keystone");
    // Who says otherwise elsewhere is believed.
    let source = Source::Option;
    let above = Layer::from([("aaa_mode".to_owned(), Given { values: vec!["no-auth".into()], source })]);
    let (layer, _, faults) = made_below(&[KEYSTONE], &above);
    assert!(faults.is_empty() && !layer.contains_key("keystone_url"), "{faults}");
}

#[test]
fn what_would_be_dangerous_is_refused() {
    for (keys, texts) in [
        ("reset_config = true", &["f0:2: reset_config = true: it would delete the whole configuration"] as &[&str]),
        ("wipe_config = 1", &["f0:2: wipe_config = 1: it would"]),
        ("wipe_config = perhaps", &["f0:2: wipe_config = perhaps: it would"]),
        (
            "auth = keystone",
            &["f0:2: auth = keystone needs auth_url", "needs admin_user in [KEYSTONE]", "needs admin_password"],
        ),
        ("auth = keystoen", &["f0:2: auth = keystoen: keystone, noauth or no-auth is expected"]),
        ("auth = keystone\naaa_mode = RBAC", &["f0:3: aaa_mode = RBAC: no-auth, cloud-admin or rbac is expected"]),
        ("auth_type = token", &["f0:2: auth_type = token: password is the only way"]),
        (
            "config_api_ssl_enable = true",
            &["f0:2: config_api_ssl_enable = true needs config_api_ssl_certfile", "needs config_api_ssl_keyfile"],
        ),
        ("config_api_ssl_enable = perhaps", &["f0:2: config_api_ssl_enable = perhaps: true or false is expected"]),
        ("log_level = LOUD", &["f0:2: log_level = LOUD: SYS_EMERG, "]),
        (
            "[QUOTA]\nsubnet = few\nvirtual_network = -2",
            &["f0:3: subnet = few: a whole number", "f0:4: virtual_network = -2: a whole"],
        ),
    ] {
        let (_, _, faults) = made(&[&format!("[DEFAULTS]\n{keys}\n")]);
        let told = faults.to_string();
        for text in texts {
            assert!(told.contains(text), "{keys}: '{text}' is expected in {told}");
        }
    }
    let (_, _, faults) = made(&["[DEFAULTS]\nreset_config = False\nwipe_config = no\nauth_type = password\n"]);
    assert!(faults.is_empty(), "{faults}");
    let mut faults = Faults::default();
    read(&[PathBuf::from("/nowhere/x")], &Layer::new(), |file| format!("--conf-file {file}"), &mut faults);
    assert!(faults.to_string().starts_with("--conf-file /nowhere/x: No such file"), "{faults}");
}

#[test]
fn what_has_no_effect_is_told_in_few_lines() {
    let defaults: String =
        KEYS.iter().flat_map(|key| ["[", key.section, "]\n", key.name, " = ", key.default, "\n"]).collect();
    let (_, notes, faults) = made(&[&defaults]);
    assert!(faults.is_empty(), "{faults}");
    let told: Vec<&str> =
        notes.iter().map(|note| note.text.as_str()).filter(|text| text.contains("without effect")).collect();
    assert!(told.is_empty(), "defaults are not worth a word: {told:#?}");

    let (_, notes, faults) = made(&[
        "[DEFAULTS]\ncassandra_server_list = 10.0.0.1:9161\nzk_server_ip = 10.0.0.1\nlog_file = /x\nadmin_token = secret\nlisten_prot = 1\n",
        "[CASSANDRA]\ncassandra_password = secret\n[NEW]\nauth = keystone\n[QUOTA]\nsubnet = 1\n",
    ]);
    assert!(faults.is_empty(), "{faults}");
    says(&notes, true, "f0:6: listen_prot is no key of contrail-api, and has no effect; is listen_port meant?");
    says(&notes, true, "f1:4: auth of [NEW] is no key");
    let database = notes.iter().find(|note| note.text.contains("--database-url")).unwrap();
    for key in ["cassandra_server_list (", "f0:2)", "zk_server_ip (", "cassandra_password (", "f1:2)"] {
        assert!(database.text.contains(key), "'{key}' is expected in {database:?}");
    }
    assert_eq!(notes.len(), 5, "{notes:#?}");
    assert!(!format!("{notes:?}").contains("secret"), "{notes:#?}");
}
