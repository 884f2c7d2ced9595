//! `/ui/history/{type}/{uuid}`: what happened to an object: when, by whom, and which fields are others since.

use super::{columns, layout::Layout, link, object, value};
use crate::{
    api::{Answer, Answered, ApiError, pages::Asked},
    change_log::LogEntry,
    feed::Sight,
    graph::{Graph, Object},
    model::ObjectType,
    render::{FieldNames, Renderer, Selection},
};
use actix_web::http::Method;
use maud::{Markup, html};
use serde_json::{Map, Value};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// How many changes a page has.
const PAGE: usize = 20;
/// How many changes of the log are looked at with one question, and for one page: there is no index by object.
const AT_A_TIME: u64 = 20_000;
const AT_MOST: u64 = 200_000;
/// After this time no more are looked at.
const PATIENCE: Duration = Duration::from_millis(300);
/// How many lines of a value, before and after a change, are shown.
const MOST_LINES: usize = 120;
/// How many fields of a change are shown.
const MOST_FIELDS: usize = 50;

/// A change as who looks may see it.
pub struct Seen {
    revision: u64,
    at: String,
    operation: &'static str,
    who: Option<String>,
    request: Option<String>,
    /// Names of what is other, with what it was and is.
    fields: Vec<Changed>,
    /// Whether what was before is known.
    is_compared: bool,
}

struct Changed {
    name: String,
    before: String,
    after: String,
}

/// Some changes, the last first.
pub struct History {
    changes: Vec<Seen>,
    /// Before which revision others may be.
    goes_on_before: Option<u64>,
}

/// What happened to an object before a revision, or until now: this many changes, or fewer if they lie far apart.
///
/// # Errors
/// 403 where the roles may not follow changes of this type, 503 while the database is away.
pub async fn of(
    asked: &Asked<'_>,
    kind: &ObjectType,
    uuid: Uuid,
    before: Option<u64>,
    most: usize,
) -> Answered<History> {
    // Who may not see this by the interface does not here either.
    let may = asked.may(Method::GET, &format!("/changes?resource_type={}", kind.name)).await;
    if may.is_err() {
        return Ok(History { changes: Vec::new(), goes_on_before: None });
    }
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let living = graph.get_of_type(kind.id, uuid);
    // Nothing happened to it before it was made, or after its last column was written; a request has several changes.
    let first = living.map_or(0, |object| object.created.saturating_sub(1));
    let last = living.filter(|_| before.is_none()).map(|object| last_written(object));
    let current = graph.revision() + 1;
    let mut upper = before.unwrap_or(current).min(current);
    let oldest = asked.app.feed.oldest().await?.revision.max(first);
    let mut entries: Vec<LogEntry> = Vec::new();
    let begun = Instant::now();
    let bottom = oldest.max(upper.saturating_sub(AT_MOST));
    // The last change is found at once, however long ago it was.
    if let Some(last) = last.filter(|last| *last + AT_A_TIME < upper) {
        upper = last + AT_A_TIME;
    }
    let bottom = bottom.min(upper.saturating_sub(AT_A_TIME)).max(oldest);
    // One more, which the last one is compared with.
    while entries.len() <= most && upper > bottom + 1 && begun.elapsed() < PATIENCE {
        let lower = upper.saturating_sub(AT_A_TIME).max(bottom);
        let limit = u32::try_from(most + 1 - entries.len()).unwrap_or(u32::MAX);
        let found = asked.app.feed.history(uuid, (lower, upper), limit).await?;
        upper = match found.last() {
            Some(entry) if found.len() >= limit as usize => entry.revision,
            _ => lower + 1,
        };
        entries.extend(found);
    }
    let rest = entries.len() > most;
    let goes_on_before = match entries.get(most.saturating_sub(1)).filter(|_| rest) {
        Some(entry) => Some(entry.revision),
        None => (upper > oldest + 1).then_some(upper),
    };
    let changes = entries.iter().enumerate().take(most);
    let changes = changes.filter_map(|(index, entry)| seen(asked, graph, kind, entry, entries.get(index + 1)));
    Ok(History { changes: changes.collect(), goes_on_before })
}

