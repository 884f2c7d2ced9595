//! Rules of roles: which roles may do what with which types and actions (access contract 4). They stand in `api-access-list`
//! objects below the system, a domain and a project. Those of the caller's three add up: no level overrides another, and
//! nothing depends on the order of rules (RBAC-2).

use super::{Caller, Identity, Level};
use crate::{
    graph::{Graph, Object},
    model::{Model, PropertyId, TypeId, field_name, type_name},
};
use serde_json::Value;
use std::{
    borrow::Cow,
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};
use uuid::Uuid;

/// The name of the one `global-system-config` whose lists hold for everybody.
const SYSTEM: &str = "default-global-system-config";
/// As a role or an object of a rule: any.
const ANY: &str = "*";
/// Of this action the fields are the types of tags, which mean the same in any case.
pub const SET_TAG: &str = "set-tag";
/// Of how many domains and projects the rules are kept. They take no more room than the lists that they are made of.
const MOST_KEPT: usize = 4096;

/// What is done, as rules say it: a bit each (RBAC-6).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Letter {
    /// C: any POST.
    Create = 1,
    /// R: GET and HEAD.
    Read = 2,
    /// U: PUT.
    Update = 4,
    /// D: DELETE.
    Delete = 8,
}

impl Letter {
    /// All of them, as they are written.
    const ALL: [(char, Self); 4] = [('C', Self::Create), ('R', Self::Read), ('U', Self::Update), ('D', Self::Delete)];

    /// As in texts.
    pub fn name(self) -> char {
        let known = Self::ALL.iter().find(|(_, letter)| *letter == self);
        known.map_or('?', |(name, _)| *name)
    }

    /// From how rules write it: small letters are others.
    pub fn read(name: char) -> Option<Self> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, letter)| *letter)
    }
}

/// What something is done with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// What is served at this path.
    Action(&'static str),
    /// Objects of a type.
    Type(TypeId),
    /// The type of the object with this uuid; where there is none, there is nothing to be refused.
    TypeOf(Uuid),
}

impl Subject {
    /// As rules name it (RBAC-7).
    pub fn name(self, graph: &Graph) -> Option<&str> {
        let type_id = match self {
            Self::Action(name) => return Some(name),
            Self::Type(type_id) => type_id,
            Self::TypeOf(uuid) => graph.get(uuid)?.type_id,
        };
        Some(&graph.model().object_type(type_id).name)
    }
}

/// One thing that a request wants to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Question {
    /// With what.
    pub subject: Subject,
    /// What.
    pub letter: Letter,
    /// Whether nothing is changed by it, whatever the letter is (ROLE-2).
    pub reads: bool,
    /// The fields that the request names (RBAC-9).
    pub fields: Vec<String>,
}

/// All that a request wants to do; each has to be allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Questions {
    /// What its method and path say; nothing, where everybody may do it.
    own: Option<Question>,
    /// The types that it is about beside that.
    types: Vec<Question>,
}

impl Questions {
    /// With one question.
    pub fn new(question: Question) -> Self {
        Self { own: Some(question), types: Vec::new() }
    }

    /// With another one.
    #[must_use]
    pub fn and(mut self, question: Option<Question>) -> Self {
        self.types.extend(question);
        self
    }

    /// All of them.
    pub fn questions(&self) -> impl Iterator<Item = &Question> {
        self.own.iter().chain(&self.types)
    }
}

/// What rules say.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict<'a> {
    /// It may be done.
    Granted,
    /// It may not be done.
    Refused {
        /// The field that may not be named.
        field: Option<&'a str>,
    },
    /// There is no rule at all (RBAC-3).
    NoRules,
}

/// Which letters somebody has by rules for one object, or one field of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Grants {
    everybody: u8,
    /// By role, in small letters.
    roles: HashMap<Box<str>, u8>,
}

/// Roles are the same in any case (ROLE-4).
fn small(role: &str) -> Cow<'_, str> {
    if role.bytes().any(|byte| byte.is_ascii_uppercase()) {
        Cow::Owned(role.to_ascii_lowercase())
    } else {
        Cow::Borrowed(role)
    }
}

