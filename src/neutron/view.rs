//! What is there, as a request may see it: on a snapshot, or on the fork on which it is decided. Everything is read with the rights
//! of who asks (NEU-ENV-4).

use super::{
    envelope::{Request, uuid_of},
    exception::Exception,
    refused::Answered,
};
use crate::{
    access::{
        Identity, Right,
        role_rules::{KeptRoleRules, Letter, Question, Questions, Subject},
    },
    graph::{Grantee, Graph, Link, Object},
    model::{ObjectType, TypeId, field_name, type_name},
    rules::{NeutronOptions, Rejection, asked, check_right},
};
use serde_json::{Map, Value};
use std::{collections::HashSet, sync::Arc};
use uuid::Uuid;

/// A state of everything, and who looks at it.
#[derive(Clone, Copy)]
pub struct View<'v> {
    /// What is there.
    pub graph: &'v Graph,
    /// Who looks.
    pub identity: &'v Identity,
    /// What roles may do.
    pub role_rules: &'v KeptRoleRules,
    /// What operators set.
    pub options: &'v NeutronOptions,
    /// What for.
    pub request: &'v Request,
}

/// What a request asks of the rules of roles about a type.
fn question(type_id: TypeId, letter: Letter, fields: Vec<String>) -> Questions {
    Questions::new(Question { subject: Subject::Type(type_id), letter, reads: letter == Letter::Read, fields })
}

impl<'v> View<'v> {
    /// The id of a type of the model.
    ///
    /// # Errors
    /// Internal, if the model lacks it.
    pub fn type_id(&self, name: &str) -> Answered<TypeId> {
        let missing = || Rejection::internal(format!("the data model has no type {name}"));
        Ok(self.graph.model().find(name).ok_or_else(missing)?)
    }

