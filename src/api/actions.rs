//! The actions (contrail-api R21, wire contract 7).

use super::{
    App,
    answer::Answer,
    budget::Named,
    call::{Call, text_of},
    error::{Answered, ApiError},
    list::{ListRequest, find_type},
    pace::Pace,
    routes::{Action, NetworkAction},
    unknown_fields,
};
use crate::{
    access::AaaMode,
    ipam,
    model::Collection,
    python_literal,
    rules::{
        AllocateAddresses, FreeAddresses, Operation, Outcome, PermissionChange, ReferenceUpdate, RelaxReference,
        ReviewDrafts, SetTag, budget, canonical_uuid,
        collection::{CollectionUpdate, ElementUpdate, elements, not_a_collection},
        count_addresses, is_share, string_list,
    },
};
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// The body of an action.
pub type Body = Map<String, Value>;

/// What `/ref-update` consists of.
const OF_REFERENCE_UPDATE: [&str; 8] =
    ["type", "uuid", "ref-type", "ref-uuid", "ref-fq-name", "operation", "attr", "relax_ref_for_delete"];
/// What one update of `/prop-collection-update` consists of.
const OF_ELEMENT_UPDATE: [&str; 4] = ["field", "operation", "value", "position"];

/// A member that is given and not null.
pub fn given<'a>(body: &'a Body, name: &str) -> Option<&'a Value> {
    body.get(name).filter(|value| !value.is_null())
}

/// A member that must be a text, if it is given.
pub fn text_member(body: &Body, name: &str) -> Answered<Option<String>> {
    match given(body, name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => {
            let text = format!("Bad Request, {name} must be a text, not {}", python_literal::value(other));
            Err(ApiError::bad_request(text))
        }
    }
}

impl App {
    /// Leads an action to its handler.
    ///
    /// # Errors
    /// Those of the action.
    pub async fn act(&self, action: Action, call: &Call) -> Answered<Answer> {
        match action {
            Action::PropertyCollectionGet => self.get_collection(call).await,
            Action::PropertyCollectionUpdate => self.update_collection(call, &call.object()?).await,
            Action::ReferenceUpdate => self.update_reference(call, &call.object()?).await,
            Action::RelaxReference => self.relax_reference(call, &call.object()?).await,
            Action::NameToId => self.name_to_id(call, &call.object()?).await,
            Action::IdToName => self.id_to_name(call, &call.object()?).await,
            Action::KeyValue => self.key_value(call, &call.object()?).await,
            Action::DatabaseCheck => self.check_database(call).await,
            Action::FetchRecords => self.fetch_records(call).await,
            Action::StartProfile | Action::StopProfile => Ok(Answer::Empty),
            Action::ListBulk => {
                let request = ListRequest::from_body(&self.model, &call.object()?, self.requests.paginate_count)?;
                self.list(request, call).await
            }
            Action::ObjectPermissions => Ok(Answer::json(&json!({
                "token_info": null, "is_cloud_admin_role": false, "is_global_read_only_role": false, "permissions": "RWX"
            }))),
            Action::ChangeOwner => self.change_owner(call, &call.object()?).await,
            Action::ChangeMode => self.change_mode(call, &call.object()?).await,
            Action::AaaModeGet => Ok(Answer::json(&json!({"aaa-mode": AaaMode::NoAuth.name()}))),
            Action::AaaModePut => set_aaa_mode(&call.object()?),
            Action::ObjectCacheGet | Action::ObjectCachePost => self.object_cache(call, &call.object()?).await,
            Action::ExecuteJob => self.execute_job(call, &call.object()?).await,
            Action::AbortJob => self.abort_job(call, &call.object()?).await,
            Action::Publish => self.publish(&call.object()?).await,
            Action::RequestOverBus => self.request_over_bus(call, &call.object()?).await,
            Action::HostBasedServiceGet => self.host_based_service(call, &call.object()?).await,
            Action::Watch => self.watch(call).await,
            Action::Changes => self.changes(call).await,
            Action::Health => Ok(Answer::Text("ok\n".to_owned())),
            Action::Ready => Box::pin(self.ready(call)).await,
            Action::Transaction => self.transact(call).await,
            Action::SetTag => self.set_tag(call, &call.object()?).await,
            Action::SecurityPolicyDraft => self.security_policy_draft(call, &call.object()?).await,
        }
    }

