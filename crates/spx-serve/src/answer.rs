//! The form of answers that are VOTables, and errors in it.

use axum::http::StatusCode;
use axum::response::Response;

use crate::Site;
use crate::http::{Params, reply};
use crate::votable::{self, Format};

/// An error as a VOTable.
pub(crate) fn failure(site: &Site, problem: &str) -> Response {
    let status = if site.options.errors_with_200 { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    reply(status, Format::TableData.content_type(), votable::error(problem))
}

/// The form that is asked for.
pub(crate) fn format(params: &Params) -> Result<Format, String> {
    let name = params.get("RESPONSEFORMAT").or_else(|| params.get("FORMAT"));
    Format::parse(name).ok_or_else(|| format!("the format {} is not supported", name.unwrap_or_default()))
}
