//! `/ui/search`: the field in the head. A page of what fits, and the first of it while somebody types.

use super::{
    found::{Found, Search},
    layout::Layout,
    link,
    table::Table,
    value,
};
use crate::{
    api::{Answer, Answered, pages::Asked},
    graph::Graph,
};
use maud::html;
use serde_json::json;

/// How many are shown on the page, and while somebody types.
const MOST: usize = 100;
const MOST_WHILE_TYPING: usize = 12;
/// Of longer texts the beginning counts; in characters.
const LONGEST: usize = 256;

fn text_of<'a>(asked: &Asked<'a>) -> &'a str {
    let text = asked.argument("q").unwrap_or_default();
    text.char_indices().nth(LONGEST).and_then(|(end, _)| text.get(..end)).unwrap_or(text)
}

/// The way down to what was found, for people.
fn place(found: &Found) -> String {
    let name = found.object.fq_name.elements();
    name.split_last().map(|(_, place)| link::shortened(&place.join(" › "))).unwrap_or_default()
}

fn kind<'g>(graph: &'g Graph, found: &Found) -> &'g str {
    &graph.model().object_type(found.object.type_id).name
}

/// `GET /ui/search?q=`
///
/// # Errors
/// 503 while the database is away.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let text = text_of(&asked);
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let mut search = Search::new(&asked, graph, MOST);
    if !text.is_empty() {
        search.run(text).await;
    }
    let mut table = Table::new("What fits", ["Name", "What it is", "In", "Why"]);
    for found in &search.found {
        let (name, kind) = (found.object.fq_name.elements(), kind(graph, found));
        table.row(vec![
            link::object(kind, found.object.uuid, &name),
            html! { (value::words(kind)) },
            html! { span .place { (place(found)) } },
            html! { (found.why) },
        ]);
    }
    Ok(Layout::new(&asked, "Search").at("/ui/search").show(&html! {
        h1 { "Search" @if !text.is_empty() { " " small { (link::shortened(text)) } } }
        @if search.found.is_empty() {
            @if !text.is_empty() { p .note { "Nothing that you may see fits." } }
            p { "What can be looked for:" }
            ul {
                li { "a name or a part of it, in capitals or not; with " code { ":" } " in it, a part of the full name: " code { "default-domain:shop:web" } }
                li { "a uuid or its beginning, from four digits on" }
                li { "an IP address: who has it, and in which networks it is" }
                li { "a MAC address, written in any way" }
                li { "a tag, with what has it: " code { "application=shop" } }
            }
        } @else {
            (table.show("results"))
            @if search.is_cut { p .note { "There may be more: type more of it." } }
        }
    }))
}

/// `GET /ui/search/found?q=`: the same for the script of the field, as JSON.
///
/// # Errors
/// 503 while the database is away.
pub async fn found(asked: Asked<'_>) -> Answered<Answer> {
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let mut search = Search::new(&asked, graph, MOST_WHILE_TYPING);
    let text = text_of(&asked);
    if !text.is_empty() {
        search.run(text).await;
    }
    let told = search.found.iter().map(|found| {
        let kind = kind(graph, found);
        json!({
            "href": link::object_path(kind, found.object.uuid),
            "name": link::shortened(found.object.fq_name.name()),
            "kind": value::words(kind),
            "place": place(found),
            "why": found.why,
        })
    });
    let body = json!({"found": told.collect::<Vec<_>>(), "more": search.is_cut}).to_string();
    Ok(Answer::Json { body: body.into(), etag: None, stale: snapshot.stale })
}
