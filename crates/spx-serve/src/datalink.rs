//! DataLink 1.1: what belongs to an image, and the service that makes cutouts of it.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;

use crate::Site;
use crate::answer::{failure, format};
use crate::http::{Call, reply};
use crate::index::{Calibration, Image};
use crate::schema::access_url;
use crate::table::{Answer, Column, Kind, Value, column};
use crate::votable::{self};

/// Where links are.
pub(crate) const PATH: &str = "/datalink/links/spherex";
/// What the cutout service is called in the answers.
const CUTOUT: &str = "ibe-cutout";

/// `/datalink/links/spherex?ID=...`
pub(crate) async fn links(State(site): State<Arc<Site>>, call: Call) -> Response {
    let form = match format(&call.params) {
        Ok(form) => form,
        Err(problem) => return failure(&site, &problem),
    };
    let (mut rows, mut services, mut seen) = (Vec::new(), String::new(), BTreeSet::new());
    for id in call.params.all("ID") {
        if !seen.insert(id) {
            continue;
        }
        match newest(&site, id) {
            Some(image) => {
                let service = match seen.len() {
                    1 => CUTOUT.to_owned(),
                    n => format!("{CUTOUT}-{n}"),
                };
                rows.extend(image_rows(&site, id, image, &service));
                services.push_str(&cutout_service(&service, &access_url(&site.base, &image.path)));
            }
            None => rows.push(row(id, Link { error: Some("NotFoundFault: no such ID"), ..Link::default() })),
        }
    }
    let answer = Answer { columns: columns(), rows, overflow: false };
    reply(StatusCode::OK, form.content_type(), votable::document(&answer, form, &services))
}

/// Of several versions of an image the one processed last.
fn newest<'a>(site: &'a Site, id: &str) -> Option<&'a Image> {
    site.index.images.iter().filter(|image| image.publisher_did() == id).max_by_key(|image| image.processed())
}

fn columns() -> Vec<Column> {
    let text = |name, description| column(name, Kind::Text, "", description);
    let with_ucd = |ucd, column: Column| Column { ucd, ..column };
    vec![
        with_ucd("meta.id;meta.main", text("ID", "Identifier of the image")),
        with_ucd("meta.ref.url", text("access_url", "Address of the link")),
        with_ucd("meta.ref", text("service_def", "The service of this document that the link is to")),
        with_ucd("meta.code.error", text("error_message", "Why there is no link")),
        with_ucd("meta.code", text("semantics", "What the link is to the image")),
        with_ucd("meta.note", text("description", "The link in words")),
        with_ucd("meta.code.mime", text("content_type", "Media type")),
        with_ucd("phys.size;meta.file", column("content_length", Kind::Long, "byte", "Size")),
    ]
}

#[derive(Default)]
struct Link<'a> {
    url: Option<String>,
    service: Option<&'a str>,
    error: Option<&'a str>,
    semantics: Option<&'a str>,
    description: Option<&'a str>,
    content_type: Option<&'a str>,
    length: Option<u64>,
}

fn row(id: &str, link: Link<'_>) -> Vec<Value> {
    vec![
        id.into(),
        link.url.into(),
        link.service.into(),
        link.error.into(),
        link.semantics.into(),
        link.description.into(),
        link.content_type.into(),
        link.length.map_or(Value::Null, Value::count),
    ]
}

fn image_rows(site: &Site, id: &str, image: &Image, service: &str) -> Vec<Vec<Value>> {
    let fits = Some("application/fits");
    let mut rows = vec![
        row(
            id,
            Link {
                url: Some(access_url(&site.base, &image.path)),
                semantics: Some("#this"),
                description: Some("Spectral image"),
                content_type: fits,
                length: Some(image.size),
                ..Link::default()
            },
        ),
        row(
            id,
            Link {
                service: Some(service),
                semantics: Some("#cutout"),
                description: Some("Cutout of the spectral image"),
                content_type: fits,
                ..Link::default()
            },
        ),
    ];
    let belongs = |c: &&Calibration| {
        c.detector == Some(image.id.detector.number()) && c.path.split('/').next() == Some(image.release())
    };
    rows.extend(site.index.calibrations.iter().filter(belongs).map(|c| {
        let link = Link {
            url: Some(access_url(&site.base, &c.path)),
            semantics: Some("#calibration"),
            description: Some(c.product),
            content_type: fits,
            length: Some(c.size),
            ..Link::default()
        };
        row(id, link)
    }));
    rows
}

/// The descriptor of the service that cuts one image.
fn cutout_service(name: &str, url: &str) -> String {
    let text = |name: &str, description: &str| {
        format!(
            "<PARAM name=\"{name}\" datatype=\"char\" arraysize=\"*\" value=\"\">\
             <DESCRIPTION>{description}</DESCRIPTION></PARAM>\n"
        )
    };
    format!(
        "<RESOURCE type=\"meta\" utype=\"adhoc:service\" ID=\"{name}\" name=\"{name}\">\n\
         <DESCRIPTION>Cutouts of the spectral image</DESCRIPTION>\n\
         <PARAM name=\"accessURL\" datatype=\"char\" arraysize=\"*\" value=\"{}\"/>\n\
         <GROUP name=\"inputParams\">\n{}{}{}</GROUP>\n</RESOURCE>\n",
        spx_votable::escape(url),
        text("center", "Center: x,y with a unit (px, arcsec, arcmin, deg, rad), degrees by default"),
        text("size", "Size: one or two numbers with a unit, degrees by default"),
        text("gzip", "false for a file that is not gzipped"),
    )
}

/// The descriptor of this service, for answers that have the column `obs_publisher_did`; else
/// nothing.
pub(crate) fn descriptor(site: &Site, columns: &[Column]) -> String {
    if !columns.iter().any(|c| c.name == "obs_publisher_did") {
        return String::new();
    }
    let mut text = String::from("<RESOURCE type=\"meta\" utype=\"adhoc:service\" name=\"links\">\n");
    let param = |name: &str, value: &str| {
        format!(
            "<PARAM name=\"{name}\" datatype=\"char\" arraysize=\"*\" value=\"{}\"/>\n",
            spx_votable::escape(value)
        )
    };
    text += &param("standardID", "ivo://ivoa.net/std/DataLink#links-1.1");
    text += &param("accessURL", &format!("{}{PATH}", site.base));
    let _ = writeln!(
        text,
        "<GROUP name=\"inputParams\"><PARAM name=\"ID\" datatype=\"char\" arraysize=\"*\" value=\"\" \
         ref=\"obs_publisher_did\"/></GROUP>\n</RESOURCE>"
    );
    text
}
