//! Clients of an earlier `serve`, and what they are still owed.
//!
//! A client that waits for a reply says nothing: its sockets connect again by themselves, and it would wait for ever.
//! It is known again by its routing id and process, or once it has shown its key ([`super::successor`]), and paid what
//! it is owed as soon as it is there and listens.

use std::{
    collections::HashMap,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::debug;

use super::{
    Proxy,
    connection::{Connection, ReturnAddress},
    profile::Profile,
    speakers::Speakers,
};
use crate::{
    id::{ClientId, ConnectionId, Origin},
    jupyter::{message::Body, reply::Failure},
    net::Flushes,
    state::Entry,
};

/// How long a client is expected back. Sockets try again within a second; a laptop may sleep longer.
const EXPECTED_FOR: Duration = Duration::from_secs(3600);

/// Who is expected back, and what is owed.
#[derive(Debug)]
pub(super) struct Returning {
    since: Instant,
    /// Several sessions may share one socket, as gateways do.
    expected: DashMap<Bytes, Vec<Expected>>,
    debts: Mutex<HashMap<ClientId, Vec<Debt>>>,
    /// What clients that owe and are owed nothing have missed all the same.
    missed: Mutex<HashMap<ClientId, Body>>,
}

#[derive(Clone, Debug)]
struct Expected {
    client: ClientId,
    origin: Origin,
}

/// What a client is owed, and where it asked for it.
#[derive(Debug)]
pub(super) struct Debt {
    address: ReturnAddress,
    due: Due,
}

/// What is due.
#[derive(Debug)]
pub(super) enum Due {
    /// A kernel's reply, which came before the client.
    Reply(Body),
    /// An error, on iopub too.
    Failure(String, Failure),
}

impl Returning {
    pub(super) fn new(since: Instant) -> Self {
        Self { since, expected: DashMap::new(), debts: Mutex::default(), missed: Mutex::default() }
    }

    /// A client is expected to come back with this routing id.
    pub(super) fn expect(&self, identity: Bytes, client: ClientId, origin: Origin) {
        if !identity.is_empty() {
            let mut expected = self.expected.entry(identity).or_default();
            if !expected.iter().any(|known| known.client == client) {
                expected.push(Expected { client, origin });
            }
        }
    }

    /// The clients that have come back on this connection.
    fn recognise(&self, connection: &Connection) -> Vec<ClientId> {
        let Some(expected) = self.expected.get(&connection.identity) else { return Vec::new() };
        let is_here = |expected: &&Expected| {
            connection.takes_over(expected.client.profile, &expected.origin, &connection.identity)
        };
        expected.iter().filter(is_here).map(|expected| expected.client.clone()).collect()
    }

    fn owe(&self, client: &ClientId, debt: Debt) {
        debug!(session = %client.session, "an answer waits for its client to come back");
        self.debts.lock().entry(client.clone()).or_default().push(debt);
    }

    /// To be said to a client on iopub when it comes back.
    pub(super) fn tell_later(&self, client: ClientId, body: Body) {
        self.missed.lock().insert(client, body);
    }

    fn take(&self, client: &ClientId) -> Vec<Debt> {
        self.debts.lock().remove(client).unwrap_or_default()
    }

    /// Gives up those who have not come back; returns what the journal need not keep any longer.
    pub(super) fn forget_late(&self, now: Instant) -> Vec<Entry> {
        if now.duration_since(self.since) <= EXPECTED_FOR {
            return Vec::new();
        }
        self.expected.clear();
        self.missed.lock().clear();
        let debts = std::mem::take(&mut *self.debts.lock());
        debts.into_values().flatten().map(|debt| debt.address.entry).collect()
    }
}

impl ReturnAddress {
    /// The address of a request that an earlier `serve` received.
    pub(super) fn is_from_before(&self) -> bool {
        self.connection.id == ConnectionId::BEFORE
    }
}

impl Proxy {
    /// Whether the client has to come back before it can be told anything; what is due is then remembered.
    pub(super) fn is_owed(
        &self,
        client: &ClientId,
        address: &ReturnAddress,
        due: impl FnOnce() -> Due,
    ) -> bool {
        let away = address.is_from_before() && self.successor(&address.connection).is_none();
        if away {
            self.returning.owe(client, Debt { address: address.clone(), due: due() });
        }
        away
    }

    /// Recognises clients that have come back on this connection, and pays them. They are looked for when it comes, and
    /// again when it has shown the key.
    pub(super) fn welcome_back(self: &Arc<Self>, connection: &Arc<Connection>, known: &mut Speakers) {
        for client in self.returning.recognise(connection) {
            self.recognise(connection, known, client.session.as_str());
            tokio::spawn(self.clone().pay(client));
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
        let mut flushes = Flushes::default();
        for Debt { address, due } in self.returning.take(&client) {
            match due {
                Due::Reply(body) => self.send(&client, &address, body, &mut flushes),
                Due::Failure(msg_type, failure) => self.fail(&client, &msg_type, &address, &failure),
            }
        }
        flushes.flush();
        self.journal.write();
    }
}

/// A stand-in for a connection to an earlier `serve`: nothing can be sent on it, but the one that has taken its place
/// is found by it.
pub(super) fn connection_before(
    channel: crate::channel::Channel,
    profile: Arc<Profile>,
    origin: Origin,
    identity: Bytes,
) -> Arc<Connection> {
    let outbox = crate::net::SignedOutbox::closed();
    let (client, defaults) = (None, profile.defaults.clone());
    let id = ConnectionId::BEFORE;
    let directory = None;
    let holds_key = AtomicBool::new(false);
    Arc::new(Connection {
        id,
        channel,
        origin,
        identity,
        profile,
        client,
        defaults,
        directory,
        holds_key,
        outbox,
    })
}
