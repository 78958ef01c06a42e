//! The server: who may connect, and which path is whose.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use axum::{Router, extract::DefaultBodyLimit, http::Uri, routing::get, serve::Listener as Accept};
use tokio::net::UnixStream;
use tracing::warn;
use utoipa::openapi::{Info, OpenApi};
use utoipa_axum::{router::OpenApiRouter, routes};

use super::{
    PREFIX, SOCKET_NAME, handlers, host_handler,
    problem::{Code, Problem},
};
use crate::{
    fleet::seconds_since_epoch,
    jupyter::address::Address,
    net::{BindError, Listener, Stream},
    proxy::Proxy,
};

/// Longest body of a request, in bytes: wishes are a few hundred.
const LONGEST_BODY: usize = 64 << 10;

/// What the handlers share.
#[derive(Debug)]
pub struct Admin {
    pub(super) proxy: Arc<Proxy>,
    pub(super) connection_file: PathBuf,
    pub(super) started_at: u64,
    pub(super) registry: PathBuf,
    pub(super) held_by: String,
}

/// The socket, which only its own user and root get through.
#[derive(Debug)]
pub struct AdminSocket(Listener);

impl Admin {
    /// What is needed to look after a proxy: its published file, the registry, beside which kernels have theirs, and what
    /// holds the limits of kernels, in words.
    pub fn new(proxy: Arc<Proxy>, connection_file: &Path, registry: PathBuf, held_by: String) -> Self {
        Self {
            proxy,
            connection_file: connection_file.to_owned(),
            started_at: seconds_since_epoch(),
            registry,
            held_by,
        }
    }

    /// Serves the API until the future is dropped.
    pub async fn serve(self, socket: AdminSocket) {
        let (router, document) = api();
        let text = document.to_json().unwrap_or_default();
        let json = [(axum::http::header::CONTENT_TYPE, "application/json")];
        let router: Router = router
            .route(&format!("{PREFIX}/openapi.json"), get(async move || (json, text)))
            .fallback(async |uri: Uri| Problem::new(Code::NoSuchPath, unknown_path(&uri)))
            .layer(DefaultBodyLimit::max(LONGEST_BODY))
            .with_state(Arc::new(self));
        if let Err(error) = axum::serve(socket, router).await {
            warn!(%error, "the commands that look after the fleet do not work any more");
        }
    }
}

impl AdminSocket {
    /// Binds the socket in the fleet's own directory; that of a `serve` that was killed is replaced.
    ///
    /// # Errors
    /// Another `serve` listens there, or the path is too long for a socket.
    pub async fn bind(state: &Path) -> Result<Self, BindError> {
        Listener::bind(&Address::Ipc(state.join(SOCKET_NAME))).await.map(Self)
    }
}

impl Accept for AdminSocket {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (UnixStream, ()) {
        loop {
            if let Stream::Ipc(stream) = self.0.accept().await
                && may_enter(&stream)
            {
                return (stream, ());
            }
        }
    }

    fn local_addr(&self) -> std::io::Result<()> {
        Ok(())
    }
}

/// The file's mode keeps others out already; this holds even if someone changes it.
fn may_enter(stream: &UnixStream) -> bool {
    let own = rustix::process::geteuid().as_raw();
    let peer = stream.peer_cred().map(|peer| peer.uid());
    let welcome = peer.as_ref().is_ok_and(|uid| *uid == own || *uid == 0);
    if !welcome {
        warn!(?peer, "someone else tried to look after the fleet");
    }
    welcome
}

/// The API's description, for programs: OpenAPI 3.1.
pub fn document() -> OpenApi {
    api().1
}

fn api() -> (Router<Arc<Admin>>, OpenApi) {
    let paths = OpenApiRouter::new()
        .routes(routes!(handlers::status))
        .routes(routes!(handlers::list, handlers::spawn))
        .routes(routes!(handlers::show, handlers::stop))
        .routes(routes!(handlers::ready))
        .routes(routes!(handlers::restart))
        .routes(routes!(handlers::interrupt))
        .routes(routes!(handlers::open_endpoint))
        .routes(routes!(handlers::clients))
        .routes(routes!(handlers::why))
        .routes(routes!(host_handler::hosts));
    let (router, mut document) = OpenApiRouter::new().nest(PREFIX, paths).split_for_parts();
    document.info = Info::new("jupyter-fleet", env!("CARGO_PKG_VERSION"));
    document.info.description = Some("Looks after a running fleet, over a Unix socket.".to_owned());
    (router, document)
}

fn unknown_path(uri: &Uri) -> String {
    format!(
        "this serve (version {}) knows no {}: restart it if the command is newer",
        env!("CARGO_PKG_VERSION"),
        uri.path()
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;

    #[test]
    fn the_description_is_json_that_names_every_path_and_what_can_go_wrong() {
        let described: Value = serde_json::from_str(&document().to_json().unwrap()).unwrap();
        let operations: BTreeSet<String> = described["paths"]
            .as_object()
            .unwrap()
            .iter()
            .flat_map(|(path, methods)| {
                methods.as_object().unwrap().keys().map(move |method| format!("{method} {path}"))
            })
            .collect();
        let expected = [
            "get /api/v1/status",
            "get /api/v1/kernels",
            "post /api/v1/kernels",
            "get /api/v1/kernels/{id}",
            "delete /api/v1/kernels/{id}",
            "get /api/v1/kernels/{id}/ready",
            "post /api/v1/kernels/{id}/restart",
            "post /api/v1/kernels/{id}/interrupt",
            "post /api/v1/kernels/{id}/endpoint",
            "get /api/v1/clients",
            "post /api/v1/why",
            "get /api/v1/hosts",
        ];
        assert_eq!(operations, expected.map(str::to_owned).into());
        for schema in ["Kernel", "Client", "Status", "Explanation", "Problem", "KernelEndpoint", "Stopped"] {
            assert!(described["components"]["schemas"][schema].is_object(), "{schema}");
        }
    }
}
