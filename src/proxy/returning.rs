//! Clients that are away, and what they are still owed.
//!
//! A client that waits for a reply says nothing: its sockets connect again by themselves, after a broken connection as after
//! a restart of the fleet, and it would wait for ever. It is known again by its routing id and process, or once it has
//! shown its key ([`super::successor`]), and paid what it is owed as soon as it is there and listens.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::debug;

use super::{
    Proxy,
    connection::{Connection, Heritage, ReturnAddress},
    debts::{Debt, Debts, Due},
    gate::Gate,
    profile::Profile,
    speakers::Speakers,
};
use crate::{
    channel::Channel,
    id::{ClientId, ConnectionId, Origin},
    jupyter::message::Body,
    limits::Limits,
    net::{Flushes, Keep, PeerError, Undelivered},
    state::Entry,
};

/// Routing ids with which clients are expected.
const EXPECTED: usize = 65_536;

/// Who is expected back, and what is owed.
#[derive(Debug)]
pub(super) struct Returning {
    since: Instant,
    /// How long anyone is expected.
    patience: Duration,
    /// Several sessions may share one socket, as gateways do.
    expected: DashMap<Bytes, Vec<Expected>>,
    debts: Debts,
    /// What clients that owe and are owed nothing have missed all the same.
    missed: Mutex<HashMap<ClientId, Body>>,
}

#[derive(Clone, Debug)]
struct Expected {
    client: ClientId,
    origin: Origin,
    until: Instant,
}

impl Returning {
    /// Nobody is expected.
    pub(super) fn new(since: Instant, limits: &Limits) -> Self {
        Self {
            since,
            patience: limits.expected_for(),
            expected: DashMap::new(),
            debts: Debts::new(limits.held_bytes),
            missed: Mutex::default(),
        }
    }

    /// A client of an earlier `serve` is expected to come back with this routing id.
    pub(super) fn expect(&self, identity: Bytes, client: ClientId, origin: Origin) {
        self.expect_until(self.since + self.patience, identity, client, origin);
    }

    fn expect_until(&self, until: Instant, identity: Bytes, client: ClientId, origin: Origin) {
        if identity.is_empty() || self.expected.len() >= EXPECTED {
            return;
        }
        let mut expected = self.expected.entry(identity).or_default();
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
                && connection.takes_over(expected.client.profile, &expected.origin, &connection.identity)
        };
        let mut clients: Vec<ClientId> = Vec::new();
        for client in expected.iter().filter(is_here).map(|expected| &expected.client) {
            if !clients.contains(client) {
                clients.push(client.clone());
            }
        }
        clients
    }

    /// To be said to a client on iopub when it comes back.
    pub(super) fn tell_later(&self, client: ClientId, body: Body) {
        self.missed.lock().insert(client, body);
    }

    /// Gives up those who have not come back; returns what the journal need not keep any longer.
    pub(super) fn forget_late(&self, now: Instant) -> Vec<Entry> {
        self.expected.retain(|_, expected| {
            expected.retain(|known| known.until > now);
            !expected.is_empty()
        });
        if now.duration_since(self.since) > self.patience {
            self.missed.lock().clear();
        }
        self.debts.forget_late(now)
    }
}

impl ReturnAddress {
    /// The address of a request that an earlier `serve` received.
    pub(super) fn is_from_before(&self) -> bool {
        self.connection.id == ConnectionId::BEFORE
    }
}

impl Proxy {
    /// Whether the client has to come back before it can be told anything, for its connection has ended; what is due is
    /// then remembered.
    pub(super) fn is_owed(
        self: &Arc<Self>,
        client: &ClientId,
        address: &ReturnAddress,
        due: impl FnOnce() -> Due,
    ) -> bool {
        let ended = &address.connection;
        let is_known = !ended.identity.is_empty() || address.is_from_before();
        if !is_known || self.successor(ended).is_some() {
            return false;
        }
        debug!(session = %client.session, "an answer waits for its client to come back");
        self.owe(client, address, due());
        if self.successor(ended).is_some() {
            self.pay_soon(client);
        }
        true
    }

    /// Pays a client that may have come just before it was expected. Not from here: whoever owes may hold locks.
    pub(super) fn pay_soon(self: &Arc<Self>, client: &ClientId) {
        tokio::spawn(self.clone().pay(client.clone()));
    }

    /// Remembers what a client is to be given when it comes back.
    pub(super) fn owe(&self, client: &ClientId, address: &ReturnAddress, due: Due) {
        let Connection { identity, origin, .. } = &*address.connection;
        let from = if address.is_from_before() { self.returning.since } else { Instant::now() };
        let until = from + self.returning.patience;
        self.returning.expect_until(until, identity.clone(), client.clone(), *origin);
        let debt = Debt { client: client.clone(), address: address.clone(), due, until };
        for given_up in self.returning.debts.add(debt) {
            self.journal.answered(given_up);
        }
    }

    /// How much is kept for a client whose connection breaks.
    pub(super) fn keep(&self, connection: &Connection) -> Keep {
        let bytes = match connection.channel {
            Channel::IoPub => self.limits.replay_bytes,
            // Replies are few, and somebody waits for each.
            _ => self.limits.outbox_bytes,
        };
        Keep {
            bytes,
            time: self.limits.replay(),
            is_remote: matches!(connection.origin, Origin::Address(_) | Origin::Unknown),
        }
    }

