//! Neutron on graphs in memory. A test that shows a rule of the contract has its id in its name, as those of the rules have.

// What is asked with is written where it is asked.
#![allow(clippy::needless_pass_by_value)]

mod contrail;
mod envelope;
mod firewall;
mod floatingip;
mod network;
mod port;
mod router;
mod security_group;
mod subnet;
mod tags;
mod trunk;

use super::{Answered, Composed, Does, KeyValues, List, Refused, Request, View, find};
use crate::{
    access::{Caller, Identity, Level, Scope},
    graph::{Graph, Object},
    model::Model,
    rules::{
        Compose, Create, Document, NeutronOptions, Operation, Options, Outcome, Purpose, Rulebook, Work, rulebook,
        string_list,
    },
    timestamp::Timestamp,
};
use serde_json::{Map, Value, json};
use std::sync::{Arc, OnceLock};
use uuid::Uuid;

fn model() -> Arc<Model> {
    static MODEL: OnceLock<Arc<Model>> = OnceLock::new();
    Arc::clone(MODEL.get_or_init(|| Arc::new(Model::embedded().unwrap())))
}

/// A configuration with a project, and who asks Neutron about it.
pub struct Cloud {
    pub graph: Graph,
    rulebook: Arc<Rulebook>,
    now: i64,
    pub identity: Identity,
    /// The tenant of the context.
    pub tenant: Uuid,
    /// What the context says.
    pub is_admin: bool,
    pub hides_forbidden: bool,
}

impl Cloud {
    pub fn new() -> Self {
        Self::with(NeutronOptions::default())
    }

    pub fn with(neutron: NeutronOptions) -> Self {
        let options = Options { neutron, ..Options::default() };
        let mut cloud = Self {
            graph: Graph::new(model()),
            rulebook: Arc::new(rulebook(&model(), options)),
            now: 0,
            identity: Identity::server("test"),
            tenant: Uuid::nil(),
            is_admin: false,
            hides_forbidden: false,
        };
        cloud.submit(&Operation::Provision { role_rules: false }).unwrap();
        cloud.tenant = cloud.project("blue");
        cloud
    }

    /// Decides an operation; a refused one leaves nothing.
    fn submit(&mut self, operation: &Operation) -> Result<Outcome, Value> {
        self.now += 1;
        let mut work =
            Work::new(self.graph.clone(), self.identity.clone(), &self.rulebook, Timestamp(self.now), Uuid::new_v4);
        let outcome = operation.decide(None, &mut work).map_err(|refusal| told(&refusal.text.to_string()))?;
        self.graph = work.finish().0;
        Ok(outcome)
    }

    /// Creates an object, as REST does; gives its uuid.
    pub fn create(&mut self, type_name: &str, body: Value) -> Uuid {
        let type_id = model().find(type_name).unwrap();
        let fq_name = string_list(&body["fq_name"]).unwrap();
        let Value::Object(body) = body else { panic!() };
        let document = Document::read(&model(), model().object_type(type_id), body, Purpose::Create).unwrap();
        let create = Create { type_id, fq_name, document, chosen: None };
        match self.submit(&Operation::Create(create)).unwrap() {
            Outcome::Object(told) => told.uuid,
            other => panic!("{other:?}"),
        }
    }

    /// A project, with a uuid of its own, so that it owns itself.
    pub fn project(&mut self, name: &str) -> Uuid {
        let uuid = Uuid::new_v4();
        let body = json!({"fq_name": ["default-domain", name], "uuid": uuid.to_string(), "parent_type": "domain"});
        self.create("project", body)
    }

    /// Who asks is a member of a project from now on, and nothing more.
    pub fn log_in(&mut self, project: Uuid) {
        let project = Some(Scope::new(project.simple().to_string(), None));
        let roles = vec!["member".to_owned()];
        self.identity.caller = Arc::new(Caller { project, roles, ..Caller::of_level(Level::Member) });
        // Roles may do everything; objects decide.
        let list = model().find("api-access-list").unwrap();
        if self.graph.count_of(list) > 0 {
            return;
        }
        let rule = json!({"rule_object": "*", "rule_field": null, "rule_perms": [{"role_name": "member", "role_crud": "CRUD"}]});
        let list = json!({
            "fq_name": ["default-global-system-config", "all"], "parent_type": "global-system-config",
            "api_access_list_entries": {"rbac_rule": [rule]},
        });
        self.with_server(|cloud| cloud.create("api-access-list", list));
    }

    /// Does something as the server, and is then again who it was.
    pub fn with_server<T>(&mut self, does: impl FnOnce(&mut Self) -> T) -> T {
        let asks = std::mem::replace(&mut self.identity, Identity::server("test"));
        let done = does(self);
        self.identity = asks;
        done
    }