    /// `/virtual-network/<uuid>/...`
    ///
    /// # Errors
    /// 404 for an unknown network, 409 without free addresses.
    pub async fn act_on_network(&self, action: NetworkAction, network: &str, call: &Call) -> Answered<Answer> {
        let body = call.object()?;
        let network = network.to_owned();
        match action {
            NetworkAction::Allocate => {
                let count = given(&body, "count").map_or(Some(1), Value::as_u64);
                let most = budget::ADDRESSES.most;
                let count = count.and_then(|count| usize::try_from(count).ok()).filter(|count| *count <= most);
                let count = count.ok_or_else(|| {
                    let text = format!("Bad Request, count must be an integer from 0 to {most}");
                    ApiError::bad_request(text)
                })?;
                let subnet = match text_member(&body, "subnet")? {
                    None => None,
                    Some(text) => Some(Uuid::try_parse(&text).map_err(|_| {
                        ApiError::not_found(format!("Subnet {text} not found: the uuid of a subnet is expected"))
                    })?),
                };
                let family = given(&body, "family");
                let version = crate::rules::Version::of(family);
                if family.is_some() && version.is_none() {
                    return Err(ApiError::bad_request("Bad Request, family must be 'v4' or 'v6'"));
                }
                let allocate = AllocateAddresses { network, count, subnet, version };
                match self.submit(call, Operation::AllocateAddresses(allocate)).await? {
                    Outcome::Addresses(addresses) => Ok(Answer::json(&json!({"ip_addr": addresses}))),
                    _ => Ok(Answer::Empty),
                }
            }
            NetworkAction::Free => {
                let list = given(&body, "ip_addr").map_or(Some(Vec::new()), string_list);
                let list =
                    list.ok_or_else(|| ApiError::bad_request("Bad Request, ip_addr must be a list of addresses"))?;
                let addresses = list.iter().filter_map(|text| ipam::parse_address(text)).collect();
                self.submit(call, Operation::FreeAddresses(FreeAddresses { network, addresses })).await?;
                Ok(Answer::Empty)
            }
            NetworkAction::Count => {
                let list = given(&body, "subnet_list").map_or(Some(Vec::new()), string_list);
                let list =
                    list.ok_or_else(|| ApiError::bad_request("Bad Request, subnet_list must be a list of uuids"))?;
                let snapshot = self.snapshot(call).await?;
                Named::Subnets.check(list.len())?;
                let counts = count_addresses(&snapshot.graph, &network, &list)?;
                let counts: Vec<u64> =
                    counts.into_iter().map(|count| u64::try_from(count).unwrap_or(u64::MAX)).collect();
                Ok(Answer::json(&json!({"ip_count_list": counts})))
            }
        }
    }

    async fn name_to_id(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let type_id = find_type(&self.model, &text_of(body.get("type")))?;
        let name = given(body, "fq_name").ok_or_else(|| ApiError::bad_request("Bad Request, fq_name is missing"))?;
        let not_found = |printed: String| ApiError::not_found(format!("Name {printed} not found"));
        let elements = string_list(name).ok_or_else(|| not_found(python_literal::value(name)))?;
        let snapshot = self.snapshot(call).await?;
        let object = snapshot.graph.find(type_id, &elements);
        let object = object.ok_or_else(|| not_found(python_literal::list(&elements)))?;
        Ok(Answer::json(&json!({"uuid": object.uuid.to_string()})))
    }

