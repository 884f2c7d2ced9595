//! The rules on graphs in memory: no database, no clock, no randomness but that of the properties.
//!
//! A test that shows a rule of the contract has the rule's id in its name, `vn_c3` for VN-C3; `tests/rule_table.rs`
//! finds rules without a test by that.

#![allow(clippy::needless_pass_by_value, clippy::similar_names, clippy::type_complexity)]

mod access;
mod addresses;
mod alias_ip;
mod budget;
mod data_center_interconnect;
mod devices;
mod fabric;
mod firewall;
mod first_objects;
mod floating_ip;
mod floating_ip_pool;
mod generic;
mod histories;
mod instance_ip;
mod logical_router;
mod names;
mod network_ipam;
mod network_policy;
mod project;
mod quota;
mod refusals;
mod role_rules;
mod routed_network;
mod routing;
mod security_draft;
mod security_group;
mod services;
mod tags;
mod transactions;
mod virtual_machine_interface;
mod virtual_network;
mod virtual_port_group;
mod write_back;
mod write_times;

use super::{
    Change, Create, Decision, Delete, Document, Kind, Operation, Options, Outcome, Purpose, ReferenceUpdate, Rejection,
    Request, Rulebook, Update, Work,
    collection::{CollectionUpdate, ElementUpdate},
    rulebook,
};
use crate::{
    access::{Identity, role_rules::Questions},
    change_log::{LogEntry, Origin},
    graph::{Graph, Object},
    model::Model,
    timestamp::Timestamp,
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeMap,
    sync::{Arc, OnceLock},
};
use uuid::Uuid;

fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    Arc::clone(MODEL.get_or_init(|| Arc::new(Model::embedded().unwrap())))
}

/// The elements of a name below the default project.
fn below_project(name: &str) -> Value {
    json!(["default-domain", "default-project", name])
}

/// The name of the ipam that networks of tests use.
fn default_ipam() -> Value {
    below_project("default-network-ipam")
}

/// A refusal as `400 the text`.
#[track_caller]
fn refusal<T: std::fmt::Debug>(decision: Decision<T>) -> String {
    let Rejection { kind, text, .. } = decision.unwrap_err();
    let status = match kind {
        Kind::BadRequest | Kind::TooMuch => 400,
        Kind::Forbidden => 403,
        Kind::NotFound => 404,
        Kind::Conflict => 409,
        Kind::OverQuota | Kind::Unmet => 412,
        Kind::Unprocessable => 422,
        Kind::Unavailable => 503,
        Kind::Internal => 500,
    };
    let href = |type_id, uuid| format!("http://api:8082/{}/{uuid}", model().object_type(type_id).name);
    format!("{status} {}", text.complete(href))
}

/// A configuration, and a follower that only sees the changes.
struct Configuration {
    graph: Graph,
    follower: Graph,
    /// When columns were written.
    book: write_times::Book,
    rulebook: Arc<Rulebook>,
    now: i64,
    /// Who asks.
    identity: Identity,
}

impl Configuration {
    /// As after the first start.
    fn new() -> Self {
        Self::with(Options::default())
    }

    /// With settings of the operator.
    fn with(options: Options) -> Self {
        let mut new = Self {
            graph: Graph::new(model()),
            follower: Graph::new(model()),
            book: write_times::Book::default(),
            rulebook: Arc::new(rulebook(&model(), options)),
            now: 0,
            identity: Identity::server("test"),
        };
        new.submit(Operation::Provision { role_rules: false }).unwrap();
        new
    }

    /// Decides a request; a refused one leaves nothing.
    fn submit(&mut self, operation: Operation) -> Decision<(Outcome, Vec<Change>)> {
        self.now += 1;
        let identity = self.identity.clone();
        let asked = Questions::default();
        let request = Request { operation, precondition: None, dry_run: false, identity, asked };
        let mut work =
            Work::new(self.graph.clone(), request.identity.clone(), &self.rulebook, Timestamp(self.now), Uuid::new_v4);
        let outcome = request.decide(&mut work)?;
        let (graph, changes) = work.finish();
        let origin = Origin { at: Timestamp(self.now), request_id: None, who: None, caller: None };
        for entry in LogEntry::of_request(&changes, &graph, &origin) {
            entry.apply(&mut self.follower);
        }
        self.book.follow(&self.graph, &changes);
        self.graph = graph;
        Ok((outcome, changes))
    }

