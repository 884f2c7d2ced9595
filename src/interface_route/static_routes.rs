//! The interface-route-table of an interface, and the interface's reference to it.

use super::{InterfaceRouteError, settings::Interface};
use crate::client::{ApiServer, ClientError, Method};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};

const INTERFACE: &str = "virtual-machine-interface";
const TABLE: &str = "interface-route-table";
const ROUTES: &str = "interface_route_table_routes";
const NOTHING_ELSE: &str = "exclude_back_refs=True&exclude_children=True";
/// Where tables were made before, whichever project the interface is in.
const FORMER_PROJECT: [&str; 2] = ["default-domain", "default-project"];
/// What there is not.
const ABSENT: &[u16] = &[404];
/// What there is not, as far as the caller may know.
const OUT_OF_SIGHT: &[u16] = &[403, 404];

/// The table, as far as it exists.
struct Table {
    uuid: String,
    fq_name: Value,
    routes: Vec<Value>,
}

/// The static routes of one interface.
pub struct StaticRoutes<'a> {
    server: &'a ApiServer,
    interface: String,
    /// Name of the project where a table is made.
    project: Value,
    table: Option<Table>,
    /// Whether the interface refers to the table.
    referred: bool,
}

impl<'a> StaticRoutes<'a> {
    /// Those of this interface.
    ///
    /// # Errors
    /// When there is no such interface, or the server does not answer.
    pub fn of(server: &'a ApiServer, interface: &Interface) -> Result<Self, InterfaceRouteError> {
        let interface = match interface {
            Interface::Uuid(uuid) => uuid.clone(),
            Interface::Name(elements) => {
                let found = find(server, INTERFACE, &json!(elements), ABSENT)?;
                found.ok_or_else(|| InterfaceRouteError::NoInterface(elements.join(":")))?
            }
        };
        let found = read(server, INTERFACE, &interface, ABSENT)?;
        let found = found.ok_or_else(|| InterfaceRouteError::NoInterface(interface.clone()))?;
        let project = project_of(&found);
        let mut routes = Self { server, interface, project, table: None, referred: false };
        routes.table = routes.referred_table(&found)?;
        routes.referred = routes.table.is_some();
        if !routes.referred {
            routes.table = routes.table_without_reference()?;
        }
        Ok(routes)
    }

    fn table_in(&self, project: &Value) -> Value {
        let elements = project.as_array().into_iter().flatten().cloned();
        elements.chain([self.interface.as_str().into()]).collect()
    }

    /// The table of the interface, in whichever project; not those that it shares with others, which have other names.
    fn referred_table(&self, interface: &Value) -> Result<Option<Table>, InterfaceRouteError> {
        let references = interface["interface_route_table_refs"].as_array();
        let is_own = |reference: &&Value| {
            let name = reference["to"].as_array().and_then(|elements| elements.last());
            name.is_some_and(|name| *name == self.interface.as_str())
        };
        let own = references.into_iter().flatten().find(is_own).and_then(|reference| reference["uuid"].as_str());
        own.map_or(Ok(None), |uuid| self.read_table(uuid, ABSENT))
    }

    /// What an interrupted run, or somebody else, has left.
    fn table_without_reference(&self) -> Result<Option<Table>, InterfaceRouteError> {
        let former = json!(FORMER_PROJECT);
        let project = Some(&self.project).filter(|project| **project != former);
        for project in [Some(&former), project].into_iter().flatten() {
            let Some(uuid) = find(self.server, TABLE, &self.table_in(project), OUT_OF_SIGHT)? else { continue };
            if let Some(table) = self.read_table(&uuid, OUT_OF_SIGHT)? {
                return Ok(Some(table));
            }
        }
        Ok(None)
    }

    fn read_table(&self, uuid: &str, nothing: &[u16]) -> Result<Option<Table>, InterfaceRouteError> {
        let stored = read(self.server, TABLE, uuid, nothing)?;
        Ok(stored.map(|stored| {
            let routes = stored[ROUTES]["route"].as_array().cloned().unwrap_or_default();
            Table { uuid: uuid.to_owned(), fq_name: stored["fq_name"].clone(), routes }
        }))
    }

    /// The routes, as the server has them. Without the reference they are of no effect: there are none then.
    pub fn list(&self) -> Vec<Value> {
        self.table.iter().filter(|_| self.referred).flat_map(|table| table.routes.clone()).collect()
    }

