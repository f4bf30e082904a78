//! SIA2 (IVOA Recommendation 2.0): the second way to search, by position alone.

use std::time::Duration;

use spx_core::sky::Position;
use ureq::http::Method;
use url::Url;

use crate::error::ArchiveError;
use crate::rows::SearchService;
use crate::rows::{self, Rows};
use crate::selection::{SearchShape, Selection, corners};
use crate::session::Session;

/// The longest time for the body of an answer.
const ANSWER_DEADLINE: Duration = Duration::from_secs(600);

/// Searches the collections of the selection. A circle with full coverage is searched as one with
/// any: the service knows no other, and the caller is told so by [`Session::search_sia`].
pub(crate) fn query(
    client: &Session,
    selection: &Selection,
    cancelled: &dyn Fn() -> bool,
) -> Result<(Rows, String), ArchiveError> {
    let url = address(client, selection);
    let request = client.request(Method::GET, url.clone(), ANSWER_DEADLINE);
    let rows = client.retried(
        cancelled,
        |_| false,
        || rows::read(client.http().send(&request, cancelled)?, SearchService::Sia),
    )?;
    if rows.overflow {
        let count = rows.observations.len() + rows.rejected.len();
        return Err(ArchiveError::Overflow { url: url.into(), rows: count });
    }
    Ok((rows, url.to_string()))
}

fn address(client: &Session, selection: &Selection) -> Url {
    let mut url = client.base().sia();
    {
        let mut query = url.query_pairs_mut();
        // A service that knows a name not yet ignores it.
        for collection in selection.collections() {
            query.append_pair("COLLECTION", &collection);
        }
        query.append_pair("POS", &position(selection.shape));
        if let Some(range) = selection.mjd_range {
            query.append_pair("TIME", &format!("{} {}", range.min(), range.max()));
        }
        query.append_pair("RESPONSEFORMAT", "votable");
    }
    url
}

/// SIA knows circles that overlap. A point is a circle of nearly nothing, a rectangle its
/// circumscribed circle.
fn position(shape: SearchShape) -> String {
    let circle = |at: Position, radius: f64| format!("circle {} {} {radius}", at.ra(), at.dec());
    match shape {
        // A tenth of an arcsecond.
        SearchShape::Point(at) => circle(at, 0.000_03),
        SearchShape::Circle(c, _) => circle(c.center(), c.radius()),
        SearchShape::Rectangle(rectangle) => {
            let center = rectangle.center();
            let corners = corners(rectangle).into_iter().filter_map(|[ra, dec]| Position::new(ra, dec).ok());
            circle(center, corners.map(|corner| corner.separation(center)).fold(0.0, f64::max))
        }
    }
}
