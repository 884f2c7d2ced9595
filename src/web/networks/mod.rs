//! `/ui/networks`: the networks of a project, or all, or those around one, as a picture and as a list.

mod arrange;
mod collect;
mod draw;
mod groups;
mod list;
mod policy;
mod ports;
mod scene;

use super::{layout::Layout, link};
use crate::{
    api::{Answer, Answered, ApiError, pages::Asked},
    graph::{Graph, Object},
    model::{ObjectType, type_name},
    pace::Pace,
};
use actix_web::http::Method;
use collect::{Collector, Count, Found, MOST_NETWORKS, Sight};
use maud::{Markup, html};
use std::{ops::Bound, sync::Arc};
use uuid::Uuid;

/// Where this is.
const PATH: &str = "/ui/networks";
/// More networks than these are first shown folded.
const MOST_AT_ONCE: usize = 200;
/// Of fewer it is not asked how they are to be folded.
const FEW: usize = 12;
/// How many networks are looked at to find some by their names.
const MOST_SEARCHED: usize = 100_000;
/// How far around a network one may look.
const MOST_STEPS: usize = 3;
/// How many projects there are to choose from.
const MOST_PROJECTS: usize = 300;
/// What makes the picture another one. What somebody may not read is not told to him, and can't be asked for.
const FOLLOWED: [&str; 8] = [
    type_name::VIRTUAL_NETWORK,
    type_name::NETWORK_POLICY,
    type_name::LOGICAL_ROUTER,
    type_name::VIRTUAL_MACHINE_INTERFACE,
    type_name::INSTANCE_IP,
    type_name::FLOATING_IP,
    type_name::INTERFACE_ROUTE_TABLE,
    type_name::NETWORK_IPAM,
];

/// Where an object is to be seen in a picture, if it is of a type that is.
pub fn of_object(kind: &ObjectType, uuid: Uuid) -> Option<String> {
    let argument = match kind.name.as_str() {
        type_name::VIRTUAL_NETWORK => "around",
        type_name::PROJECT => "project",
        _ => return None,
    };
    Some(link::with_arguments(PATH, &[(argument, &uuid.to_string())]))
}

/// What is asked for, as it stands in the address of the page.
pub struct Here<'a> {
    project: &'a str,
    around: Option<Uuid>,
    steps: usize,
    find: &'a str,
    view: &'a str,
    open: &'a str,
    connected: &'a str,
}

impl<'a> Here<'a> {
    fn of(asked: &Asked<'a>) -> Answered<Self> {
        let argument = |name: &str| asked.argument(name).unwrap_or_default();
        let around = asked.argument("around").map(|uuid| {
            Uuid::try_parse(uuid).map_err(|_| ApiError::bad_request("'around' has to be the uuid of a network."))
        });
        let steps =
            asked.argument("steps").map_or(Some(1), |steps| steps.parse().ok().filter(|steps| *steps <= MOST_STEPS));
        let steps = steps
            .ok_or_else(|| ApiError::bad_request(format!("'steps' has to be a number from 0 to {MOST_STEPS}.")))?;
        let view = argument("view");
        if !["", "networks", "projects", "connected"].contains(&view) {
            return Err(ApiError::bad_request("'view' has to be networks, projects or connected."));
        }
        Ok(Self {
            project: argument("project"),
            around: around.transpose()?,
            steps,
            find: argument("find"),
            view,
            open: argument("open"),
            connected: argument("connected"),
        })
    }

    /// This page with some arguments changed.
    fn with(&self, changed: &[(&str, &str)]) -> String {
        let around = self.around.map(|uuid| uuid.to_string()).unwrap_or_default();
        let steps = if self.around.is_some() { self.steps.to_string() } else { String::new() };
        let own = [
            ("project", self.project),
            ("around", &around),
            ("steps", &steps),
            ("find", self.find),
            ("view", self.view),
            ("open", self.open),
            ("connected", self.connected),
        ];
        let value = |name: &str, own| changed.iter().find(|(known, _)| *known == name).map_or(own, |(_, value)| *value);
        link::with_arguments(PATH, &own.map(|(name, own)| (name, value(name, own))))
    }

    /// With the ports of a network.
    fn opened(&self, network: Uuid) -> String {
        format!("{}#ports", self.with(&[("open", &network.to_string())]))
    }

    /// Without ports.
    fn closed(&self) -> String {
        self.with(&[("open", "")])
    }

