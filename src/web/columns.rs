//! What lists of a type show beside names: a table for types that people look at often, and something sensible for all others.

use super::{link, value};
use crate::model::{Model, ObjectType, Shape};
use maud::{Markup, html};
use serde_json::{Map, Value};
use uuid::Uuid;

/// A column.
pub struct Column {
    /// What is above it.
    pub title: String,
    /// The field of the object that it is of.
    pub field: String,
    show: Show,
}

/// How a column shows its field.
#[derive(Clone, Copy)]
enum Show {
    /// What is at this place in it; the empty text for all of it.
    Value(&'static str),
    /// What is at a place in each element of a list in it.
    Each(&'static str, &'static str),
    /// The objects referred to.
    Links,
    /// The subnets of a network: what its references to ipams say.
    Subnets,
}

/// How many links of one object are shown in a list.
const MOST_LINKS: usize = 3;
/// How many columns types have that are not in the table, beside the name.
const DEFAULT_COLUMNS: usize = 4;
/// Properties that all objects have, and the column of the time.
const COMMON: [&str; 4] = ["id_perms", "perms2", "annotations", "display_name"];

type Known = (&'static str, &'static [(&'static str, &'static str, Show)]);

/// By type: titles, fields, and what is shown of them.
static KNOWN: &[Known] = &[
    (
        "virtual-network",
        &[
            ("Subnets", "network_ipam_refs", Show::Subnets),
            ("Policies", "network_policy_refs", Show::Links),
            ("External", "router_external", Show::Value("")),
            ("Shared", "is_shared", Show::Value("")),
        ],
    ),
    (
        "virtual-machine-interface",
        &[
            ("Network", "virtual_network_refs", Show::Links),
            ("MAC address", "virtual_machine_interface_mac_addresses", Show::Each("/mac_address", "")),
            ("Device owner", "virtual_machine_interface_device_owner", Show::Value("")),
            ("Machine", "virtual_machine_refs", Show::Links),
        ],
    ),
    (
        "instance-ip",
        &[
            ("Address", "instance_ip_address", Show::Value("")),
            ("Network", "virtual_network_refs", Show::Links),
            ("Ports", "virtual_machine_interface_refs", Show::Links),
        ],
    ),
    (
        "floating-ip",
        &[
            ("Address", "floating_ip_address", Show::Value("")),
            ("Ports", "virtual_machine_interface_refs", Show::Links),
            ("Projects", "project_refs", Show::Links),
        ],
    ),
    (
        "network-policy",
        &[
            ("Rules", "network_policy_entries", Show::Each("/policy_rule", "/protocol")),
            ("Changed", "id_perms", Show::Value("/last_modified")),
        ],
    ),
    (
        "security-group",
        &[
            ("Rules", "security_group_entries", Show::Each("/policy_rule", "/protocol")),
            ("Changed", "id_perms", Show::Value("/last_modified")),
        ],
    ),
    (
        "logical-router",
        &[
            ("Ports", "virtual_machine_interface_refs", Show::Links),
            ("External network", "virtual_network_refs", Show::Links),
        ],
    ),
    (
        "network-ipam",
        &[
            ("Method", "network_ipam_mgmt", Show::Value("/ipam_method")),
            ("Subnets", "ipam_subnet_method", Show::Value("")),
        ],
    ),
    (
        "virtual-machine",
        &[("Display name", "display_name", Show::Value("")), ("Changed", "id_perms", Show::Value("/last_modified"))],
    ),
    (
        "project",
        &[("Display name", "display_name", Show::Value("")), ("Changed", "id_perms", Show::Value("/last_modified"))],
    ),
    ("routing-instance", &[("Route targets", "route_target_refs", Show::Links)]),
    (
        "tag",
        &[
            ("Type", "tag_type_name", Show::Value("")),
            ("Value", "tag_value", Show::Value("")),
            ("Id", "tag_id", Show::Value("")),
        ],
    ),
];

/// The columns of a type.
pub fn of(kind: &ObjectType) -> Vec<Column> {
    let known = KNOWN.iter().find(|(name, _)| *name == kind.name).map(|(_, columns)| *columns);
    if let Some(columns) = known {
        // An operator's model may lack some.
        let columns = columns.iter().filter(|(_, field, _)| kind.has_field(field));
        let column = |(title, field, show): &(&str, &str, Show)| Column {
            title: (*title).to_owned(),
            field: (*field).to_owned(),
            show: *show,
        };
        return columns.map(column).collect();
    }
    let is_simple = |shape: Shape| matches!(shape, Shape::Simple(_));
    let properties = kind.properties.iter();
    let properties =
        properties.filter(|property| is_simple(property.shape) && !COMMON.contains(&property.name.as_str()));
    let properties = properties.map(|property| (property.name.clone(), Show::Value("")));
    let references = kind.references.iter().filter(|reference| reference.field != "tag_refs");
    let references = references.map(|reference| (reference.field.clone(), Show::Links));
    let title = |field: &str| match field.strip_suffix("_refs") {
        Some(target) => value::words(target),
        None => value::words(field.strip_prefix(&format!("{}_", kind.field)).unwrap_or(field)),
    };
    let columns = properties.take(DEFAULT_COLUMNS - 2).chain(references.take(1));
    let mut columns: Vec<Column> =
        columns.map(|(field, show)| Column { title: value::title(&title(&field)), field, show }).collect();
    let field = "id_perms".to_owned();
    columns.push(Column { title: "Changed".to_owned(), field, show: Show::Value("/last_modified") });
    columns
}

impl Column {
    /// What stands in it for an object, as a list gives it.
    pub fn cell(&self, kind: &ObjectType, model: &Model, object: &Map<String, Value>) -> Markup {
        let Some(field) = object.get(&self.field) else { return html! {} };
        match &self.show {
            Show::Value(place) => match field.pointer(place) {
                None | Some(Value::Null) => html! {},
                Some(Value::String(text)) => html! { (link::shortened(&as_time(text))) },
                Some(found) => value::untyped(found),
            },
            Show::Each(list, place) => {
                let items = field.pointer(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let texts = items.iter().filter_map(|item| item.pointer(place));
                let texts: Vec<&str> = texts.filter_map(Value::as_str).take(MOST_LINKS).collect();
                html! { (link::shortened(&texts.join(", "))) (more(items.len())) }
            }
            Show::Links => {
                let target = kind.reference(&self.field).map(|(_, reference)| model.object_type(reference.target));
                let links = field.as_array().map(Vec::as_slice).unwrap_or_default();
                html! {
                    @if let Some(target) = target {
                        @for (index, found) in links.iter().take(MOST_LINKS).enumerate() {
                            @if index > 0 { ", " }
                            (of_link(&target.name, found))
                        }
                    }
                    (more(links.len()))
                }
            }
            Show::Subnets => {
                let links = field.as_array().map(Vec::as_slice).unwrap_or_default();
                let subnets = links.iter().filter_map(|link| link.pointer("/attr/ipam_subnets")?.as_array()).flatten();
                let subnets: Vec<String> = subnets.filter_map(|subnet| value::prefix(subnet.get("subnet")?)).collect();
                let count = subnets.len();
                let shown: Vec<String> = subnets.into_iter().take(MOST_LINKS).collect();
                html! { (shown.join(", ")) (more(count)) }
            }
        }
    }
}

fn more(count: usize) -> Markup {
    let more = count.saturating_sub(MOST_LINKS);
    html! { @if more > 0 { " and " (more) " more" } }
}

/// A link as REST tells it: `{to, uuid}`.
pub fn of_link(kind: &str, found: &Value) -> Markup {
    let uuid = found.get("uuid").and_then(Value::as_str).and_then(|uuid| Uuid::try_parse(uuid).ok());
    let name = found.get("to").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name: Vec<&str> = name.iter().filter_map(Value::as_str).collect();
    uuid.map_or_else(|| html! { (link::shortened(&name.join(":"))) }, |uuid| link::object(kind, uuid, &name))
}

/// A time as the interface tells it, without parts of seconds; anything else as it is.
pub fn as_time(text: &str) -> String {
    let is_time = text.len() >= 19 && text.as_bytes().get(10) == Some(&b'T') && text.as_bytes().get(4) == Some(&b'-');
    match text.get(..19).filter(|_| is_time) {
        Some(time) => time.replace('T', " "),
        None => text.to_owned(),
    }
}
