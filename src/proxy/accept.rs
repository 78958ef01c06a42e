//! Taking connections on the five channels of a connection file, each served by a task of its own.

use std::{
    fmt::Display,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use bytes::Bytes;
use tracing::{
    Instrument, Span, debug,
    field::{self, Empty},
    info_span,
};

use super::{
    Proxy,
    arrivals::Arrival,
    connection::{Connection, Heritage},
    profile::Profile,
};
use crate::{
    channel::Channel,
    id::{ConnectionId, Origin},
    metrics::Trouble,
    net::{Listener, Peer, PeerError, Stream},
    route::{ATTACHMENT, Attachment, AttachmentError},
    zmtp::{Local, SocketType},
};

impl Proxy {
    /// Accepts connections of one published channel until the task is dropped. One connection's error ends that
    /// connection.
    pub async fn accept(self: Arc<Self>, channel: Channel, listener: Listener) {
        let published = self.published.clone();
        self.accept_at(published, channel, listener).await;
    }

    /// The same for a channel of any connection file.
    pub(super) async fn accept_at(
        self: Arc<Self>,
        profile: Arc<Profile>,
        channel: Channel,
        listener: Listener,
    ) {
        loop {
            let stream = listener.accept().await;
            let span = info_span!(parent: None, "client", %channel, origin = Empty, session = Empty);
            tokio::spawn(self.clone().attend(profile.clone(), channel, stream).instrument(span));
        }
    }

    async fn attend(self: Arc<Self>, profile: Arc<Profile>, channel: Channel, stream: Stream) {
        let socket = match channel {
            Channel::Shell | Channel::Control | Channel::Stdin => SocketType::Router,
            Channel::IoPub => SocketType::XPub,
            Channel::Heartbeat => SocketType::Rep,
        };
        let local = Local::new(socket, Bytes::new(), self.limits.handshake_bytes);
        let arrival = (channel == Channel::IoPub).then(|| self.arrives(profile.id));
        let mut from = Origin::Unknown;
        let tell = |origin| {
            from = origin;
            arrival.iter().for_each(|arrival| arrival.is_from(origin));
        };
        let (peer, origin) = match self.gatehouse.admit_telling(stream, local, tell).await {
            Ok(admitted) => admitted,
            Err(reason) => return self.refuse_connection(channel, from, reason.trouble(), &reason),
        };
        self.metrics.connections.increment();
        Span::current().record("origin", field::display(origin));
        debug!("connected");
        let ended = match channel {
            Channel::Heartbeat => self.serve_heartbeat(peer, profile.id, origin).await,
            _ => match self.register(profile, channel, origin, &peer) {
                Ok(connection) => self.clone().serve(peer, &connection, arrival).await,
                Err(reason) => {
                    return self.refuse_connection(channel, origin, Trouble::BadAttachment, &reason);
                }
            },
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

    /// Enters a connection, which may have said whose it is.
    fn register(
        &self,
        profile: Arc<Profile>,
        channel: Channel,
        origin: Origin,
        peer: &Peer,
    ) -> Result<Arc<Connection>, AttachmentError> {
        let attachment =
            peer.remote().property(ATTACHMENT).map(|text| Attachment::parse(text)).transpose()?;
        let directory = attachment.as_ref().and_then(|attachment| attachment.directory.clone());
        let (client, wishes) =
            attachment.map(|attachment| (attachment.client, attachment.requirements)).unzip();
        let id = ConnectionId(self.next_connection.fetch_add(1, Ordering::Relaxed));
        let connection = Arc::new(Connection {
            id,
            channel,
            origin,
            identity: Bytes::copy_from_slice(&peer.remote().identity),
            client,
            defaults: wishes.unwrap_or_default().over(&profile.defaults),
            directory: directory.filter(|directory| is_elsewhere(directory, &origin)),
            profile,
            holds_key: AtomicBool::new(false),
            heir_of: Heritage::default(),
            outbox: peer.signed_outbox(),
        });
        self.connections.insert(id, connection.clone());
        self.routing_ids.add(&connection);
        Ok(connection)
    }

    /// The connection has ended: nothing more is to be sent on it.
    pub(super) fn unregister(&self, connection: &Connection) {
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

/// Whether a directory is one of this machine, and not the one that kernels begin in anyway.
fn is_elsewhere(directory: &Path, origin: &Origin) -> bool {
    let is_local = matches!(origin, Origin::Process { .. } | Origin::User { .. });
    let is_here = std::env::current_dir().is_ok_and(|here| here == directory);
    is_local && !is_here && directory.is_absolute() && directory.is_dir()
}