    /// Whether it is this one whose ports are shown.
    fn is_open(&self, network: Uuid) -> bool {
        !self.open.is_empty() && Uuid::try_parse(self.open) == Ok(network)
    }

    /// What is connected with a network, of what is shown here; or what is with nothing.
    fn connected_with(&self, network: &str) -> String {
        self.with(&[("view", ""), ("open", ""), ("connected", network)])
    }

    /// What is around a network.
    fn around(&self, network: Uuid) -> String {
        link::with_arguments(PATH, &[("around", &network.to_string()), ("steps", &self.steps.max(1).to_string())])
    }

    /// Whether it is this one that is looked around.
    fn is_around(&self, network: Uuid) -> bool {
        self.around == Some(network)
    }
}

/// The networks of a project.
fn project_path(project: Uuid) -> String {
    link::with_arguments(PATH, &[("project", &project.to_string())])
}

/// What is found, and what it is called.
struct Shown<'g> {
    found: Found<'g>,
    /// Of whom it is, if not of all.
    of: Option<String>,
    /// Whether there are more networks than are shown.
    is_first_part: bool,
}

/// `GET /ui/networks`
///
/// # Errors
/// 400 for what is no uuid or no number, 403 and 404 as for a network of the interface.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let here = Here::of(&asked)?;
    asked.may(Method::GET, "/virtual-networks").await?;
    if let Some(uuid) = here.around {
        // Refused as it is by the interface.
        asked.get(&format!("/virtual-network/{uuid}?fields=display_name&exclude_hrefs=true")).await?;
    }
    let snapshot = asked.snapshot().await?;
    let graph = &*snapshot.graph;
    let sight = Sight::of(&asked, graph);
    let Shown { mut found, of, is_first_part } = look(&asked, &here, &sight).await?;
    // Those that are left, in order: a network keeps its place.
    if !here.connected.is_empty() && !groups::keep(&mut found, here.connected) {
        return Err(ApiError::not_found("There is no such network here that you may see."));
    }
    let is_all = here.project.is_empty() && here.around.is_none();
    let several = found
        .networks
        .first()
        .is_some_and(|first| found.networks.iter().any(|network| network.object.parent != first.object.parent));
    let fold = Fold::of(&here, found.networks.len(), several && is_all);
    let scene = match fold {
        Fold::Projects => scene::of_projects(&found),
        Fold::Connected => scene::of_connected(&found, &here),
        Fold::Nothing => scene::of_networks(&sight, &found, &here, several && here.project.is_empty()),
    };
    let picture = draw::svg(&scene, "Picture of the networks; the list below says the same").await?;
    let ports = found.networks.iter().filter(|network| !network.is_outside).map(|network| network.ports);
    let ports = ports.fold(Count::default(), Count::and);
    let own = found.networks.iter().filter(|network| !network.is_outside).count();
    let opened = (!here.open.is_empty()).then(|| Uuid::try_parse(here.open).unwrap_or_default());
    let types: Vec<&str> = FOLLOWED.into_iter().filter(|name| sight.kind(name).is_some()).collect();
    let title = of.as_ref().map_or_else(|| "Networks".to_owned(), |of| format!("Networks {of}"));
    Ok(Layout::new(&asked, &title).at(PATH).script("networks.js").show(&html! {
        div .title {
            h1 { "Networks" @if let Some(of) = &of { " " small { (of) } } }
            @if super::has("/ui/create/{type}") { a .button href="/ui/create/virtual-network" { "Create a network" } }
        }
        (controls(&asked, graph, &here))
        (views(&here, fold, found.networks.len(), several && is_all))
        p .unseen #news role="status" {}
        div #networks data-types=(types.join(",")) data-since=(graph.position()) {
            p #summary {
                (counted(own, is_first_part))
                @if here.connected == groups::NOTHING { " that are connected with nothing" } @else if !here.connected.is_empty() { " that are connected with each other" }
                " · " (scene::counted(ports, "port"))
                @let outside = found.networks.len() - own;
                @if outside > 0 { " · and " (outside) " of elsewhere that are connected with them" }
            }
            @if is_first_part || found.is_cut {
                p .note { "This is not all: there is more than a picture can show. Choose a project, look for a name, or look around a network." }
            }
            @if found.networks.is_empty() {
                p .note { @if here.find.is_empty() { "There is no network here that you may see." } @else { "No network fits. " a href=(here.with(&[("find", "")])) { "Show all of them" } } }
            } @else {
                section aria-labelledby="picture-title" .picture {
                    h2 #picture-title .unseen { "Picture" }
                    div .map #map tabindex="0" role="region" aria-label="Picture of the networks" { (picture) }
                    (legend(fold))
                }
            }
            @if let Some(uuid) = opened {
                section aria-label="Ports" #opened { (ports::table(&sight, uuid, &here.closed())) }
            }
            @if fold != Fold::Nothing { (folded(&scene)) } @else if !found.networks.is_empty() {
                section aria-labelledby="list" {
                    h2 #list { "As a list" }
                    (list::all(&sight, &found, &here))
                }
            }
        }
        (super::object::request(&asked, "GET", "/virtual-networks?detail=true"))
    }))
}

