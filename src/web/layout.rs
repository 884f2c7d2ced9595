//! What all pages have around them.

use super::{assets, form, has, link, session};
use crate::{
    access::{Caller, Level},
    api::{
        Answer,
        pages::{self, Asked},
    },
};
use actix_web::http::StatusCode;
use maud::{DOCTYPE, Markup, html};

/// What the head names, of that what there is.
pub const NAVIGATION: [(&str, &str); 5] = [
    ("/ui/networks", "Networks"),
    ("/ui/addresses", "Addresses"),
    ("/ui/changes", "Changes"),
    ("/ui/tree", "Projects"),
    ("/ui/types", "All types"),
];
/// What answers the field in the head.
const SEARCH: &str = "/ui/search";

/// The pages that the head names.
pub fn navigation() -> impl Iterator<Item = (&'static str, &'static str)> {
    NAVIGATION.into_iter().filter(|(path, _)| has(path))
}

/// A page in the making.
pub struct Layout<'a> {
    asked: &'a Asked<'a>,
    title: &'a str,
    here: &'a str,
    status: StatusCode,
    scripts: Vec<&'a str>,
    headers: Vec<session::Header>,
}

impl<'a> Layout<'a> {
    /// With this title.
    pub fn new(asked: &'a Asked<'a>, title: &'a str) -> Self {
        Self { asked, title, here: "", status: StatusCode::OK, scripts: Vec::new(), headers: Vec::new() }
    }

    /// Belongs to this entry of the head, by its path.
    #[must_use]
    pub fn at(self, here: &'a str) -> Self {
        Self { here, ..self }
    }

    /// Is not what was asked for.
    #[must_use]
    pub fn status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// Needs this module.
    #[must_use]
    pub fn script(mut self, name: &'a str) -> Self {
        self.scripts.push(name);
        self
    }

    /// Goes out with this, too.
    #[must_use]
    pub fn headers(mut self, headers: Vec<session::Header>) -> Self {
        self.headers.extend(headers);
        self
    }

    /// The page.
    pub fn show(mut self, content: &Markup) -> Answer {
        // The page has a field to search with.
        if self.asked.call.identity.reads_everything() {
            self.asked.app.replica.prepare_names();
        }
        let page = self.whole(content);
        self.headers.extend(session::visitor(self.asked));
        pages::html(self.status, page.into_string(), self.headers)
    }

    fn whole(&self, content: &Markup) -> Markup {
        let is_known = self.asked.call.identity.caller.level != Level::Nobody;
        html! {
            (DOCTYPE)
            html lang="en" {
                head {
                    meta charset="utf-8";
                    meta name="viewport" content="width=device-width, initial-scale=1";
                    meta name="color-scheme" content="light dark";
                    title { (link::shortened(self.title)) " · Cirrus" }
                    link rel="icon" type="image/svg+xml" href=(assets::href("icon.svg"));
                    link rel="stylesheet" href=(assets::href("page.css"));
                    script type="module" src=(assets::href("page.js")) {}
                    @if is_known && has(SEARCH) { script type="module" src=(assets::href("search.js")) {} }
                    @for name in &self.scripts { script type="module" src=(assets::href(name)) {} }
                }
                body {
                    a .skip href="#content" { "To the content" }
                    header .head {
                        a .brand href="/ui/" { "Cirrus" }
                        @if is_known {
                            nav aria-label="Pages" {
                                @for (path, name) in navigation() {
                                    @let (wide, short) = name.strip_prefix("All ").map_or(("", name), |short| ("All ", short));
                                    a href=(path) aria-current=[(path == self.here).then_some("page")] aria-label=[(!wide.is_empty()).then_some(name)] {
                                        @if !wide.is_empty() { span .wide { (wide) } } (short)
                                    }
                                }
                                a href="/documentation/" { "API" span .wide { " documentation" } }
                            }
                            @if has(SEARCH) { (self.search()) }
                        }
                        @if session::is_needed(self.asked) && is_known { (self.who()) }
                        p #live .live role="status" aria-live="polite" {}
                    }
                    main #content tabindex="-1" { (content) }
                }
            }
        }
    }

    fn search(&self) -> Markup {
        html! {
            search {
                form action=(SEARCH) method="get" {
                    label .unseen for="search" { "Search" }
                    input #search type="search" name="q" value=(self.asked.argument("q").filter(|_| self.here == SEARCH).unwrap_or_default())
                        placeholder="name, address, uuid, MAC, tag" autocomplete="off" maxlength="256";
                    ul #found .found role="listbox" aria-label="What fits" hidden {}
                    span #found-status .unseen role="status" {}
                }
            }
        }
    }

    fn who(&self) -> Markup {
        let Caller { user, user_id, project, .. } = &*self.asked.call.identity.caller;
        let user = user.as_ref().or(user_id.as_ref()).map_or("signed in", String::as_str);
        html! {
            div .who {
                span { (link::shortened(user)) @if let Some(project) = project { " · " (link::shortened(project.called())) } }
                (form::post(self.asked, "/ui/sign-out", &html! { button type="submit" .plain { "Sign out" } }))
            }
        }
    }
}
