//! A connection of the host's clients, while there is no fleet to serve it.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use parking_lot::Mutex;
use tokio::{select, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::debug;

use super::room::Room;
use crate::{
    channel::Channel,
    frames::Frames,
    net::{Event, HandedOver, Incoming, Peer, Server, SignedOutbox, echo},
    zmtp::encode_message,
};

/// How long connections wait to be accepted: the fleet, if it is there, takes them at once.
const HEAD_START: std::time::Duration = std::time::Duration::from_millis(300);

/// One connection on shell, control or stdin.
#[derive(Debug)]
pub(super) struct Connection {
    channel: Channel,
    identity: Bytes,
    pub(super) outbox: SignedOutbox,
}

impl Connection {
    /// Whether it is the one, or in the place of the one, that a client of this routing id has on a channel.
    pub(super) fn is_of(&self, channel: Channel, identity: &Bytes) -> bool {
        self.channel == channel && !identity.is_empty() && self.identity == *identity
    }
}

/// Connections on their way to the fleet.
type Taken = Vec<(Channel, HandedOver)>;

impl Room {
    /// Serves the sockets until there is a fleet; returns that, and the connections that are to be handed over to it.
    pub(super) async fn serve_until<T>(
        self: &Arc<Self>,
        server: &Server,
        found: impl Future<Output = T>,
    ) -> (T, Taken) {
        let release = CancellationToken::new();
        let tasks = Mutex::new(JoinSet::new());
        let take = |incoming: Incoming| {
            let mut tasks = tasks.lock();
            while tasks.try_join_next().is_some() {}
            tasks.spawn(self.clone().attend(incoming, release.clone()));
            std::future::ready(())
        };
        let accept = async {
            sleep(HEAD_START).await;
            server.serve(&self.acceptor, take).await;
        };
        let found = select! {
            biased;
            found = found => found,
            () = accept => std::future::pending().await,
        };
        release.cancel();
        let mut taken = Taken::new();
        let mut tasks = tasks.into_inner();
        while let Some(connection) = tasks.join_next().await {
            taken.extend(connection.ok().flatten());
        }
        (found, taken)
    }

    /// Serves one connection; returns it if it is to be handed over.
    async fn attend(
        self: Arc<Self>,
        incoming: Incoming,
        release: CancellationToken,
    ) -> Option<(Channel, HandedOver)> {
        let channel = incoming.channel();
        let admitted = select! {
            admitted = incoming.admit() => admitted,
            () = release.cancelled() => return None,
        };
        let (mut peer, _) = admitted.inspect_err(|error| debug!(%channel, %error, "not admitted")).ok()?;
        let held = match channel {
            Channel::IoPub => self.serve_subscriber(&mut peer, &release).await?,
            Channel::Heartbeat => select! {
                _ = echo(&mut peer) => return None,
                () = release.cancelled() => Bytes::new(),
            },
            _ => self.serve_requests(channel, &mut peer, &release).await?,
        };
        let connection = peer.hand_over(held).ok().flatten()?;
        Some((channel, connection))
    }

    /// Returns the subscriptions, as they are sent.
    async fn serve_subscriber(&self, peer: &mut Peer, release: &CancellationToken) -> Option<Bytes> {
        let outbox = peer.signed_outbox();
        let topics = select! {
            _ = self.publisher.serve(peer) => return None,
            topics = async {
                release.cancelled().await;
                self.publisher.topics_of(&outbox)
            } => topics,
        };
        // RFC 23: a subscription is a message that begins with 1.
        let subscription = |topic: Bytes| Frames::from_iter([Bytes::from([&[1], &topic[..]].concat())]);
        Some(on_the_wire(topics.into_iter().map(subscription)))
    }

    /// Returns what waits, as it came.
    async fn serve_requests(
        &self,
        channel: Channel,
        peer: &mut Peer,
        release: &CancellationToken,
    ) -> Option<Bytes> {
        let identity = Bytes::copy_from_slice(&peer.remote().identity);
        let connection = Arc::new(Connection { channel, identity, outbox: peer.signed_outbox() });
        self.connected(&connection);
        let is_released = select! {
            () = self.read(&connection, peer) => false,
            () = release.cancelled() => true,
        };
        let held = self.disconnected(&connection);
        is_released.then(|| on_the_wire(held))
    }

    async fn read(&self, connection: &Arc<Connection>, peer: &mut Peer) {
        let (mut batch, mut bad) = (Vec::new(), 0);
        while let Ok(true) = peer.next(&mut batch).await {
            for event in batch.drain(..) {
                let Event::Message(frames) = event else { continue };
                if self.receive(connection, frames) {
                    peer.trust();
                } else {
                    bad += 1;
                }
                if bad >= self.limits.bad_messages {
                    return;
                }
            }
        }
    }
}

/// Messages as they stand on the wire.
fn on_the_wire(messages: impl IntoIterator<Item = Frames>) -> Bytes {
    let mut bytes = BytesMut::new();
    for frames in messages {
        encode_message(frames.iter(), &mut bytes);
    }
    bytes.freeze()
}