    /// What the plug-in would send.
    pub fn envelope(&self, resource: &str, operation: &str, data: &Value) -> Map<String, Value> {
        let context = json!({
            "operation": operation, "type": resource, "tenant_id": self.tenant.simple().to_string(), "user_id": "u",
            "is_admin": self.is_admin, "request_id": "req-1", "roles": ["member"],
        });
        Map::from_iter([("context".to_owned(), context), ("data".to_owned(), data.clone())])
    }

    /// Asks; a refusal is what goes out, a class or a text.
    pub fn ask(&mut self, resource: &str, operation: &str, data: Value) -> Result<Value, Value> {
        self.send(resource, &self.envelope(resource, operation, &data))
    }

    pub fn send(&mut self, resource: &str, envelope: &Map<String, Value>) -> Result<Value, Value> {
        let of = |refused: Refused| told(&refused.into_rejection(resource).text.to_string());
        let read = Request::read(find(resource).unwrap(), envelope).map_err(Value::from)?;
        let mut request = read.map_err(of)?;
        request.hides_forbidden = self.hides_forbidden;
        let request = Arc::new(request);
        if let Does::Writes(write) = request.does {
            let composed: Arc<dyn Compose> = Arc::new(Composed { request, write });
            return self.submit_composed(composed);
        }
        // What a list has to make first, as `api` does.
        if let Does::Lists(List { first: Some(first), .. }) = request.does
            && (first.is_missing)(&self.view(&request))
        {
            let write = first.make;
            self.submit_composed(Arc::new(Composed { request: Arc::clone(&request), write }))?;
        }
        let view = self.view(&request);
        let answer = || -> Answered<Value> {
            match request.does {
                Does::Reads(read) => read(&view),
                Does::Lists(list) | Does::Counts(list) => {
                    let answers = (list.candidates)(&view)?;
                    Ok(answers.filter(|answer| request.filters.match_answer(list.fields, answer)).collect())
                }
                Does::Writes(_) => unreachable!(),
            }
        };
        answer().map_err(of)
    }

    fn view<'v>(&'v self, request: &'v Request) -> View<'v> {
        View {
            graph: &self.graph,
            identity: &self.identity,
            role_rules: &self.rulebook.role_rules,
            options: &self.rulebook.options.neutron,
            request,
        }
    }

    fn submit_composed(&mut self, composed: Arc<dyn Compose>) -> Result<Value, Value> {
        match self.submit(&Operation::Composed(composed))? {
            Outcome::Answer(answer) => Ok(answer),
            other => panic!("{other:?}"),
        }
    }

    /// The ids of a list, sorted.
    pub fn ids(&mut self, resource: &str, filters: Value) -> Vec<String> {
        let list = self.ask(resource, "READALL", json!({"filters": filters, "fields": []})).unwrap();
        let mut ids: Vec<String> = list.as_array().unwrap().iter().map(id).collect();
        ids.sort();
        ids
    }

    /// A property of an object.
    pub fn property(&self, id: &str, name: &str) -> Value {
        let object = self.graph.get(Uuid::try_parse(id).unwrap()).unwrap();
        let kind = model();
        let (property, _) = kind.object_type(object.type_id).property(name).unwrap();
        object.property(property).unwrap_or_default()
    }

    pub fn network(&mut self, resource: Value) -> Result<Value, Value> {
        let mut body = json!({"tenant_id": self.tenant.simple().to_string(), "name": "net"});
        body.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
        self.ask("network", "CREATE", json!({"resource": body}))
    }

    pub fn subnet(&mut self, network: &Value, resource: Value) -> Result<Value, Value> {
        let mut body = json!({"network_id": network["id"], "ip_version": 4, "enable_dhcp": true, "name": ""});
        body.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
        self.ask("subnet", "CREATE", json!({"resource": body}))
    }

    pub fn port(&mut self, network: &Value, resource: Value) -> Result<Value, Value> {
        let mut body =
            json!({"network_id": network["id"], "tenant_id": self.tenant.simple().to_string(), "name": "port"});
        body.as_object_mut().unwrap().extend(resource.as_object().unwrap().clone());
        self.ask("port", "CREATE", json!({"resource": body}))
    }

    /// A network with a subnet of this prefix.
    pub fn network_with(&mut self, cidr: &str) -> (Value, Value) {
        let network = self.network(json!({})).unwrap();
        let subnet = self.subnet(&network, json!({"cidr": cidr})).unwrap();
        (network, subnet)
    }

    /// Changes one, or reads or deletes it.
    pub fn of(&mut self, operation: &str, resource: &str, of: &Value, body: Value) -> Result<Value, Value> {
        self.ask(resource, operation, json!({"id": of["id"], "resource": body, "filters": null, "fields": null}))
    }
}

/// The id of an answer.
pub fn id(answer: &Value) -> String {
    answer["id"].as_str().unwrap().to_owned()
}

fn told(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

/// The class of a refusal.
#[track_caller]
pub fn class(answer: Result<Value, Value>) -> String {
    let refused = answer.unwrap_err();
    refused["exception"].as_str().unwrap_or_else(|| panic!("{refused}")).to_owned()
}
