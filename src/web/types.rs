//! `/ui/types`: all types, those first of which there is something to see.

use super::{layout::Layout, link, table::Table, value};
use crate::{
    api::{Answer, Answered, pages::Asked},
    graph::Graph,
    model::{ObjectType, Parent},
};
use maud::{Markup, html};
use std::ops::Bound;

/// How many objects of a type are counted for who does not see all of them.
const COUNTED: usize = 1000;

/// `GET /ui/types`
///
/// # Errors
/// 503 while the database is away.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let mut used = Table::new("Types with objects", ["Type", "Objects", "Below"]);
    let mut empty = Vec::new();
    let mut readable = 0;
    for kind in graph.model().types().iter().filter(|kind| asked.may_read_type(graph, kind.id)) {
        readable += 1;
        let (count, is_all) = count(&asked, graph, kind);
        let name = html! { a href=(link::list_path(kind, &[])) { (kind.name) } };
        if count > 0 {
            used.row(vec![name, html! { (count) @if !is_all { "+" } }, parents(graph, kind)]);
        } else {
            empty.push(name);
        }
    }
    Ok(Layout::new(&asked, "All types").at("/ui/types").script("filter.js").show(&html! {
        h1 { "All types" }
        p { (readable) " types of objects. " a href="/ui/tree" { "By domain and project" } }
        @if readable == 0 { p .note { "Your roles let you read none of them." } } @else {
            label .filter for="filter" hidden { "Only names with " }
            input #filter type="search" hidden data-rows="tbody tr, #empty li" autocomplete="off";
            h2 { "In use" }
            (used.show("used"))
            h2 { "Without objects" @if !asked.call.identity.sees_everything() { " that you may see" } }
            ul #empty .columns { @for name in &empty { li { (name) } } }
        }
    }))
}

/// How many objects of a type may be seen, and whether that is all.
fn count(asked: &Asked<'_>, graph: &Graph, kind: &ObjectType) -> (usize, bool) {
    if asked.call.identity.sees_everything() {
        return (graph.count_of(kind.id), true);
    }
    let count = asked.call.identity.readable(graph, kind.id, &Bound::Unbounded).take(COUNTED + 1).count();
    (count.min(COUNTED), count <= COUNTED)
}

fn parents(graph: &Graph, kind: &ObjectType) -> Markup {
    let names = kind.parents.iter().map(|parent| match parent {
        Parent::ConfigRoot => None,
        Parent::Type(id) => Some(graph.model().object_type(*id)),
    });
    html! {
        @for (index, parent) in names.enumerate() {
            @if index > 0 { ", " }
            @match parent {
                None => "the root",
                Some(kind) => a href=(link::list_path(kind, &[])) { (value::words(&kind.name)) },
            }
        }
    }
}