    fn submit_for_object(&mut self, operation: Operation) -> Decision<Arc<Object>> {
        match self.submit(operation)? {
            (Outcome::Object(told) | Outcome::Pending(Some(told)), _) => {
                Ok(Arc::clone(self.graph.get(told.uuid).unwrap()))
            }
            (other, _) => panic!("{other:?}"),
        }
    }

    /// `POST` of a body.
    fn create(&mut self, kind: &str, body: Value) -> Decision<Arc<Object>> {
        let model = model();
        let type_id = model.find(kind).unwrap();
        let Value::Object(body) = body else { panic!("an object") };
        let fq_name = super::string_list(&body["fq_name"]).unwrap();
        let document = Document::read(&model, model.object_type(type_id), body, Purpose::Create)?;
        self.submit_for_object(Operation::Create(Create { type_id, fq_name, document, chosen: None }))
    }

    /// `POST` of an object below the default project.
    fn in_project(&mut self, kind: &str, name: &str, members: Value) -> Decision<Arc<Object>> {
        let mut body = json!({"fq_name": below_project(name), "parent_type": "project"});
        extend(&mut body, members);
        self.create(kind, body)
    }

    /// `POST` of an object without a parent.
    fn at_top(&mut self, kind: &str, name: &str, members: Value) -> Decision<Arc<Object>> {
        let mut body = json!({"fq_name": [name]});
        extend(&mut body, members);
        self.create(kind, body)
    }

    /// `POST` of a child.
    fn below(&mut self, parent: &Object, kind: &str, name: &str, members: Value) -> Decision<Arc<Object>> {
        let fq_name = parent.fq_name.child(name);
        let parent_type = model().object_type(parent.type_id).name.clone();
        let mut body = json!({"fq_name": fq_name.elements(), "parent_type": parent_type});
        extend(&mut body, members);
        self.create(kind, body)
    }

    /// `PUT`; gives the object as it is after it.
    fn update(&mut self, object: &Object, body: Value) -> Decision<Arc<Object>> {
        let Value::Object(body) = body else { panic!("an object") };
        let document = Document::read_update(&model(), model().object_type(object.type_id), body);
        let update = Update { type_id: object.type_id, uuid: object.uuid.to_string(), document };
        self.submit_for_object(Operation::Update(update))
    }

    fn reference_update(
        &mut self,
        add: bool,
        object: &Object,
        target: &Object,
        attribute: Value,
    ) -> Decision<Arc<Object>> {
        let model = model();
        let kind = model.object_type(object.type_id);
        let reference = kind.references.iter().position(|reference| reference.target == target.type_id).unwrap();
        let update = ReferenceUpdate {
            type_id: object.type_id,
            uuid: object.uuid.to_string(),
            reference: crate::model::ReferenceId(u16::try_from(reference).unwrap()),
            target_uuid: Some(target.uuid.to_string()),
            target_name: None,
            add,
            attribute,
            relax: false,
        };
        self.submit_for_object(Operation::ReferenceUpdate(update))
    }

    /// `POST /ref-update` that adds, or changes the attribute of, a reference.
    fn refer(&mut self, object: &Object, target: &Object, attribute: Value) -> Decision<Arc<Object>> {
        self.reference_update(true, object, target, attribute)
    }

    /// `POST /ref-update` that removes a reference.
    fn unrefer(&mut self, object: &Object, target: &Object) -> Decision<Arc<Object>> {
        self.reference_update(false, object, target, Value::Null)
    }

    /// `POST /prop-collection-update` with one element.
    fn put_element(&mut self, object: &Object, field: &str, operation: &str, value: Value) -> Decision<Arc<Object>> {
        let update = ElementUpdate {
            field: field.to_owned(),
            operation: operation.to_owned(),
            value: Some(value),
            position: None,
            given: json!({}),
        };
        let update = CollectionUpdate { uuid: object.uuid.to_string(), updates: vec![update] };
        self.submit_for_object(Operation::CollectionUpdate(update))
    }

