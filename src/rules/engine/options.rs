//! What operators set and rules depend on. All servers on one database have the same: it is kept there, by name, as texts.

use crate::model::{Model, Shape, field_name, type_name};
use clap::ValueEnum;
use std::{collections::BTreeMap, fmt, str::FromStr};

/// The settings.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// What projects may have that set no limit of their own.
    pub quota: QuotaDefaults,
    /// How wide the ids of tags are.
    pub tag_id_digits: TagIdDigits,
    /// Who writes the rules of projects.
    pub project_access_lists: ProjectAccessLists,
    /// How `OpenStack`'s networks are.
    pub neutron: NeutronOptions,
}

/// What `/neutron` depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)] // They are settings.
pub struct NeutronOptions {
    /// Whether subnets reserve no address for a service, and floating ips need a router.
    pub strict_compliance: bool,
    /// Whether answers have what Neutron does not know.
    pub contrail_extensions: bool,
    /// Whether there are groups, policies and rules of firewalls.
    pub fwaas: bool,
    /// Whether host routes of subnets become routes of the ports that they lead to.
    pub apply_subnet_host_routes: bool,
    /// Whether each new project gets the security group `default`, however it is made.
    pub default_security_group: bool,
}

impl Default for NeutronOptions {
    fn default() -> Self {
        Self {
            strict_compliance: false,
            contrail_extensions: true,
            fwaas: false,
            apply_subnet_host_routes: false,
            default_security_group: false,
        }
    }
}

/// A setting as the database keeps it.
struct Shared {
    /// The field of the command line.
    name: &'static str,
    text: fn(&Options) -> String,
    take: fn(&mut Options, &str) -> Result<(), String>,
}

/// One that is true or false.
macro_rules! flag {
    ($name:literal, $($field:ident).+) => {
        Shared {
            name: $name,
            text: |options| options.$($field).+.to_string(),
            take: |options, text| match text.parse() {
                Ok(flag) => {
                    options.$($field).+ = flag;
                    Ok(())
                }
                Err(_) => Err(format!("'{text}' is neither true nor false")),
            },
        }
    };
}

/// All of them: rules that depend on something else on another server would decide otherwise there.
const SHARED: [Shared; 8] = [
    Shared {
        name: "quota",
        text: |options| options.quota.complete().to_string(),
        take: |options, text| text.parse().map(|quota| options.quota = quota),
    },
    Shared {
        name: "tag_id_digits",
        text: |options| options.tag_id_digits.to_string(),
        take: |options, text| TagIdDigits::from_str(text, false).map(|digits| options.tag_id_digits = digits),
    },
    Shared {
        name: "project_access_lists",
        text: |options| options.project_access_lists.to_string(),
        take: |options, text| {
            ProjectAccessLists::from_str(text, false).map(|writers| options.project_access_lists = writers)
        },
    },
    flag!("neutron_strict_compliance", neutron.strict_compliance),
    flag!("neutron_contrail_extensions", neutron.contrail_extensions),
    flag!("neutron_fwaas", neutron.fwaas),
    flag!("neutron_apply_subnet_host_routes", neutron.apply_subnet_host_routes),
    flag!("neutron_default_security_group", neutron.default_security_group),
];

impl Options {
    /// Texts by the names of the settings. Settings that mean the same have the same text.
    pub fn shared(&self) -> BTreeMap<String, String> {
        SHARED.iter().map(|shared| (shared.name.to_owned(), (shared.text)(self))).collect()
    }

    /// Takes a setting from such a text.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn take(&mut self, name: &str, text: &str) -> Result<(), String> {
        match SHARED.iter().find(|shared| shared.name == name) {
            Some(shared) => (shared.take)(self, text),
            None => Err(format!("{name} is no setting that servers share")),
        }
    }
}

/// The width of the ids of tags (OSD-1): a tag is a pair of numbers, its type and its value; this is how it is written,
/// in the tag and in the firewall rules that name it. Both widths are read everywhere, as the same pair, and a server
/// rewrites what has the other width when it starts. So no tag becomes another one, whoever wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum TagIdDigits {
    /// Four for the type, four for the value: agents up to Tungsten Fabric 2024.
    #[default]
    #[value(name = "8")]
    Eight,
    /// Four for the type, eight for the value: agents of OpenSDN 2026.
    #[value(name = "12")]
    Twelve,
}

impl fmt::Display for TagIdDigits {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Eight => "8",
            Self::Twelve => "12",
        })
    }
}

/// Who may write the `api-access-list` objects of a project beside cloud admins: what roles may do there (W11).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ProjectAccessLists {
    /// Nobody.
    #[default]
    Admin,
    /// The project itself: whoever speaks for it, and may do so by its rules.
    Owner,
}

impl fmt::Display for ProjectAccessLists {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Admin => "admin",
            Self::Owner => "owner",
        })
    }
}

/// Limits by the keys of a project's quota; `defaults` is for those that have none here (QTA-2).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct QuotaDefaults(BTreeMap<String, i64>);

