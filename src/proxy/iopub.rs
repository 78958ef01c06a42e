//! Clients' iopub connections: they subscribe, and hear what `route` lets them hear.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::{
    Proxy, arrivals::Arrival, connection::Connection, returning::has_broken, reunion::Newcomer,
    topics::Topics,
};
use crate::{
    id::{ClientId, ConnectionId},
    jupyter::message::{Body, Envelope},
    net::{Event, Peer, PeerError, Presence},
    route::Change,
};

/// Iopub connections and their subscriptions.
pub(super) type Listeners = Vec<(Arc<Connection>, Arc<Topics>)>;

impl Proxy {
    /// Serves an iopub connection until it ends, and those that come in its place. It never authenticates itself: what it
    /// hears is decided by where it comes from, and a stranger hears nothing.
    pub(super) async fn serve_subscriber(
        self: Arc<Self>,
        peer: Peer,
        connection: &Arc<Connection>,
        arrival: Option<Arrival>,
    ) -> Result<(), PeerError> {
        let topics = Arc::new(Topics::default());
        self.topics.insert(connection.id, topics.clone());
        peer.keep(self.keep(connection));
        let doubts = self.end_silent_neighbours(connection);
        self.with_table(|table, now| {
            table.subscriber_arrived(connection.id, connection.profile.id, connection.origin, now);
            if doubts {
                table.may_be_anothers(connection.id);
            }
        });
        let ended = self.listen(peer, connection, &topics, arrival).await;
        self.reunions.forget(connection.id);
        self.with_table(|table, now| table.subscriber_left(connection.id, now));
        self.topics.remove(&connection.id);
        self.audience_changed.notify_waiters();
        ended
    }

    async fn listen(
        &self,
        mut peer: Peer,
        connection: &Connection,
        topics: &Topics,
        mut arrival: Option<Arrival>,
    ) -> Result<(), PeerError> {
        loop {
            let mut handed_over = self.reunions.is_present(connection.id);
            let ended = tokio::select! {
                ended = self.read_subscriptions(&mut peer, connection, topics, arrival.take()) => ended,
                Ok(place) = &mut handed_over => {
                    // Whoever waits there may have given up: then this connection ends, and its client comes again.
                    let topics = topics.taken();
                    let _ = place.send(Newcomer { peer, topics });
                    return Ok(());
                }
            };
            // What has not arrived is kept from now on.
            drop(peer);
            let is_away = has_broken(&ended) && !connection.outbox.is_closed();
            let next = if is_away { self.next_peer(connection, topics).await } else { None };
            let Some(next) = next else {
                connection.outbox.close();
                return ended;
            };
            peer = next;
            self.greet(connection);
        }
    }

    /// The connection that goes on where this one broke.
    async fn next_peer(&self, connection: &Connection, topics: &Topics) -> Option<Peer> {
        loop {
            let mut newcomer = self.await_newcomer(connection).await?;
            topics.replace(newcomer.topics);
            if self.go_on(connection, &mut newcomer.peer) {
                return Some(newcomer.peer);
            }
        }
    }

    /// Connections of the same place whose host does not answer any more have broken, though nothing has told so: the one
    /// that comes now may be in place of one of them. `true`: or of one that will soon be known to have.
    fn end_silent_neighbours(&self, connection: &Connection) -> bool {
        let neighbours = self.table.lock().neighbours(connection.profile.id, connection.origin);
        let mut doubts = false;
        for (neighbour, _) in neighbours.into_iter().filter_map(|id| self.subscriber(id)) {
            let presence = neighbour.outbox.presence();
            doubts |= presence != Presence::There;
            if presence == Presence::Gone {
                neighbour.outbox.end();
            }
        }
        doubts
    }

    /// Welcomes a subscriber whose subscription is its connection's first.
    fn greet(&self, connection: &Connection) {
        let heard = self.table.lock().heard_by(connection.id);
        for kernel in heard.iter().filter_map(|id| self.kernel(id)) {
            kernel.fanout().subscribed(connection.id, &self.voice);
        }
        self.audience_changed.notify_waiters();
    }

