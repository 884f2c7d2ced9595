//! `/ui/tree`: domains and their projects, as the way to all that is below them.

use super::{layout::Layout, link, value};
use crate::{
    api::{Answer, Answered, pages::Asked},
    graph::{Graph, Object},
    model::{ObjectType, Parent},
};
use maud::{Markup, html};
use std::{ops::Bound, sync::Arc};

/// How many domains, and projects of one, are shown.
const MOST: usize = 100;

/// `GET /ui/tree`
///
/// # Errors
/// 503 while the database is away.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let snapshot = asked.snapshot().await?;
    let graph = &snapshot.graph;
    let of = |name: &str| {
        let kind = graph.model().find(name).map(|id| graph.model().object_type(id));
        kind.filter(|kind| asked.may_read_type(graph, kind.id))
    };
    let identity = &asked.call.identity;
    let projects = of("project");
    // Who may not see a domain may see projects of it.
    let (mut domains, mut own) = (Vec::new(), Vec::new());
    if let Some(kind) = of("domain") {
        domains.extend(identity.readable(graph, kind.id, &Bound::Unbounded).take(MOST).map(|domain| (kind, domain)));
    }
    if let Some(kind) = projects.filter(|_| domains.is_empty()) {
        own.extend(identity.readable(graph, kind.id, &Bound::Unbounded).take(MOST));
    }
    let top = graph.model().types().iter().filter(|kind| {
        let is_top = kind.parents.contains(&Parent::ConfigRoot) && kind.name != "domain";
        let has_some = || identity.readable(graph, kind.id, &Bound::Unbounded).next().is_some();
        is_top && asked.may_read_type(graph, kind.id) && has_some()
    });
    Ok(Layout::new(&asked, "Projects").at("/ui/tree").show(&html! {
        h1 { "Projects" }
        @for (kind, domain) in &domains {
            section {
                h2 { (object(kind, domain)) " " small { "domain" } }
                @if let Some(projects) = projects {
                    @let below = graph.children_of(domain.uuid, projects.id).filter(|project| identity.may_read(project));
                    @let below: Vec<_> = below.take(MOST + 1).collect();
                    (list(&asked, graph, projects, below.get(..MOST.min(below.len())).unwrap_or_default()))
                    @if below.len() > MOST {
                        p { a href=(link::list_path(projects, &[("parent", &domain.uuid.to_string())])) { "All projects of this domain" } }
                    }
                }
            }
        }
        @if let Some(projects) = projects.filter(|_| !own.is_empty()) { (list(&asked, graph, projects, &own)) }
        @if domains.is_empty() && own.is_empty() { p .note { "There is no project that you may see." } }
        section {
            h2 { "At the top" }
            ul .columns {
                @for kind in top { li { a href=(link::list_path(kind, &[])) { (value::words(&kind.collection)) } } }
            }
        }
    }))
}

fn object(kind: &ObjectType, found: &Object) -> Markup {
    link::object(&kind.name, found.uuid, &found.fq_name.elements())
}

/// Projects, each with what is below it, by type.
fn list(asked: &Asked<'_>, graph: &Graph, kind: &ObjectType, projects: &[&Arc<Object>]) -> Markup {
    html! {
        @if projects.is_empty() { p .none { "No project that you may see." } }
        ul .projects {
            @for project in projects {
                li {
                    (object(kind, project))
                    ul .inline {
                        @for child in graph.child_types(project.uuid).filter(|child| asked.may_read_type(graph, *child)) {
                            @let child = graph.model().object_type(child);
                            li { a href=(link::list_path(child, &[("parent", &project.uuid.to_string())])) { (value::words(&child.collection)) } }
                        }
                    }
                }
            }
        }
    }
}
