//! contrail-api's own files, `contrail-api.conf` and `contrail-keystone-auth.conf`, read as they are (access contract 7.1 to 7.3).
//!
//! [`keys::KEYS`] says what becomes of each key. Nothing is left out in silence but what has its default or is without meaning here
//! and elsewhere: what has no effect is told at the start, in one line for all keys that have none for the same reason.

mod ini;
pub mod keys;

#[cfg(test)]
mod tests;

use super::{
    faults::{Faults, bounded},
    layers::{Given, Layer},
    origin::{Place, Source, harmless},
    settings_file::{nearest, text_of},
};
use ini::{Conf, Entry};
use keys::{KEYS, Meaning};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use std::path::PathBuf;

/// What of a URL is not escaped.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
/// The longest time that tokens are kept here, in seconds.
const MOST_CACHE_TIME: u32 = 300;
/// The section with limits by type.
const QUOTA: &str = "QUOTA";

/// What is to be told at the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// Whether somebody should do something about it.
    pub warns: bool,
    /// What there is to say.
    pub text: String,
}

/// What the files say of our settings, and what is to be told of them; `above` is what counts before them.
pub fn read(
    files: &[PathBuf],
    above: &Layer,
    told: impl Fn(&str) -> String,
    faults: &mut Faults,
) -> (Layer, Vec<Note>) {
    let mut conf = Conf::default();
    for file in files {
        match text_of(file) {
            Ok(text) => conf.read(file, &text, faults),
            Err(error) => faults.add(format!("{}: {error}", told(&file.display().to_string()))),
        }
    }
    let notes = conf.cut_comments(is_plain);
    let conf = conf.unescaped(faults);
    let whole = Place { file: files.first().cloned().unwrap_or_default(), line: 0 };
    let mut reading = Reading { conf: &conf, whole, above, faults, layer: Layer::new(), notes };
    reading.one_by_one();
    reading.listen();
    reading.access();
    reading.tls();
    reading.broker();
    reading.keepalive();
    reading.log();
    reading.quota();
    reading.tell_of_others();
    (reading.layer, reading.notes)
}

struct Reading<'a> {
    conf: &'a Conf,
    /// The first file, for what no key says.
    whole: Place,
    above: &'a Layer,
    faults: &'a mut Faults,
    layer: Layer,
    notes: Vec<Note>,
}

/// Keys that are settings as they are.
const AS_THEY_ARE: [&str; 8] = [
    "cloud_admin_role",
    "global_read_only_role",
    "max_requests",
    "max_request_size",
    "paginate_count",
    "watch_keepalive_interval",
    "amqp_timeout",
    "default_domain_id",
];
/// Those of Neutron that are true or false, and what they are called here.
const OF_NEUTRON: [(&str, &str); 4] = [
    ("apply_subnet_host_routes", "neutron_apply_subnet_host_routes"),
    ("contrail_extensions_enabled", "neutron_contrail_extensions"),
    ("strict_compliance", "neutron_strict_compliance"),
    ("fwaas_enabled", "neutron_fwaas"),
];

impl<'a> Reading<'a> {
    /// A key that has a value.
    fn entry(&self, key: &str) -> Option<(&'a Entry, &'a str)> {
        let entry = self.conf.get(key)?;
        let value = entry.value.as_deref().filter(|value| !value.is_empty() && *value != "None")?;
        Some((entry, value))
    }

