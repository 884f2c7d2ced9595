//! The interface-route-table of an interface, and the interface's reference to it.

use super::{InterfaceRouteError, settings::Interface};
use crate::client::{ApiServer, Method};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};

const INTERFACE: &str = "virtual-machine-interface";
const TABLE: &str = "interface-route-table";
const ROUTES: &str = "interface_route_table_routes";
const NOTHING_ELSE: &str = "exclude_back_refs=True&exclude_children=True";

/// The table, as far as it exists.
struct Table {
    uuid: String,
    routes: Vec<Value>,
}

/// The static routes of one interface.
pub struct StaticRoutes<'a> {
    server: &'a ApiServer,
    interface: String,
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
                let body = json!({"type": INTERFACE, "fq_name": elements});
                let found = server.call_unless_absent(Method::Post, "/fqname-to-id", Some(&body))?;
                let uuid = found.and_then(|found| found["uuid"].as_str().map(str::to_owned));
                uuid.ok_or_else(|| InterfaceRouteError::NoInterface(elements.join(":")))?
            }
        };
        let path = format!("/{INTERFACE}/{interface}?{NOTHING_ELSE}");
        let found = server.call_unless_absent(Method::Get, &path, None)?;
        let found = found.ok_or_else(|| InterfaceRouteError::NoInterface(interface.clone()))?;
        let mut routes = Self { server, interface, table: None, referred: false };
        routes.table = routes.find_table()?;
        if let Some(table) = &routes.table {
            let references = found[INTERFACE]["interface_route_table_refs"].as_array();
            routes.referred =
                references.into_iter().flatten().any(|reference| reference["uuid"] == table.uuid.as_str());
        }
        Ok(routes)
    }

    fn table_name(&self) -> Value {
        json!(["default-domain", "default-project", self.interface])
    }

    fn find_table(&self) -> Result<Option<Table>, InterfaceRouteError> {
        let body = json!({"type": TABLE, "fq_name": self.table_name()});
        let Some(found) = self.server.call_unless_absent(Method::Post, "/fqname-to-id", Some(&body))? else {
            return Ok(None);
        };
        let uuid = found["uuid"].as_str().unwrap_or_default().to_owned();
        let path = format!("/{TABLE}/{uuid}?{NOTHING_ELSE}");
        let stored = self.server.call_unless_absent(Method::Get, &path, None)?;
        Ok(stored.map(|stored| {
            let routes = stored[TABLE][ROUTES]["route"].as_array().cloned().unwrap_or_default();
            Table { uuid, routes }
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
        let table = match &self.table {
            None => self.create_table(&route)?,
            Some(table) if table.routes.iter().any(|route| is_for(route, prefix)) => {
                if self.referred {
                    return Err(InterfaceRouteError::Present(prefix.to_owned()));
                }
                table.uuid.clone()
            }
            Some(table) => {
                let routes: Vec<&Value> = table.routes.iter().chain([&route]).collect();
                self.store(table, &routes)?;
                table.uuid.clone()
            }
        };
        if self.referred { Ok(()) } else { self.update_reference(&table, "ADD") }
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
            self.update_reference(&table.uuid, "DELETE")?;
        }
        self.server.call(Method::Delete, &format!("/{TABLE}/{}", table.uuid), None)?;
        Ok(())
    }

    fn create_table(&self, route: &Value) -> Result<String, InterfaceRouteError> {
        let table = json!({"fq_name": self.table_name(), "parent_type": "project", ROUTES: {"route": [route]}});
        let created = self.server.call(Method::Post, &format!("/{TABLE}s"), Some(&json!({ TABLE: table })))?;
        Ok(created[TABLE]["uuid"].as_str().unwrap_or_default().to_owned())
    }

    fn store(&self, table: &Table, routes: &[&Value]) -> Result<(), InterfaceRouteError> {
        let body = json!({TABLE: {"uuid": table.uuid, ROUTES: {"route": routes}}});
        self.server.call(Method::Put, &format!("/{TABLE}/{}", table.uuid), Some(&body))?;
        Ok(())
    }

    fn update_reference(&self, table: &str, operation: &str) -> Result<(), InterfaceRouteError> {
        let body = json!({"type": INTERFACE, "uuid": self.interface, "ref-type": TABLE,
            "ref-uuid": table, "ref-fq-name": self.table_name(), "operation": operation, "attr": null});
        self.server.call(Method::Post, "/ref-update", Some(&body))?;
        Ok(())
    }
}

/// Whether a route is for this destination, however somebody else has written it.
fn is_for(route: &Value, prefix: &str) -> bool {
    let Some(stored) = route["prefix"].as_str() else { return false };
    let network = |text: &str| text.parse::<IpNetwork>().ok().map(|parsed| (parsed.network(), parsed.prefix()));
    stored == prefix || network(stored).is_some() && network(stored) == network(prefix)
}
