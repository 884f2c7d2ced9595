//! How the server is, for `contrail-status` and the scripts that copy it: they ask the introspect port of contrail-api for the page
//! `NodeStatus`, and find in it whether the process is functional, and what it is connected to. It is the only page here.

#![allow(clippy::doc_markdown, reason = "PostgreSQL is a name here, not code")]

use crate::{
    api::{App, DATABASE, Finding},
    feed::Sending,
};
use actix_web::{
    App as WebApp, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::{KeepAlive, Method},
    web::{self, Data},
};
use quick_xml::{
    Writer,
    events::{BytesDecl, BytesText, Event},
};
use std::{
    io,
    net::TcpListener,
    sync::{Arc, OnceLock, Weak},
    time::Duration,
};
use tokio::time::timeout;

/// Where clients look for the page.
const PATH: &str = "/Snh_SandeshUVECacheReq";
/// What they ask for there.
const QUERY: &str = "x=NodeStatus";
/// How many connections there may be at the same time; others wait for their turn.
const CONNECTIONS: usize = 32;
/// How long the head of a request may take.
const HEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long what was asked may take to be closed by who has asked.
const CLOSED_WITHIN: Duration = Duration::from_secs(1);
/// How long it may take to be stopped.
const STOPPED_WITHIN: Duration = Duration::from_secs(3);
/// How many characters of a text are told.
const LONGEST_TEXT: usize = 1000;
/// Where the kernel tells what this machine is called.
const OWN_NAME: &str = "/proc/sys/kernel/hostname";

/// What is known of the server; nothing while it starts, and when it has stopped.
type Seen = OnceLock<Weak<App>>;

/// The listener.
pub struct Introspect {
    seen: Arc<Seen>,
    handle: ServerHandle,
}

impl Introspect {
    /// Answers on this socket from now on.
    ///
    /// # Errors
    /// When it can't be listened on.
    pub fn start(listener: TcpListener) -> io::Result<Self> {
        let seen = Arc::new(Seen::new());
        let data = Data::from(Arc::clone(&seen));
        let server = HttpServer::new(move || WebApp::new().app_data(data.clone()).default_service(web::to(answer)))
            .workers(1)
            .max_connections(CONNECTIONS)
            .keep_alive(KeepAlive::Disabled)
            .client_request_timeout(HEAD_WITHIN)
            .client_disconnect_timeout(CLOSED_WITHIN)
            .shutdown_timeout(1)
            .disable_signals()
            .listen(listener)?
            .run();
        let handle = server.handle();
        tokio::spawn(server);
        Ok(Self { seen, handle })
    }

    /// Tells of this server from now on.
    pub fn show(&self, app: &Arc<App>) {
        // It is set once.
        let _ = self.seen.set(Arc::downgrade(app));
    }

    /// Answers nobody any more.
    pub async fn stop(self) {
        let _ = timeout(STOPPED_WITHIN, self.handle.stop(false)).await;
    }
}