    fn text(&self, key: &str) -> Option<&'a str> {
        self.entry(key).map(|(_, value)| value)
    }

    fn set(&mut self, field: &str, value: impl Into<String>, entry: &Entry) {
        self.set_by(field, value, entry.place.clone(), &entry.key);
    }

    fn set_by(&mut self, field: &str, value: impl Into<String>, place: Place, key: &str) {
        let given = Given { values: vec![value.into().into()], source: Source::Conf(place, key.to_owned()) };
        self.layer.insert(field.to_owned(), given);
    }

    /// Takes a key as it is.
    fn take(&mut self, key: &str, field: &str) {
        if let Some((entry, value)) = self.entry(key) {
            self.set(field, value, entry);
        }
    }

    fn note(&mut self, warns: bool, text: String) {
        self.notes.push(Note { warns, text: bounded(text) });
    }

    /// What counts of a setting, files of contrail-api's included.
    fn effective(&self, field: &str) -> Option<String> {
        self.above.get(field).or_else(|| self.layer.get(field)).map(Given::text)
    }

    /// Whether a key is switched on; what is neither yes nor no is a fault.
    fn is_on(&mut self, key: &str) -> Option<bool> {
        let (entry, value) = self.entry(key)?;
        let is_on = truth(value);
        if is_on.is_none() {
            self.faults.add(format!("{}: {key} = {}: true or false is expected", entry.place, harmless(value)));
        }
        is_on
    }

    fn one_by_one(&mut self) {
        for key in AS_THEY_ARE {
            self.take(key, key);
        }
        for (key, field) in OF_NEUTRON {
            if let Some(is_on) = self.is_on(key)
                && let Some((entry, _)) = self.entry(key)
            {
                self.set(field, is_on.to_string(), entry);
            }
        }
    }

    /// Where to listen. contrail-api's default counts, which is everywhere: who comes from other machines finds the server, or, where
    /// nobody is asked who it is, learns at the start that this has to be said.
    fn listen(&mut self) {
        let (address, port) = (self.entry("listen_ip_addr"), self.entry("listen_port"));
        let host = address.map_or("0.0.0.0", |(_, address)| address);
        let host = if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host.to_owned() };
        let value = format!("{host}:{}", port.map_or("8082", |(_, port)| port));
        if let Some((entry, _)) = address.or(port) {
            self.set("listen", value, entry);
        } else {
            let whole = self.whole.clone();
            self.set_by("listen", value, whole, "without listen_ip_addr and listen_port");
        }
    }

    /// Who may ask (MODE-1 to MODE-4).
    fn access(&mut self) {
        let auth = self.entry("auth");
        let by_keystone = match auth.map(|(entry, value)| (entry, value.to_lowercase())) {
            None => false,
            Some((_, value)) if value == "noauth" || value == "no-auth" => false,
            Some((_, value)) if value == "keystone" => true,
            Some((entry, value)) => {
                let text =
                    format!("{}: auth = {}: keystone, noauth or no-auth is expected", entry.place, harmless(&value));
                return self.faults.add_unknown("aaa_mode", text);
            }
        };
        let said = self.mode();
        if by_keystone {
            match said.or(auth.map(|(entry, _)| (entry, "cloud-admin".to_owned()))) {
                Some((entry, mode)) => self.set("aaa_mode", mode, entry),
                None => return,
            }
        } else {
            let (place, key) = match auth {
                Some((entry, _)) => (entry.place.clone(), "auth"),
                None => (self.whole.clone(), "without auth = keystone"),
            };
            self.set_by("aaa_mode", "no-auth", place, key);
            if let Some((entry, mode)) = said.filter(|(_, mode)| mode != "no-auth") {
                let text = format!(
                    "{}: {} ({mode}) has no effect without auth = keystone, as in contrail-api: whoever reaches the server may do \
                     everything",
                    entry.place, entry.key
                );
                self.note(true, text);
            }
        }
        let mode = self.effective("aaa_mode").unwrap_or_default();
        match (by_keystone, mode.as_str()) {
            (true, "no-auth") => {
                self.note(false, "[KEYSTONE] is not used: nobody is asked for a token (no-auth)".to_owned());
            }
            (true, _) => self.keystone(),
            (false, _) => {
                if let Some((entry, _)) = ["auth_url", "auth_host", "admin_user"].iter().find_map(|key| self.entry(key))
                {
                    self.note(
                        true,
                        format!("{}: [KEYSTONE] is not used without auth = keystone in [DEFAULTS]", entry.place),
                    );
                }
            }
        }
    }

    fn mode(&mut self) -> Option<(&'a Entry, String)> {
        if let Some((entry, value)) = self.entry("aaa_mode") {
            if ["no-auth", "cloud-admin", "rbac"].contains(&value) {
                return Some((entry, value.to_owned()));
            }
            let text =
                format!("{}: aaa_mode = {}: no-auth, cloud-admin or rbac is expected", entry.place, harmless(value));
            self.faults.add_unknown("aaa_mode", text);
            return None;
        }
        let is_on = self.is_on("multi_tenancy")?;
        let (entry, _) = self.entry("multi_tenancy")?;
        Some((entry, if is_on { "cloud-admin" } else { "no-auth" }.to_owned()))
    }

    fn keystone(&mut self) {
        self.keystone_url();
        for (key, field) in [
            ("admin_user", "keystone_user"),
            ("admin_password", "keystone_password"),
            ("user_domain_name", "keystone_user_domain"),
            ("user_domain_id", "keystone_user_domain_id"),
            ("interface", "keystone_interface"),
            ("region_name", "keystone_region"),
        ] {
            self.take(key, field);
        }
        for (key, fields) in [
            ("admin_user", &["keystone_user"] as &[&str]),
            ("admin_password", &["keystone_password", "keystone_password_file"]),
        ] {
            if self.text(key).is_none() && !fields.iter().any(|field| self.above.contains_key(*field)) {
                let place = self.entry("auth").map_or_else(|| self.whole.clone(), |(entry, _)| entry.place.clone());
                self.faults.add(format!("{place}: auth = keystone needs {key} in [KEYSTONE]"));
            }
        }
        self.keystone_scope();
        self.keystone_trust();
        if let Some(is_on) = self.is_on("keystone_sync_on_demand")
            && let Some((entry, _)) = self.entry("keystone_sync_on_demand")
        {
            self.set("keystone_sync_on_demand", is_on.to_string(), entry);
        }
        self.cache_time();
        // It is never opened unasked, and on loopback only (ADM-1).
        if let Some((entry, port)) = self.entry("admin_port") {
            self.set("admin_listen", format!("127.0.0.1:{port}"), entry);
            self.take("admin_user", "admin_user");
            self.take("admin_password", "admin_password");
        }
    }

    fn keystone_url(&mut self) {
        let (entry, url) = match (self.entry("auth_url"), self.entry("auth_host")) {
            (Some((entry, url)), _) => (entry, url.to_owned()),
            (None, Some((entry, host))) => {
                let protocol = self.text("auth_protocol").unwrap_or("http");
                (entry, format!("{protocol}://{host}:{}/v3", self.text("auth_port").unwrap_or("35357")))
            }
            (None, None) => {
                if !self.above.contains_key("keystone_url") {
                    let place = self.entry("auth").map_or_else(|| self.whole.clone(), |(entry, _)| entry.place.clone());
                    self.faults.add(format!("{place}: auth = keystone needs auth_url, or auth_host, in [KEYSTONE]"));
                }
                return;
            }
        };
        let version_3 = with_version_3(&url);
        if version_3 != url.trim_end_matches('/') && !url.contains('@') && !url.contains('?') {
            self.note(false, format!("{}: {} = {url}: {version_3} is asked", entry.place, entry.key));
        }
        self.set("keystone_url", version_3, entry);
    }

    /// The project in which the account has its role, if its domain is named; else a domain (access contract 2.2).
    fn keystone_scope(&mut self) {
        let in_project = self.text("project_domain_name").is_some() || self.text("project_domain_id").is_some();
        if in_project {
            let key = if self.text("project_name").is_some() { "project_name" } else { "admin_tenant_name" };
            self.take(key, "keystone_project");
            self.take("project_domain_name", "keystone_project_domain");
            self.take("project_domain_id", "keystone_project_domain_id");
            return;
        }
        self.take("domain_name", "keystone_domain");
        self.take("domain_id", "keystone_domain_id");
        if let Some((entry, value)) = self.entry("admin_tenant_name").or_else(|| self.entry("project_name")) {
            let text = format!(
                "{}: {} = {value} has no effect without project_domain_name: the account logs in to a domain, as in contrail-api",
                entry.place, entry.key
            );
            self.note(true, text);
        }
    }

    /// contrail-api looks at no certificate unless it is told to; here it is the other way round.
    fn keystone_trust(&mut self) {
        if self.is_on("insecure") == Some(true) {
            if let Some((entry, _)) = self.entry("insecure") {
                self.set("keystone_insecure", "true", entry);
            }
            if let Some((entry, _)) = self.entry("cafile") {
                self.note(true, format!("{}: cafile has no effect with insecure = true", entry.place));
            }
            return;
        }
        self.take("cafile", "keystone_ca_file");
    }

    fn cache_time(&mut self) {
        let Some((entry, value)) = self.entry("token_cache_time") else { return };
        let seconds = match value.parse::<i64>() {
            Ok(-1) => "0".to_owned(),
            Ok(seconds) if seconds > i64::from(MOST_CACHE_TIME) => {
                self.note(
                    true,
                    format!(
                        "{}: token_cache_time = {value}: tokens are kept for {MOST_CACHE_TIME} seconds at most",
                        entry.place
                    ),
                );
                MOST_CACHE_TIME.to_string()
            }
            _ => value.to_owned(),
        };
        self.set("keystone_token_cache_time", seconds, entry);
    }

    /// TLS-1.
    fn tls(&mut self) {
        if self.is_on("config_api_ssl_enable") != Some(true) {
            return;
        }
        for (key, field) in [("config_api_ssl_certfile", "tls_certificate"), ("config_api_ssl_keyfile", "tls_key")] {
            self.take(key, field);
            if self.text(key).is_none() && !self.above.contains_key(field) {
                let place = self
                    .entry("config_api_ssl_enable")
                    .map_or_else(|| self.whole.clone(), |(entry, _)| entry.place.clone());
                self.faults.add(format!("{place}: config_api_ssl_enable = true needs {key}"));
            }
        }
    }

    /// Where message brokers are. Changes are sent if `rabbit_server` is there.
    fn broker(&mut self) {
        let Some((entry, servers)) = self.entry("rabbit_server") else {
            let others = ["rabbit_user", "rabbit_password", "rabbit_port", "rabbit_vhost"];
            if let Some((entry, _)) = others.iter().find_map(|key| self.entry(key)) {
                self.note(
                    true,
                    format!("{}: {} has no effect without rabbit_server: no changes are sent", entry.place, entry.key),
                );
            }
            return;
        };
        let speaks_tls = self.is_on("rabbit_use_ssl") == Some(true);
        let escaped = |text: &str| utf8_percent_encode(text, PLAIN).to_string();
        let of = |key: &str, default: &'static str| escaped(self.text(key).unwrap_or(default));
        let account = format!("{}:{}", of("rabbit_user", "guest"), of("rabbit_password", "guest"));
        let (vhost, scheme) = (of("rabbit_vhost", "/"), if speaks_tls { "amqps" } else { "amqp" });
        let port = self.text("rabbit_port").unwrap_or("5672");
        let url = |server: &str| {
            let place = match server.rsplit_once(':') {
                Some((host, _)) if !host.contains(':') || host.ends_with(']') => server.to_owned(),
                Some(_) if !server.starts_with('[') => format!("[{server}]:{port}"),
                _ => format!("{server}:{port}"),
            };
            format!("{scheme}://{account}@{place}/{vhost}")
        };
        let servers =
            servers.split(|letter: char| letter == ',' || letter.is_whitespace()).filter(|server| !server.is_empty());
        let urls = servers.map(url).collect::<Vec<_>>().join(",");
        self.set("amqp_url", urls, entry);
        if speaks_tls {
            self.take("kombu_ssl_ca_certs", "amqp_ca_file");
            self.take("kombu_ssl_certfile", "amqp_certificate");
            self.take("kombu_ssl_keyfile", "amqp_key");
        }
    }

    fn keepalive(&mut self) {
        let keys =
            ["tcp_keepalive_enable", "tcp_keepalive_idle_time", "tcp_keepalive_interval", "tcp_keepalive_probes"];
        let Some((entry, _)) = keys.iter().find_map(|key| self.entry(key)) else { return };
        let of = |key: &str, default: &'static str| self.text(key).unwrap_or(default).to_owned();
        let [_, idle, interval, probes] = keys;
        let numbers = format!("{},{},{}", of(idle, "7200"), of(interval, "75"), of(probes, "9"));
        let is_off = self.is_on("tcp_keepalive_enable") == Some(false);
        self.set("tcp_keepalive", if is_off { "off".to_owned() } else { numbers }, entry);
    }

    fn log(&mut self) {
        let Some((entry, level)) = self.entry("log_level") else { return };
        let filter = match level {
            "SYS_EMERG" | "SYS_ALERT" | "SYS_CRIT" | "SYS_ERR" => "error",
            "SYS_WARN" => "warn",
            // As by default.
            "SYS_NOTICE" | "SYS_INFO" => return,
            "SYS_DEBUG" => "info,sqlx=warn,actix_server=warn,cirrus=debug",
            _ => {
                let levels = "SYS_EMERG, SYS_ALERT, SYS_CRIT, SYS_ERR, SYS_WARN, SYS_NOTICE, SYS_INFO or SYS_DEBUG";
                return self.faults.add(format!(
                    "{}: log_level = {}: {levels} is expected",
                    entry.place,
                    harmless(level)
                ));
            }
        };
        self.set("log", filter, entry);
    }

    /// QTA-2.
    fn quota(&mut self) {
        let mut limits = Vec::new();
        let mut first = None;
        for entry in self.conf.section(QUOTA) {
            let Some(value) = entry.value.as_deref().filter(|value| !value.is_empty()) else { continue };
            if value.parse::<i64>().is_ok_and(|limit| limit >= -1) {
                limits.push(format!("{}={value}", entry.key));
                first.get_or_insert(entry);
            } else {
                let text = format!(
                    "{}: {} = {}: a whole number is expected, -1 for no limit",
                    entry.place,
                    entry.key,
                    harmless(value)
                );
                self.faults.add(text);
            }
        }
        if let Some(entry) = first {
            let key = format!("[{QUOTA}]");
            self.set_by("quota", limits.join(","), entry.place.clone(), &key);
        }
    }

    /// What has no effect, why, and what would.
    fn tell_of_others(&mut self) {
        let mut told: Vec<(String, Vec<String>)> = Vec::new();
        let mut add = |why: String, key: String| match told.iter_mut().find(|(other, _)| *other == why) {
            Some((_, keys)) => keys.push(key),
            None => told.push((why, vec![key])),
        };
        let mut unknown = Vec::new();
        for (section, entry) in self.conf.all() {
            let Some(value) = entry.value.as_deref().filter(|_| section != QUOTA) else { continue };
            let name = format!("{} ({})", entry.key, entry.place);
            let known = keys::find(&entry.key).filter(|_| is_known(section));
            let is_default = |default: &str| value.is_empty() || value == "None" || value.eq_ignore_ascii_case(default);
            match known.map(|known| (known.meaning, known.default)) {
                Some((Meaning::Honoured(_), _)) => {}
                Some((_, default)) if is_default(default) => {}
                Some((Meaning::Refused(_), "false")) if truth(value) == Some(false) => {}
                Some((Meaning::Refused(why), _)) => {
                    self.faults.add(format!("{}: {} = {}: {why}", entry.place, entry.key, harmless(value)));
                }
                Some((Meaning::Replaced(by), _)) => add(format!("replaced by {by}"), name),
                Some((Meaning::Ignored(why), _)) => add(why.to_owned(), name),
                None => {
                    let meant =
                        nearest(&entry.key, KEYS.iter().map(|key| key.name)).filter(|meant| *meant != entry.key);
                    let meant = meant.map(|meant| format!("; is {meant} meant?")).unwrap_or_default();
                    let place = if is_known(section) { String::new() } else { format!(" of [{section}]") };
                    unknown.push(format!(
                        "{}: {}{place} is no key of contrail-api, and has no effect{meant}",
                        entry.place, entry.key
                    ));
                }
            }
        }
        for (why, keys) in told {
            self.notes.push(Note { warns: false, text: format!("without effect here: {}: {why}", keys.join(", ")) });
        }
        self.notes.extend(unknown.into_iter().map(|text| Note { warns: true, text: bounded(text) }));
    }
}

