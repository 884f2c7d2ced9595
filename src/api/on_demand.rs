//! Projects and domains that only Keystone has are made here when somebody asks for them (SYNC-1), by the server itself and before
//! it is looked at what the caller may do. Nothing is ever deleted because Keystone does not name it (SYNC-3), but what is empty
//! and has the name of one that is to be made (SYNC-2).

use super::{
    App,
    error::{Answered, ApiError},
};
use crate::{
    access::{Identity, role_rules::Questions},
    authentication::keystone::{Away, Keystone, Place, Wanted},
    graph::{Graph, Object},
    model::{TypeId, type_name},
    rules::{
        Delete, Kind, Operation, Precondition, Rejection, Request, Step, Transaction, canonical_uuid, default_firewall,
        default_group,
    },
};
use serde_json::{Value, json};
use std::sync::Arc;
use uuid::Uuid;

/// What the change log says of who made them.
const REQUEST: &str = "keystone-sync";
const DEFAULT_DOMAIN: &str = "default-domain";
const DEFAULT_PROJECT: &str = "default-project";

impl App {
    /// Looks in Keystone for a project or domain that is missing here, by its uuid; gives whether it is there now.
    ///
    /// # Errors
    /// 503 while Keystone can't be asked, or nothing can be written.
    pub async fn bring(&self, type_id: TypeId, uuid: Uuid) -> Answered<bool> {
        let Some(bringer) = self.bringer() else { return Ok(false) };
        match self.model.object_type(type_id).name.as_str() {
            // Somebody else was faster.
            _ if self.replica.current().get(uuid).is_some() => Ok(true),
            type_name::PROJECT => bringer.project(Wanted::Project(uuid)).await,
            type_name::DOMAIN => bringer.domain(Wanted::Domain(uuid)).await,
            _ => Ok(false),
        }
    }

    /// The same by its name.
    ///
    /// # Errors
    /// As by its uuid.
    pub async fn bring_named(&self, type_id: TypeId, fq_name: &[String]) -> Answered<bool> {
        let Some(bringer) = self.bringer() else { return Ok(false) };
        match (self.model.object_type(type_id).name.as_str(), fq_name) {
            (type_name::PROJECT, [domain, name]) => match bringer.id_of_domain(domain).await? {
                Some(domain_id) => bringer.project(Wanted::ProjectNamed(name.clone(), domain_id)).await,
                None => Ok(false),
            },
            (type_name::DOMAIN, [name]) => bringer.domain(Wanted::DomainNamed(name.clone())).await,
            _ => Ok(false),
        }
    }

    /// The delete of a project is that of what it has by default, too, which nobody has made (SYNC-4, NEU-HOOK-2).
    pub fn with_default_objects(
        &self,
        operation: Operation,
        precondition: Option<Precondition>,
    ) -> (Operation, Option<Precondition>) {
        let defaults = match &operation {
            Operation::Delete(delete) => self.default_objects(delete).unwrap_or_default(),
            _ => Vec::new(),
        };
        if defaults.is_empty() {
            return (operation, precondition);
        }
        let deletion = |object: Arc<Object>| Delete { type_id: object.type_id, uuid: object.uuid.to_string() };
        let deletions = defaults.into_iter().map(|object| step(Operation::Delete(deletion(object)), None));
        let steps = deletions.chain([step(operation, precondition)]).collect();
        (Operation::Many(Transaction { steps }), None)
    }

    /// What a project that is to be deleted has by default, in the order in which it can be deleted: its security group, and the
    /// firewall where there are any.
    fn default_objects(&self, delete: &Delete) -> Option<Vec<Arc<Object>>> {
        let graph = self.replica.current();
        let [projects, groups] = [type_name::PROJECT, type_name::SECURITY_GROUP].map(|name| self.model.find(name));
        let project = graph.get(canonical_uuid(&delete.uuid)?).filter(|_| Some(delete.type_id) == projects)?;
        let mut children = graph.children_of(project.uuid, groups?);
        let group = children.find(|group| group.fq_name.name() == default_group::NAME).cloned();
        let firewall = if self.neutron.fwaas { default_firewall::of_project(&graph, project) } else { Vec::new() };
        Some(group.into_iter().chain(firewall).collect())
    }