fn counted(networks: usize, is_least: bool) -> String {
    scene::counted(Count { number: networks, is_least }, "network")
}

/// Finds what is asked for.
async fn look<'g>(asked: &Asked<'g>, here: &Here<'_>, sight: &Sight<'g>) -> Answered<Shown<'g>> {
    let graph = sight.graph;
    if let Some(uuid) = here.around {
        let network = sight.get(uuid);
        let name = network.map(|network| link::shortened(network.fq_name.name())).unwrap_or_default();
        let found = Collector::collect(sight.clone(), network, here.steps, true).await;
        return Ok(Shown { found, of: Some(format!("around {name}")), is_first_part: false });
    }
    if here.project.is_empty() {
        let kind = graph.model().find(type_name::VIRTUAL_NETWORK);
        let readable = kind.map(|kind| asked.call.identity.readable(graph, kind, &Bound::Unbounded));
        let (networks, is_first_part) = first(here, readable.into_iter().flatten()).await;
        let found = Collector::collect(sight.clone(), networks, 0, false).await;
        return Ok(Shown { found, of: None, is_first_part });
    }
    let (uuid, project) = project_of(asked, graph, here.project);
    let mut networks = uuid.map(|uuid| sight.networks_of(uuid)).into_iter().flatten().peekable();
    // Who may see a network knows the name of its project.
    let name = project.map(|project| project.fq_name.name()).or_else(|| {
        let name = networks.peek()?.fq_name.elements();
        name.len().checked_sub(2).and_then(|index| name.get(index)).copied()
    });
    let Some(name) = name else {
        return Err(ApiError::not_found("There is no such project that you may see."));
    };
    let of = format!("of {}", link::shortened(name));
    let (networks, is_first_part) = first(here, networks).await;
    let found = Collector::collect(sight.clone(), networks, 1, false).await;
    Ok(Shown { found, of: Some(of), is_first_part })
}

/// A project by its uuid or its name, and the object if it may be seen.
fn project_of<'g>(asked: &Asked<'g>, graph: &'g Graph, wanted: &str) -> (Option<Uuid>, Option<&'g Arc<Object>>) {
    let Some(kind) = graph.model().find(type_name::PROJECT) else { return (None, None) };
    let project = match Uuid::try_parse(wanted) {
        Ok(uuid) => graph.get_of_type(kind, uuid),
        Err(_) => graph.find_joined(kind, wanted),
    };
    let seen = project.filter(|project| asked.may_read_type(graph, kind) && asked.call.identity.may_read(project));
    (project.map(|project| project.uuid), seen)
}

/// The networks that are shown, of those that fit, and whether there are more.
async fn first<'g>(here: &Here<'_>, networks: impl Iterator<Item = &'g Arc<Object>>) -> (Vec<&'g Arc<Object>>, bool) {
    let wanted = here.find.to_lowercase();
    let mut pace = Pace::new();
    let mut found = Vec::new();
    for (looked_at, network) in networks.enumerate() {
        pace.step().await;
        if looked_at >= MOST_SEARCHED || found.len() > MOST_NETWORKS {
            break;
        }
        if wanted.is_empty() || network.fq_name.joined().to_lowercase().contains(&wanted) {
            found.push(network);
        }
    }
    let is_first_part = found.len() > MOST_NETWORKS;
    found.truncate(MOST_NETWORKS);
    (found, is_first_part)
}

/// What is shown as one box.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fold {
    Nothing,
    Projects,
    Connected,
}

impl Fold {
    fn of(here: &Here<'_>, networks: usize, several_projects: bool) -> Self {
        let is_much = here.find.is_empty() && here.open.is_empty() && networks > MOST_AT_ONCE;
        match (here.view, here.around) {
            (_, Some(_)) | ("networks", None) => Self::Nothing,
            _ if !here.connected.is_empty() => Self::Nothing,
            ("connected", None) => Self::Connected,
            ("projects", None) if several_projects => Self::Projects,
            ("", None) if is_much && several_projects => Self::Projects,
            ("", None) if is_much => Self::Connected,
            _ => Self::Nothing,
        }
    }
}

