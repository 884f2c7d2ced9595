//! What is served: each resource with its operations (NEU-ENV-1, NEU-ENV-2). A resource is one value, in the file of its name.

use super::{
    firewall_group, firewall_policy, firewall_rule, floatingip, ipam, nat_instance, network, policy, port,
    refused::Answered, route_table, router, security_group, security_group_rule, subnet, tags, trunk, turn::Turn,
    view::View, virtual_router,
};
use serde_json::Value;

/// What may be asked for, as the context says it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verb {
    /// A new one.
    Create,
    /// One, by its id.
    Read,
    /// A change of one.
    Update,
    /// The end of one.
    Delete,
    /// A list.
    ReadAll,
    /// How long that list is.
    ReadCount,
    /// A router gets an interface.
    AddInterface,
    /// A router loses an interface.
    DelInterface,
    /// A trunk gets ports.
    AddSubports,
    /// A trunk loses ports.
    RemoveSubports,
    /// All tags of an object go.
    DeleteAll,
    /// A firewall policy gets a rule, or has it elsewhere.
    InsertRule,
    /// A firewall policy loses a rule.
    RemoveRule,
}

impl Verb {
    /// As the context says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Read => "READ",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::ReadAll => "READALL",
            Self::ReadCount => "READCOUNT",
            Self::AddInterface => "ADDINTERFACE",
            Self::DelInterface => "DELINTERFACE",
            Self::AddSubports => "ADD_SUBPORTS",
            Self::RemoveSubports => "REMOVE_SUBPORTS",
            Self::DeleteAll => "DELETEALL",
            Self::InsertRule => "INSERT_RULE",
            Self::RemoveRule => "REMOVE_RULE",
        }
    }
}

/// Answers of a list, made as they are asked for.
pub type Answers<'v> = Box<dyn Iterator<Item = Value> + 'v>;

/// A list.
#[derive(Debug)]
pub struct List {
    /// What filters may name: all fields of an answer, but for those that `candidates` compares by itself.
    pub fields: &'static [&'static str],
    /// The answers that may be wanted: what the tenant sees (an admin: everything that may be read), narrowed by the filters that there
    /// is a short way for. All filters that name a field are compared afterwards.
    pub candidates: for<'v> fn(&View<'v>) -> Answered<Answers<'v>>,
    /// What has to be there before the list is made: none, if nothing is missing.
    pub first: Option<First>,
}

/// What a list makes that is missing.
#[derive(Clone, Copy, Debug)]
pub struct First {
    /// Whether it is missing.
    pub is_missing: fn(&View<'_>) -> bool,
    /// Makes it; the answer is not looked at.
    pub make: fn(&mut Turn<'_>) -> Answered<Value>,
}

/// How an operation is done.
#[derive(Clone, Copy, Debug)]
pub enum Does {
    /// It changes something: decided by the writer, on one fork. Null is answered with an empty body.
    Writes(Write),
    /// It reads, from one snapshot.
    Reads(Read),
    /// It lists.
    Lists(&'static List),
    /// It counts what that list has (NEU-GEN-9).
    Counts(&'static List),
}

/// What changes something on one fork.
type Write = fn(&mut Turn<'_>) -> Answered<Value>;
/// What reads from one snapshot.
type Read = fn(&View<'_>) -> Answered<Value>;

/// What most resources can be asked for (NEU-ENV-2).
pub const fn usual(create: Write, read: Read, update: Write, delete: Write, list: &'static List) -> [(Verb, Does); 6] {
    [
        (Verb::Create, Does::Writes(create)),
        (Verb::Read, Does::Reads(read)),
        (Verb::Update, Does::Writes(update)),
        (Verb::Delete, Does::Writes(delete)),
        (Verb::ReadAll, Does::Lists(list)),
        (Verb::ReadCount, Does::Counts(list)),
    ]
}

/// A resource.
#[derive(Debug)]
pub struct Resource {
    /// Where it is served: `/neutron/<name>`.
    pub path: &'static str,
    /// What it is here, for the documentation.
    pub meaning: &'static str,
    /// Whether it is there only with `--neutron-fwaas`.
    pub needs_fwaas: bool,
    /// What it can be asked for.
    pub operations: &'static [(Verb, Does)],
    /// A request that may be sent as it is, for the documentation: operation, and what is in `data`.
    pub example: (Verb, &'static str),
}

/// Where all of them are.
const ROOT: &str = "/neutron/";

/// All resources.
pub static RESOURCES: &[&Resource] = &[
    &network::RESOURCE,
    &subnet::RESOURCE,
    &port::RESOURCE,
    &trunk::RESOURCE,
    &security_group::RESOURCE,
    &security_group_rule::RESOURCE,
    &router::RESOURCE,
    &floatingip::RESOURCE,
    &tags::RESOURCE,
    &policy::RESOURCE,
    &ipam::RESOURCE,
    &route_table::RESOURCE,
    &nat_instance::RESOURCE,
    &virtual_router::RESOURCE,
    &firewall_group::RESOURCE,
    &firewall_policy::RESOURCE,
    &firewall_rule::RESOURCE,
];

impl Resource {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.path.strip_prefix(ROOT).unwrap_or(self.path)
    }
}

/// The resource of this name.
pub fn find(name: &str) -> Option<&'static Resource> {
    RESOURCES.iter().copied().find(|resource| resource.name() == name)
}

/// Whether a request with this body changes nothing, whatever is there.
pub fn only_reads(name: &str, body: Option<&Value>) -> bool {
    let verb = body.and_then(|body| body.pointer("/context/operation")).and_then(Value::as_str);
    let operations = find(name).into_iter().flat_map(|resource| resource.operations);
    let mut meant = operations.filter(|(known, _)| Some(known.name()) == verb);
    meant.next().is_some_and(|(_, does)| !matches!(does, Does::Writes(_)))
}
