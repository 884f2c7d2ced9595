//! `/ui/changes`: what happens, the last first, and what is to come while one looks.

use super::{columns, layout::Layout, link, table::Table, value};
use crate::{
    access::Identity,
    api::{Answer, Answered, ApiError, pages::Asked},
    change_log::{LogEntry, Subject},
    feed::{Ended, OpenError, Sight},
    graph::{Graph, Owner, Position},
    model::{TypeId, type_name},
};
use actix_web::http::Method;
use maud::{Markup, html};
use serde_json::{Value, json};
use std::{
    collections::HashSet,
    ops::Bound,
    time::{Duration, Instant},
};
use tokio::time::timeout;
use uuid::Uuid;

/// How many changes a page has.
const PAGE: usize = 50;
/// How many are looked at at a time, and for one page: a filter may find nothing for a long time.
const AT_A_TIME: u64 = 500;
const AT_MOST: u64 = 50_000;
/// After this time no more are looked at.
const PATIENCE: Duration = Duration::from_millis(300);
/// How long the database may take to tell older ones.
const READ_WITHIN: Duration = Duration::from_secs(5);
/// How many names of fields, or addresses, are told of a change.
const MOST_NAMES: usize = 6;
/// How many projects are proposed.
const PROPOSED: usize = 100;

/// What is asked for.
struct Filter<'a> {
    kind: Option<TypeId>,
    project: Option<Project>,
    who: Option<String>,
    /// Types that may be read.
    types: HashSet<TypeId>,
    identity: &'a Identity,
}

struct Project {
    uuid: Uuid,
    /// What names of what is below it begin with.
    below: String,
}

/// Why a filter can't be made: for people.
type Wrong = &'static str;

impl<'a> Filter<'a> {
    fn read(asked: &Asked<'a>, graph: &Graph) -> Result<Self, Wrong> {
        let model = graph.model();
        let kind = match asked.argument("type") {
            None => None,
            Some(name) => Some(model.find(name).ok_or("There is no type that is called so.")?),
        };
        let project = match asked.argument("project") {
            None => None,
            Some(text) => Some(project(asked, graph, text).ok_or("There is no such project that you may see.")?),
        };
        let types = model.types().iter().map(|kind| kind.id).filter(|id| asked.may_read_type(graph, *id));
        let who = asked.argument("who").map(str::to_lowercase);
        Ok(Self { kind, project, who, types: types.collect(), identity: &asked.call.identity })
    }

    fn lets_through(&self, entry: &LogEntry) -> bool {
        let is_of_type = self.kind.is_none_or(|kind| kind == entry.type_id) && self.types.contains(&entry.type_id);
        if !is_of_type || (self.project.is_none() && self.who.is_none()) {
            return is_of_type;
        }
        let shows_caller = Sight::shows_caller(entry, self.identity);
        let is_of_project = self.project.as_ref().is_none_or(|project| {
            let owner = entry.object().map(|object| object.permissions.owner);
            let caller = entry.caller.as_ref().filter(|_| shows_caller).and_then(|caller| caller.project);
            entry.uuid == project.uuid
                || entry.fq_name.joined().starts_with(&project.below)
                || owner == Some(Owner::Project(project.uuid))
                || caller == Some(project.uuid)
        });
        let is_by = self.who.as_ref().is_none_or(|wanted| {
            let who = entry.who.as_ref().filter(|_| shows_caller);
            who.is_some_and(|who| who.to_lowercase().contains(wanted))
        });
        is_of_project && is_by
    }
}

fn project(asked: &Asked<'_>, graph: &Graph, text: &str) -> Option<Project> {
    let kind = graph.model().find(type_name::PROJECT)?;
    let found = match Uuid::try_parse(text) {
        Ok(uuid) => graph.get_of_type(kind, uuid),
        Err(_) => graph.find_joined(kind, text),
    };
    let found = found.filter(|found| asked.may_read_type(graph, kind) && asked.call.identity.may_read(found))?;
    Some(Project { uuid: found.uuid, below: format!("{}:", found.fq_name.joined()) })
}

/// A change as who looks may see it.
struct Row {
    revision: u64,
    at: String,
    operation: &'static str,
    kind: String,
    name: String,
    full_name: String,
    href: String,
    what: String,
    who: String,
}