    async fn id_to_name(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let uuid = given(body, "uuid").ok_or_else(|| ApiError::bad_request("Bad Request, uuid is missing"))?;
        let snapshot = self.snapshot(call).await?;
        let object = uuid.as_str().and_then(canonical_uuid).and_then(|uuid| snapshot.graph.get(uuid));
        let object = object.ok_or_else(|| ApiError::not_found(format!("UUID {} not found", text_of(Some(uuid)))))?;
        let kind = &self.model.object_type(object.type_id).name;
        Ok(Answer::json(&json!({"fq_name": object.fq_name.elements(), "type": kind})))
    }

    async fn update_reference(&self, call: &Call, body: &Body) -> Answered<Answer> {
        unknown_fields::check(call, "ref-update", &unknown_of_reference_update(body))?;
        let update = self.read_reference_update(body)?;
        let outcome = self.submit(call, Operation::ReferenceUpdate(update)).await?;
        Ok(Answer::of_change(&outcome, |object| json!({"uuid": object.uuid.to_string()})))
    }

    /// The body of `/ref-update`.
    ///
    /// # Errors
    /// 400, or 404 for an unknown type.
    pub fn read_reference_update(&self, body: &Body) -> Answered<ReferenceUpdate> {
        let type_id = match given(body, "type") {
            None => None,
            Some(name) => Some(find_type(&self.model, &text_of(Some(name)))?),
        };
        let reference_type = match given(body, "ref-type") {
            None => None,
            Some(name) => Some(find_type(&self.model, &text_of(Some(name)))?),
        };
        let (uuid, operation) = (text_member(body, "uuid")?, text_member(body, "operation")?);
        let printed = |name: &str| text_of(body.get(name));
        let (Some(type_id), Some(uuid), Some(reference_type), Some(operation)) =
            (type_id, uuid.filter(|uuid| !uuid.is_empty()), reference_type, operation.filter(|text| !text.is_empty()))
        else {
            return Err(ApiError::bad_request(format!(
                "Bad Request: type/uuid/ref-type/operation is null: {}, {}, {}, {}.",
                printed("type"),
                printed("uuid"),
                printed("ref-type"),
                printed("operation")
            )));
        };
        let add = match operation.to_uppercase().as_str() {
            "ADD" => true,
            "DELETE" => false,
            _ => {
                let text = format!("Bad Request: operation should be add or delete: {operation}");
                return Err(ApiError::bad_request(text));
            }
        };
        let target_uuid = text_member(body, "ref-uuid")?.filter(|uuid| !uuid.is_empty());
        let target_name = match given(body, "ref-fq-name") {
            None => None,
            Some(name) => Some(
                string_list(name)
                    .ok_or_else(|| ApiError::bad_request("Bad Request: ref-fq-name must be a list of strings"))?,
            ),
        };
        if target_uuid.is_none() && target_name.is_none() {
            return Err(ApiError::bad_request("Bad Request: ref-uuid or ref-fq-name must be specified"));
        }
        let kind = self.model.object_type(type_id);
        let reference = kind.reference_to(reference_type).map(|(_, reference)| reference);
        let reference = reference.ok_or_else(|| {
            let target = &self.model.object_type(reference_type).name;
            ApiError::bad_request(format!("Bad Request: {} has no reference to {target}", kind.name))
        })?;
        Ok(ReferenceUpdate {
            type_id,
            uuid: uuid.clone(),
            reference: reference.id,
            target_uuid,
            target_name,
            add,
            attribute: body.get("attr").cloned().unwrap_or_default(),
            relax: body.get("relax_ref_for_delete") == Some(&Value::Bool(true)),
        })
    }

    async fn relax_reference(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let (uuid, target) = (text_member(body, "uuid")?, text_member(body, "ref-uuid")?);
        let (Some(uuid), Some(target)) = (uuid, target) else {
            return Err(ApiError::bad_request(format!(
                "Bad Request: Both uuid and ref-uuid should be specified: {}, {}.",
                text_of(body.get("uuid")),
                text_of(body.get("ref-uuid"))
            )));
        };
        let relax = RelaxReference { uuid: uuid.clone(), target };
        self.submit(call, Operation::RelaxReference(relax)).await?;
        Ok(Answer::json(&json!({"uuid": uuid})))
    }