/// Whether contrail-api reads this section.
fn is_known(section: &str) -> bool {
    section == "DEFAULT" || KEYS.iter().any(|key| key.section == section)
}

/// Whether the values of a key are numbers, yes or no, or addresses: nothing of them can be a comment.
fn is_plain(section: &str, key: &str) -> bool {
    let ends = ["_port", "_ip_addr", "_host", "_url"];
    let is_of_default = |default: &str| default.parse::<i64>().is_ok() || truth(default).is_some();
    section == QUOTA
        || ends.iter().any(|end| key.ends_with(end))
        || key == "rabbit_server"
        || keys::find(key).is_some_and(|known| is_of_default(known.default))
}

/// As Python's `ConfigParser` understands it.
fn truth(value: &str) -> Option<bool> {
    match value.to_lowercase().as_str() {
        "true" | "yes" | "on" | "1" => Some(true),
        "false" | "no" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// The same Keystone in version 3 (access contract 2.3).
fn with_version_3(url: &str) -> String {
    let url = url.trim_end_matches('/');
    let (before, last) = url.rsplit_once('/').unwrap_or((url, ""));
    match last {
        "v3" => url.to_owned(),
        last if last == "v2" || last.starts_with("v2.") => format!("{before}/v3"),
        _ => format!("{url}/v3"),
    }
}