    /// A client's connection has broken. It may come back with the same routing id, and is then sent what has not arrived.
    pub(super) fn expect_back(self: &Arc<Self>, connection: &Arc<Connection>, known: &Speakers) {
        let undelivered = connection.outbox.take_undelivered();
        let until = Instant::now() + self.returning.patience;
        for (client, _) in known {
            let Connection { identity, origin, .. } = &**connection;
            self.returning.expect_until(until, identity.clone(), client.clone(), *origin);
        }
        if undelivered.size() == 0 {
            return;
        }
        let client = known.first().map(|(client, _)| client.clone());
        if let Some(client) = client.or_else(|| self.client_behind(connection)) {
            self.redeliver(&client, &ReturnAddress::of_nothing(connection.clone()), undelivered);
        }
    }

    /// The client of a stdin connection that has never answered anything: it has the routing id of its shell.
    fn client_behind(&self, connection: &Connection) -> Option<ClientId> {
        let is_its = |client: &ClientId, gate: &Gate| {
            client.profile == connection.profile.id && *gate.identity() == connection.identity
        };
        let here = self.gates.iter().find(|gate| is_its(gate.key(), gate.value()));
        let here = here.map(|gate| gate.key().clone());
        here.or_else(|| self.returning.recognise(connection).into_iter().next())
    }

    /// Sends what an ended connection has not delivered on the one that has taken its place, or owes it.
    fn redeliver(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress, undelivered: Undelivered) {
        let undelivered = match self.successor(&address.connection) {
            Some(newer) => match newer.outbox.redeliver(undelivered) {
                Ok(()) => return,
                Err(undelivered) => undelivered,
            },
            None => undelivered,
        };
        self.owe(client, address, Due::Sent(undelivered));
        if self.successor(&address.connection).is_some() {
            self.pay_soon(client);
        }
    }

    /// Recognises clients that have come back on this connection, and pays them. They are looked for when it comes, and
    /// again when it has shown the key.
    pub(super) fn welcome_back(self: &Arc<Self>, connection: &Arc<Connection>, known: &mut Speakers) {
        self.end_silent_predecessors(connection);
        for client in self.returning.recognise(connection) {
            self.recognise(connection, known, client.session.as_str());
            self.pay_soon(&client);
        }
    }

    /// Pays a client that has come back, once its iopub connection must be there too.
    async fn pay(self: Arc<Self>, client: ClientId) {
        tokio::select! {
            () = self.all_listen(&client) => {}
            () = sleep(self.limits.barrier()) => {}
        }
        let missed = self.returning.missed.lock().remove(&client);
        self.whisper(&client, missed);
        self.settle(&client);
        self.journal.write();
    }

    /// Sends what is owed to where the client is now; what cannot be sent yet stays owed.
    pub(super) fn settle(self: &Arc<Self>, client: &ClientId) {
        let mut flushes = Flushes::default();
        for Debt { address, due, .. } in self.returning.debts.take(client) {
            match due {
                Due::Reply(body) => self.send(client, &address, body, &mut flushes),
                Due::Sent(undelivered) => self.redeliver(client, &address, undelivered),
                Due::Question(kernel, body) => self.ask_again(&kernel, client, &address, body),
                Due::Failure(msg_type, failure) => self.fail(client, &msg_type, &address, &failure),
            }
        }
        flushes.flush();
    }
}

/// Whether a connection has ended as broken networks, and clients that leave, end them.
pub(super) fn has_broken(ended: &Result<(), PeerError>) -> bool {
    matches!(ended, Ok(()) | Err(PeerError::Io(_) | PeerError::Torn))
}

/// A stand-in for a connection to an earlier `serve`: nothing can be sent on it, but the one that has taken its place
/// is found by it.
pub(super) fn connection_before(
    channel: Channel,
    profile: Arc<Profile>,
    origin: Origin,
    identity: Bytes,
) -> Arc<Connection> {
    let outbox = crate::net::SignedOutbox::closed();
    let client = profile.host.as_ref().map(|host| host.client.clone());
    let id = ConnectionId::BEFORE;
    let (holds_key, heir_of) = (AtomicBool::new(false), Heritage::default());
    Arc::new(Connection {
        id,
        channel,
        origin,
        identity,
        profile,
        client,
        holds_key,
        heir_of,
        outbox,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::{ProfileId, SessionId},
        proxy::successor::tests::connection,
    };

    #[test]
    fn who_has_not_shown_the_key_cannot_say_for_whom_it_comes_back() {
        let origin = Origin::Address([10, 0, 0, 1].into());
        let client = ClientId { profile: ProfileId::DEFAULT, session: SessionId::from("mine") };
        let returning = Returning::new(Instant::now(), &Limits::default());
        returning.expect(Bytes::from_static(b"me"), client.clone(), origin);
        let says = |session: Option<&str>| {
            let plain = connection(ProfileId::DEFAULT, origin, "me");
            let plain = Arc::into_inner(plain).unwrap();
            Connection { client: session.map(SessionId::from), ..plain }
        };
        let known = std::slice::from_ref(&client);
        assert_eq!(returning.recognise(&says(None)), known);
        assert_eq!(returning.recognise(&says(Some("mine"))), known);
        let other = says(Some("another's"));
        assert_eq!(returning.recognise(&other), []);
        other.shows_key();
        assert_eq!(returning.recognise(&other), known);
    }
}