    async fn read_subscriptions(
        &self,
        peer: &mut Peer,
        connection: &Connection,
        topics: &Topics,
        mut arrival: Option<Arrival>,
    ) -> Result<(), PeerError> {
        let widen = sleep_until(Instant::now() + self.limits.widen_after());
        tokio::pin!(widen);
        let mut waiting = true;
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                more = peer.next(&mut batch) => if !more? { return Ok(()) },
                () = &mut widen, if waiting => {
                    waiting = self.with_table(|table, now| table.widen(connection.id, now));
                    widen.as_mut().reset(Instant::now() + self.limits.widen_after());
                    continue;
                }
            }
            for event in batch.drain(..) {
                self.subscription(connection, topics, event)?;
                drop(arrival.take());
            }
        }
    }

    fn subscription(&self, connection: &Connection, topics: &Topics, event: Event) -> Result<(), PeerError> {
        // With the table locked, no kernel can welcome the subscriber at the same time.
        let is_first = self.with_table(|table, now| {
            let (count, is_first) = match event {
                Event::Message(_) => return Ok(false),
                Event::Cancel(topic) => (topics.remove(&topic), false),
                Event::Subscribe(topic) => {
                    let most =
                        if topic.len() > self.limits.topic_bytes { 0 } else { self.limits.subscriptions };
                    let count = topics.add(topic, most).ok_or(PeerError::TooManySubscriptions)?;
                    (count, count == 1)
                }
            };
            table.topics_changed(connection.id, count, now);
            Ok::<_, PeerError>(is_first)
        })?;
        if is_first {
            self.greet(connection);
        }
        self.audience_changed.notify_waiters();
        Ok(())
    }

    /// Carries out a change of who hears what. Called with the table locked, so that no message comes in between.
    pub(super) fn change_audience(&self, change: Change) {
        match change {
            Change::Left { subscriber, kernel } => {
                if let Some(kernel) = self.kernel(&kernel) {
                    kernel.fanout().leave(subscriber);
                }
            }
            Change::Joined { subscriber, kernel, hearing } => {
                let Some(kernel) = self.kernel(&kernel) else { return };
                let Some((connection, topics)) = self.subscriber(subscriber) else { return };
                kernel.fanout().join(connection, topics, hearing, &self.voice);
            }
            Change::Resumed { subscriber, by } => self.reunions.reunite(subscriber, by),
        }
    }

    /// Says something on iopub to one client alone.
    pub(super) fn whisper(&self, client: &ClientId, bodies: impl IntoIterator<Item = Body>) {
        self.whisper_to(&self.listeners(client), bodies);
    }

    /// The iopub connections of one client.
    pub(super) fn listeners(&self, client: &ClientId) -> Listeners {
        let listeners = self.table.lock().listeners(client);
        listeners.into_iter().filter_map(|id| self.subscriber(id)).collect()
    }

    pub(super) fn whisper_to(&self, listeners: &Listeners, bodies: impl IntoIterator<Item = Body>) {
        // A client's listeners have come by the same connection file as it.
        let Some((first, _)) = listeners.first() else { return };
        for body in bodies {
            let signed = first.profile.signer.sign(body);
            let envelope = Envelope::topic("kernel.fleet.status".into());
            for (connection, topics) in listeners {
                if topics.want(envelope.first()) {
                    // The reserve holds thousands of these; a client that lets them all lie reads nothing at all.
                    let _ = connection.outbox.push_urgent(&envelope, &signed);
                }
            }
        }
        for (connection, _) in listeners {
            connection.outbox.flush();
        }
    }

    pub(super) fn subscriber(&self, id: ConnectionId) -> Option<(Arc<Connection>, Arc<Topics>)> {
        let connection = self.connections.get(&id)?.clone();
        Some((connection, self.topics.get(&id)?.clone()))
    }
}
