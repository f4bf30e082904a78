//! The files of the page, embedded in the program.

use axum::http::header;
use axum::response::IntoResponse;

/// What the browser opens.
const INDEX: &str = "index.html";

/// Names and contents, modules after those that they import.
const FILES: [(&str, &str); 27] = [
    (INDEX, include_str!("page/index.html")),
    ("style.css", include_str!("page/style.css")),
    ("wcs.js", include_str!("page/wcs.js")),
    ("systems.js", include_str!("page/systems.js")),
    ("regions.js", include_str!("page/regions.js")),
    ("table.js", include_str!("page/table.js")),
    ("color.js", include_str!("page/color.js")),
    ("planes.js", include_str!("page/planes.js")),
    ("server_source.js", include_str!("page/server_source.js")),
    ("file_source.js", include_str!("page/file_source.js")),
    ("state.js", include_str!("page/state.js")),
    ("picture.js", include_str!("page/picture.js")),
    ("grid.js", include_str!("page/grid.js")),
    ("overlay.js", include_str!("page/overlay.js")),
    ("spectral_lines.js", include_str!("page/spectral_lines.js")),
    ("plot.js", include_str!("page/plot.js")),
    ("plot_hand.js", include_str!("page/plot_hand.js")),
    ("spectra.js", include_str!("page/spectra.js")),
    ("handle_keys.js", include_str!("page/handle_keys.js")),
    ("pointer.js", include_str!("page/pointer.js")),
    ("wavelength.js", include_str!("page/wavelength.js")),
    ("controls.js", include_str!("page/controls.js")),
    ("saving.js", include_str!("page/saving.js")),
    ("session.js", include_str!("page/session.js")),
    ("history.js", include_str!("page/history.js")),
    ("keys.js", include_str!("page/keys.js")),
    ("main.js", include_str!("page/main.js")),
];

/// The names of what the page loads.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    FILES.into_iter().map(|(name, _)| name).filter(|name| *name != INDEX)
}

/// Style or a module as an answer; empty where there is none of that name.
pub(crate) fn file(name: &str) -> impl IntoResponse + use<> {
    let kind = match name.rsplit_once('.') {
        Some((_, "js")) => "text/javascript; charset=utf-8",
        _ => "text/css; charset=utf-8",
    };
    ([(header::CONTENT_TYPE, kind)], text(name))
}

fn text(name: &str) -> &'static str {
    FILES.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

/// The lines of the page that load style and scripts.
const STYLE: &str = "<link rel=\"stylesheet\" href=\"style.css\">";
const SCRIPT: &str = "<script type=\"module\" src=\"main.js\"></script>";
/// The self-contained page may run what it holds, and load nothing.
const POLICY: &str = concat!(
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; ",
    "script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:\">",
);

/// The page as it is served: it names its modules, so that the browser need not find them one by
/// one.
pub(crate) fn index() -> impl IntoResponse + use<> {
    let modules = names().filter(|name| name.ends_with(".js"));
    let links: String =
        modules.map(|name| format!("<link rel=\"modulepreload\" href=\"{name}\">\n")).collect();
    let page = text(INDEX).replace(STYLE, &format!("{links}{STYLE}"));
    ([(header::CONTENT_TYPE, "text/html; charset=utf-8")], page)
}

/// The page with style and scripts in it, in two parts: the data stand between them.
pub(crate) fn alone() -> [String; 2] {
    let style = format!("{POLICY}\n<style>\n{}</style>", text("style.css"));
    let page = text(INDEX).replace(STYLE, &style);
    let (before, after) = page.split_once(SCRIPT).unwrap_or((&page, ""));
    [before.to_owned(), format!("<script type=\"module\">\n{}</script>{after}", bundle())]
}

/// All modules as one: in the order of the list, without imports and exports. No two of them may
/// give the same name to something at their top level.
fn bundle() -> String {
    let modules = FILES.iter().filter(|(name, _)| name.ends_with(".js"));
    let lines = modules.flat_map(|(_, text)| text.lines()).filter(|line| !line.starts_with("import "));
    lines.map(|line| format!("{}\n", line.strip_prefix("export ").unwrap_or(line))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn one_file_loads_nothing() {
        let [before, after] = alone();
        let whole = before + &after;
        for outside in
            ["<link rel=\"stylesheet", " src=", "http://", "https://", "import ", "@import", "url("]
        {
            assert!(!whole.contains(outside), "{outside}");
        }
        assert!(whole.contains(POLICY) && whole.contains("<style>") && whole.ends_with("</html>\n"));
    }

    /// What a browser fetches before any data, uncompressed, of the served page and of the one
    /// file.
    #[test]
    fn page_is_small() {
        const MOST: usize = 400_000;
        let served: usize = FILES.iter().map(|(_, text)| text.len()).sum();
        let alone: usize = alone().iter().map(String::len).sum();
        for (page, bytes) in [("served", served), ("one file", alone)] {
            // A page far smaller than it is today (some 210 kB) lacks files.
            assert!((MOST / 4..MOST).contains(&bytes), "{page}: {bytes} bytes");
        }
    }

    #[test]
    fn modules_can_be_joined() {
        let mut names = BTreeSet::new();
        for (file, text) in FILES.iter().filter(|(name, _)| name.ends_with(".js")) {
            for line in text.lines() {
                let line = line.strip_prefix("export ").unwrap_or(line);
                let mut words = line.split(|c: char| !(c.is_alphanumeric() || c == '_'));
                let kind = words.next().unwrap_or_default();
                if ["function", "class", "const", "let"].contains(&kind) || line.starts_with("async function")
                {
                    let name = words.find(|word| !["", "function"].contains(word)).unwrap_or_default();
                    assert!(names.insert(name), "{file}: a second top-level {name}");
                }
            }
        }
        assert!(names.len() > 50, "{names:?}");
    }

    /// A module stands after those that it imports.
    #[test]
    fn modules_are_in_order() {
        for (k, (file, text)) in FILES.iter().enumerate() {
            for import in text.lines().filter(|line| line.starts_with("import ")) {
                let from = import.split("\"./").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
                let place = FILES.iter().position(|(name, _)| *name == from);
                assert!(place.is_some_and(|place| place < k), "{file}: {import}");
            }
        }
    }
}
