//! Who may ask, and how it is found out who it is.

use super::{ServeSettings, value};
use crate::access::AaaMode;
use clap::Args;
use std::{net::SocketAddr, path::PathBuf};

/// Who may ask, and how it is found out who it is (contrail-api R21, access contract 7.2).
#[derive(Args, Debug, Clone)]
pub struct AccessSettings {
    /// Who may do what: with `no-auth` everybody may do everything, with `cloud-admin` only cloud admins may do anything, with
    /// `rbac` others may do what their roles and the owners of objects allow. The last two need tokens (--keystone-url, --token-file,
    /// --jwt-issuer)
    #[arg(long, env = "CIRRUS_AAA_MODE", value_name = "MODE", value_enum, default_value_t = AaaMode::NoAuth)]
    pub aaa_mode: AaaMode,

    /// The role of those who may do everything
    #[arg(long, env = "CIRRUS_CLOUD_ADMIN_ROLE", value_name = "ROLE", default_value = "admin", value_parser = value::name)]
    pub cloud_admin_role: String,

    /// The role of those who may read everything; without it nobody may for a role
    #[arg(long, env = "CIRRUS_GLOBAL_READ_ONLY_ROLE", value_name = "ROLE")]
    pub global_read_only_role: Option<String>,

    /// Let everybody who reaches the server do everything. Without authentication (--aaa-mode no-auth) it listens on loopback
    /// only, unless this is said
    #[arg(long, env = "CIRRUS_OPEN")]
    pub open: bool,

    /// A file of tokens, with a line for each that `cirrus token new` has printed. It is read again when it changes
    #[arg(long, env = "CIRRUS_TOKEN_FILE", value_name = "FILE")]
    pub token_file: Option<PathBuf>,

    /// Which domain of tokens is the one that is called default-domain here
    #[arg(long, env = "CIRRUS_DEFAULT_DOMAIN_ID", value_name = "ID", default_value = "default", value_parser = value::name)]
    pub default_domain_id: String,

    /// Answer reads of what the caller may not read with 404, as if it was not there, and not with 403. Clients that tell one from
    /// the other (Neutron's plug-in) need the 403
    #[arg(long, env = "CIRRUS_HIDE_FORBIDDEN")]
    pub hide_forbidden: bool,

    /// How many requests a minute may come from one address with tokens that are nobody's; to more of them the answer is 429
    #[arg(long, env = "CIRRUS_FAILED_AUTHENTICATIONS", value_name = "REQUESTS", default_value = "20",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub failed_authentications: u32,
}

impl ServeSettings {
    /// Checks that nobody is let in by oversight (MODE-1, MODE-4).
    ///
    /// # Errors
    /// Names the settings that are in the way of each other.
    pub fn check_access(&self) -> Result<(), String> {
        let access = &self.access;
        let mode = self.told("aaa_mode", access.aaa_mode.name());
        if access.aaa_mode != AaaMode::NoAuth {
            let has_source =
                access.token_file.is_some() || self.keystone.keystone_url.is_some() || self.jwt.jwt_issuer.is_some();
            if !has_source {
                return Err(format!(
                    "{mode} needs to know whose tokens are: say with --keystone-url (CIRRUS_KEYSTONE_URL), --token-file \
                     (CIRRUS_TOKEN_FILE) or --jwt-issuer (CIRRUS_JWT_ISSUER)"
                ));
            }
            if access.open {
                tracing::warn!("{} has no effect with {mode}: callers have to say who they are", self.told_open());
            }
            return Ok(());
        }
        let file = access.token_file.as_ref().map(|file| self.told("token_file", file.display()));
        let keystone = self.keystone.keystone_url.as_ref().map(|url| self.told("keystone_url", url));
        let issuer = self.jwt.jwt_issuer.as_ref().map(|issuer| self.told("jwt_issuer", issuer));
        if let Some(source) = file.or(keystone).or(issuer) {
            return Err(format!(
                "{source} is of no use with {mode}, which asks nobody for a token: say --aaa-mode rbac"
            ));
        }
        if is_loopback(self.listen) || access.open {
            return Ok(());
        }
        let listen = self.told("listen", self.listen);
        Err(format!(
            "{listen} is reached from other machines, and with {mode} the server asks nobody who it is: it listens on loopback \
             only, like 127.0.0.1. Say --aaa-mode rbac with --token-file; or say --open (CIRRUS_OPEN=true) if everybody who \
             reaches it may read, change and delete everything"
        ))
    }