fn last_written(object: &Object) -> u64 {
    object.written().iter().map(|(_, revision)| *revision).fold(object.created, u64::max)
}

/// How a change looks to who asks.
fn seen(
    asked: &Asked<'_>,
    graph: &Graph,
    kind: &ObjectType,
    entry: &LogEntry,
    before: Option<&LogEntry>,
) -> Option<Seen> {
    let identity = &asked.call.identity;
    let (operation, shows_before) = match Sight::of(entry, identity, graph) {
        Sight::Nothing => return None,
        Sight::Whole => (entry.operation.name(), true),
        Sight::Appears => ("create", false),
        Sight::Disappears => ("delete", false),
    };
    let is_end = operation == "delete";
    let before = before.filter(|_| shows_before && !is_end);
    let before =
        before.filter(|before| Sight::of(before, identity, graph) == Sight::Whole || identity.sees_everything());
    let is_start = operation == "create";
    let state = |entry: &LogEntry| fields_of(asked, graph, entry);
    let fields = match before {
        _ if is_end => Vec::new(),
        Some(before) if !is_start => changed(kind, &state(before), &state(entry)),
        _ if is_start => changed(kind, &Map::new(), &state(entry)),
        _ => {
            let names = entry.changed.iter().flatten().filter(|_| shows_before);
            names.map(|name| Changed { name: name.clone(), before: String::new(), after: String::new() }).collect()
        }
    };
    let shows_caller = Sight::shows_caller(entry, identity);
    Some(Seen {
        revision: entry.revision,
        at: columns::as_time(&entry.at.to_string()),
        operation,
        who: entry.who.as_ref().filter(|_| shows_caller).map(ToString::to_string),
        request: entry.request_id.as_ref().filter(|_| shows_caller).map(ToString::to_string),
        fields,
        is_compared: is_end || is_start || before.is_some(),
    })
}

/// The fields of an object as the log has it, without links that who asks may not see.
fn fields_of(asked: &Asked<'_>, graph: &Graph, entry: &LogEntry) -> Map<String, Value> {
    let Some(object) = entry.object() else { return Map::new() };
    let renderer =
        Renderer { graph, identity: &asked.call.identity, base: None, link_hrefs: false, name: false, parent: true };
    let own = Selection::All { back_references: false, children: false, also: FieldNames::new() };
    let mut output = Vec::new();
    renderer.logged_object(&mut output, entry, object, &own);
    match serde_json::from_slice(&output) {
        Ok(Value::Object(fields)) => fields,
        _ => Map::new(),
    }
}

/// What is other, by name. The time of the change is told already.
fn changed(kind: &ObjectType, before: &Map<String, Value>, after: &Map<String, Value>) -> Vec<Changed> {
    let names = before.keys().filter(|name| !after.contains_key(*name)).chain(after.keys());
    let names = names.filter(|name| kind.has_field(name) || *name == "fq_name" || *name == "parent_uuid");
    let text = |fields: &Map<String, Value>, name: &str| {
        let mut value = fields.get(name).cloned().unwrap_or_default();
        if let Some(times) = value.as_object_mut().filter(|_| name == "id_perms") {
            times.shift_remove("last_modified");
        }
        match value {
            Value::Null => String::new(),
            Value::String(text) => text,
            value => serde_json::to_string_pretty(&value).unwrap_or_default(),
        }
    };
    let changed = names.filter(|name| before.get(*name) != after.get(*name));
    let changed =
        changed.map(|name| Changed { name: name.clone(), before: text(before, name), after: text(after, name) });
    changed.filter(|changed| changed.before != changed.after).collect()
}

