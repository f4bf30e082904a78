//! TAP 1.1: synchronous queries, and what asynchronous ones share with them.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use tokio::task::spawn_blocking;

use crate::Site;
use crate::answer::{failure, format};
use crate::http::{Call, Params, reply};
use crate::votable;
use crate::{adql, datalink};

/// The document that answers a query.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Document {
    pub(crate) text: String,
    pub(crate) content_type: &'static str,
}

/// `/TAP/sync`
pub(crate) async fn sync(State(site): State<Arc<Site>>, call: Call) -> Response {
    match run_in_turn(Arc::clone(&site), call.params).await {
        Ok(document) => reply(StatusCode::OK, document.content_type, document.text),
        Err(problem) => failure(&site, &problem),
    }
}

/// The largest number of rows that an answer has: MAXREC, as far as the service allows.
pub(crate) fn limit(site: &Site, params: &Params) -> Result<usize, String> {
    let most = site.options.max_rows;
    match params.get("MAXREC") {
        None => Ok(most),
        Some(text) => match text.trim().parse::<usize>() {
            Ok(count) => Ok(count.min(most)),
            Err(_) => Err(format!("MAXREC={text} is not a number of rows")),
        },
    }
}

/// Answers a query once its turn has come: few are answered at a time, for each may take much
/// memory.
pub(crate) async fn run_in_turn(site: Arc<Site>, params: Params) -> Result<Document, String> {
    let _turn = site.turns.acquire().await.map_err(|error| error.to_string())?;
    let shared = Arc::clone(&site);
    let done = spawn_blocking(move || run(&shared, &params)).await;
    done.unwrap_or_else(|error| Err(error.to_string()))
}

/// Answers a query.
fn run(site: &Site, params: &Params) -> Result<Document, String> {
    if let Some(request) = params.get("REQUEST").filter(|r| !r.eq_ignore_ascii_case("doQuery")) {
        return Err(format!("REQUEST={request} is not supported, only doQuery"));
    }
    let language = params.get("LANG").ok_or("the parameter LANG is missing")?;
    let is_adql = language.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("ADQL"));
    if !is_adql || !matches!(language.as_bytes().get(4), None | Some(b'-')) {
        return Err(format!("LANG={language} is not supported, only ADQL"));
    }
    if params.get("UPLOAD").is_some() {
        return Err("UPLOAD is not supported".into());
    }
    let query = params.get("QUERY").ok_or("the parameter QUERY is missing")?;
    let (format, limit) = (format(params)?, limit(site, params)?);
    let answer = adql::query(&site.tables, query, limit).map_err(|e| e.to_string())?;
    let extra = datalink::descriptor(site, &answer.columns);
    Ok(Document { text: votable::document(&answer, format, &extra), content_type: format.content_type() })
}
