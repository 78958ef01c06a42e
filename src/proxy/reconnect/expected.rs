//! Clients whose connections are lost, and what waits for them.
//!
//! A client that waits for a reply says nothing: its sockets connect again by themselves, after a broken connection as after
//! a restart of the fleet, and it would wait for ever. It is known again by its routing id and process, or once it has
//! shown its key ([`super::identity`]). What waits for it is delivered as soon as it is there and listens
//! ([`super::deliver`]).

use std::{
    collections::HashMap,
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::undelivered::{Item, Undelivered, UndeliveredItems};
use crate::{
    channel::Channel,
    id::{ClientId, ConnectionId, Origin},
    jupyter::message::Body,
    limits::Limits,
    net::{PeerError, Retention},
    proxy::{
        Proxy,
        frontend::{
            connection::{Connection, ReturnAddress},
            endpoint::Endpoint,
            gate::Gate,
            sessions::Sessions,
        },
    },
    state::Entry,
};

/// Routing ids with which clients are expected.
const EXPECTED: usize = 65_536;

/// Who is expected back, and what waits for them.
#[derive(Debug)]
pub(crate) struct Reconnecting {
    since: Instant,
    /// How long anyone is expected.
    patience: Duration,
    waiting: Mutex<Waiting>,
}

/// While it is locked, no client is recognised as back: who looks for a client's connection and finds none can leave what
/// it has here, and the client will find that.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// By routing id. Several sessions may share one socket, as gateways do.
    expected: HashMap<Bytes, Vec<Expected>>,
    items: UndeliveredItems,
    /// What is to be said on iopub to clients that come back, whatever they asked.
    notices: HashMap<ClientId, Body>,
}

#[derive(Clone, Debug)]
struct Expected {
    client: ClientId,
    origin: Origin,
    until: Instant,
}

impl Reconnecting {
    /// Nobody is expected.
    pub(crate) fn new(since: Instant, limits: &Limits) -> Self {
        let items = UndeliveredItems::new(limits.held_bytes);
        let waiting = Waiting { expected: HashMap::new(), items, notices: HashMap::new() };
        Self { since, patience: limits.expected_for(), waiting: Mutex::new(waiting) }
    }

    /// No table and no fanout is to be locked meanwhile.
    pub(crate) fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock()
    }

    /// A client of an earlier `serve` is expected to come back with this routing id.
    pub(crate) fn expect(&self, identity: Bytes, client: ClientId, origin: Origin) {
        self.lock().expect(self.since + self.patience, identity, client, origin);
    }

    /// To be said to a client on iopub when it comes back.
    pub(crate) fn tell_later(&self, client: ClientId, body: Body) {
        self.lock().notices.insert(client, body);
    }

    /// Something waits for a client of this address from now on. Returns the journal entries of what had to make room.
    pub(crate) fn keep(
        &self,
        waiting: &mut Waiting,
        client: &ClientId,
        address: &ReturnAddress,
        item: Item,
    ) -> Vec<Entry> {
        let Connection { identity, origin, .. } = &*address.connection;
        let from = if address.is_from_before() { self.since } else { Instant::now() };
        let until = from + self.patience;
        waiting.expect(until, identity.clone(), client.clone(), *origin);
        waiting.items.add(Undelivered { client: client.clone(), address: address.clone(), item, until })
    }

    /// Drops what waits for clients that have not come back; returns what the journal need not keep any longer.
    pub(crate) fn expire(&self, now: Instant) -> Vec<Entry> {
        let mut waiting = self.lock();
        waiting.expected.retain(|_, expected| {
            expected.retain(|known| known.until > now);
            !expected.is_empty()
        });
        if now.duration_since(self.since) > self.patience {
            waiting.notices.clear();
        }
        waiting.items.expire(now)
    }
}

impl Waiting {
    fn expect(&mut self, until: Instant, identity: Bytes, client: ClientId, origin: Origin) {
        if identity.is_empty() || self.expected.len() >= EXPECTED {
            return;
        }
        let expected = self.expected.entry(identity).or_default();
        match expected.iter_mut().find(|known| known.client == client && known.origin == origin) {
            Some(known) => known.until = known.until.max(until),
            None => expected.push(Expected { client, origin, until }),
        }
    }

    /// The clients that have come back on this connection.
    fn recognise(&self, connection: &Connection) -> Vec<ClientId> {
        let Some(expected) = self.expected.get(&connection.identity) else { return Vec::new() };
        let is_here = |expected: &&Expected| {
            let session = &expected.client.session;
            let is_its = connection.client.as_ref().is_none_or(|client| client == session);
            (is_its || connection.holds_key.load(Ordering::Relaxed))
                && connection.takes_over(expected.client.endpoint, &expected.origin, &connection.identity)
        };
        let mut clients: Vec<ClientId> = Vec::new();
        for client in expected.iter().filter(is_here).map(|expected| &expected.client) {
            if !clients.contains(client) {
                clients.push(client.clone());
            }
        }
        clients
    }

