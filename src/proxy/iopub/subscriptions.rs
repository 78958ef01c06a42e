//! Clients' iopub connections: they subscribe, and hear what `route` lets them hear.

use std::sync::Arc;

use tokio::time::{Instant, sleep_until};

use super::topics::Topics;
use crate::{
    id::{ClientId, ConnectionId, KernelId},
    jupyter::{
        message::{Body, Envelope},
        reply::MessageBuilder,
    },
    net::{Event, Peer, PeerError},
    proxy::{
        Proxy,
        frontend::{arrivals::Arrival, connection::Connection},
        reconnect::expected::has_broken,
    },
    route::Change,
};

/// Iopub connections of one client and their subscriptions.
#[derive(Debug)]
pub(crate) struct Listeners {
    pub(crate) connections: Vec<(Arc<Connection>, Arc<Topics>)>,
    /// Who speaks to them.
    pub(crate) voice: MessageBuilder,
}

impl Proxy {
    /// Serves an iopub connection until it ends. It never authenticates itself: what it hears is decided by where it comes
    /// from, and a stranger hears nothing. If it breaks, messages are retained for the next one from there.
    pub(crate) async fn serve_subscriber(
        self: Arc<Self>,
        mut peer: Peer,
        connection: &Arc<Connection>,
        arrival: Option<Arrival>,
    ) -> Result<(), PeerError> {
        peer.retain(self.retention(connection));
        self.end_silent_neighbours(connection).await;
        let topics = Arc::new(Topics::default());
        self.topics.insert(connection.id, topics.clone());
        self.with_table(|table, _| {
            table.subscriber_arrived(connection.id, connection.endpoint.id, connection.origin);
        });
        let ended = self.read_subscriptions(&mut peer, connection, &topics, arrival).await;
        // What has not been delivered is retained from now on.
        drop(peer);
        let may_be_replaced = has_broken(&ended) && !connection.outbox.is_closed();
        let is_replaced = may_be_replaced && self.await_replacement(connection).await;
        self.with_table(|table, now| table.subscriber_left(connection.id, now));
        connection.outbox.close();
        self.topics.remove(&connection.id);
        self.unregister(connection);
        self.audience_changed.notify_waiters();
        if is_replaced {
            self.end_inheritance(connection).await;
        }
        ended
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
                    waiting = false;
                    self.with_table(|table, _| table.widen(connection.id));
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
        let count = match event {
            Event::Message(_) | Event::Answered(_) => return Ok(()),
            Event::Cancel(topic) => topics.remove(&topic),
            Event::Subscribe(topic) => {
                let most = if topic.len() > self.limits.topic_bytes { 0 } else { self.limits.subscriptions };
                topics.add(topic, most).ok_or(PeerError::TooManySubscriptions)?
            }
        };
        self.with_table(|table, _| table.topics_changed(connection.id, count));
        self.audience_changed.notify_waiters();
        Ok(())
    }

    /// Carries out a change of who hears what. Called with the table locked, so that no message comes in between.
    pub(crate) fn change_audience(&self, change: Change) {
        match change {
            Change::Left { subscriber, kernel } => {
                if let Some(kernel) = self.kernel(&kernel) {
                    kernel.fanout().leave(subscriber);
                }
            }
            Change::Joined { subscriber, kernel, hearing } => {
                let Some(kernel) = self.kernel(&kernel) else { return };
                let Some((connection, topics)) = self.subscriber(subscriber) else { return };
                kernel.fanout().join(connection, topics, hearing);
            }
            Change::TakenOver { lost, by, kernels } => self.hand_over(lost, by, &kernels),
        }
    }

    /// Says something on iopub to one client alone.
    pub(crate) fn send_to_client(&self, client: &ClientId, bodies: impl IntoIterator<Item = Body>) {
        self.send_to_listeners(&self.listeners(client), bodies);
    }

    /// The iopub connections of one client.
    pub(crate) fn listeners(&self, client: &ClientId) -> Listeners {
        let (listeners, own) = {
            let table = self.table.lock();
            (table.listeners(client), table.kernel_of(client).cloned())
        };
        let connections = listeners.into_iter().filter_map(|id| self.subscriber(id)).collect();
        Listeners { connections, voice: self.voice(own.as_ref()) }
    }

    /// Who speaks to the clients of a kernel.
    pub(crate) fn voice(&self, kernel: Option<&KernelId>) -> MessageBuilder {
        let kernel = kernel.and_then(|kernel| self.kernel(kernel));
        kernel.map_or_else(|| self.builder.clone(), |kernel| kernel.fanout().voice().clone())
    }

    pub(crate) fn send_to_listeners(&self, listeners: &Listeners, bodies: impl IntoIterator<Item = Body>) {
        // A client's listeners have come by the same connection file as it.
        let Listeners { connections, voice } = listeners;
        let Some((first, _)) = connections.first() else { return };
        for body in bodies {
            let signed = first.endpoint.signer.sign(voice.in_own_session(body));
            let envelope = Envelope::topic("kernel.fleet.status".into());
            for (connection, topics) in connections {
                if topics.want(envelope.first()) {
                    // The reserve holds thousands of these; a client that lets them all lie reads nothing at all.
                    let _ = connection.outbox.push_urgent(&envelope, &signed);
                }
            }
        }
        for (connection, _) in connections {
            connection.outbox.flush();
        }
    }

    pub(crate) fn subscriber(&self, id: ConnectionId) -> Option<(Arc<Connection>, Arc<Topics>)> {
        let connection = self.connections.get(&id)?.clone();
        Some((connection, self.topics.get(&id)?.clone()))
    }
}