impl Row {
    fn of(graph: &Graph, filter: &Filter<'_>, entry: &LogEntry) -> Option<Self> {
        if !filter.lets_through(entry) {
            return None;
        }
        let (operation, fq_name) = match Sight::of(entry, filter.identity, graph) {
            Sight::Nothing => return None,
            Sight::Appears => ("create", &entry.fq_name),
            // As who could read it knows it.
            Sight::Disappears => ("delete", entry.former_name.as_ref().unwrap_or(&entry.fq_name)),
            Sight::Whole => (entry.operation.name(), &entry.fq_name),
        };
        let kind = &graph.model().object_type(entry.type_id).name;
        let shows_all = Sight::of(entry, filter.identity, graph) == Sight::Whole;
        let what = match &entry.subject {
            Subject::Addresses(holds) => listed(holds.iter().map(|hold| hold.address.to_string())),
            Subject::Object(_) if shows_all => listed(entry.changed.iter().flatten().map(|field| value::words(field))),
            Subject::Object(_) => String::new(),
        };
        let who = entry.who.as_ref().filter(|_| Sight::shows_caller(entry, filter.identity));
        let href = if graph.get(entry.uuid).is_some() {
            link::object_path(kind, entry.uuid)
        } else {
            format!("/ui/history/{}/{}", link::segment(kind), entry.uuid)
        };
        Some(Self {
            revision: entry.revision,
            at: columns::as_time(&entry.at.to_string()),
            operation,
            kind: value::words(kind),
            name: link::shortened(fq_name.name()),
            full_name: fq_name.joined().to_string(),
            href,
            what,
            who: who.map(|who| link::shortened(who)).unwrap_or_default(),
        })
    }

    fn as_json(&self) -> Value {
        json!({
            "revision": self.revision, "at": self.at, "operation": self.operation, "kind": self.kind, "name": self.name,
            "fullName": self.full_name, "href": self.href, "what": self.what, "who": self.who,
        })
    }

    /// The cells of the table; `changes.js` makes the same.
    fn cells(&self) -> Vec<Markup> {
        vec![
            html! { a href=(self.href) title=(self.full_name) { @if self.name.is_empty() { "(no name)" } @else { (self.name) } } " " small { (self.kind) } },
            html! { strong class=(self.operation) { (self.operation) } },
            html! { time datetime=(format!("{}Z", self.at.replace(' ', "T"))) { (self.at) } },
            html! { (self.what) },
            html! { (self.who) },
        ]
    }
}

fn listed(names: impl Iterator<Item = String>) -> String {
    let names: Vec<String> = names.collect();
    let shown = names.get(..MOST_NAMES.min(names.len())).unwrap_or_default().join(", ");
    match names.len().saturating_sub(MOST_NAMES) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// Some changes, the last first.
#[derive(Default)]
struct Changes {
    rows: Vec<Row>,
    /// Before which revision others may be.
    goes_on_before: Option<u64>,
}

/// Those of the changes after one revision and before another one that are asked for, in order. No more of the log is held than
/// a reader takes at a time.
async fn between(
    asked: &Asked<'_>,
    graph: &Graph,
    filter: &Filter<'_>,
    after: Position,
    before: u64,
) -> Answered<Vec<Row>> {
    let mut reader = asked.app.feed.open(after).await?;
    let mut rows = Vec::new();
    while reader.position().revision + 1 < before {
        let most = usize::try_from(before - 1 - reader.position().revision).unwrap_or(usize::MAX);
        let page = match timeout(READ_WITHIN, reader.next_up_to(most)).await {
            Ok(Ok(page)) => page,
            Ok(Err(Ended::Gone(gone))) => return Err(OpenError::Gone(gone).into()),
            Ok(Err(Ended::Stopped)) | Err(_) => {
                return Err(ApiError::unavailable("Older changes can't be read at the moment."));
            }
        };
        // A page ends where a request ends.
        let wanted = page.iter().filter(|entry| entry.revision < before);
        rows.extend(wanted.filter_map(|entry| Row::of(graph, filter, entry)));
    }
    Ok(rows)
}

/// The last changes before a revision that are asked for.
async fn last(asked: &Asked<'_>, graph: &Graph, filter: &Filter<'_>, before: Option<u64>) -> Answered<Changes> {
    let position = graph.position();
    let end = position.revision + 1;
    let start = before.unwrap_or(end).min(end);
    let mut upper = start;
    let oldest = asked.app.feed.oldest().await?;
    let mut changes = Changes::default();
    let begun = Instant::now();
    while upper > oldest.revision + 1
        && changes.rows.len() <= PAGE
        && start - upper < AT_MOST
        && begun.elapsed() < PATIENCE
    {
        let lower = upper.saturating_sub(AT_A_TIME + 1).max(oldest.revision);
        let rows = between(asked, graph, filter, Position { revision: lower, ..position }, upper).await?;
        changes.rows.extend(rows.into_iter().rev());
        upper = lower + 1;
    }
    changes.goes_on_before = (upper > oldest.revision + 1).then_some(upper);
    if changes.rows.len() > PAGE {
        changes.rows.truncate(PAGE);
        changes.goes_on_before = changes.rows.last().map(|row| row.revision);
    }
    Ok(changes)
}

/// `GET /ui/changes?type=&project=&who=&before=`
///
/// # Errors
/// 403 where the roles may not follow changes, 400 for what is no revision, 503 while the database is away.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    asked.may(Method::GET, "/changes").await?;
    let before = asked.argument("before").map(str::parse::<u64>).transpose();
    let before = before.map_err(|_| ApiError::bad_request("before: the number of a change is expected"))?;
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let filter = Filter::read(&asked, graph);
    let changes = match &filter {
        Ok(filter) => last(&asked, graph, filter, before).await?,
        Err(_) => Changes::default(),
    };
    let mut table = Table::new("Changes", ["What", "Change", "When (UTC)", "Fields", "By"]);
    for row in &changes.rows {
        table.row(row.cells());
    }
    let arguments = ["type", "project", "who"].map(|name| (name, asked.argument(name).unwrap_or_default()));
    let path = |before: &str| {
        let [kind, project, who] = arguments;
        link::with_arguments("/ui/changes", &[kind, project, who, ("before", before)])
    };
    let is_live = before.is_none() && filter.is_ok();
    let layout = Layout::new(&asked, "Changes").at("/ui/changes");
    let layout = if is_live { layout.script("changes.js") } else { layout };
    Ok(layout.show(&html! {
        div .title {
            h1 { "Changes" }
            @if is_live {
                button #pause type="button" hidden aria-pressed="false" data-since=(graph.position()) { "Pause" }
            }
        }
        (form(&asked, graph))
        @if let Err(wrong) = filter { p .note role="alert" { (wrong) } }
        @if changes.rows.is_empty() {
            p .note #no-changes { @if changes.goes_on_before.is_some() { "Nothing of it among the last changes that were looked at." } @else { "The change log has nothing of it that you may see." } }
        }
        div .changes { (table.show("changes")) }
        nav .pages aria-label="Pages of the list" {
            @if before.is_some() { a href=(path("")) { "The last changes" } }
            @if let Some(before) = changes.goes_on_before { a rel="next" href=(path(&before.to_string())) { "Earlier" } }
        }
    }))
}