    /// What is to be told at the start of a server that lets everybody do everything, from anywhere.
    pub fn is_open(&self) -> bool {
        self.access.aaa_mode == AaaMode::NoAuth && !is_loopback(self.listen)
    }

    fn told_open(&self) -> String {
        self.told("open", "").trim_end().to_owned()
    }
}

/// Whether only this machine reaches it.
pub(super) fn is_loopback(address: SocketAddr) -> bool {
    address.ip().to_canonical().is_loopback()
}

#[cfg(test)]
mod tests {
    use super::super::{Command, CommandLine};

    fn check(arguments: &[&str]) -> Result<(), String> {
        match CommandLine::of(&[&["cirrus", "serve"], arguments].concat()).unwrap().command {
            Command::Serve(settings) => settings.check_access(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn mode_4_without_authentication_it_listens_on_loopback_only() {
        for listen in ["127.0.0.1:0", "127.1.2.3:1", "[::1]:8082", "[::ffff:127.0.0.1]:1"] {
            assert_eq!(check(&["--listen", listen]), Ok(()), "{listen}");
        }
        for listen in ["0.0.0.0:8082", "[::]:8082", "192.0.2.7:1", "[::ffff:192.0.2.7]:1"] {
            let refused = check(&["--listen", listen]).unwrap_err();
            for part in ["--listen ", "--aaa-mode no-auth (the default)", "--token-file", "--open (CIRRUS_OPEN=true)"] {
                assert!(refused.contains(part), "{listen}: '{part}' is expected in {refused}");
            }
            assert_eq!(check(&["--listen", listen, "--open"]), Ok(()), "{listen}");
            assert_eq!(check(&["--listen", listen, "--aaa-mode", "rbac", "--token-file", "t"]), Ok(()), "{listen}");
        }
    }

    #[test]
    fn mode_1_modes_that_need_tokens_need_a_source_of_them() {
        for mode in ["cloud-admin", "rbac"] {
            let refused = check(&["--aaa-mode", mode]).unwrap_err();
            assert!(
                refused.starts_with(&format!("--aaa-mode {mode} needs")) && refused.contains("--token-file"),
                "{refused}"
            );
            assert!(check(&["--aaa-mode", mode, "--open"]).is_err());
            assert_eq!(check(&["--aaa-mode", mode, "--token-file", "t", "--open"]), Ok(()));
        }
        assert_eq!(check(&["--aaa-mode", "rbac", "--keystone-url", "http://keystone:5000/v3"]), Ok(()));
        let refused = check(&["--keystone-url", "http://keystone:5000/v3"]).unwrap_err();
        assert!(refused.starts_with("--keystone-url http://keystone:5000/v3 is of no use"), "{refused}");
        let issuer = ["--jwt-issuer", "https://id.example", "--jwt-audience", "cirrus"];
        assert_eq!(check(&[&["--aaa-mode", "rbac"], issuer.as_slice()].concat()), Ok(()));
        let refused = check(&issuer).unwrap_err();
        assert!(refused.starts_with("--jwt-issuer https://id.example is of no use"), "{refused}");
        let refused = check(&["--token-file", "t"]).unwrap_err();
        assert!(
            refused.contains("--token-file t") && refused.contains("--aaa-mode no-auth (the default)"),
            "{refused}"
        );
    }

    #[test]
    fn mode_2_there_are_three_modes() {
        for bad in ["", "cloud-admin-only", "RBAC", "keystone"] {
            assert!(CommandLine::of(&["cirrus", "serve", "--aaa-mode", bad]).is_err(), "{bad}");
        }
        assert!(CommandLine::of(&["cirrus", "serve", "--cloud-admin-role", " "]).is_err());
    }
}
