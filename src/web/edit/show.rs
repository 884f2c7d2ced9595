//! The form of a draft, as it is shown: what is wrong, name and place of a new object, references, properties, and what is offered
//! where something is referred to.

use super::{Draft, SHARES, properties, references};
use crate::{
    api::{Answer, Answered, ApiError, pages::Asked},
    model::{ObjectType, Parent, Presence, Property, Reference, Shape},
    web::{
        columns,
        controls::{Controls, MOST_ROWS, ROOT, is_set, rows_of},
        form,
        layout::Layout,
        link, value,
    },
};
use actix_web::http::StatusCode;
use maud::{Markup, html};
use serde_json::Value;
use std::{cell::Cell, collections::HashMap};

/// How many names are offered for a reference.
const OFFERED: usize = 50;

impl Draft<'_> {
    pub(super) async fn form(&self, status: StatusCode, note: Option<&Markup>) -> Answered<Answer> {
        let rows: usize = self.values.values().map(rows_of).sum();
        if rows > MOST_ROWS {
            let text = format!(
                "This has {rows} rows, and a form has {MOST_ROWS} at most: send it by the interface. Nothing was done."
            );
            return Err(ApiError::bad_request(text));
        }
        let (names, parents) = (self.names().await, self.parents().await);
        let is_new = self.is_new();
        let kind = value::words(&self.kind.name);
        let title =
            if is_new { format!("Create a {kind}") } else { format!("Edit {} · {kind}", link::shortened(&self.name)) };
        let controls = Controls {
            model: &self.asked.app.model,
            faults: &self.faults,
            focus: &self.focus,
            names: &names,
            is_focused: Cell::new(false),
        };
        let content = html! {
            (self.hidden())
            // What Enter in a field means.
            button .unseen type="submit" name="do" value="review" tabindex="-1" aria-hidden="true" { "Go on" }
            @if is_new { (self.identity(&parents)) }
            (self.links(&controls))
            (self.properties(&controls))
            div .actions {
                button type="submit" name="do" value="review" { "Show the difference" }
                a href=(self.leads_to()) { "Cancel" }
                small { "Nothing is saved yet by that." }
            }
        };
        Ok(Layout::new(self.asked, &title).at("/ui/types").status(status).script("edit.js").show(&html! {
            (self.crumbs())
            h1 { @if is_new { "Create a " (kind) } @else { "Edit " (link::shortened(&self.name)) " " small { (kind) } } }
            @if let Some(note) = note { (note) }
            (self.summary())
            @if !self.kept.is_empty() {
                p .note { "Too large for a form, so not shown here, and to stay as they are: " (self.kept.iter().map(|name| value::words(name)).collect::<Vec<_>>().join(", ")) "." }
            }
            div #form .edit { (form::post(self.asked, &self.action(), &content)) }
        }))
    }

    /// What is wrong, with links to where.
    fn summary(&self) -> Markup {
        if self.faults.is_empty() {
            return html! {};
        }
        let label = |path: &str| {
            let name =
                path.rsplit('/').find(|part| part.parse::<usize>().is_err() && *part != "to").unwrap_or_default();
            value::title(name.strip_suffix("_refs").unwrap_or(name))
        };
        html! {
            section .refusal #refusal role="alert" tabindex="-1" autofocus aria-labelledby="refusal-title" {
                h2 #refusal-title { "Nothing was saved" }
                ul {
                    @for fault in &self.faults {
                        li {
                            @if !fault.path.is_empty() { a href=(format!("#{}", fault.path)) { (label(&fault.path)) } ": " }
                            (fault.short())
                        }
                    }
                }
                @if let Some(refusal) = &self.refusal {
                    @if !refusal.objects.is_empty() {
                        p { "It is about: " @for object in &refusal.objects { (object) " " } }
                    }
                    details { summary { "What the server says, in full" } pre .said { (refusal.text) } }
                }
            }
        }
    }

    /// Name and place of a new object.
    fn identity(&self, parents: &[String]) -> Markup {
        let can_be_at_the_root = self.kind.parents.contains(&Parent::ConfigRoot);
        let is_only_there = self.kind.parents.iter().all(|parent| *parent == Parent::ConfigRoot);
        let types: Vec<String> = self.asked.app.model.parent_names(self.kind).into_iter().map(value::words).collect();
        let fault = |path: &str| self.faults.iter().find(|fault| fault.path == path);
        let parent = if self.parent.is_empty() && !can_be_at_the_root && parents.len() == 1 {
            parents.first().map_or("", String::as_str)
        } else {
            &self.parent
        };
        let field = |name: &str, label: &str, given: &str, hint: &str, list: Option<&str>| {
            html! {
                div .field.wrong[fault(name).is_some()] {
                    label for=(name) { (label) }
                    input id=(name) name=(name) value=(given) list=[list] aria-describedby=(format!("{name}-hint {name}-fault"))
                        aria-invalid=[fault(name).map(|_| "true")] autofocus[name == "name" && self.focus.is_empty() && self.faults.is_empty()];
                    small id=(format!("{name}-hint")) { (hint) }
                    p .error id=(format!("{name}-fault")) { @if let Some(fault) = fault(name) { (fault.short()) } }
                }
            }
        };
        html! {
            div .members {
                (field("name", "Name", &self.name, "has to be given", None))
                @if !is_only_there {
                    @let hint = format!("the full name or the uuid of a {}{}", types.join(" or "), if can_be_at_the_root { "; nothing for the root" } else { "" });
                    (field("parent", "Below", parent, &hint, Some("parents")))
                    datalist #parents { @for name in parents { option value=(name) {} } }
                }
            }
        }
    }

    fn links(&self, controls: &Controls<'_>) -> Markup {
        let columns = columns::of(self.kind);
        let links = |reference: &Reference| {
            self.values.get(&reference.field).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
        };
        let matters = |reference: &&Reference| {
            !links(reference).is_empty()
                || reference.facts.presence == Presence::Required
                || columns.iter().any(|column| column.field == reference.field)
                || controls.is_looked_at(&format!("{ROOT}/{}", reference.field))
        };
        let (first, more): (Vec<&Reference>, Vec<&Reference>) = references(self.kind, self.is_new())
            .filter(|reference| !self.kept.contains(&reference.field))
            .partition(matters);
        html! {
            @if !first.is_empty() || !more.is_empty() {
                section aria-labelledby="refers-to" {
                    h2 #refers-to { "Refers to" }
                    @for reference in &first { (controls.reference(reference, links(reference))) }
                    @if !more.is_empty() {
                        details .more #more-links open[first.is_empty()] {
                            summary { "More that it can refer to: " (more.len()) }
                            @for reference in &more { (controls.reference(reference, links(reference))) }
                        }
                    }
                }
            }
        }
    }

    fn properties(&self, controls: &Controls<'_>) -> Markup {
        let given = |property: &Property| self.values.get(&property.name).unwrap_or(&Value::Null);
        let is_simple = |property: &Property| matches!(property.shape, Shape::Simple(_));
        let matters = |property: &Property| {
            let facts = &property.facts;
            is_set(given(property))
                || (!facts.deprecated && !facts.internal && facts.implemented)
                || controls.is_looked_at(&format!("{ROOT}/{}", property.name))
        };
        let all: Vec<&Property> = properties(self.kind, self.is_new())
            .filter(|property| property.name != SHARES && !self.kept.contains(&property.name))
            .collect();
        let (usual, rare): (Vec<&Property>, Vec<&Property>) = all.into_iter().partition(|property| matters(property));
        let (mut simple, nested): (Vec<&Property>, Vec<&Property>) =
            usual.into_iter().partition(|property| is_simple(property));
        // What is set comes first, and so does what people call it.
        simple.sort_by_key(|property| (property.name != "display_name", !is_set(given(property))));
        let shares = properties(self.kind, self.is_new()).find(|property| property.name == SHARES);
        html! {
            section aria-labelledby="properties" {
                h2 #properties { "Properties" }
                div .members { @for property in &simple { (controls.property(property, given(property))) } }
                @for property in &nested { (controls.property(property, given(property))) }
                @if !rare.is_empty() {
                    details .more #more-properties {
                        summary { (rare.len()) " more that are hardly used" }
                        div .members { @for property in rare.iter().filter(|property| is_simple(property)) { (controls.property(property, given(property))) } }
                        @for property in rare.iter().filter(|property| !is_simple(property)) { (controls.property(property, given(property))) }
                    }
                }
            }
            @if let Some(shares) = shares {
                section aria-labelledby="whose" {
                    h2 #whose { "Whose it is" }
                    details .more #more-shares open[controls.is_looked_at(&format!("{ROOT}/{SHARES}"))] {
                        summary { "Owner and shares; of rights 4 is to read, 2 to write, 1 to refer to it, and a sum is all of these" }
                        (controls.property(shares, given(shares)))
                    }
                }
            }
        }
    }

    /// Names that are offered where something is referred to: of what is in the same place, then of others. If they can't be read,
    /// there are none.
    async fn names(&self) -> HashMap<&str, Vec<String>> {
        let mut names = HashMap::new();
        let with_rows = references(self.kind, self.is_new()).filter(|reference| {
            self.values.get(&reference.field).and_then(Value::as_array).is_some_and(|links| !links.is_empty())
        });
        for reference in with_rows {
            let target = self.asked.app.model.object_type(reference.target);
            let mut found = Vec::new();
            if !self.parent.is_empty() {
                found = list(self.asked, target, &self.parent).await;
            }
            if found.len() < OFFERED {
                let more = list(self.asked, target, "").await;
                let more: Vec<String> = more.into_iter().filter(|name| !found.contains(name)).collect();
                found.extend(more);
            }
            found.truncate(OFFERED);
            names.insert(reference.field.as_str(), found);
        }
        names
    }

    /// The same for what a new object can be below.
    async fn parents(&self) -> Vec<String> {
        let mut found = Vec::new();
        for parent in self.kind.parents.iter().filter(|_| self.is_new()) {
            if let Parent::Type(type_id) = parent {
                found.extend(list(self.asked, self.asked.app.model.object_type(*type_id), "").await);
            }
        }
        found
    }
}

/// The names of the first objects of a type, below this one if it is named.
async fn list(asked: &Asked<'_>, kind: &ObjectType, parent: &str) -> Vec<String> {
    let limit = OFFERED.to_string();
    let arguments = [("page_limit", limit.as_str()), ("page_marker", "None"), ("parent_fq_name_str", parent)];
    let target = link::with_arguments(&format!("/{}", kind.collection), &arguments);
    let answer = asked.get(&format!("{target}&exclude_hrefs=true")).await.unwrap_or_default();
    let objects = answer.get(&kind.collection).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let names = objects.iter().filter_map(|object| object.get("fq_name")?.as_array());
    names.map(|name| name.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(":")).collect()
}
