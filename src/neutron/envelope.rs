//! What a request says: who is meant, what is to be done, and with what (NEU-ENV-2 to NEU-ENV-6).

use super::{
    filters::Filters,
    refused::{Answered, bad_request},
    resource::{Does, Resource},
};
use serde_json::{Map, Value};
use uuid::Uuid;

/// What neutron-server says of who asks (NEU-ENV-3). It is its word: what may be done is decided by the token alone (NEU-ENV-4).
#[derive(Clone, Debug)]
pub struct Context {
    /// The tenant, as given.
    pub tenant: Option<String>,
    /// Whether lists look at the objects of all.
    pub is_admin: bool,
}

/// A request that was read.
#[derive(Clone, Debug)]
pub struct Request {
    /// What it is about.
    pub resource: &'static Resource,
    /// How what is to be done is done.
    pub does: Does,
    /// Who is meant.
    pub context: Context,
    /// `data.id`, as given.
    pub id: Option<Value>,
    /// `data.resource`; empty without.
    pub body: Map<String, Value>,
    /// `data.filters`
    pub filters: Filters,
    /// Whether what may not be read is answered as if it was not there.
    pub hides_forbidden: bool,
}

/// An id of Neutron: with dashes, or without (NEU-GEN-1).
pub fn uuid_of(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

/// What is said of an envelope that is none.
fn unreadable(why: &str) -> String {
    format!("Unable to parse request data: {why}")
}

impl Context {
    fn read(context: &Map<String, Value>) -> Result<Self, String> {
        let text = |name: &str| context.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let (tenant, tenant_id) = (text("tenant"), text("tenant_id"));
        let is_same = |one: &str, other: &str| one == other || uuid_of(one).is_some() && uuid_of(one) == uuid_of(other);
        if let (Some(one), Some(other)) = (tenant, tenant_id)
            && !is_same(one, other)
        {
            return Err(unreadable("tenant and tenant_id of the context are different"));
        }
        Ok(Self {
            tenant: tenant_id.or(tenant).map(str::to_owned),
            is_admin: context.get("is_admin") == Some(&Value::Bool(true)),
        })
    }
}

impl Request {
    /// Reads an envelope.
    ///
    /// # Errors
    /// The text of a 400, for what is no envelope; a class of Neutron for filters that can't be read.
    pub fn read(resource: &'static Resource, body: &Map<String, Value>) -> Result<Answered<Self>, String> {
        let part = |name: &str| match body.get(name) {
            Some(Value::Object(part)) => Ok(part),
            None => Err(unreadable(&format!("'{name}' is missing"))),
            Some(_) => Err(unreadable(&format!("'{name}' must be an object"))),
        };
        let (context, data) = (part("context")?, part("data")?);
        let names = || resource.operations.iter().map(|(verb, _)| verb.name()).collect::<Vec<_>>().join(", ");
        let given = context.get("operation").and_then(Value::as_str).unwrap_or_default();
        // NEU-ENV-2
        let does = resource.operations.iter().find(|(verb, _)| verb.name() == given).map(|(_, does)| *does);
        let does = does.ok_or_else(|| {
            unreadable(&format!("the operation of the context must be one of {}, not '{given}'", names()))
        })?;
        let context = Context::read(context)?;
        let body = match data.get("resource") {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(body)) => body.clone(),
            Some(_) => return Err(unreadable("'resource' of the data must be an object")),
        };
        let id = data.get("id").filter(|id| !id.is_null()).cloned();
        let filters = Filters::read(resource.name(), data.get("filters"));
        Ok(filters.map(|filters| Self { resource, does, context, id, body, filters, hides_forbidden: false }))
    }

    /// `data.id` as a text.
    pub fn id(&self) -> &str {
        self.id.as_ref().and_then(Value::as_str).unwrap_or_default()
    }

    /// The tenant of the context.
    ///
    /// # Errors
    /// `BadRequest` without one, or for one that is no uuid.
    pub fn tenant(&self) -> Answered<Uuid> {
        let tenant = self.context.tenant.as_deref();
        tenant.and_then(uuid_of).ok_or_else(|| self.bad_request("tenant_id of the context must be a uuid"))
    }

    /// Whose the new object is: `tenant_id` of the resource, or the tenant of the context.
    ///
    /// # Errors
    /// `BadRequest` for what is no uuid.
    pub fn tenant_of_body(&self) -> Answered<Uuid> {
        match self.text("tenant_id")? {
            None => self.tenant(),
            Some(text) => uuid_of(text).ok_or_else(|| self.bad_request("tenant_id must be a uuid")),
        }
    }

    /// That something is wrong in what it says.
    pub fn bad_request(&self, msg: impl Into<String>) -> super::refused::Refused {
        bad_request(self.resource.name(), msg)
    }

    /// A member of the resource that is given, and not null.
    pub fn given(&self, name: &str) -> Option<&Value> {
        self.body.get(name).filter(|value| !value.is_null())
    }

    fn typed<'r, T>(
        &'r self,
        name: &str,
        expected: &str,
        read: impl FnOnce(&'r Value) -> Option<T>,
    ) -> Answered<Option<T>> {
        match self.given(name) {
            None => Ok(None),
            Some(value) => {
                read(value).map(Some).ok_or_else(|| self.bad_request(format!("{name} must be {expected}, not {value}")))
            }
        }
    }

    /// The same as a text.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn text(&self, name: &str) -> Answered<Option<&str>> {
        self.typed(name, "a text", Value::as_str)
    }

    /// The same as true or false.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn flag(&self, name: &str) -> Answered<Option<bool>> {
        self.typed(name, "true or false", Value::as_bool)
    }

    /// The same as a whole number.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn integer(&self, name: &str) -> Answered<Option<i64>> {
        self.typed(name, "a whole number", Value::as_i64)
    }

    /// The same as an object.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn object(&self, name: &str) -> Answered<Option<&Map<String, Value>>> {
        self.typed(name, "an object", Value::as_object)
    }

    /// The same as a list.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn list(&self, name: &str) -> Answered<Option<&Vec<Value>>> {
        self.typed(name, "a list", Value::as_array)
    }

    /// The same as a list of texts.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn texts(&self, name: &str) -> Answered<Option<Vec<&str>>> {
        self.typed(name, "a list of texts", |value| value.as_array()?.iter().map(Value::as_str).collect())
    }

    /// The same as a uuid.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn uuid(&self, name: &str) -> Answered<Option<Uuid>> {
        self.typed(name, "a uuid", |value| uuid_of(value.as_str()?))
    }

    /// What has to be given.
    ///
    /// # Errors
    /// `BadRequest` where it is not (NEU-ENV-6).
    pub fn required<T>(&self, name: &str, given: Option<T>) -> Answered<T> {
        given.ok_or_else(|| self.bad_request(format!("{name} is required")))
    }

    /// What it says of `id_perms`: `description` and `admin_state_up` (NEU-GEN-6); none if it says nothing.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn id_perms(&self) -> Answered<Option<Value>> {
        let id_perms = self.id_perms_with("admin_state_up")?;
        Ok((!id_perms.is_empty()).then(|| id_perms.into()))
    }

    /// The same of a resource that calls its state otherwise; empty if it says nothing.
    ///
    /// # Errors
    /// `BadRequest` for anything else.
    pub fn id_perms_with(&self, state: &str) -> Answered<Map<String, Value>> {
        let mut id_perms = Map::new();
        if let Some(enable) = self.flag(state)? {
            id_perms.insert("enable".to_owned(), enable.into());
        }
        if let Some(description) = self.text("description")? {
            id_perms.insert("description".to_owned(), description.into());
        }
        Ok(id_perms)
    }
}
