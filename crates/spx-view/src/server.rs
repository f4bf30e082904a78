//! The server of the explorer: on 127.0.0.1 alone, for whoever knows the token.
//!
//! The token is the first part of every path. Requests without it get 403, and so do those whose
//! Host, or Origin if there is one, is not this server's: a page elsewhere that lets its own name
//! point to 127.0.0.1 must not reach it. The page may load nothing but from here.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tokio::runtime::Runtime;

use crate::connections::{ExplorerPort, SILENCE};
use crate::meta::{CubeMeta, Meta};
use crate::site::{ServedCube, Site};
use crate::{page, routes};
use spx_pipeline::cube::open_cube;
use spx_pipeline::{PipelineError, ResultContext as _};

/// A running server; it stops when it is dropped.
pub struct ExplorerServer {
    runtime: Option<Runtime>,
    url: String,
}

impl ExplorerServer {
    /// Serves cubes, and a catalog `(path, text)` with them. When this returns, requests are
    /// answered.
    ///
    /// # Errors
    /// Where there is no cube, one cannot be read, or the port is taken.
    pub fn start(
        paths: &[PathBuf],
        catalog: Option<(&Path, String)>,
        port: u16,
    ) -> Result<Self, PipelineError> {
        if paths.is_empty() {
            return Err(PipelineError::usage("no cube was named"));
        }
        let mut cubes = Vec::new();
        let mut described = Vec::new();
        for path in paths {
            let (mut planes, points) = (open_cube(path)?, open_cube(path)?);
            described.push(CubeMeta::new(path, &mut planes, 1)?);
            let shape = planes.shape();
            let [planes, points] = [planes, points].map(|cube| Arc::new(Mutex::new(cube)));
            cubes.push(ServedCube { path: path.clone(), shape, planes, points });
        }
        let meta = Meta::new(described, catalog.as_ref().map(|(path, _)| *path));
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let listener = TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let site = Site {
            cubes,
            meta: serde_json::to_string(&meta)?,
            catalog: catalog.map(|(_, text)| text),
            token: token()?,
            port,
        };
        let url = format!("http://127.0.0.1:{port}/{}/", site.token);
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let entered = runtime.enter();
        let listener = ExplorerPort::new(tokio::net::TcpListener::from_std(listener)?, SILENCE);
        drop(entered);
        runtime.spawn(async move {
            if let Err(error) = axum::serve(listener, router(Arc::new(site))).await {
                tracing::error!("the server ended: {error}");
            }
        });
        Ok(Self { runtime: Some(runtime), url })
    }

    /// Where the page is, token included.
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl Drop for ExplorerServer {
    fn drop(&mut self) {
        // Not waited for: a plane that is being read serves nobody any more.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// 128 random bits.
fn token() -> Result<String, PipelineError> {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits)
        .map_err(|error| PipelineError::failed(format!("no random numbers for the token: {error}")))?;
    Ok(format!("{:032x}", u128::from_be_bytes(bits)))
}

fn router(site: Arc<Site>) -> Router {
    let at = |path: &str| format!("/{}/{path}", site.token);
    let mut router = Router::new()
        .route(&at(""), get(|| async { page::index().into_response() }))
        .route(&at("meta"), get(routes::meta))
        .route(&at("plane"), get(routes::plane))
        .route(&at("mean"), get(routes::mean))
        .route(&at("pixel"), get(routes::pixel))
        .route(&at("spectrum"), get(routes::spectrum))
        .route(&at("line"), get(routes::line))
        .route(&at("catalog"), get(routes::catalog));
    for name in page::names() {
        router = router.route(&at(name), get(move || async move { page::file(name).into_response() }));
    }
    router
        .fallback(|| async { (StatusCode::NOT_FOUND, "there is no such page\n") })
        .layer(from_fn_with_state(Arc::clone(&site), guard))
        .with_state(site)
}

/// Lets only those pass who know host and token, and tells the browser what the page may do.
async fn guard(State(site): State<Arc<Site>>, request: Request, next: Next) -> Response {
    let token = request.uri().path().split('/').nth(1);
    let mut response = if names_us(request.headers(), site.port) && token == Some(&site.token) {
        next.run(request).await
    } else {
        (StatusCode::FORBIDDEN, "the address needs the token that `spx cube view` printed\n").into_response()
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Whether Host, and Origin if there is one, name the server on this port.
fn names_us(headers: &HeaderMap, port: u16) -> bool {
    let ours = |host: &str| ["127.0.0.1", "localhost"].iter().any(|name| host == format!("{name}:{port}"));
    // What is no text names nobody.
    let text = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    text(header::HOST).is_some_and(ours)
        && text(header::ORIGIN).is_none_or(|origin| origin.strip_prefix("http://").is_some_and(ours))
}

/// Everything from this server, nothing from elsewhere, no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data: blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