    async fn set_tag(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let (Some(kind), Some(uuid)) = (text_member(body, "obj_type")?, text_member(body, "obj_uuid")?) else {
            return Err(ApiError::bad_request("Object type and UUID must be specified"));
        };
        let type_id = self.model.find(&kind);
        let unknown = || ApiError::bad_request(format!("Invalid Contrail resource type: {kind}"));
        let type_id = type_id.ok_or_else(unknown)?;
        let mut changes = body.clone();
        changes.retain(|name, _| name != "obj_type" && name != "obj_uuid");
        self.submit(call, Operation::SetTag(SetTag { type_id, uuid, changes })).await?;
        Ok(Answer::json(&json!({})))
    }

    async fn get_collection(&self, call: &Call) -> Answered<Answer> {
        let argument = |name: &str| call.query.get(name).filter(|value| !value.is_empty());
        let needed = |name: &str, what: &str| {
            let text = format!("Object {what} needed for property collection get");
            argument(name).ok_or_else(|| ApiError::bad_request(text))
        };
        let (uuid, fields) = (needed("uuid", "uuid")?, needed("fields", "fields")?);
        let snapshot = self.snapshot(call).await?;
        let object = canonical_uuid(uuid).and_then(|uuid| snapshot.graph.get(uuid));
        let object = object.ok_or_else(|| ApiError::not_found(format!("Object Not Found: {uuid}")))?;
        let kind = self.model.object_type(object.type_id);
        let mut answer = Map::new();
        for field in Named::Fields.once(fields.split(',').map(str::to_owned))? {
            let field = field.as_str();
            let property = kind.property(field).map(|(_, property)| property);
            let property = property.filter(|property| property.collection != Collection::None);
            let property = property.ok_or_else(|| not_a_collection(field))?;
            let wanted = call.query.get("position");
            let items = elements(object, property.id, &property.collection).into_iter();
            let items = items.filter(|(position, _)| wanted.is_none_or(|wanted| wanted == position));
            answer.insert(field.to_owned(), items.map(|(position, value)| json!([value, position])).collect());
        }
        Ok(Answer::json(&Value::Object(answer)))
    }

    async fn update_collection(&self, call: &Call, body: &Body) -> Answered<Answer> {
        if text_member(body, "uuid")?.is_some() {
            unknown_fields::check(call, "prop-collection-update", &unknown_of_collection_update(body))?;
        }
        let update = read_collection_update(body)?;
        match self.submit(call, Operation::CollectionUpdate(update)).await? {
            Outcome::Pending(_) => Ok(Answer::Pending(None)),
            _ => Ok(Answer::Empty),
        }
    }

    async fn key_value(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let operation = text_member(body, "operation")?;
        let operation =
            operation.ok_or_else(|| ApiError::bad_request("Error: Key/value store API needs 'operation' parameter"))?;
        let key = body.get("key");
        let key = key.ok_or_else(|| ApiError::bad_request("Error: Key/value store API needs 'key' parameter"))?;
        let one =
            || key.as_str().ok_or_else(|| ApiError::bad_request("Error: Key/value store API needs 'key' to be a text"));
        match operation.as_str() {
            "STORE" => {
                let value = text_member(body, "value")?.unwrap_or_default();
                self.key_values.store(one()?, &value).await?;
                Ok(Answer::Empty)
            }
            "DELETE" => {
                self.key_values.delete(one()?).await?;
                Ok(Answer::Empty)
            }
            "RETRIEVE" => self.retrieve(call, key).await,
            _ => Err(ApiError::not_found(format!("Invalid Operation {operation}"))),
        }
    }