/// How much is shown.
fn views(here: &Here<'_>, fold: Fold, networks: usize, several_projects: bool) -> Markup {
    let all = [
        ("projects", Fold::Projects, "Folded by project"),
        ("connected", Fold::Connected, "Folded by what is connected"),
        ("networks", Fold::Nothing, "Each network"),
    ];
    html! {
        @if here.around.is_some() {
            nav .pages aria-label="How far around" {
                @for steps in 0..=MOST_STEPS {
                    @let text = match steps { 0 => "alone".to_owned(), 1 => "1 step around".to_owned(), steps => format!("{steps} steps") };
                    a href=(here.with(&[("steps", &steps.to_string()), ("open", "")])) aria-current=[(steps == here.steps).then_some("true")] { (text) }
                }
                a href=(PATH) { "All networks" }
            }
        } @else if networks > FEW || several_projects || fold != Fold::Nothing || !here.connected.is_empty() {
            nav .pages aria-label="How much is shown" {
                @for (view, shown, text) in all.into_iter().filter(|(_, shown, _)| several_projects || *shown != Fold::Projects) {
                    a href=(here.with(&[("view", view), ("open", ""), ("connected", "")])) aria-current=[(fold == shown && here.connected.is_empty()).then_some("true")] { (text) }
                }
            }
        }
    }
}

/// What one may choose.
fn controls(asked: &Asked<'_>, graph: &Graph, here: &Here<'_>) -> Markup {
    let kind = graph.model().find(type_name::PROJECT).filter(|kind| asked.may_read_type(graph, *kind));
    let projects = kind.map(|kind| asked.call.identity.readable(graph, kind, &Bound::Unbounded));
    let projects: Vec<_> = projects.into_iter().flatten().take(MOST_PROJECTS).collect();
    let is_chosen =
        |project: &Object| here.project == project.uuid.to_string() || here.project == &**project.fq_name.joined();
    let is_known = here.project.is_empty() || projects.iter().any(|project| is_chosen(project));
    html! {
        form .map-controls method="get" action=(PATH) {
            div .field {
                label for="project" { "Project" }
                select #project name="project" {
                    option value="" { "all" }
                    @if !is_known { option value=(here.project) selected { (link::shortened(here.project)) } }
                    @for project in &projects {
                        option value=(project.uuid) selected[is_chosen(project)] { (link::shortened(&project.fq_name.elements().join(" › "))) }
                    }
                }
            }
            div .field {
                label for="find" { "Find in it" }
                input #find type="search" name="find" value=(here.find) maxlength="256" autocomplete="off" placeholder="name, subnet, uuid";
            }
            button type="submit" { "Show" }
            div #zoom .zoom role="group" aria-label="Size of the picture" hidden {
                button type="button" data-zoom="out" aria-label="Smaller" { "−" }
                button type="button" data-zoom="fit" { "Fit" }
                button type="button" data-zoom="in" aria-label="Larger" { "+" }
            }
        }
    }
}

/// What lines mean.
fn legend(fold: Fold) -> Markup {
    if fold == Fold::Connected {
        return html! { p .lines { "Between the boxes there is nothing: neither a policy, nor a router, nor floating ips." } };
    }
    let lines = [
        ("line policy", "policy; an arrow where it goes one way"),
        ("line half", "policy that only one of the two has"),
        ("line floating", "floating ips"),
        ("line router", "router"),
    ];
    html! {
        ul .lines {
            @for (class, text) in lines.into_iter().filter(|(class, _)| fold == Fold::Nothing || *class != "line half") {
                li { svg width="34" height="10" aria-hidden="true" { path class=(class) d="M1 5L33 5" {} } " " (text) }
            }
        }
    }
}

/// The boxes as a list.
fn folded(scene: &scene::Scene) -> Markup {
    html! {
        section aria-labelledby="list" {
            h2 #list { "As a list" }
            ul .columns {
                @for card in &scene.cards {
                    li {
                        a href=(card.href) { (card.title) }
                        @for text in &card.texts { " · " (text.text) }
                        @if let Some((_, text)) = &card.bar { " · " (text) }
                    }
                }
            }
        }
    }
}
