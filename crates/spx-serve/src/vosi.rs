//! What the services say of themselves: capabilities, availability and tables (VOSI 1.1).

use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::Site;
use crate::http::{Call, plain, xml};
use crate::schema::{SCHEMAS, datatype, schema_of};
use crate::table::Table;

const PROLOGUE: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n";
const INSTANCE: &str = "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\"";

/// `.../availability`
pub(crate) async fn availability() -> Response {
    xml(format!(
        "{PROLOGUE}<vosi:availability xmlns:vosi=\"http://www.ivoa.net/xml/VOSIAvailability/v1.0\">\n\
         <vosi:available>true</vosi:available>\n</vosi:availability>\n"
    ))
}

/// `/TAP/capabilities`
pub(crate) async fn tap(State(site): State<Arc<Site>>) -> Response {
    let rows = site.options.max_rows;
    let formats = [
        ("application/x-votable+xml", "votable"),
        ("application/x-votable+xml;serialization=BINARY2", "votable/b2"),
        ("text/csv;header=present", "csv"),
    ];
    let functions = ["POINT", "CIRCLE", "POLYGON", "CONTAINS", "INTERSECTS", "DISTANCE"];
    let mut table_access = format!(
        "<capability standardID=\"ivo://ivoa.net/std/TAP\" xsi:type=\"tr:TableAccess\">\n{}\
         <language><name>ADQL</name><version ivo-id=\"ivo://ivoa.net/std/ADQL#v2.0\">2.0</version>\n\
         <languageFeatures type=\"ivo://ivoa.net/std/TAPRegExt#features-adqlgeo\">\n",
        interface(&format!("{}/TAP", site.base), "base", "1.1")
    );
    for name in functions {
        let _ = writeln!(table_access, "<feature><form>{name}</form></feature>");
    }
    table_access.push_str("</languageFeatures></language>\n");
    for (mime, alias) in formats {
        let _ =
            writeln!(table_access, "<outputFormat><mime>{mime}</mime><alias>{alias}</alias></outputFormat>");
    }
    let _ = writeln!(
        table_access,
        "<outputLimit><default unit=\"row\">{rows}</default><hard unit=\"row\">{rows}</hard></outputLimit>\n\
         </capability>"
    );
    let base = format!("{}/TAP", site.base);
    let tables = capability("ivo://ivoa.net/std/VOSI#tables-1.1", &format!("{base}/tables"));
    xml(capabilities(&format!("{table_access}{tables}{}", own(&base))))
}

/// `/SIA/capabilities`
pub(crate) async fn sia(State(site): State<Arc<Site>>) -> Response {
    let base = format!("{}/SIA", site.base);
    let query = format!(
        "<capability standardID=\"ivo://ivoa.net/std/SIA#query-2.0\">\n{}</capability>\n",
        interface(&base, "base", "2.0")
    );
    xml(capabilities(&format!("{query}{}", own(&base))))
}

/// `/datalink/capabilities`
pub(crate) async fn datalink(State(site): State<Arc<Site>>) -> Response {
    let links = format!("{}/datalink/links/spherex", site.base);
    let query = format!(
        "<capability standardID=\"ivo://ivoa.net/std/DataLink#links-1.1\">\n{}</capability>\n",
        interface(&links, "base", "1.1")
    );
    xml(capabilities(&format!("{query}{}", own(&format!("{}/datalink", site.base)))))
}

fn capabilities(content: &str) -> String {
    format!(
        "{PROLOGUE}<vosi:capabilities xmlns:vosi=\"http://www.ivoa.net/xml/VOSICapabilities/v1.0\" \
         xmlns:tr=\"http://www.ivoa.net/xml/TAPRegExt/v1.0\" \
         xmlns:vr=\"http://www.ivoa.net/xml/VOResource/v1.0\" \
         xmlns:vs=\"http://www.ivoa.net/xml/VODataService/v1.1\" {INSTANCE}>\n{content}</vosi:capabilities>\n"
    )
}

/// The descriptions that every service has.
fn own(base: &str) -> String {
    capability("ivo://ivoa.net/std/VOSI#capabilities", &format!("{base}/capabilities"))
        + &capability("ivo://ivoa.net/std/VOSI#availability", &format!("{base}/availability"))
}

fn capability(standard: &str, url: &str) -> String {
    format!("<capability standardID=\"{standard}\">\n{}</capability>\n", interface(url, "full", "1.1"))
}

fn interface(url: &str, usage: &str, version: &str) -> String {
    format!(
        "<interface xsi:type=\"vs:ParamHTTP\" role=\"std\" version=\"{version}\">\
         <accessURL use=\"{usage}\">{url}</accessURL></interface>\n"
    )
}

/// `/TAP/tables` and `/TAP/tables/NAME`
pub(crate) async fn tables(State(site): State<Arc<Site>>, call: Call) -> Response {
    let namespaces = format!(
        "xmlns:vosi=\"http://www.ivoa.net/xml/VOSITables/v1.0\" \
         xmlns:vs=\"http://www.ivoa.net/xml/VODataService/v1.1\" {INSTANCE}"
    );
    let name = call.path.strip_prefix("/TAP/tables").unwrap_or_default().trim_matches('/');
    if !name.is_empty() {
        return match site.tables.iter().find(|t| t.name.eq_ignore_ascii_case(name)) {
            Some(table) => {
                let content = table_content(table);
                xml(format!("{PROLOGUE}<vosi:table {namespaces}>\n{content}</vosi:table>\n"))
            }
            None => plain(StatusCode::NOT_FOUND, "there is no such table"),
        };
    }
    let mut text = format!("{PROLOGUE}<vosi:tableset {namespaces}>\n");
    for (schema, _) in SCHEMAS {
        let _ = writeln!(text, "<schema><name>{schema}</name>");
        for table in site.tables.iter().filter(|t| schema_of(t) == schema) {
            let _ = writeln!(text, "<table type=\"table\">\n{}</table>", table_content(table));
        }
        text.push_str("</schema>\n");
    }
    xml(text + "</vosi:tableset>\n")
}

fn table_content(table: &Table) -> String {
    let element = |name: &str, text: &str| match text {
        "" => String::new(),
        text => format!("<{name}>{}</{name}>", spx_votable::escape(text)),
    };
    let mut content = format!("<name>{}</name>{}\n", table.name, element("description", table.description));
    for column in &table.columns {
        let (datatype, size, xtype) = datatype(column.kind);
        let size = size.map(|s| format!(" arraysize=\"{s}\"")).unwrap_or_default();
        let xtype = xtype.map(|x| format!(" extendedType=\"{x}\"")).unwrap_or_default();
        let _ = writeln!(
            content,
            "<column><name>{}</name>{}{}{}{}<dataType xsi:type=\"vs:VOTableType\"{size}{xtype}>{datatype}\
             </dataType></column>",
            column.name,
            element("description", column.description),
            element("unit", column.unit),
            element("ucd", column.ucd),
            element("utype", column.utype),
        );
    }
    content
}