    async fn retrieve(&self, call: &Call, key: &Value) -> Answered<Answer> {
        let everything = match key {
            Value::Null => true,
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            _ => false,
        };
        if everything {
            return self.all_key_values(call).await;
        }
        if let Some(keys) = string_list(key) {
            let pairs = self.key_values.retrieve(&Named::Keys.once(keys)?).await?;
            let values: Vec<String> = pairs.into_iter().map(|(_, value)| value).collect();
            return Ok(Answer::json(&json!({"value": values})));
        }
        let Some(text) = key.as_str() else {
            return Err(ApiError::bad_request(
                "Error: Key/value store API needs 'key' to be a text or a list of texts",
            ));
        };
        match self.key_values.retrieve(&[text.to_owned()]).await?.pop() {
            Some((_, value)) => Ok(Answer::json(&json!({"value": value}))),
            None => Err(ApiError::not_found(format!("Unknown User-Agent key {text}"))),
        }
    }

    async fn change_owner(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let member = |name: &str, what: &str| {
            let missing = || ApiError::bad_request(format!("Bad Request, no {what} UUID provided to chown"));
            let value = given(body, name).ok_or_else(missing)?;
            let uuid = value.as_str().filter(|text| Uuid::try_parse(text).is_ok());
            uuid.ok_or_else(|| ApiError::bad_request(format!("Bad Request, invalid {what} UUID")))
        };
        for (name, what) in [("uuid", "resource"), ("owner", "owner")] {
            if given(body, name).is_none() {
                return Err(ApiError::bad_request(format!("Bad Request, no {what} UUID provided to chown")));
            }
        }
        let (uuid, owner) = (member("uuid", "resource")?, member("owner", "owner")?);
        let mut members = Map::new();
        members.insert("owner".to_owned(), owner.into());
        self.change_permissions(call, uuid, members).await
    }

    async fn change_mode(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let uuid = given(body, "uuid").ok_or_else(|| ApiError::bad_request("'uuid'"))?;
        let refuse = |what: &str| ApiError::bad_request(format!("Bad Request, invalid {what}"));
        let uuid = uuid.as_str().filter(|text| Uuid::try_parse(text).is_ok()).ok_or_else(|| refuse("object id"))?;
        let mut members = Map::new();
        if let Some(owner) = given(body, "owner").filter(|owner| owner.as_str() != Some("")) {
            let owner = owner.as_str().and_then(|text| Uuid::try_parse(text).ok()).ok_or_else(|| refuse("owner"))?;
            members.insert("owner".to_owned(), owner.simple().to_string().into());
        }
        for name in ["owner_access", "global_access"] {
            if let Some(access) = given(body, name) {
                let access = valid_access(access).ok_or_else(|| refuse(&format!("{name} value")))?;
                members.insert(name.to_owned(), access.into());
            }
        }
        if let Some(share) = given(body, "share") {
            check_share(share)?;
            members.insert("share".to_owned(), share.clone());
        }
        self.change_permissions(call, uuid, members).await
    }

    async fn change_permissions(&self, call: &Call, uuid: &str, members: Body) -> Answered<Answer> {
        // Both spellings of a uuid are one object.
        let uuid = Uuid::try_parse(uuid).map_or_else(|_| uuid.to_owned(), |uuid| uuid.to_string());
        self.submit(call, Operation::PermissionChange(PermissionChange { uuid, members })).await?;
        Ok(Answer::json(&json!({})))
    }

    /// Whether the graph agrees with itself; with the constraints of the database it always should.
    async fn check_database(&self, call: &Call) -> Answered<Answer> {
        let snapshot = self.snapshot(call).await?;
        let graph = &snapshot.graph;
        let mut results = Vec::new();
        let mut pace = Pace::new();
        for object in graph.all() {
            pace.step().await;
            let kind = &self.model.object_type(object.type_id).name;
            let mut report = |error: String| {
                results.push(json!({"uuid": object.uuid.to_string(), "type": kind, "error": error}));
            };
            if object.parent.is_some_and(|parent| graph.get(parent).is_none()) {
                report("the parent is missing".to_owned());
            }
            for link in object.links.iter().filter(|link| graph.get(link.target).is_none()) {
                report(format!("refers to {}, which is missing", link.target));
            }
            if graph.find_joined(object.type_id, object.fq_name.joined()).is_none_or(|named| named.uuid != object.uuid)
            {
                report("is not found by its name".to_owned());
            }
        }
        Ok(Answer::json(&json!({"results": results})))
    }