    fn bringer(&self) -> Option<Bringer<'_>> {
        let keystone = self.authenticator.keystone().filter(|keystone| keystone.syncs_on_demand())?;
        let [project, domain, group] =
            [type_name::PROJECT, type_name::DOMAIN, type_name::SECURITY_GROUP].map(|name| self.model.find(name));
        Some(Bringer { app: self, keystone, project: project?, domain: domain?, group: group? })
    }
}

/// Who brings them from Keystone.
struct Bringer<'a> {
    app: &'a App,
    keystone: &'a Keystone,
    project: TypeId,
    domain: TypeId,
    group: TypeId,
}

impl Bringer<'_> {
    fn graph(&self) -> Arc<Graph> {
        self.app.replica.current()
    }

    async fn find(&self, wanted: &Wanted) -> Answered<Option<Place>> {
        self.keystone.place(wanted).await.map_err(|Away(why)| {
            tracing::warn!(why, ?wanted, "Keystone can't be asked for a project or domain");
            ApiError::unavailable("The Keystone service is temporarily unavailable.")
        })
    }

    async fn project(&self, wanted: Wanted) -> Answered<bool> {
        let Some(project) = self.find(&wanted).await? else { return Ok(false) };
        let Some(domain_id) = &project.domain_id else { return Ok(false) };
        let Some(domain) = self.name_of_domain(domain_id).await? else { return Ok(false) };
        let made = self.make(self.project, &[domain, project.name.clone()], &project).await?;
        self.pass_over(made, &wanted)
    }

    /// What can't be made is as good as missing, for as long.
    fn pass_over(&self, made: bool, wanted: &Wanted) -> Answered<bool> {
        if !made {
            self.keystone.pass_over(wanted);
        }
        Ok(made)
    }

    async fn domain(&self, wanted: Wanted) -> Answered<bool> {
        match self.find(&wanted).await? {
            // It is there, by another name.
            Some(domain) if self.keystone.is_default_domain(&domain.id) => Ok(false),
            Some(domain) => {
                let made = self.make(self.domain, std::slice::from_ref(&domain.name), &domain).await?;
                self.pass_over(made, &wanted)
            }
            None => Ok(false),
        }
    }

    /// What the domain of a project is called here; it is made if it is missing.
    async fn name_of_domain(&self, id: &str) -> Answered<Option<String>> {
        if self.keystone.is_default_domain(id) {
            return Ok(Some(DEFAULT_DOMAIN.to_owned()));
        }
        let Ok(uuid) = Uuid::try_parse(id) else { return Ok(None) };
        if self.graph().get(uuid).is_none() {
            self.domain(Wanted::Domain(uuid)).await?;
        }
        let graph = self.graph();
        let domain = graph.get(uuid).filter(|object| object.type_id == self.domain);
        Ok(domain.map(|domain| domain.fq_name.name().to_owned()))
    }

    /// What a domain of this name here is called by Keystone.
    async fn id_of_domain(&self, name: &str) -> Answered<Option<String>> {
        if name == DEFAULT_DOMAIN {
            return Ok(Some(self.keystone.default_domain_id().to_owned()));
        }
        let known = || self.graph().find(self.domain, &[name]).map(|domain| domain.uuid.simple().to_string());
        match known() {
            Some(id) => Ok(Some(id)),
            None => Ok(self.domain(Wanted::DomainNamed(name.to_owned())).await?.then(known).flatten()),
        }
    }

    /// Makes one with the uuid and the name that it has in Keystone; where another one here has the name, that one goes if it is
    /// empty and Keystone does not know it (any more), and else the new one is called otherwise (SYNC-2).
    async fn make(&self, type_id: TypeId, fq_name: &[String], place: &Place) -> Answered<bool> {
        let Some(uuid) = place.uuid() else { return Ok(false) };
        if self.graph().get(uuid).is_some() {
            return Ok(true);
        }
        let mut refused = match self.create(type_id, fq_name, uuid, &place.name).await {
            Ok(()) => return Ok(true),
            Err(refused) => refused,
        };
        if refused.kind == Kind::Conflict && self.graph().get(uuid).is_none() {
            let is_free = self.make_room(type_id, fq_name).await?;
            let mut fq_name = fq_name.to_vec();
            if let (false, Some(name)) = (is_free, fq_name.last_mut()) {
                *name = format!("{name}-{}", Uuid::new_v4());
            }
            match self.create(type_id, &fq_name, uuid, &place.name).await {
                Ok(()) => return Ok(true),
                Err(again) => refused = again,
            }
        }
        match refused.kind {
            Kind::Unavailable => Err(refused.into()),
            // Somebody else was faster.
            Kind::Conflict if self.graph().get(uuid).is_some() => Ok(true),
            _ => {
                tracing::warn!(%uuid, fq_name = fq_name.join(":"), why = %refused.text, "what Keystone has can't be made here");
                Ok(false)
            }
        }
    }

    async fn create(&self, type_id: TypeId, fq_name: &[String], uuid: Uuid, name: &str) -> Result<(), Rejection> {
        let body = json!({"fq_name": fq_name, "uuid": uuid.to_string(), "display_name": name});
        let create = self.creation(type_id, body)?;
        // Where projects get their group anyway the rules make it.
        if type_id == self.project && !self.app.neutron.default_security_group {
            // SYNC-4
            let group = self.creation(self.group, default_group::body(fq_name))?;
            let steps = [create, group].map(|operation| step(operation, None)).into();
            self.submit(Operation::Many(Transaction { steps })).await?;
        } else {
            self.submit(create).await?;
        }
        tracing::info!(%uuid, fq_name = fq_name.join(":"), "made, since Keystone has it");
        Ok(())
    }

    fn creation(&self, type_id: TypeId, body: Value) -> Result<Operation, Rejection> {
        let Value::Object(body) = body else { return Err(Rejection::bad_request("it is no object")) };
        // What it is called in Keystone may be no name here.
        let create = self.app.read_create(type_id, body).map_err(|error| Rejection::bad_request(error.text))?;
        Ok(Operation::Create(create))
    }

    /// Deletes who has this name, if nobody can miss it; gives whether the name is free.
    async fn make_room(&self, type_id: TypeId, fq_name: &[String]) -> Answered<bool> {
        let Some(old) = self.graph().find(type_id, fq_name).map(|old| old.uuid) else { return Ok(true) };
        let is_first_object = match fq_name {
            [domain] => domain == DEFAULT_DOMAIN,
            [domain, project] => domain == DEFAULT_DOMAIN && project == DEFAULT_PROJECT,
            _ => true,
        };
        let wanted = if type_id == self.project { Wanted::Project(old) } else { Wanted::Domain(old) };
        if is_first_object || self.find(&wanted).await?.is_some() {
            return Ok(false);
        }
        let delete = Operation::Delete(Delete { type_id, uuid: old.to_string() });
        let deleted = self.submit(self.app.with_default_objects(delete, None).0).await;
        if deleted.is_ok() {
            tracing::info!(%old, fq_name = fq_name.join(":"), "deleted: it was empty, and Keystone has another one of this name");
        }
        Ok(deleted.is_ok())
    }

    async fn submit(&self, operation: Operation) -> Result<(), Rejection> {
        let identity = Identity::server(REQUEST);
        let request = Request { operation, precondition: None, dry_run: false, identity, asked: Questions::default() };
        self.app.writer.submit(request, None).await.map(|_| ())
    }
}

/// A part of what is asked for as a whole: the rules for roles have been asked about that.
fn step(operation: Operation, precondition: Option<Precondition>) -> Step {
    Step { operation, precondition, asked: Questions::default() }
}
