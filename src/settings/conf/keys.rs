//! The keys of contrail-api's files (R21, access contract 7.2 and 7.3), and what becomes of each.

/// What becomes of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// It is one of our settings, by its id, alone or together with others.
    Honoured(&'static str),
    /// Something else is in its place: what.
    Replaced(&'static str),
    /// It has no effect: why.
    Ignored(&'static str),
    /// The server does not start with it, unless it has its default: why.
    Refused(&'static str),
}

/// A key.
#[derive(Debug)]
pub struct Key {
    /// The section that it usually stands in.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is in contrail-api unless somebody says.
    pub default: &'static str,
    /// What becomes of it.
    pub meaning: Meaning,
}

use Meaning::{Honoured, Ignored, Refused, Replaced};

const DATABASE: Meaning =
    Replaced("--database-url: the configuration is in PostgreSQL; `cirrus import` moves it there");
const LOG: Meaning = Replaced("standard error, which the journal keeps; --log says what is told");
const WIPES: Meaning =
    Refused("it would delete the whole configuration. Take it out; an empty database is made by making a new one");
const DAEMON: Meaning = Ignored("it is about contrail-api's own processes");
const COLLECTOR: Meaning = Ignored("nothing is sent to contrail's collectors; /metrics and the log tell");
const CACHE: Meaning = Ignored("the whole configuration is in memory");
const NEUTRON: Meaning = Ignored("lists of /neutron are answered from memory, with the rights of who asks");
const NO_V2: Meaning = Ignored("Keystone's version 2 and its PKI tokens are gone; the account of admin_user is used");
const NO_RESYNC: Meaning =
    Ignored("projects are made when somebody asks for them, and none is deleted because Keystone lacks it");
const INTROSPECT: Meaning = Replaced("--introspect-listen");

const fn key(section: &'static str, name: &'static str, default: &'static str, meaning: Meaning) -> Key {
    Key { section, name, default, meaning }
}

/// All of them, but for those of `QUOTA`, which are limits by type.
pub const KEYS: &[Key] = &[
    key("DEFAULTS", "auth", "", Honoured("aaa_mode")),
    key("DEFAULTS", "aaa_mode", "", Honoured("aaa_mode")),
    key("DEFAULTS", "multi_tenancy", "", Honoured("aaa_mode")),
    key("DEFAULTS", "cloud_admin_role", "admin", Honoured("cloud_admin_role")),
    key("DEFAULTS", "global_read_only_role", "", Honoured("global_read_only_role")),
    key("DEFAULTS", "listen_ip_addr", "0.0.0.0", Honoured("listen")),
    key("DEFAULTS", "listen_port", "8082", Honoured("listen")),
    key("DEFAULTS", "admin_port", "8095", Honoured("admin_listen")),
    key("DEFAULTS", "config_api_ssl_enable", "false", Honoured("tls_certificate")),
    key("DEFAULTS", "config_api_ssl_certfile", "", Honoured("tls_certificate")),
    key("DEFAULTS", "config_api_ssl_keyfile", "", Honoured("tls_key")),
    key(
        "DEFAULTS",
        "config_api_ssl_ca_cert",
        "",
        Replaced("--tls-client-ca: contrail-api asks no client for a certificate, and so that is not done unasked"),
    ),
    key("DEFAULTS", "region_name", "RegionOne", Honoured("keystone_region")),
    key("DEFAULTS", "max_requests", "1024", Honoured("max_requests")),
    key("DEFAULTS", "max_request_size", "1024000", Honoured("max_request_size")),
    key("DEFAULTS", "paginate_count", "256", Honoured("paginate_count")),
    key("DEFAULTS", "watch_keepalive_interval", "60", Honoured("watch_keepalive_interval")),
    key("DEFAULTS", "tcp_keepalive_enable", "true", Honoured("tcp_keepalive")),
    key("DEFAULTS", "tcp_keepalive_idle_time", "7200", Honoured("tcp_keepalive")),
    key("DEFAULTS", "tcp_keepalive_interval", "75", Honoured("tcp_keepalive")),
    key("DEFAULTS", "tcp_keepalive_probes", "9", Honoured("tcp_keepalive")),
    key("DEFAULTS", "log_level", "SYS_NOTICE", Honoured("log")),
    key("DEFAULTS", "log_file", "<stdout>", LOG),
    key("DEFAULTS", "log_local", "true", LOG),
    key("DEFAULTS", "log_category", "", LOG),
    key("DEFAULTS", "use_syslog", "false", LOG),
    key("DEFAULTS", "syslog_facility", "local0", LOG),
    key("DEFAULTS", "logging_conf", "", LOG),
    key("DEFAULTS", "logger_class", "", LOG),
    key("DEFAULTS", "max_bytes", "5000000", LOG),
    key("DEFAULTS", "backup_count", "10", LOG),
    key("DEFAULTS", "trace_file", "/var/log/contrail/vnc_openstack.err", LOG),
    key("DEFAULTS", "rabbit_server", "localhost", Honoured("amqp_url")),
    key("DEFAULTS", "rabbit_port", "5672", Honoured("amqp_url")),
    key("DEFAULTS", "rabbit_user", "guest", Honoured("amqp_url")),
    key("DEFAULTS", "rabbit_password", "guest", Honoured("amqp_url")),
    key("DEFAULTS", "rabbit_vhost", "", Honoured("amqp_url")),
    key("DEFAULTS", "rabbit_use_ssl", "false", Honoured("amqp_url")),
    key("DEFAULTS", "kombu_ssl_ca_certs", "", Honoured("amqp_ca_file")),
    key("DEFAULTS", "kombu_ssl_certfile", "", Honoured("amqp_certificate")),
    key("DEFAULTS", "kombu_ssl_keyfile", "", Honoured("amqp_key")),
    key("DEFAULTS", "kombu_ssl_version", "", Ignored("TLS 1.2 and 1.3 are spoken with message brokers")),
    key("DEFAULTS", "rabbit_ha_mode", "false", Ignored("queues are made by those who read them")),
    key(
        "DEFAULTS",
        "rabbit_max_pending_updates",
        "4096",
        Ignored("changes wait in the database; no write is refused for them"),
    ),
    key(
        "DEFAULTS",
        "rabbit_health_check_interval",
        "120.0",
        Ignored("connections with message brokers are looked after"),
    ),
    key("DEFAULTS", "amqp_timeout", "660", Honoured("amqp_timeout")),
    key("DEFAULTS", "cluster_id", "", Replaced("--cql-cluster-id, for daemons that read over CQL")),
    key("DEFAULTS", "reset_config", "false", WIPES),
    key("DEFAULTS", "wipe_config", "false", WIPES),
    key("DEFAULTS", "contrail_version", "", DAEMON),
    key("DEFAULTS", "worker_id", "0", DAEMON),
    key("DEFAULTS", "worker_introspect_ports", "", DAEMON),
    key("DEFAULTS", "worker_admin_ports", "", DAEMON),
    key("DEFAULTS", "http_server_port", "8084", INTROSPECT),
    key("DEFAULTS", "http_server_ip", "0.0.0.0", INTROSPECT),
    key("DEFAULTS", "collectors", "", COLLECTOR),
    key("DEFAULTS", "sandesh_send_rate_limit", "100", COLLECTOR),
    key("DEFAULTS", "stats_collector", "", COLLECTOR),
    key("DEFAULTS", "enable_latency_stats_log", "false", COLLECTOR),
    key("DEFAULTS", "enable_api_stats_log", "false", COLLECTOR),
    key("DEFAULTS", "object_cache_entries", "10000", CACHE),
    key("DEFAULTS", "object_cache_exclude_types", "", CACHE),
    key("DEFAULTS", "debug_object_cache_types", "", CACHE),
    key("DEFAULTS", "stale_lock_seconds", "5", Ignored("there are no locks that could be left behind")),
    key("DEFAULTS", "default_encoding", "ascii", Ignored("texts are UTF-8")),
    key("DEFAULTS", "cassandra_server_list", "127.0.0.1:9160", DATABASE),
    key("DEFAULTS", "zk_server_ip", "127.0.0.1:2181", DATABASE),
    key("DEFAULTS", "db_engine", "cassandra", DATABASE),
    key("DEFAULTS", "redis_server_ip", "127.0.0.1", DATABASE),
    key("DEFAULTS", "redis_server_port", "6379", DATABASE),
    key("DEFAULTS", "list_optimization_enabled", "false", NEUTRON),
    key("DEFAULTS", "vnc_connection_cache_size", "0", NEUTRON),
    key("DEFAULTS", "apply_subnet_host_routes", "false", Honoured("neutron_apply_subnet_host_routes")),
    key("DEFAULTS", "keystone_resync_interval_secs", "60", NO_RESYNC),
    key("DEFAULTS", "keystone_resync_workers", "10", NO_RESYNC),
    key("DEFAULTS", "keystone_resync_stale_mode", "new_unique_fqn", NO_RESYNC),
    key("KEYSTONE", "auth_url", "", Honoured("keystone_url")),
    key("KEYSTONE", "auth_protocol", "http", Honoured("keystone_url")),
    key("KEYSTONE", "auth_host", "127.0.0.1", Honoured("keystone_url")),
    key("KEYSTONE", "auth_port", "35357", Honoured("keystone_url")),
    key("KEYSTONE", "auth_type", "password", Refused("password is the only way to log in that is known")),
    key("KEYSTONE", "admin_user", "", Honoured("keystone_user")),
    key("KEYSTONE", "admin_password", "", Honoured("keystone_password")),
    key("KEYSTONE", "admin_tenant_name", "", Honoured("keystone_project")),
    key("KEYSTONE", "project_name", "", Honoured("keystone_project")),
    key("KEYSTONE", "project_domain_name", "", Honoured("keystone_project_domain")),
    key("KEYSTONE", "project_domain_id", "", Honoured("keystone_project_domain_id")),
    key("KEYSTONE", "user_domain_name", "Default", Honoured("keystone_user_domain")),
    key("KEYSTONE", "user_domain_id", "", Honoured("keystone_user_domain_id")),
    key("KEYSTONE", "domain_name", "", Honoured("keystone_domain")),
    key("KEYSTONE", "domain_id", "default", Honoured("keystone_domain_id")),
    key("KEYSTONE", "default_domain_id", "default", Honoured("default_domain_id")),
    key("KEYSTONE", "insecure", "true", Honoured("keystone_insecure")),
    key("KEYSTONE", "cafile", "", Honoured("keystone_ca_file")),
    key("KEYSTONE", "certfile", "", Ignored("Keystone is asked with a password, not with a certificate")),
    key("KEYSTONE", "keyfile", "", Ignored("Keystone is asked with a password, not with a certificate")),
    key("KEYSTONE", "interface", "admin", Honoured("keystone_interface")),
    key("KEYSTONE", "token_cache_time", "300", Honoured("keystone_token_cache_time")),
    key("KEYSTONE", "memcache_servers", "", Ignored("tokens are kept in memory, for --keystone-token-cache-time")),
    key("KEYSTONE", "memcached_servers", "", Ignored("tokens are kept in memory, for --keystone-token-cache-time")),
    key("KEYSTONE", "keystone_sync_on_demand", "true", Honoured("keystone_sync_on_demand")),
    key("KEYSTONE", "admin_token", "", NO_V2),
    key("KEYSTONE", "admin_domain_id", "default", NO_V2),
    key("KEYSTONE", "admin_user_domain_name", "Default", NO_V2),
    key("KEYSTONE", "endpoint_type", "", NO_V2),
    key("KEYSTONE", "signing_dir", "/var/lib/contrail/keystone-signing", NO_V2),
    key("KEYSTONE", "identity_uri", "", NO_V2),
    key("CASSANDRA", "cassandra_user", "", DATABASE),
    key("CASSANDRA", "cassandra_password", "", DATABASE),
    key("CASSANDRA", "cassandra_driver", "cql", DATABASE),
    key("CASSANDRA", "cassandra_use_ssl", "false", DATABASE),
    key("CASSANDRA", "cassandra_ca_certs", "", DATABASE),
    key("ZOOKEEPER", "zookeeper_ssl_enable", "false", DATABASE),
    key("ZOOKEEPER", "zookeeper_ssl_keyfile", "", DATABASE),
    key("ZOOKEEPER", "zookeeper_ssl_certificate", "", DATABASE),
    key("ZOOKEEPER", "zookeeper_ssl_ca_cert", "", DATABASE),
    key("SANDESH", "sandesh_ssl_enable", "false", COLLECTOR),
    key("SANDESH", "introspect_ssl_enable", "false", COLLECTOR),
    key("SANDESH", "introspect_ssl_insecure", "true", COLLECTOR),
    key("SANDESH", "sandesh_keyfile", "/etc/contrail/ssl/private/client-privkey.pem", COLLECTOR),
    key("SANDESH", "sandesh_certfile", "/etc/contrail/ssl/certs/client.pem", COLLECTOR),
    key("SANDESH", "sandesh_server_keyfile", "/etc/contrail/ssl/private/server-privkey.pem", COLLECTOR),
    key("SANDESH", "sandesh_server_certfile", "/etc/contrail/ssl/certs/server.pem", COLLECTOR),
    key("SANDESH", "sandesh_ca_cert", "/etc/contrail/ssl/certs/ca-cert.pem", COLLECTOR),
    key("SANDESH", "disable_object_logs", "false", COLLECTOR),
    key("NEUTRON", "contrail_extensions_enabled", "true", Honoured("neutron_contrail_extensions")),
    key("NEUTRON", "strict_compliance", "false", Honoured("neutron_strict_compliance")),
    key("NEUTRON", "fwaas_enabled", "false", Honoured("neutron_fwaas")),
];

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

#[cfg(test)]
mod tests {
    use super::super::super::CommandLine;
    use super::*;
    use clap::CommandFactory;
    use std::{collections::BTreeSet, fmt::Write};

    fn option(field: &str) -> Option<String> {
        let program = CommandLine::command();
        let serve = program.find_subcommand("serve")?;
        let argument = serve.get_arguments().find(|argument| argument.get_id() == field)?;
        argument.get_long().map(|long| format!("`{long}`"))
    }

    /// The table of the page about settings: a line for keys that mean the same.
    fn table() -> String {
        let here = |key: &Key| match key.meaning {
            Honoured(field) => option(field).unwrap(),
            Replaced(by) => format!("replaced by {by}"),
            Ignored(why) => format!("without effect: {why}"),
            Refused(why) => format!("refused: {why}"),
        };
        let mut table = "| section | keys | here |\n|---|---|---|\n".to_owned();
        for keys in KEYS.chunk_by(|one, other| (one.section, one.meaning) == (other.section, other.meaning)) {
            let names: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
            writeln!(table, "| {} | {} | {} |", keys[0].section, names.join(", "), here(&keys[0])).unwrap();
        }
        table.push_str("| QUOTA | any type, `defaults` | `quota` |\n");
        table
    }

    #[test]
    fn keys_are_one_of_a_kind_and_lead_to_settings() {
        let mut names = BTreeSet::new();
        for key in KEYS {
            assert!(names.insert(key.name), "{} is there twice", key.name);
            assert_eq!(key.name, key.name.to_lowercase());
            if let Honoured(field) = key.meaning {
                assert!(option(field).is_some(), "{}: {field} is no setting", key.name);
            }
        }
    }

    #[test]
    fn the_page_is_current() {
        let page = include_str!("../../../docs/settings.md");
        let table = table();
        assert!(page.contains(&table), "docs/settings.md lacks this table:\n\n{table}");
    }

    #[test]
    fn the_sample_of_the_tests_has_every_key() {
        let samples = [
            include_str!("../../../tests/data/contrail/contrail-api.conf"),
            include_str!("../../../tests/data/contrail/contrail-keystone-auth.conf"),
        ];
        let names: BTreeSet<&str> =
            samples.iter().flat_map(|text| text.lines()).filter_map(|line| Some(line.split_once(" = ")?.0)).collect();
        for key in KEYS {
            assert!(names.contains(key.name), "{} is missing in tests/data/contrail", key.name);
        }
    }
}