    async fn security_policy_draft(&self, call: &Call, body: &Body) -> Answered<Answer> {
        let scope = text_member(body, "scope_uuid")?;
        let scope = scope.ok_or_else(|| ApiError::bad_request("Bad Request, scope_uuid is missing"))?;
        let action = text_member(body, "action")?;
        let commit = match action.as_deref() {
            Some("commit") => Some(true),
            Some("discard") => Some(false),
            _ => None,
        };
        let review = ReviewDrafts { scope, commit };
        self.submit(call, Operation::ReviewDrafts(review)).await?;
        Ok(Answer::json(&json!({})))
    }
}

/// The members of a body of `/ref-update` that nothing is known of.
pub fn unknown_of_reference_update(body: &Body) -> Vec<String> {
    unknown_fields::beside(body, &OF_REFERENCE_UPDATE)
}

/// The same of `/prop-collection-update`.
pub fn unknown_of_collection_update(body: &Body) -> Vec<String> {
    let items = given(body, "updates").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_object);
    let mut unknown = unknown_fields::beside(body, &["uuid", "updates"]);
    unknown.extend(items.flat_map(|item| unknown_fields::beside(item, &OF_ELEMENT_UPDATE)));
    unknown
}

/// The body of `/prop-collection-update`.
///
/// # Errors
/// 400
pub fn read_collection_update(body: &Body) -> Answered<CollectionUpdate> {
    let uuid = text_member(body, "uuid")?;
    let uuid = uuid.ok_or_else(|| ApiError::bad_request("Error: prop_collection_update needs obj_uuid"))?;
    let updates = match given(body, "updates") {
        None => Vec::new(),
        Some(Value::Array(updates)) => updates.iter().map(element_update).collect::<Answered<_>>()?,
        Some(_) => return Err(ApiError::bad_request("Bad Request, updates must be a list")),
    };
    Ok(CollectionUpdate { uuid, updates })
}

fn element_update(update: &Value) -> Answered<ElementUpdate> {
    let body =
        update.as_object().ok_or_else(|| ApiError::bad_request("Bad Request, each of updates must be an object"))?;
    let position = match given(body, "position") {
        None => None,
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        Some(_) => return Err(ApiError::bad_request("Bad Request, position must be a text")),
    };
    Ok(ElementUpdate {
        field: text_of(body.get("field")),
        operation: text_of(body.get("operation")),
        value: body.get("value").cloned(),
        position,
        given: update.clone(),
    })
}

/// An access right: 0 to 7.
fn valid_access(value: &Value) -> Option<u64> {
    value.as_u64().filter(|access| *access <= 7)
}

fn check_share(share: &Value) -> Answered<()> {
    let invalid = || ApiError::bad_request("HTTP Status: 400 Content: Bad Request, invalid share list");
    for item in share.as_array().ok_or_else(invalid)? {
        let fields = item.as_object().ok_or_else(invalid)?;
        if let Some(missing) = ["tenant", "tenant_access"].iter().find(|name| !fields.contains_key(**name)) {
            return Err(ApiError::bad_request(format!("'{missing}'")));
        }
        if !is_share(item) {
            return Err(invalid());
        }
    }
    Ok(())
}

fn set_aaa_mode(body: &Body) -> Answered<Answer> {
    let wanted = text_of(body.get("aaa-mode"));
    if wanted == AaaMode::NoAuth.name() {
        return Ok(Answer::json(&json!({"aaa-mode": wanted})));
    }
    let text =
        format!("Invalid aaa-mode {wanted}: this server runs without authentication, so only 'no-auth' is possible");
    Err(ApiError::bad_request(text))
}
