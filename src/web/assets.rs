//! Scripts and styles: files of our own that are in the program. A page names them with what is in them (`?v=`), so they are kept
//! for as long as they are the same; by any other name they are asked for again.

use crate::api::{Answer, Answered, ApiError, File, pages::Asked};
use std::sync::{Arc, LazyLock};

/// Where they are.
const ROOT: &str = "/ui/assets/";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Name, media type and content. The name of one is in no path of the source: a script imports another one as `./<name>`.
const ALL: &[(&str, &str, &str)] = &[
    ("page.css", STYLE, include_str!("assets/page.css")),
    ("page.js", SCRIPT, include_str!("assets/page.js")),
    ("live.js", SCRIPT, include_str!("assets/live.js")),
    ("filter.js", SCRIPT, include_str!("assets/filter.js")),
    ("sign_in.js", SCRIPT, include_str!("assets/sign_in.js")),
    ("networks.js", SCRIPT, include_str!("assets/networks.js")),
    ("edit.js", SCRIPT, include_str!("assets/edit.js")),
    ("object.js", SCRIPT, include_str!("assets/object.js")),
    ("search.js", SCRIPT, include_str!("assets/search.js")),
    ("changes.js", SCRIPT, include_str!("assets/changes.js")),
    ("icon.svg", "image/svg+xml", include_str!("assets/icon.svg")),
];

struct Asset {
    name: &'static str,
    href: String,
    version: String,
    kept: Arc<File>,
    asked_again: Arc<File>,
}

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let asset = |(name, media_type, text): &(&'static str, &'static str, &'static str)| {
        let file = || File::new(text.as_bytes().to_vec(), *media_type);
        let version = file().etag.trim_matches('"').to_owned();
        Asset {
            name,
            href: format!("{ROOT}{name}?v={version}"),
            version,
            kept: Arc::new(File { kept: "public, max-age=31536000, immutable", ..file() }),
            asked_again: Arc::new(file()),
        }
    };
    ALL.iter().map(asset).collect()
});

/// What a page calls a file.
pub fn href(name: &str) -> &'static str {
    ASSETS.iter().find(|asset| asset.name == name).map_or("", |asset| asset.href.as_str())
}

/// `GET /ui/assets/{name}`
///
/// # Errors
/// 404
pub fn file(asked: &Asked<'_>) -> Answered<Answer> {
    let asset = ASSETS.iter().find(|asset| asset.name == asked.part(0));
    let asset = asset.ok_or_else(|| ApiError::not_found("File does not exist."))?;
    if asked.call.has_already(&asset.asked_again.etag) {
        return Ok(Answer::NotModified { etag: asset.asked_again.etag.clone() });
    }
    let is_current = asked.argument("v") == Some(asset.version.as_str());
    let file = if is_current { &asset.kept } else { &asset.asked_again };
    Ok(Answer::File { file: Arc::clone(file), compressed: asked.call.takes_gzip })
}