    /// The type of an object.
    pub fn type_of(&self, object: &Object) -> &'v ObjectType {
        self.graph.model().object_type(object.type_id)
    }

    /// Asks the rules of roles.
    ///
    /// # Errors
    /// 403
    pub fn ask(&self, type_id: TypeId, letter: Letter, fields: Vec<String>) -> Answered<()> {
        if self.identity.is_admin() {
            return Ok(());
        }
        Ok(asked::check(self.role_rules, self.graph, self.identity, &question(type_id, letter, fields))?)
    }

    /// The object of a type with an id; none if there is none, or it may not be read.
    pub fn readable(&self, type_id: TypeId, uuid: Uuid) -> Option<&'v Arc<Object>> {
        self.graph.get_of_type(type_id, uuid).filter(|object| self.identity.may_read(object))
    }

    /// The object of a type with an id, as given, with dashes or without.
    ///
    /// # Errors
    /// `missing` if there is none; 403 if it may not be read, or the same as for none where the operator says so.
    pub fn find(
        &self,
        type_name: &str,
        id: &str,
        missing: impl FnOnce(Value) -> Exception,
    ) -> Answered<&'v Arc<Object>> {
        self.find_if_there(type_name, id)?.ok_or_else(|| missing(id.into()).into())
    }

    /// The same, and none if there is none.
    ///
    /// # Errors
    /// 403 if it may not be read, unless the operator says that this is as if there were none.
    pub fn find_if_there(&self, type_name: &str, id: &str) -> Answered<Option<&'v Arc<Object>>> {
        let type_id = self.type_id(type_name)?;
        self.ask(type_id, Letter::Read, Vec::new())?;
        let Some(object) = uuid_of(id).and_then(|uuid| self.graph.get_of_type(type_id, uuid)) else { return Ok(None) };
        if self.request.hides_forbidden && !self.identity.may_read(object) {
            return Ok(None);
        }
        check_right(self.identity, Right::Read, object)?;
        Ok(Some(object))
    }

    /// The project of a tenant (NEU-GEN-4).
    ///
    /// # Errors
    /// `NotFound` for an unknown one.
    pub fn project(&self, tenant: Uuid) -> Answered<&'v Arc<Object>> {
        let missing = || Exception::NotFound { msg: format!("There is no project {tenant}").into() };
        Ok(self.graph.get_of_type(self.type_id(type_name::PROJECT)?, tenant).ok_or_else(missing)?)
    }

    /// A property of an object, by name.
    pub fn property(&self, object: &Object, name: &str) -> Option<Value> {
        object.property(self.type_of(object).property(name)?.0)
    }

    /// Whether a property is true.
    pub fn flag(&self, object: &Object, name: &str) -> bool {
        let id = self.type_of(object).property(name).map(|(id, _)| id);
        id.and_then(|id| object.plain_text(id)).is_some_and(|text| &**text == "true")
    }

    /// The links of an object, by the name of their field.
    pub fn links<'o>(&self, object: &'o Object, field: &str) -> &'o [Link] {
        self.type_of(object).reference(field).map(|(id, _)| object.links_of(id)).unwrap_or_default()
    }

    /// The objects that these lead to, and that may be read.
    pub fn targets(&self, object: &Object, field: &str) -> Vec<&'v Arc<Object>> {
        let targets = self.links(object, field).iter().filter_map(|link| self.graph.get(link.target));
        targets.filter(|target| self.identity.may_read(target)).collect()
    }

    /// What Neutron calls an object (NEU-GEN-2).
    pub fn shown_name(&self, object: &Object) -> String {
        let shown = self.property(object, field_name::DISPLAY_NAME);
        let shown = shown.as_ref().and_then(Value::as_str).filter(|name| !name.is_empty());
        shown.unwrap_or_else(|| object.fq_name.name()).to_owned()
    }

    /// Whether lists look at the objects of all.
    pub fn is_admin(&self) -> bool {
        self.request.context.is_admin
    }

    /// Objects of a type that lists of a member look at by themselves: children of the tenant. Of an admin: those of the tenants
    /// that `tenant_id` (`project_id`) names, or all. All of them may be read.
    ///
    /// # Errors
    /// `BadRequest` for a tenant that is no uuid, 403 where roles may not read the type.
    pub fn of_tenants(&self, type_name: &str) -> Answered<Box<dyn Iterator<Item = &'v Arc<Object>> + 'v>> {
        let type_id = self.type_id(type_name)?;
        self.ask(type_id, Letter::Read, Vec::new())?;
        let filters = &self.request.filters;
        let named = filters.uuids("tenant_id").or_else(|| filters.uuids("project_id"));
        let view = *self;
        let of = move |tenants: Vec<Uuid>| {
            let children = tenants.into_iter().flat_map(move |tenant| view.graph.children_of(tenant, type_id));
            Box::new(children.filter(move |object| view.identity.may_read(object))) as Box<dyn Iterator<Item = _>>
        };
        if !self.is_admin() {
            return Ok(of(vec![self.request.tenant()?]));
        }
        Ok(match named {
            Some(tenants) => of(tenants),
            None => self.identity.readable(self.graph, type_id, &std::ops::Bound::Unbounded),
        })
    }

    /// What a list shows whose members see only what is their own: of the filter `id` those that are the tenant's, else as
    /// `of_tenants`. Of an admin all that may be read.
    ///
    /// # Errors
    /// As these.
    pub fn own(&self, type_name: &str) -> Answered<Box<dyn Iterator<Item = &'v Arc<Object>> + 'v>> {
        let Some(named) = self.of_ids(type_name)? else { return self.of_tenants(type_name) };
        let tenant = if self.is_admin() { None } else { Some(self.request.tenant()?) };
        Ok(Box::new(named.into_iter().filter(move |object| tenant.is_none() || object.parent == tenant)))
    }

    /// Those of these that the filter `id` names, if there is one.
    ///
    /// # Errors
    /// 403 where roles may not read the type.
    pub fn of_ids(&self, type_name: &str) -> Answered<Option<Vec<&'v Arc<Object>>>> {
        let Some(uuids) = self.request.filters.uuids("id") else { return Ok(None) };
        let type_id = self.type_id(type_name)?;
        self.ask(type_id, Letter::Read, Vec::new())?;
        Ok(Some(uuids.into_iter().filter_map(|uuid| self.readable(type_id, uuid)).collect()))
    }

    /// Objects of a type that are shared with a tenant by what they say of themselves, or with everybody.
    pub fn shared_with(&self, type_id: TypeId, tenant: Uuid) -> impl Iterator<Item = &'v Arc<Object>> + use<'v> {
        let grantees = [Grantee::Project(tenant), Grantee::Everybody];
        let view = *self;
        let shared = self.graph.granted(type_id, &grantees, &std::ops::Bound::Unbounded);
        shared.filter(move |object| view.identity.may_read(object))
    }

    /// The members that answers have from `id_perms` (NEU-GEN-6).
    pub fn add_common(&self, answer: &mut Map<String, Value>, object: &Object) {
        let id_perms = self.property(object, field_name::ID_PERMS).unwrap_or_default();
        let member = |name: &str| id_perms.get(name).cloned().unwrap_or_default();
        answer.insert("created_at".to_owned(), member("created"));
        answer.insert("updated_at".to_owned(), member(field_name::LAST_MODIFIED));
        if !member("description").is_null() {
            answer.insert("description".to_owned(), member("description"));
        }
        // NEU-GEN-7
        if !self.links(object, field_name::TAG_REFS).is_empty() {
            answer.insert("tags".to_owned(), self.tags(object).into());
        }
    }

    /// Whether an object is enabled.
    pub fn is_enabled(&self, object: &Object) -> bool {
        let id_perms = self.property(object, field_name::ID_PERMS);
        id_perms.is_none_or(|id_perms| id_perms.get("enable") != Some(&Value::Bool(false)))
    }

    /// The names of the tags that Neutron has given to an object, sorted.
    pub fn tags(&self, object: &Object) -> Vec<String> {
        let tags = self.targets(object, field_name::TAG_REFS).into_iter();
        let mut names: Vec<String> =
            tags.filter_map(|tag| tag.fq_name.name().strip_prefix(TAG_PREFIX).map(str::to_owned)).collect();
        names.sort_unstable();
        names
    }

    /// Each object once.
    pub fn each_once(
        objects: impl Iterator<Item = &'v Arc<Object>> + 'v,
    ) -> impl Iterator<Item = &'v Arc<Object>> + 'v {
        let mut seen = HashSet::new();
        objects.filter(move |object| seen.insert(object.uuid))
    }
}

/// What stands before the name of a tag of Neutron.
pub const TAG_PREFIX: &str = "neutron_tag=";

/// Whose an object is, as Neutron writes it: without dashes (NEU-GEN-1).
pub fn tenant_of(object: &Object) -> String {
    object.parent.map(|parent| parent.simple().to_string()).unwrap_or_default()
}

/// Whether an object says itself that it is shared with a tenant.
pub fn is_shared_with(object: &Object, tenant: Uuid) -> bool {
    object.permissions.shares.iter().any(|(grantee, _)| *grantee == Grantee::Project(tenant))
}
