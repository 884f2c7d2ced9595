//! `/ui/type/{type}`: the objects of a type, a page at a time, with what is asked for of them.

use super::{columns, layout::Layout, link, table::Table, value};
use crate::{
    api::{Answer, Answered, ApiError, pages::Asked},
    model::{ObjectType, Shape},
};
use maud::{Markup, html};
use serde_json::{Map, Value};
use uuid::Uuid;

/// How many objects a page has.
const PAGE: &str = "50";

/// What is asked for, as it stands in the address of the page.
struct Wanted<'a> {
    /// Below this object.
    parent: &'a str,
    /// Referring to this one.
    refers_to: &'a str,
    /// The property that is compared, and with what.
    property: &'a str,
    equals: &'a str,
    /// From this name on.
    from: &'a str,
    /// After this marker.
    after: &'a str,
}

/// `GET /ui/type/{type}`
///
/// # Errors
/// 403 and 404 as for the list of the interface.
pub async fn page(asked: Asked<'_>) -> Answered<Answer> {
    let model = &*asked.app.model;
    let kind = model.find(asked.part(0)).map(|id| model.object_type(id));
    let kind = kind.ok_or_else(|| ApiError::not_found(format!("There is no type '{}'", asked.part(0))))?;
    let argument = |name: &str| asked.argument(name).unwrap_or_default();
    let wanted = Wanted {
        parent: argument("parent"),
        refers_to: argument("refers_to"),
        property: argument("property"),
        equals: argument("equals"),
        from: argument("from"),
        after: argument("after"),
    };
    let columns = columns::of(kind);
    let fields: Vec<&str> = columns.iter().map(|column| column.field.as_str()).collect();
    let target = wanted.request(kind, &fields.join(","));
    let answer = asked.get(&target).await?;
    let objects = answer.get(&kind.collection).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let titles = ["Name", "In"].into_iter().chain(columns.iter().map(|column| column.title.as_str()));
    let mut table = Table::new(&kind.title, titles);
    for object in objects.iter().filter_map(Value::as_object) {
        let mut row = name_and_place(kind, object);
        row.extend(columns.iter().map(|column| column.cell(kind, model, object)));
        table.row(row);
    }
    let next = answer.get("marker").and_then(Value::as_str).filter(|_| !objects.is_empty());
    let title = value::title(&kind.collection);
    let create = super::has("/ui/create/{type}").then(|| format!("/ui/create/{}", link::segment(&kind.name)));
    Ok(Layout::new(&asked, &title).at("/ui/types").show(&html! {
        nav .crumbs aria-label="Where this is" { a href="/ui/types" { "All types" } }
        div .title { h1 { (title) } @if let Some(create) = create { a .button href=(create) { "Create" } } }
        (wanted.form(kind))
        @if objects.is_empty() {
            p .note { @if wanted.is_narrow() { "Nothing of this type fits." } @else { "There is none that you may see." } }
        } @else {
            (table.show("objects"))
        }
        nav .pages aria-label="Pages of the list" {
            @if !wanted.after.is_empty() { a href=(wanted.path(kind, "")) { "First page" } }
            @if let Some(next) = next { a rel="next" href=(wanted.path(kind, next)) { "Next page" } }
        }
        (super::object::request(&asked, "GET", &target))
    }))
}

/// The cells that all lists begin with.
fn name_and_place(kind: &ObjectType, object: &Map<String, Value>) -> Vec<Markup> {
    let uuid = object.get("uuid").and_then(Value::as_str).and_then(|uuid| Uuid::try_parse(uuid).ok());
    let name = object.get("fq_name").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let name: Vec<&str> = name.iter().filter_map(Value::as_str).collect();
    let place = name.split_last().map(|(_, place)| place.join(" › ")).unwrap_or_default();
    let linked = uuid.map_or_else(|| html! { (name.join(":")) }, |uuid| link::object(&kind.name, uuid, &name));
    vec![linked, html! { span .place { (link::shortened(&place)) } }]
}

impl Wanted<'_> {
    fn is_narrow(&self) -> bool {
        [self.parent, self.refers_to, self.property, self.from, self.after].iter().any(|text| !text.is_empty())
    }

    /// The request of the interface that answers it.
    fn request(&self, kind: &ObjectType, fields: &str) -> String {
        // A text in quotes is compared as a text; anything else as what it is in JSON.
        let filter = match (self.property, self.equals) {
            ("", _) => String::new(),
            (property, equals) if serde_json::from_str::<Value>(equals).is_ok() => format!("{property}=={equals}"),
            (property, equals) => format!("{property}=={}", Value::from(equals)),
        };
        let from = if self.from.is_empty() { String::new() } else { format!("{}:{}", self.from, Uuid::nil()) };
        let marker = if self.after.is_empty() { from.as_str() } else { self.after };
        let by_name = self.parent.contains(':') || (!self.parent.is_empty() && Uuid::try_parse(self.parent).is_err());
        let (parent_name, parent) = if by_name { (self.parent, "") } else { ("", self.parent) };
        let target = link::with_arguments(
            &format!("/{}", kind.collection),
            &[
                ("parent_id", parent),
                ("parent_fq_name_str", parent_name),
                ("back_ref_id", self.refers_to),
                ("filters", &filter),
                ("fields", fields),
                ("page_limit", PAGE),
                ("page_marker", if marker.is_empty() { "None" } else { marker }),
            ],
        );
        format!("{target}&exclude_hrefs=true")
    }

    /// The page after a marker.
    fn path(&self, kind: &ObjectType, after: &str) -> String {
        link::list_path(
            kind,
            &[
                ("parent", self.parent),
                ("refers_to", self.refers_to),
                ("property", self.property),
                ("equals", self.equals),
                ("from", if after.is_empty() { self.from } else { "" }),
                ("after", after),
            ],
        )
    }

    fn form(&self, kind: &ObjectType) -> Markup {
        let field = |name: &str, label: &str, value: &str, placeholder: &str| {
            html! {
                div .field {
                    label for=(name) { (label) }
                    input id=(name) name=(name) value=(value) placeholder=(placeholder) autocomplete="off";
                }
            }
        };
        let has_anchor = !self.parent.is_empty() || !self.refers_to.is_empty();
        html! {
            details .filters open[self.is_narrow()] {
                summary { "Filter" }
                form method="get" action=(link::list_path(kind, &[])) {
                    (field("parent", "Below", self.parent, "uuid or domain:project"))
                    (field("refers_to", "Refers to", self.refers_to, "uuid"))
                    div .field {
                        label for="property" { "Property" }
                        select #property name="property" {
                            option value="" { "any" }
                            @for property in &kind.properties {
                                @if matches!(property.shape, Shape::Simple(_)) {
                                    option value=(property.name) selected[property.name == self.property] { (value::words(&property.name)) }
                                }
                            }
                        }
                    }
                    (field("equals", "is", self.equals, ""))
                    @if !has_anchor { (field("from", "From the name", self.from, "default-domain:shop")) }
                    button type="submit" { "Show" }
                    @if self.is_narrow() { a href=(link::list_path(kind, &[])) { "Show all" } }
                }
            }
        }
    }
}