fn form(asked: &Asked<'_>, graph: &Graph) -> Markup {
    let model = graph.model();
    let argument = |name: &str| asked.argument(name).unwrap_or_default();
    let (kind, project, who) = (argument("type"), argument("project"), argument("who"));
    let projects = model.find(type_name::PROJECT).filter(|kind| asked.may_read_type(graph, *kind));
    let projects = projects.into_iter().flat_map(|id| asked.call.identity.readable(graph, id, &Bound::Unbounded));
    let is_narrow = [kind, project, who].iter().any(|text| !text.is_empty());
    html! {
        details .filters open[is_narrow] {
            summary { "Filter" }
            form method="get" action="/ui/changes" {
                div .field {
                    label for="type" { "Type" }
                    select #type name="type" {
                        option value="" { "all" }
                        @for known in model.types().iter().filter(|known| asked.may_read_type(graph, known.id)) {
                            option value=(known.name) selected[known.name == kind] { (value::words(&known.name)) }
                        }
                    }
                }
                div .field {
                    label for="project" { "Project" }
                    input #project name="project" value=(project) list="projects" placeholder="domain:project or uuid" autocomplete="off";
                    datalist #projects { @for project in projects.take(PROPOSED) { option value=(project.fq_name.joined()) {} } }
                }
                div .field {
                    label for="who" { "By" }
                    input #who name="who" value=(who) placeholder="a part of who it was" autocomplete="off";
                }
                button type="submit" { "Show" }
                @if is_narrow { a href="/ui/changes" { "Show all" } }
            }
        }
    }
}

/// `GET /ui/changes/new?since=&type=&project=&who=`: what has happened since a position, as JSON, for the script of the page; not
/// necessarily all of it.
///
/// # Errors
/// As the page; 400 for what is no position, 410 for one that is not in the log.
pub async fn new(asked: Asked<'_>) -> Answered<Answer> {
    asked.may(Method::GET, "/changes").await?;
    let since = asked.argument("since").and_then(|since| since.parse::<Position>().ok());
    let since = since.ok_or_else(|| ApiError::bad_request("since: a position is expected"))?;
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let filter = Filter::read(&asked, graph).map_err(ApiError::bad_request)?;
    // What is beyond this graph is told the next time.
    let to = graph.revision().min(since.revision.saturating_add(AT_A_TIME)).max(since.revision);
    let to = Position { revision: to, ..since };
    let rows = between(&asked, graph, &filter, since, to.revision.saturating_add(1)).await?;
    let rows: Vec<Value> = rows.iter().map(Row::as_json).collect();
    let more = to.revision < graph.revision();
    let body = json!({"rows": rows, "to": to.to_string(), "more": more}).to_string();
    Ok(Answer::Json { body: body.into(), etag: None, stale: snapshot.stale })
}