    /// Adds a route; makes the table and the reference when they are missing.
    ///
    /// # Errors
    /// When the route is there already, or the server refuses.
    pub fn add(&self, prefix: &str) -> Result<(), InterfaceRouteError> {
        let route = json!({"prefix": prefix, "next_hop": null, "next_hop_type": null, "community_attributes": null});
        let Some(table) = &self.table else {
            return self.update_reference(&self.create_table(route)?, "ADD");
        };
        if !table.routes.iter().any(|route| is_for(route, prefix)) {
            let routes: Vec<&Value> = table.routes.iter().chain([&route]).collect();
            self.store(table, &routes)?;
        } else if self.referred {
            return Err(InterfaceRouteError::Present(prefix.to_owned()));
        }
        if self.referred { Ok(()) } else { self.update_reference(table, "ADD") }
    }

    /// Deletes a route, or all; with the last one the reference and the table go.
    ///
    /// # Errors
    /// When there is no such route, or the server refuses.
    pub fn delete(&self, prefix: Option<&str>) -> Result<(), InterfaceRouteError> {
        let table = self.table.as_ref().ok_or_else(|| {
            prefix.map_or(InterfaceRouteError::NoRoutes, |prefix| InterfaceRouteError::Absent(prefix.to_owned()))
        })?;
        let rest: Vec<&Value> = match prefix {
            None => Vec::new(),
            Some(prefix) => table.routes.iter().filter(|route| !is_for(route, prefix)).collect(),
        };
        if let Some(prefix) = prefix.filter(|_| rest.len() == table.routes.len()) {
            return Err(InterfaceRouteError::Absent(prefix.to_owned()));
        }
        if !rest.is_empty() {
            return self.store(table, &rest);
        }
        if self.referred {
            self.update_reference(table, "DELETE")?;
        }
        self.server.call(Method::Delete, &format!("/{TABLE}/{}", table.uuid), None)?;
        Ok(())
    }

    fn create_table(&self, route: Value) -> Result<Table, InterfaceRouteError> {
        let fq_name = self.table_in(&self.project);
        let table = json!({"fq_name": fq_name, "parent_type": "project", ROUTES: {"route": [route]}});
        let created = self.server.call(Method::Post, &format!("/{TABLE}s"), Some(&json!({ TABLE: table })))?;
        let uuid = created[TABLE]["uuid"].as_str().unwrap_or_default().to_owned();
        Ok(Table { uuid, fq_name, routes: vec![route] })
    }

    fn store(&self, table: &Table, routes: &[&Value]) -> Result<(), InterfaceRouteError> {
        let body = json!({TABLE: {"uuid": table.uuid, ROUTES: {"route": routes}}});
        self.server.call(Method::Put, &format!("/{TABLE}/{}", table.uuid), Some(&body))?;
        Ok(())
    }

    fn update_reference(&self, table: &Table, operation: &str) -> Result<(), InterfaceRouteError> {
        let body = json!({"type": INTERFACE, "uuid": self.interface, "ref-type": TABLE,
            "ref-uuid": table.uuid, "ref-fq-name": table.fq_name, "operation": operation, "attr": null});
        self.server.call(Method::Post, "/ref-update", Some(&body))?;
        Ok(())
    }
}

/// The project that an interface is in; of those that are in none the one that there always is.
fn project_of(interface: &Value) -> Value {
    match (interface["parent_type"].as_str(), interface["fq_name"].as_array().map(Vec::as_slice)) {
        (Some("project"), Some([domain, project, _])) => json!([domain, project]),
        _ => json!(FORMER_PROJECT),
    }
}

/// The uuid of what has this name; none where the status is one of those that say so.
fn find(
    server: &ApiServer,
    kind: &str,
    fq_name: &Value,
    nothing: &[u16],
) -> Result<Option<String>, InterfaceRouteError> {
    let body = json!({"type": kind, "fq_name": fq_name});
    let found = unless(nothing, server.call(Method::Post, "/fqname-to-id", Some(&body)))?;
    Ok(found.and_then(|found| found["uuid"].as_str().map(str::to_owned)))
}

/// An object without what others say of it; none where the status is one of those that say so.
fn read(server: &ApiServer, kind: &str, uuid: &str, nothing: &[u16]) -> Result<Option<Value>, InterfaceRouteError> {
    let path = format!("/{kind}/{uuid}?{NOTHING_ELSE}");
    let found = unless(nothing, server.call(Method::Get, &path, None))?;
    Ok(found.map(|mut found| found[kind].take()))
}

fn unless(nothing: &[u16], answer: Result<Value, ClientError>) -> Result<Option<Value>, ClientError> {
    match answer {
        Err(ClientError::Refused { status, .. }) if nothing.contains(&status) => Ok(None),
        answer => answer.map(Some),
    }
}

/// Whether a route is for this destination, however somebody else has written it.
fn is_for(route: &Value, prefix: &str) -> bool {
    let Some(stored) = route["prefix"].as_str() else { return false };
    let network = |text: &str| text.parse::<IpNetwork>().ok().map(|parsed| (parsed.network(), parsed.prefix()));
    stored == prefix || network(stored).is_some() && network(stored) == network(prefix)
}