impl Grants {
    /// Adds what a rule gives. A role without a name is nobody's (ROLE-7), and letters that are none give nothing.
    fn add(&mut self, permissions: Option<&Value>) {
        for permission in permissions.and_then(Value::as_array).into_iter().flatten() {
            let text = |name: &str| permission.get(name).and_then(Value::as_str).unwrap_or_default();
            let letters = text(field_name::ROLE_CRUD).chars().filter_map(Letter::read);
            let letters = letters.fold(0, |letters, letter| letters | letter as u8);
            match text(field_name::ROLE_NAME) {
                "" => {}
                ANY => self.everybody |= letters,
                role => *self.roles.entry(small(role).into()).or_default() |= letters,
            }
        }
    }

    /// RBAC-11
    fn allow(&self, caller: &Caller, letter: Letter) -> bool {
        let has = |letters: u8| letters & letter as u8 != 0;
        let by_role = |role: &String| self.roles.get(small(role).as_ref()).copied().is_some_and(has);
        has(self.everybody) || caller.roles.iter().filter(|role| !role.is_empty()).any(by_role)
    }
}

/// What rules say of one object.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct OfObject {
    whole: Option<Grants>,
    fields: HashMap<Box<str>, Grants>,
}

/// Rules, by what they are about.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RoleRules {
    objects: HashMap<Box<str>, OfObject>,
    /// For what no rule names.
    everything: Option<Grants>,
}

impl RoleRules {
    /// Adds the rules of a list; there are none in what makes no sense (RBAC-5).
    pub fn add(&mut self, entries: &Value) {
        let rules = entries.get(field_name::RBAC_RULE).and_then(Value::as_array);
        for rule in rules.into_iter().flatten() {
            let text = |name: &str| rule.get(name).and_then(Value::as_str).unwrap_or_default();
            let grants = match (text(field_name::RULE_OBJECT), text(field_name::RULE_FIELD)) {
                ("", _) => continue,
                // A field of everything means nothing.
                (ANY, _) => self.everything.get_or_insert_default(),
                (object, "" | ANY) => self.objects.entry(object.into()).or_default().whole.get_or_insert_default(),
                (object, field) => {
                    let field = if object == SET_TAG { Cow::Owned(field.to_lowercase()) } else { Cow::Borrowed(field) };
                    self.objects.entry(object.into()).or_default().fields.entry(field.into()).or_default()
                }
            };
            grants.add(rule.get(field_name::RULE_PERMS));
        }
    }

    fn is_empty(&self) -> bool {
        self.objects.is_empty() && self.everything.is_none()
    }
}

/// The rules that hold for a caller: those of the system, of the domain and of the project (RBAC-1).
#[derive(Clone, Debug, Default)]
pub struct RulesOfCaller {
    /// In any order.
    pub levels: [Option<Arc<RoleRules>>; 3],
}

/// Whether one of these gives the letter; nothing, if there is none.
fn any<'r>(grants: impl Iterator<Item = &'r Grants>, caller: &Caller, letter: Letter) -> Option<bool> {
    grants.map(|grants| grants.allow(caller, letter)).reduce(|one, other| one || other)
}

impl RulesOfCaller {
    /// Whether somebody may do this with what is called so. Each field that has rules has to be granted by them; if others are
    /// left, or none is named, the rules without a field decide, and only where there is none those for everything (RBAC-10).
    pub fn decide<'q>(&self, caller: &Caller, object: &str, question: &'q Question) -> Verdict<'q> {
        match caller.level {
            // RBAC-8
            Level::Admin => return Verdict::Granted,
            Level::ReadAll if question.reads => return Verdict::Granted,
            Level::ReadAll | Level::Member => {}
            Level::Nobody => return Verdict::Refused { field: None },
        }
        let rules = || self.levels.iter().flatten();
        if rules().all(|rules| rules.is_empty()) {
            return Verdict::NoRules;
        }
        let of_object = || rules().filter_map(|rules| rules.objects.get(object));
        let mut is_left = question.fields.is_empty();
        for field in &question.fields {
            let of_field = of_object().filter_map(|rules| rules.fields.get(field.as_str()));
            match any(of_field, caller, question.letter) {
                None => is_left = true,
                Some(true) => {}
                Some(false) => return Verdict::Refused { field: Some(field) },
            }
        }
        if !is_left {
            return Verdict::Granted;
        }
        let whole = any(of_object().filter_map(|rules| rules.whole.as_ref()), caller, question.letter);
        let everything = || any(rules().filter_map(|rules| rules.everything.as_ref()), caller, question.letter);
        match whole.or_else(everything) {
            Some(true) => Verdict::Granted,
            Some(false) | None => Verdict::Refused { field: None },
        }
    }
}