impl QuotaDefaults {
    /// The limit for a key; -1 is none.
    pub fn limit(&self, key: &str) -> i64 {
        self.0.get(key).or_else(|| self.0.get("defaults")).copied().unwrap_or(-1)
    }

    /// The same limits, with the one for all others.
    fn complete(&self) -> Self {
        let mut limits = self.0.clone();
        limits.entry("defaults".to_owned()).or_insert(-1);
        Self(limits)
    }

    /// As the value of a project's quota.
    pub fn value(&self) -> serde_json::Value {
        serde_json::json!(self.complete().0)
    }

    /// Checks the keys.
    ///
    /// # Errors
    /// Names the key that the quota of a project does not have.
    pub fn check(&self, model: &Model) -> Result<(), String> {
        let project = model.find(type_name::PROJECT).map(|kind| model.object_type(kind));
        let Some((_, quota)) = project.and_then(|project| project.property(field_name::QUOTA)) else { return Ok(()) };
        let Shape::Complex(keys) = quota.shape else { return Ok(()) };
        let keys = &model.complex_type(keys).fields;
        let Some(unknown) = self.0.keys().find(|key| !keys.contains_key(*key)) else { return Ok(()) };
        let known: Vec<&str> = keys.keys().map(String::as_str).collect();
        Err(format!("'{unknown}' is not in the quota of a project; what is: {}", known.join(", ")))
    }
}

impl fmt::Display for QuotaDefaults {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let limits: Vec<String> = self.0.iter().map(|(key, limit)| format!("{key}={limit}")).collect();
        formatter.write_str(&limits.join(","))
    }
}

impl FromStr for QuotaDefaults {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let limit = |part: &str| {
            let refuse = || format!("'{part}' is not like virtual_network=100 (-1 is no limit)");
            let (key, limit) = part.split_once('=').ok_or_else(refuse)?;
            let limit = limit.trim().parse::<i64>().ok().filter(|limit| *limit >= -1).ok_or_else(refuse)?;
            Ok((key.trim().to_owned(), limit))
        };
        let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(limit).collect::<Result<_, String>>().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_settings_are_shared_as_texts() {
        // A field that has no text would be missing after the way there and back.
        let all = Options {
            quota: "subnet=1,defaults=5".parse().unwrap(),
            tag_id_digits: TagIdDigits::Twelve,
            project_access_lists: ProjectAccessLists::Owner,
            neutron: NeutronOptions {
                strict_compliance: true,
                contrail_extensions: false,
                fwaas: true,
                apply_subnet_host_routes: true,
                default_security_group: true,
            },
        };
        let mut read = Options::default();
        for (name, text) in all.shared() {
            read.take(&name, &text).unwrap();
        }
        let Options { quota, tag_id_digits, project_access_lists, neutron } = read;
        assert_eq!(neutron, all.neutron);
        assert_eq!((quota, tag_id_digits), (all.quota, all.tag_id_digits));
        assert_eq!(project_access_lists, all.project_access_lists);
        let texts = |quota: &str| Options { quota: quota.parse().unwrap(), ..Options::default() }.shared();
        assert_eq!(texts(""), texts(" defaults = -1 "));
        assert_eq!(
            texts("subnet=1"),
            BTreeMap::from(
                [
                    ("quota", "defaults=-1,subnet=1"),
                    ("tag_id_digits", "8"),
                    ("project_access_lists", "admin"),
                    ("neutron_strict_compliance", "false"),
                    ("neutron_contrail_extensions", "true"),
                    ("neutron_fwaas", "false"),
                    ("neutron_apply_subnet_host_routes", "false"),
                    ("neutron_default_security_group", "false"),
                ]
                .map(|(name, text)| (name.to_owned(), text.to_owned()))
            )
        );
        let mut options = Options::default();
        assert!(options.take("quota", "subnet").unwrap_err().contains("virtual_network=100"));
        assert!(options.take("neutron_fwaas", "yes").is_err());
        assert!(options.take("tag_id_digits", "16").is_err() && options.take("other", "1").is_err());
    }

    #[test]
    fn limits_are_read_from_one_text() {
        let quota: QuotaDefaults = "virtual_network=10, defaults=500".parse().unwrap();
        assert_eq!((quota.limit("virtual_network"), quota.limit("subnet")), (10, 500));
        assert_eq!(QuotaDefaults::default().limit("subnet"), -1);
        assert!("virtual_network".parse::<QuotaDefaults>().unwrap_err().contains("virtual_network"));
        assert!("virtual_network=-2".parse::<QuotaDefaults>().is_err());
        let model = Model::embedded().unwrap();
        assert_eq!(quota.check(&model), Ok(()));
        let unknown: QuotaDefaults = "networks=1".parse().unwrap();
        let refused = unknown.check(&model).unwrap_err();
        assert!(refused.starts_with("'networks' is not in") && refused.contains(", virtual_network,"), "{refused}");
    }
}
