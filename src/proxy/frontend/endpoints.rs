//! The connection files that clients use: each is opened, served and closed by the same code, while `serve` runs.

use std::{sync::Arc, time::Instant};

use tokio::task::AbortHandle;

use super::endpoint::Endpoint;
use crate::{
    id::EndpointId,
    net::{Incoming, Server},
    proxy::Proxy,
};

/// A connection file that clients may use.
#[derive(Debug)]
pub(crate) struct Open {
    pub(crate) endpoint: Arc<Endpoint>,
    pub(crate) since: Instant,
    /// Takes connections. `None`: a host's file that an earlier `serve` had opened, and whose stub has not come back yet.
    accepting: Option<Accepting>,
}

/// Takes connections until it is dropped.
#[derive(Debug)]
struct Accepting(AbortHandle);

impl Drop for Accepting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Open {
    /// A connection file that is known, and by which nobody can connect yet.
    pub(crate) fn expected(endpoint: Arc<Endpoint>) -> Self {
        Self { endpoint, since: Instant::now(), accepting: None }
    }

    /// Whether clients can connect.
    pub(crate) fn accepts(&self) -> bool {
        self.accepting.is_some()
    }
}

impl Proxy {
    /// Takes connections by the published file.
    pub fn open_published(self: &Arc<Self>, server: Server) {
        self.open(self.published.clone(), server);
    }

    /// Takes no more connections by the published file. Those that are there go on.
    pub fn close_published(&self) {
        self.endpoints.remove(&EndpointId::DEFAULT);
    }

    /// Takes connections on these sockets, each served by a task of its own. One connection's error ends that connection.
    pub(crate) fn open(self: &Arc<Self>, endpoint: Arc<Endpoint>, server: Server) {
        let (proxy, served) = (self.clone(), endpoint.clone());
        let accepting = tokio::spawn(async move {
            let take = |incoming: Incoming| {
                // A connection outlives the sockets' end: whoever is connected is told what becomes of the endpoint.
                tokio::spawn(proxy.clone().attend(served.clone(), incoming));
                std::future::ready(())
            };
            server.serve(&proxy.acceptor, take).await;
        });
        let accepting = Some(Accepting(accepting.abort_handle()));
        self.endpoints.insert(endpoint.id, Open { endpoint, since: Instant::now(), accepting });
    }

    /// Ends an endpoint and the connections by it.
    pub(crate) fn close(&self, id: EndpointId) {
        self.endpoints.remove(&id);
        for connection in self.connections.iter().filter(|connection| connection.endpoint.id == id) {
            connection.outbox.close();
        }
    }

    /// The connection file that clients of this endpoint use, while it leads anywhere.
    pub(crate) fn endpoint(&self, id: EndpointId) -> Option<Arc<Endpoint>> {
        if id == EndpointId::DEFAULT {
            return Some(self.published.clone());
        }
        self.endpoints.get(&id).map(|open| open.endpoint.clone())
    }
}