    /// `DELETE`.
    fn delete(&mut self, object: &Object) -> Decision<()> {
        let delete = Delete { type_id: object.type_id, uuid: object.uuid.to_string() };
        self.submit(Operation::Delete(delete)).map(|_| ())
    }

    /// A network of the default project with one subnet of the default ipam.
    fn network(&mut self, name: &str, prefix: &str, length: u8) -> Arc<Object> {
        self.network_with(name, json!([subnet(prefix, length)]), json!({})).unwrap()
    }

    /// A network of the default project with these subnets of the default ipam.
    fn network_with(&mut self, name: &str, subnets: Value, members: Value) -> Decision<Arc<Object>> {
        let mut body = json!({"network_ipam_refs": ipam_references(subnets)});
        extend(&mut body, members);
        self.in_project("virtual-network", name, body)
    }

    /// An interface of the default project on a network.
    fn interface(&mut self, name: &str, network: &Object) -> Arc<Object> {
        let refs = json!({"virtual_network_refs": [{"uuid": network.uuid.to_string()}]});
        self.in_project("virtual-machine-interface", name, refs).unwrap()
    }

    /// An instance-ip of a network.
    fn address(&mut self, name: &str, network: &Object, members: &Value) -> Decision<Arc<Object>> {
        let mut body = json!({"virtual_network_refs": [{"to": network.fq_name.elements()}]});
        extend(&mut body, members.clone());
        self.at_top("instance-ip", name, body)
    }

    /// A property as it is now; null when it is not set.
    fn get(&self, object: &Object, property: &str) -> Value {
        let id = model().object_type(object.type_id).property(property).map(|(id, _)| id).unwrap();
        self.graph.get(object.uuid).and_then(|object| object.property(id)).unwrap_or_default()
    }

    /// The references of one field as they are now: the joined names of their targets with their attributes.
    fn links(&self, object: &Object, field: &str) -> Vec<(String, Value)> {
        let Some(object) = self.graph.get(object.uuid) else { return Vec::new() };
        let id = model().object_type(object.type_id).reference(field).map(|(id, _)| id).unwrap();
        let links = object.links_of(id).iter().map(|link| {
            let name = self.graph.get(link.target).unwrap().fq_name.joined().to_string();
            (name, link.attribute.as_deref().map(|text| serde_json::from_str(text).unwrap()).unwrap_or_default())
        });
        links.collect()
    }

    /// The object with this name, elements joined by colons.
    fn find(&self, kind: &str, joined: &str) -> Option<Arc<Object>> {
        self.graph.find_joined(model().find(kind).unwrap(), joined).cloned()
    }

    /// The object as it is now; none when it is gone.
    fn current(&self, object: &Object) -> Option<Arc<Object>> {
        self.graph.get(object.uuid).cloned()
    }

    /// The default project.
    fn project(&self) -> Arc<Object> {
        self.find("project", "default-domain:default-project").unwrap()
    }

    /// The only global-system-config.
    fn global(&self) -> Arc<Object> {
        self.find("global-system-config", "default-global-system-config").unwrap()
    }
}

/// Adds members to a body.
fn extend(body: &mut Value, members: Value) {
    let Value::Object(members) = members else { panic!("an object") };
    let body: &mut Map<String, Value> = body.as_object_mut().unwrap();
    body.extend(members);
}

/// A subnet as clients send it.
fn subnet(prefix: &str, length: u8) -> Value {
    json!({"subnet": {"ip_prefix": prefix, "ip_prefix_len": length}})
}

/// The reference of a network to the default ipam, with subnets.
fn ipam_references(subnets: Value) -> Value {
    json!([{"to": default_ipam(), "attr": {"ipam_subnets": subnets}}])
}

/// What a graph says about everything, in an order of its own.
fn contents(graph: &Graph) -> BTreeMap<Uuid, Object> {
    graph.all().map(|object| (object.uuid, Object::clone(object))).collect()
}
