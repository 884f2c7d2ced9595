//! The page at `/ui/`: the configuration for people who would rather look than read. HTML is made here, on the server, with small
//! scripts that are not needed where links, lists and forms are enough.
//!
//! Another page is added so:
//!
//! 1. A file here, with `pub async fn page(asked: Asked<'_>) -> Answered<Answer>`. What it shows it asks for as any client would,
//!    with the rights of who looks: `asked.get("/virtual-networks?...")`, `asked.send(Method::PUT, ...)`. Only what no request
//!    tells is read from `asked.snapshot()`, after `asked.may_read_type` and `identity.may_read`. Nothing may load everything.
//! 2. A line in [`ALL`]: path, access, handler. One in [`layout::NAVIGATION`] if it belongs into the head; one in
//!    `object::WITH_AN_OBJECT` if it belongs to one object.
//! 3. `Layout::new(&asked, "Title").show(html! { ... })`, of the components: [`table::Table`], [`form`], [`link`], [`value`].
//!    Neither `style=` nor `onclick=` nor a script in the page: browsers refuse them (`Content-Security-Policy`). What a thing looks like
//!    stands in `assets/page.css`; in SVG it may be an attribute (`fill`, `width`).
//! 4. A script, where one is needed, is a module in `assets/`, with a line in [`assets::ALL`], and is named by `Layout::script`.
//!    `assets/live.js` follows changes.
//! 5. What changes something is a page with the method POST. Its form is made by [`form::post`], and read by [`form::read`], which
//!    refuses what another site has sent.
//! 6. Tests: `tests/web.rs` (what is answered), `tests/browser/` (what a browser makes of it; its list of pages that axe-core looks
//!    at has a line for each).

mod addresses;
mod assets;
mod browse;
mod changes;
mod columns;
mod controls;
mod delete;
mod edit;
mod form;
mod found;
mod history;
mod layout;
mod link;
mod networks;
mod object;
mod refused;
mod search;
mod session;
mod sign_in;
mod sign_in_at_issuer;
mod table;
mod tree;
mod typed;
mod types;
mod value;

use crate::api::{
    Access, Answer,
    pages::{Page, PageHandler, Pages},
};
use actix_web::http::Method;
use futures_util::future::ready;

/// All pages, for who leads requests.
pub static PAGES: Pages = Pages { all: ALL, refused: refused::page };

/// A page that shows something.
const fn get(path: &'static str, access: Access, handler: PageHandler) -> Page {
    Page { path, method: Method::GET, access, takes_a_place: true, handler }
}

/// A page that does something.
const fn post(path: &'static str, access: Access, handler: PageHandler) -> Page {
    Page { path, method: Method::POST, access, takes_a_place: true, handler }
}

/// What costs nothing, waits for long, or takes a place by itself.
const fn aside(method: Method, path: &'static str, access: Access, handler: PageHandler) -> Page {
    Page { path, method, access, takes_a_place: false, handler }
}

static ALL: &[Page] = &[
    aside(Method::GET, "/ui", Access::Anybody, |_| Box::pin(ready(Ok(session::see("/ui/"))))),
    get("/ui/", Access::Reader, |_| Box::pin(ready(Ok(start())))),
    aside(Method::GET, "/ui/assets/{name}", Access::Anybody, |asked| Box::pin(ready(assets::file(&asked)))),
    get("/ui/sign-in", Access::Anybody, |asked| Box::pin(ready(Ok(sign_in::page(&asked))))),
    // Keystone may take its time.
    aside(Method::POST, "/ui/sign-in", Access::Anybody, |asked| Box::pin(sign_in::sign_in(asked))),
    aside(Method::GET, sign_in_at_issuer::BEGIN, Access::Anybody, |asked| {
        Box::pin(ready(sign_in_at_issuer::begin(&asked)))
    }),
    // The issuer may, too.
    aside(Method::GET, sign_in_at_issuer::CALLBACK, Access::Anybody, |asked| {
        Box::pin(sign_in_at_issuer::callback(asked))
    }),
    post("/ui/sign-out", Access::Anybody, |asked| Box::pin(sign_in::sign_out(asked))),
    get("/ui/types", Access::Reader, |asked| Box::pin(types::page(asked))),
    get("/ui/type/{type}", Access::Reader, |asked| Box::pin(browse::page(asked))),
    get("/ui/networks", Access::Reader, |asked| Box::pin(networks::page(asked))),
    get("/ui/tree", Access::Reader, |asked| Box::pin(tree::page(asked))),
    get("/ui/object/{type}/{uuid}", Access::Reader, |asked| Box::pin(object::page(asked))),
    get("/ui/history/{type}/{uuid}", Access::Reader, |asked| Box::pin(history::page(asked))),
    get("/ui/create/{type}", Access::Writer, |asked| Box::pin(edit::create(asked))),
    post("/ui/create/{type}", Access::Writer, |asked| Box::pin(edit::created(asked))),
    get("/ui/edit/{type}/{uuid}", Access::Writer, |asked| Box::pin(edit::edit(asked))),
    post("/ui/edit/{type}/{uuid}", Access::Writer, |asked| Box::pin(edit::edited(asked))),
    get("/ui/delete/{type}/{uuid}", Access::Writer, |asked| Box::pin(delete::page(asked))),
    post("/ui/delete/{type}/{uuid}", Access::Writer, |asked| Box::pin(delete::delete(asked))),
    get("/ui/search", Access::Reader, |asked| Box::pin(search::page(asked))),
    get("/ui/addresses", Access::Reader, |asked| Box::pin(addresses::page(asked))),
    get("/ui/addresses/{type}/{uuid}", Access::Reader, |asked| Box::pin(addresses::of_one(asked))),
    get("/ui/changes", Access::Reader, |asked| Box::pin(changes::page(asked))),
    // For scripts of pages.
    get("/ui/search/found", Access::Reader, |asked| Box::pin(search::found(asked))),
    get("/ui/changes/new", Access::Reader, |asked| Box::pin(changes::new(asked))),
    aside(Method::GET, "/ui/watch", Access::Reader, |asked| Box::pin(async move { asked.pass_on("/watch").await })),
    aside(Method::GET, "/ui/feed/changes", Access::Reader, |asked| {
        Box::pin(async move { asked.pass_on("/changes").await })
    }),
];

/// Whether there is a page with this path.
fn has(path: &str) -> bool {
    ALL.iter().any(|page| page.path == path)
}

/// `/ui/`: the first of the pages that the head names.
fn start() -> Answer {
    let first = layout::navigation().next().map_or("/ui/types", |(path, _)| path);
    session::see(first)
}