    /// Whether something waits for a client on this channel: it is delivered once the client is back and listens.
    pub(crate) fn keeps(&self, client: &ClientId, channel: Channel) -> bool {
        self.items.any(|item| item.client == *client && item.address.connection.channel == channel)
    }

    /// Takes out what waits for a client.
    pub(crate) fn take(&mut self, client: &ClientId) -> (Option<Body>, Vec<Undelivered>) {
        (self.notices.remove(client), self.items.take(client))
    }
}

impl ReturnAddress {
    /// The address of a request that an earlier `serve` received.
    pub(crate) fn is_from_before(&self) -> bool {
        self.connection.id == ConnectionId::BEFORE
    }

    /// Whether a client that asked from here can be known again.
    pub(crate) fn can_be_known_again(&self) -> bool {
        !self.connection.identity.is_empty() || self.is_from_before()
    }
}

impl Proxy {
    /// What is retained of a connection that breaks.
    pub(crate) fn retention(&self, connection: &Connection) -> Retention {
        let bytes = match connection.channel {
            Channel::IoPub => self.limits.replay_bytes,
            // Replies are few, and somebody waits for each.
            _ => self.limits.outbox_bytes,
        };
        let is_remote = matches!(connection.origin, Origin::Address(_) | Origin::Unknown);
        Retention { bytes, time: self.limits.replay(), is_remote }
    }

    /// A client's connection has broken. It may come back with the same routing id, and is then sent what was not delivered.
    pub(crate) fn expect_back(self: &Arc<Self>, connection: &Arc<Connection>, known: &Sessions) {
        let undelivered = connection.outbox.take_undelivered();
        let until = Instant::now() + self.reconnecting.patience;
        for (client, _) in known {
            let Connection { identity, origin, .. } = &**connection;
            self.reconnecting.lock().expect(until, identity.clone(), client.clone(), *origin);
        }
        if undelivered.size() == 0 {
            return;
        }
        let client = known.first().map(|(client, _)| client.clone());
        if let Some(client) = client.or_else(|| self.client_behind(connection)) {
            self.deliver_again(&client, &ReturnAddress::of_nothing(connection.clone()), undelivered);
        }
    }

    /// The client of a stdin connection that has never answered anything: it has the routing id of its shell.
    fn client_behind(&self, connection: &Connection) -> Option<ClientId> {
        let is_its = |client: &ClientId, gate: &Gate| {
            client.endpoint == connection.endpoint.id && *gate.identity() == connection.identity
        };
        let here = self.gates.iter().find(|gate| is_its(gate.key(), gate.value()));
        let here = here.map(|gate| gate.key().clone());
        here.or_else(|| self.reconnecting.lock().recognise(connection).into_iter().next())
    }

    /// Recognises clients that have come back on this connection, and delivers what waits for them. Called when the
    /// connection comes, and again when it has shown the key.
    pub(crate) fn welcome_back(self: &Arc<Self>, connection: &Arc<Connection>, known: &mut Sessions) {
        let back = self.reconnecting.lock().recognise(connection);
        for client in back {
            let _ = self.recognise(connection, known, client.session.as_str());
            tokio::spawn(self.clone().deliver_waiting(client));
        }
    }
}

/// Whether a connection has ended as broken networks, and clients that leave, end them.
pub(crate) fn has_broken(ended: &Result<(), PeerError>) -> bool {
    matches!(ended, Ok(()) | Err(PeerError::Io(_) | PeerError::Torn))
}

/// A stand-in for a connection to an earlier `serve`: nothing can be sent on it, but the one that has taken its place
/// is found by it.
pub(crate) fn connection_before(
    channel: Channel,
    endpoint: Arc<Endpoint>,
    origin: Origin,
    identity: Bytes,
) -> Arc<Connection> {
    let outbox = crate::net::SignedOutbox::closed();
    Arc::new(Connection::new(ConnectionId::BEFORE, channel, (origin, identity), endpoint, outbox))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{EndpointId, SessionId},
        proxy::reconnect::identity::tests::connection,
    };

    #[test]
    fn who_has_not_shown_the_key_cannot_say_for_whom_it_comes_back() {
        let origin = Origin::Address([10, 0, 0, 1].into());
        let client = ClientId { endpoint: EndpointId::DEFAULT, session: SessionId::from("mine") };
        let reconnecting = Reconnecting::new(Instant::now(), &Limits::default());
        reconnecting.expect(Bytes::from_static(b"me"), client.clone(), origin);
        let says = |session: Option<&str>| {
            let plain = connection(EndpointId::DEFAULT, origin, "me");
            let mut connection = Arc::into_inner(plain).unwrap();
            connection.client = session.map(SessionId::from);
            connection
        };
        let known = std::slice::from_ref(&client);
        assert_eq!(reconnecting.lock().recognise(&says(None)), known);
        assert_eq!(reconnecting.lock().recognise(&says(Some("mine"))), known);
        let other = says(Some("another's"));
        assert_eq!(reconnecting.lock().recognise(&other), []);
        other.shows_key();
        assert_eq!(reconnecting.lock().recognise(&other), known);
    }
}