/// The rules below one object.
struct Kept {
    /// Of all lists of the graph that was looked at last.
    version: u64,
    /// What the rules are made of.
    lists: Vec<Arc<Object>>,
    rules: Arc<RoleRules>,
}

/// The types that rules have to do with.
#[derive(Clone, Copy)]
struct Types {
    list: TypeId,
    entries: PropertyId,
    system: TypeId,
    domain: TypeId,
    project: TypeId,
}

impl Types {
    fn of(model: &Model) -> Option<Self> {
        let list = model.find(type_name::API_ACCESS_LIST)?;
        Some(Self {
            list,
            entries: model.object_type(list).property(field_name::API_ACCESS_LIST_ENTRIES)?.0,
            system: model.find(type_name::GLOBAL_SYSTEM_CONFIG)?,
            domain: model.find(type_name::DOMAIN)?,
            project: model.find(type_name::PROJECT)?,
        })
    }
}

/// The rules of the lists of a graph, or of several that follow from each other: made when somebody asks, and made anew when
/// lists of the same domain or project are others (RBAC-4).
pub struct KeptRoleRules {
    types: Option<Types>,
    kept: RwLock<HashMap<Uuid, Kept>>,
}

impl KeptRoleRules {
    /// For graphs of this model.
    pub fn new(model: &Model) -> Self {
        Self { types: Types::of(model), kept: RwLock::default() }
    }

    /// The rules that hold for a caller in a graph. Who has no domain or project, or one that is not there, has none of it (KS-4,
    /// KS-5).
    pub fn of_caller(&self, graph: &Graph, identity: &Identity) -> RulesOfCaller {
        let Some(types) = self.types else { return RulesOfCaller::default() };
        let parent = |kind: TypeId, uuid: Option<Uuid>| graph.get_of_type(kind, uuid?).map(|object| object.uuid);
        let system = graph.find_joined(types.system, SYSTEM).map(|system| system.uuid);
        let parents =
            [system, parent(types.domain, identity.domain()), parent(types.project, identity.caller.project_uuid())];
        RulesOfCaller { levels: parents.map(|parent| parent.map(|parent| self.below(types, graph, parent))) }
    }

    /// Whether a caller may do this; it may where it is about something that is not there.
    pub fn decide<'q>(&self, graph: &Graph, identity: &Identity, question: &'q Question) -> Verdict<'q> {
        if identity.is_admin() {
            return Verdict::Granted;
        }
        let Some(name) = question.subject.name(graph) else { return Verdict::Granted };
        self.of_caller(graph, identity).decide(&identity.caller, name, question)
    }

    fn below(&self, types: Types, graph: &Graph, parent: Uuid) -> Arc<RoleRules> {
        let version = graph.version_of(types.list).unwrap_or_default();
        let known = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = known.get(&parent).filter(|kept| kept.version == version) {
            return Arc::clone(&kept.rules);
        }
        drop(known);
        let lists: Vec<Arc<Object>> = graph.children_of(parent, types.list).cloned().collect();
        let same = |kept: &&mut Kept| {
            kept.lists.len() == lists.len() && kept.lists.iter().zip(&lists).all(|(one, other)| Arc::ptr_eq(one, other))
        };
        let mut known = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = known.get_mut(&parent).filter(same) {
            kept.version = version;
            return Arc::clone(&kept.rules);
        }
        drop(known);
        let mut rules = RoleRules::default();
        for entries in lists.iter().filter_map(|list| list.property(types.entries)) {
            rules.add(&entries);
        }
        let rules = Arc::new(rules);
        let mut known = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KEPT && !known.contains_key(&parent) {
            known.clear();
        }
        known.insert(parent, Kept { version, lists, rules: Arc::clone(&rules) });
        rules
    }
}

#[cfg(test)]
mod tests;