async fn answer(request: HttpRequest, seen: Data<Seen>) -> HttpResponse {
    if request.method() != Method::GET || request.path() != PATH || request.query_string() != QUERY {
        return HttpResponse::NotFound().content_type("text/plain; charset=utf-8").body("There is one page here\n");
    }
    let status = match seen.get().map(Weak::upgrade) {
        None => Status::without_connections("it starts"),
        Some(None) => Status::without_connections("it stops"),
        Some(Some(app)) => Box::pin(Status::of(&app)).await,
    };
    match status.page() {
        Ok(page) => HttpResponse::Ok().content_type("text/xml; charset=utf-8").body(page),
        Err(error) => {
            tracing::error!(%error, "the page of introspect can't be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

/// What the page says.
struct Status {
    connections: Vec<Connection>,
    /// What is wrong; nothing, if the server is functional.
    wrong: String,
}

/// What the server is connected to, by the names of contrail-api.
struct Connection {
    kind: &'static str,
    name: &'static str,
    addresses: Vec<String>,
    is_up: bool,
    description: String,
}

impl Status {
    fn without_connections(wrong: &str) -> Self {
        Self { connections: Vec::new(), wrong: wrong.to_owned() }
    }

    /// As `/readyz` has it.
    async fn of(app: &App) -> Self {
        let findings = Box::pin(app.findings()).await;
        let told = |(name, wrong): &Finding| wrong.as_ref().map(|wrong| format!("{name}: {wrong}"));
        let wrong: Vec<String> = findings.iter().filter_map(told).collect();
        let database = findings.iter().find(|(name, _)| *name == DATABASE).and_then(|(_, wrong)| wrong.clone());
        let place = app.database.place();
        // Behind the name of the database.
        let address = place.rsplit_once(" at ").map_or(place.as_str(), |(_, address)| address);
        let mut connections = vec![Connection {
            kind: "Database",
            name: "PostgreSQL",
            addresses: vec![address.to_owned()],
            is_up: database.is_none(),
            description: database.unwrap_or_default(),
        }];
        if let Some(bus) = &app.bus {
            let (is_up, description) = match app.feed.sending.borrow().clone() {
                Sending::Here => (true, String::new()),
                Sending::Elsewhere => (true, "another server sends".to_owned()),
                Sending::Away(why) => (false, why),
            };
            let addresses = bus.addresses();
            connections.push(Connection { kind: "Database", name: "RabbitMQ", addresses, is_up, description });
        }
        if let Some(keystone) = app.authenticator.keystone() {
            connections.push(Connection {
                kind: "Generic Connection",
                name: "Keystone",
                addresses: vec![keystone.url().to_owned()],
                is_up: !keystone.is_away(),
                description: String::new(),
            });
        }
        Self { connections, wrong: wrong.join("; ") }
    }

    fn page(&self) -> io::Result<String> {
        let mut page = Page(Writer::new(Vec::new()));
        page.0.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
        page.with("__NodeStatusUVE_list", &[("type", "slist")], |page| {
            page.with("NodeStatusUVE", &[("type", "sandesh")], |page| {
                page.with("data", &[("type", "struct"), ("identifier", "1")], |page| {
                    page.with("NodeStatus", &[], |page| self.node(page))
                })
            })
        })?;
        String::from_utf8(page.0.into_inner()).map_err(io::Error::other)
    }

    fn node(&self, page: &mut Page) -> io::Result<()> {
        let name = std::fs::read_to_string(OWN_NAME).unwrap_or_default();
        let of_name = [("type", "string"), ("identifier", "1"), ("key", "ObjectConfigNode")];
        page.with("name", &of_name, |page| page.write(name.trim()))?;
        let state = if self.wrong.is_empty() { "Functional" } else { "Non-Functional" };
        let of_list = [("type", "list"), ("identifier", "4"), ("aggtype", "union")];
        page.with("process_status", &of_list, |page| {
            page.with("list", &[("type", "struct"), ("size", "1")], |page| {
                page.with("ProcessStatus", &[], |page| {
                    page.text("module_id", "1", "contrail-api")?;
                    page.text("instance_id", "2", "0")?;
                    page.text("state", "3", state)?;
                    page.list("connection_infos", "4", "struct", &self.connections, Connection::write)?;
                    page.text("description", "5", &self.wrong)
                })
            })
        })
    }
}

impl Connection {
    fn write(&self, page: &mut Page) -> io::Result<()> {
        page.with("ConnectionInfo", &[], |page| {
            page.text("type", "1", self.kind)?;
            page.text("name", "2", self.name)?;
            page.list("server_addrs", "3", "string", &self.addresses, |address, page| {
                page.with("element", &[], |page| page.write(address))
            })?;
            page.text("status", "4", if self.is_up { "Up" } else { "Down" })?;
            page.text("description", "5", &self.description)
        })
    }
}

/// XML, as sandesh writes it: each element says of what type it is.
struct Page(Writer<Vec<u8>>);

impl Page {
    /// An element with what is in it.
    fn with(
        &mut self,
        name: &str,
        attributes: &[(&str, &str)],
        inside: impl FnOnce(&mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        let element = quick_xml::events::BytesStart::new(name).with_attributes(attributes.iter().copied());
        let end = element.to_end().into_owned();
        self.0.write_event(Event::Start(element))?;
        inside(self)?;
        self.0.write_event(Event::End(end))
    }

    fn text(&mut self, name: &str, identifier: &str, text: &str) -> io::Result<()> {
        self.with(name, &[("type", "string"), ("identifier", identifier)], |page| page.write(text))
    }

    fn list<T>(
        &mut self,
        name: &str,
        identifier: &str,
        kind: &str,
        items: &[T],
        write: impl Fn(&T, &mut Self) -> io::Result<()>,
    ) -> io::Result<()> {
        self.with(name, &[("type", "list"), ("identifier", identifier)], |page| {
            let size = items.len().to_string();
            page.with("list", &[("type", kind), ("size", &size)], |page| {
                items.iter().try_for_each(|item| write(item, page))
            })
        })
    }

    /// A text, of which what XML can't hold is left out.
    fn write(&mut self, text: &str) -> io::Result<()> {
        let is_allowed = |letter: &char| matches!(letter, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..);
        let text: String = text.chars().filter(is_allowed).take(LONGEST_TEXT).collect();
        self.0.write_event(Event::Text(BytesText::new(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use quick_xml::Reader;

    /// The texts of a page, each with the names of the elements around it.
    fn texts(page: &str) -> Vec<(String, String)> {
        let mut reader = Reader::from_str(page);
        let (mut path, mut found, mut text) = (Vec::new(), Vec::new(), String::new());
        loop {
            match reader.read_event().unwrap() {
                Event::Start(element) => {
                    path.push(element.name().as_ref().to_owned());
                    text.clear();
                }
                Event::End(_) => {
                    if !text.is_empty() {
                        found.push((path.join("/"), std::mem::take(&mut text)));
                    }
                    path.pop();
                }
                Event::Text(part) => text.push_str(&part),
                Event::GeneralRef(reference) => {
                    text.push_str(quick_xml::escape::resolve_predefined_entity(&reference).unwrap());
                }
                Event::Eof => return found,
                _ => {}
            }
        }
    }

    #[test]
    fn a_page_holds_hostile_texts_as_they_are() {
        let hostile = "</description><state>Functional</state>&amp;<![CDATA[ ]]> \" ' \u{0}\u{1b}\u{fffe}\u{10ffff}é";
        let shown = hostile.replace(['\0', '\u{1b}', '\u{fffe}'], "");
        let connection = Connection {
            kind: "Database",
            name: "PostgreSQL",
            addresses: vec![hostile.to_owned(), "b:2".to_owned()],
            is_up: false,
            description: hostile.to_owned(),
        };
        let page = Status { connections: vec![connection], wrong: hostile.to_owned() }.page().unwrap();
        let found = texts(&page);
        let process = "__NodeStatusUVE_list/NodeStatusUVE/data/NodeStatus/process_status/list/ProcessStatus";
        let of = |below: &str| {
            let path = format!("{process}/{below}");
            let of_path = |(at, text): &(String, String)| (*at == path).then(|| text.clone());
            found.iter().filter_map(of_path).collect::<Vec<_>>()
        };
        assert_eq!((of("module_id"), of("instance_id")), (vec!["contrail-api".to_owned()], vec!["0".to_owned()]));
        assert_eq!((of("state"), of("description")), (vec!["Non-Functional".to_owned()], vec![shown.clone()]));
        let connection = "connection_infos/list/ConnectionInfo";
        assert_eq!(of(&format!("{connection}/server_addrs/list/element")), [shown.clone(), "b:2".to_owned()]);
        assert_eq!(
            (of(&format!("{connection}/status")), of(&format!("{connection}/description"))),
            (vec!["Down".to_owned()], vec![shown])
        );
    }

    #[test]
    fn texts_have_an_end() {
        let page = Status::without_connections(&"x".repeat(1 << 20)).page().unwrap();
        assert!(page.len() < 3000 && page.contains(">Non-Functional<"), "{}", page.len());
    }
}
