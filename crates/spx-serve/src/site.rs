//! What all answers share, and the way from a request through the faults to a service.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::any;
use tokio::sync::Semaphore;

use crate::body::{Outgoing, Plan, Ticket};
use crate::faults::{Asked, Dice, Fault, content_length, instead, plan, too_many};
use crate::http::plain;
use crate::index::Index;
use crate::listener::{Connection, Port};
use crate::log::{Recorder, RequestEntry};
use crate::request_kind::RequestKind;
use crate::table::Table;
use crate::{ServeOptions, datalink, files, schema, sia, tap, uws, vosi};

/// Queries that are answered at a time.
const MOST_QUERIES: usize = 4;

/// An archive's content and state.
pub(crate) struct Site {
    /// The canonical directory.
    pub(crate) root: PathBuf,
    pub(crate) index: Index,
    pub(crate) tables: Vec<Table>,
    /// `http://127.0.0.1:PORT`
    pub(crate) base: String,
    pub(crate) options: ServeOptions,
    pub(crate) recorder: Recorder,
    /// What SIA searches: images and calibration files.
    pub(crate) sia: Table,
    pub(crate) jobs: uws::Jobs,
    /// Queries that are answered at a time.
    pub(crate) turns: Semaphore,
    dice: Dice,
    running: Arc<AtomicUsize>,
}

impl Site {
    pub(crate) fn new(
        root: PathBuf,
        index: Index,
        sources: Vec<Table>,
        base: String,
        options: ServeOptions,
    ) -> Self {
        let tables = schema::tables(&index, &base, sources);
        let dice = Dice::new(options.faults.clone(), options.seed);
        let sia = schema::sia(&index, &base);
        let (recorder, jobs, running) = (Recorder::default(), uws::Jobs::default(), Arc::default());
        let turns = Semaphore::new(MOST_QUERIES);
        Self { root, index, tables, base, options, recorder, sia, jobs, turns, dice, running }
    }
}

/// Answers requests until the runtime ends.
pub(crate) async fn serve(listener: tokio::net::TcpListener, site: Arc<Site>) {
    let routes = routes().layer(from_fn_with_state(Arc::clone(&site), answer)).with_state(site);
    let service = routes.into_make_service_with_connect_info::<Connection>();
    if let Err(error) = axum::serve(Port(listener), service).await {
        tracing::error!("the local archive has stopped: {error}");
    }
}

fn routes() -> Router<Arc<Site>> {
    Router::new()
        .route("/TAP/sync", any(tap::sync))
        .route("/TAP/async", any(uws::jobs))
        .route("/TAP/async/{*rest}", any(uws::job))
        .route("/TAP/tables", any(vosi::tables))
        .route("/TAP/tables/{name}", any(vosi::tables))
        .route("/TAP/capabilities", any(vosi::tap))
        .route("/TAP/availability", any(vosi::availability))
        .route("/SIA", any(sia::query))
        .route("/SIA/capabilities", any(vosi::sia))
        .route("/SIA/availability", any(vosi::availability))
        .route("/datalink/links/spherex", any(datalink::links))
        .route("/datalink/capabilities", any(vosi::datalink))
        .route("/datalink/availability", any(vosi::availability))
        .route("/ibe/data/spherex/{*path}", any(files::ibe))
        .route("/ibe/dir/list/spherex/{*path}", any(files::listing))
        .route("/cloud/{*path}", any(files::cloud))
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "there is no such service") })
}

/// Logs a request, lets it meet its fault, or lets the service answer it.
async fn answer(
    State(site): State<Arc<Site>>,
    ConnectInfo(connection): ConnectInfo<Connection>,
    request: Request,
    next: Next,
) -> Response {
    if !is_ours(request.headers(), &site.base) {
        return plain(StatusCode::FORBIDDEN, "this archive answers only programs on its own machine");
    }
    let (ticket, parallel) = Ticket::take(&site.running);
    let entry = entry(&request);
    let asked = Asked { kind: entry.kind, method: request.method(), path: &entry.path, query: &entry.query };
    let drawn = site.dice.draw(&asked);
    let number = site.recorder.begin(RequestEntry { fault: drawn.map(|(fault, _)| fault), ..entry.clone() });
    tokio::time::sleep(site.dice.latency()).await;
    let fault = drawn.map(|(fault, _)| fault);
    let mut response = if let Some(response) = fault.and_then(instead) {
        response
    } else if site.options.max_parallel.is_some_and(|most| parallel > most) {
        too_many()
    } else {
        if fault == Some(Fault::ExpiredJob) {
            site.jobs.forget(&entry.path);
        }
        next.run(request).await
    };
    let length = content_length(&mut response);
    let spoiled = drawn.map_or_else(Plan::default, |(fault, roll)| plan(fault, roll, &mut response));
    site.recorder.update(number, |entry| {
        entry.status = response.status().as_u16();
        entry.complete = length == Some(0) && entry.fault.is_none();
    });
    let recorder = site.recorder.clone();
    response.map(|inner| {
        Body::new(Outgoing {
            inner,
            plan: spoiled,
            sent: 0,
            length,
            sleep: None,
            recorder,
            number,
            connection,
            _ticket: ticket,
            rest: Bytes::new(),
        })
    })
}

/// True where Host, and Origin if there is one, name this server: a page of another site, whatever
/// its name resolves to, must not read the files.
fn is_ours(headers: &HeaderMap, base: &str) -> bool {
    let port = base.rsplit(':').next().unwrap_or_default();
    let ours = |host: &str| ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{port}"));
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    text(header::HOST).is_none_or(ours)
        && text(header::ORIGIN).is_none_or(|origin| origin.strip_prefix("http://").is_some_and(ours))
}

fn entry(request: &Request) -> RequestEntry {
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let range = request.headers().get(header::RANGE).and_then(|v| v.to_str().ok());
    RequestEntry {
        kind: RequestKind::of(path, query),
        method: request.method().to_string(),
        path: path.to_owned(),
        query: query.to_owned(),
        range: range.map(str::to_owned),
        status: 0,
        fault: None,
        sent: 0,
        complete: false,
    }
}
