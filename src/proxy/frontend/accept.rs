//! A connection that has come in, by whichever connection file: admitted, entered, served to its end.

use std::{
    fmt::Display,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use tokio::task::spawn_blocking;
use tracing::{
    Instrument, Span, debug,
    field::{self, Empty},
    info_span,
};

use super::{arrivals::Arrival, connection::Connection, endpoint::Endpoint};
use crate::{
    channel::Channel,
    id::{ConnectionId, Origin},
    metrics::Trouble,
    net::{HandedOver, Incoming, Peer, PeerError, socket_type},
    proxy::Proxy,
};

impl Proxy {
    /// Serves one connection from its handshake to its end.
    pub(crate) async fn attend(self: Arc<Self>, endpoint: Arc<Endpoint>, incoming: Incoming) {
        let channel = incoming.channel();
        let arrival = self.arrival_at(&endpoint, channel);
        let span = span(channel);
        async move {
            let mut from = Origin::Unknown;
            let tell = |origin| {
                from = endpoint.origin_of(origin);
                arrival.iter().for_each(|arrival| arrival.is_from(from));
            };
            match incoming.admit_telling(tell).await {
                Ok((peer, origin)) => self.admitted(endpoint, channel, peer, origin, arrival).await,
                Err(reason) => self.refuse_connection(channel, from, reason.trouble(), &reason),
            }
        }
        .instrument(span)
        .await;
    }

    /// The same for a connection that another process has taken. What it has sent is served as if it came now.
    pub(crate) fn attend_handed_over(
        self: Arc<Self>,
        endpoint: Arc<Endpoint>,
        channel: Channel,
        connection: HandedOver,
    ) {
        let arrival = self.arrival_at(&endpoint, channel);
        let span = span(channel);
        let attend = async move {
            match self.acceptor.admit_handed_over(connection, socket_type(channel)).await {
                Ok((peer, origin)) => {
                    arrival.iter().for_each(|arrival| arrival.is_from(endpoint.origin_of(origin)));
                    self.admitted(endpoint, channel, peer, origin, arrival).await;
                }
                Err(reason) => {
                    self.refuse_connection(channel, Origin::Unknown, reason.trouble(), &reason);
                }
            }
        };
        tokio::spawn(attend.instrument(span));
    }

    fn arrival_at(self: &Arc<Self>, endpoint: &Endpoint, channel: Channel) -> Option<Arrival> {
        (channel == Channel::IoPub).then(|| self.arrives(endpoint.id))
    }

    async fn admitted(
        self: Arc<Self>,
        endpoint: Arc<Endpoint>,
        channel: Channel,
        peer: Peer,
        origin: Origin,
        arrival: Option<Arrival>,
    ) {
        self.metrics.connections.increment();
        Span::current().record("origin", field::display(origin));
        debug!("connected");
        let origin = endpoint.origin_of(origin);
        let ended = match channel {
            Channel::Heartbeat => self.serve_heartbeat(peer, endpoint.id, origin).await,
            _ => {
                let connection = self.register(endpoint, channel, origin, &peer);
                self.clone().serve(peer, &connection, arrival).await
            }
        };
        self.log_end(channel, origin, ended);
    }

    async fn serve(
        self: Arc<Self>,
        peer: Peer,
        connection: &Arc<Connection>,
        arrival: Option<Arrival>,
    ) -> Result<(), PeerError> {
        let ended = match connection.channel {
            Channel::IoPub => self.clone().serve_subscriber(peer, connection, arrival).await,
            _ => self.clone().serve_requests(peer, connection).await,
        };
        self.unregister(connection);
        ended
    }

    /// Enters a connection.
    fn register(
        &self,
        endpoint: Arc<Endpoint>,
        channel: Channel,
        origin: Origin,
        peer: &Peer,
    ) -> Arc<Connection> {
        let id = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let connection = Connection::new(
            id,
            channel,
            (origin, Bytes::copy_from_slice(&peer.remote().identity)),
            endpoint,
            peer.signed_outbox(),
        );
        let connection = Arc::new(connection);
        self.connections.insert(id, connection.clone());
        self.routing_ids.add(&connection);
        if let Some(uid) = origin.uid().filter(|uid| !self.user_names.knows(*uid)) {
            let names = self.user_names.clone();
            spawn_blocking(move || names.look_up(uid));
        }
        connection
    }

    /// The connection has ended: nothing more is to be sent on it.
    pub(crate) fn unregister(&self, connection: &Connection) {
        self.connections.remove(&connection.id);
        self.routing_ids.remove(connection);
    }

    fn log_end(&self, channel: Channel, origin: Origin, ended: Result<(), PeerError>) {
        match ended {
            Ok(()) => debug!("disconnected"),
            // A client that is killed resets its connections: nothing to worry anyone with.
            Err(reason @ (PeerError::Io(_) | PeerError::Torn)) => {
                debug!(%reason, "disconnected")
            }
            Err(reason) => {
                self.metrics.refused_connections.increment();
                self.trouble_from(channel, origin, reason.trouble(), "a connection was ended", &reason);
            }
        }
    }

    fn refuse_connection(&self, channel: Channel, origin: Origin, trouble: Trouble, reason: &dyn Display) {
        self.metrics.refused_connections.increment();
        self.trouble_from(channel, origin, trouble, "a connection was refused", reason);
    }
}

fn span(channel: Channel) -> Span {
    info_span!(parent: None, "client", %channel, origin = Empty, session = Empty)
}