/// Changes, one below the other.
pub fn show(asked: &Asked<'_>, kind: &ObjectType, uuid: Uuid, history: &History) -> Markup {
    let path = format!("/ui/history/{}/{uuid}", link::segment(&kind.name));
    html! {
        @if history.changes.is_empty() { p .none { "The change log says nothing of it that you may see." } }
        ol .history {
            @for change in &history.changes {
                li {
                    p .what {
                        strong class=(change.operation) { (change.operation) }
                        " " time datetime=(format!("{}Z", change.at.replace(' ', "T"))) { (change.at) " UTC" }
                        @if let Some(who) = &change.who { " by " (link::shortened(who)) }
                        " " small title=[change.request.as_deref()] { "change " (change.revision) }
                    }
                    (fields(change))
                }
            }
        }
        @if let Some(before) = history.goes_on_before {
            p { a href=(format!("{path}?before={before}")) { "Earlier changes" } }
        } @else if asked.argument("before").is_some() {
            p { a href=(path) { "The last changes" } }
        }
    }
}

fn fields(change: &Seen) -> Markup {
    if change.fields.is_empty() {
        return html! {};
    }
    if !change.is_compared {
        let names: Vec<String> = change.fields.iter().map(|field| value::words(&field.name)).collect();
        return html! { p { "Other since: " (names.join(", ")) } };
    }
    let is_start = change.operation == "create";
    html! {
        details open[!is_start] {
            summary { @if change.fields.len() == 1 { "1 field" } @else { (change.fields.len()) " fields" } }
            dl .difference {
                @for field in change.fields.iter().take(MOST_FIELDS) {
                    div { dt { (value::words(&field.name)) } dd { (difference(&field.before, &field.after)) } }
                }
            }
            @if change.fields.len() > MOST_FIELDS { small { "and others" } }
        }
    }
}

/// Lines that have gone, and lines that have come; what is the same at the beginning and the end is left out.
pub fn difference(before: &str, after: &str) -> Markup {
    let (old, new): (Vec<&str>, Vec<&str>) = (before.lines().collect(), after.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let (old, new) = (old.get(same..).unwrap_or_default(), new.get(same..).unwrap_or_default());
    let same = old.iter().rev().zip(new.iter().rev()).take_while(|(old, new)| old == new).count();
    let cut = |lines: &[&str]| {
        let lines = lines.get(..lines.len() - same).unwrap_or_default();
        let more = lines.len().saturating_sub(MOST_LINES);
        let lines: Vec<String> = lines.iter().take(MOST_LINES).map(|line| shortened(line)).collect();
        (lines, more)
    };
    let lines = |(lines, more): (Vec<String>, usize)| {
        html! {
            (lines.join("\n"))
            @if more > 0 { "\n… " (more) " more lines" }
        }
    };
    let (old, new) = (cut(old), cut(new));
    html! {
        @if !old.0.is_empty() { pre { span .unseen { "before: " } del { (lines(old)) } } }
        @if !new.0.is_empty() { pre { span .unseen { "after: " } ins { (lines(new)) } } }
    }
}

/// A line of a value, of which the beginning is enough.
fn shortened(line: &str) -> String {
    match line.char_indices().nth(1000) {
        Some((end, _)) => format!("{}… ({} characters)", line.get(..end).unwrap_or_default(), line.chars().count()),
        None => line.to_owned(),
    }
}

/// `GET /ui/history/{type}/{uuid}`; also of one that is not there any more.
///
/// # Errors
/// 404 for a type that there is not, 400 for what is no revision; what [`of`] is refused with.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let kind = object::kind_of(&asked)?;
    let uuid = Uuid::try_parse(asked.part(1)).map_err(|_| ApiError::not_found("This is no uuid."))?;
    let before = asked.argument("before").map(str::parse::<u64>).transpose();
    let before = before.map_err(|_| ApiError::bad_request("before: the number of a change is expected"))?;
    let found = of(&asked, kind, uuid, before, PAGE).await?;
    Ok(Layout::new(&asked, "History").at("/ui/types").show(&html! {
        nav .crumbs aria-label="Where this is" {
            a href=(link::list_path(kind, &[])) { (value::words(&kind.collection)) } " › "
            a href=(link::object_path(&kind.name, uuid)) { (uuid) }
        }
        h1 { "History " small { (value::words(&kind.name)) } }
        (show(&asked, kind, uuid, &found))
        @if found.goes_on_before.is_none() && !found.changes.is_empty() { p .none { "This is all that the change log has." } }
    }))
}
