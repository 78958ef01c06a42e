//! No slow joiner: a client's first messages wait until its iopub connection must be there.
//!
//! A client connects its channels at the same time and asks at once. What its kernel published before the iopub
//! subscription arrived would be lost, so the messages of a client that has just come are held here, in their order.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};
use tracing::debug;

use super::{Proxy, connection::Connection};
use crate::{channel::Channel, id::ClientId, jupyter::message::Verified, net::Flushes, state::Entry};

/// A message on its way to be routed.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) connection: Arc<Connection>,
    pub(super) message: Verified,
    /// Where the journal notes that it waits.
    pub(super) entry: Entry,
}

/// One client's gate.
#[derive(Debug)]
pub(super) struct Gate {
    /// The routing id that the client came with.
    identity: Bytes,
    state: Mutex<State>,
    pressed: Notify,
}

#[derive(Debug)]
enum State {
    Open,
    Closed { held: VecDeque<Held>, bytes: usize },
}

impl Gate {
    fn new(identity: Bytes, state: State) -> Self {
        Self { identity, state: Mutex::new(state), pressed: Notify::new() }
    }

    fn open(identity: Bytes) -> Self {
        Self::new(identity, State::Open)
    }

    fn closed(identity: Bytes) -> Self {
        Self::new(identity, State::Closed { held: VecDeque::new(), bytes: 0 })
    }

    pub(super) fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// Gives the message back if the gate is open, else holds it. When more than `most` bytes are held, the gate opens
    /// without waiting any longer.
    pub(super) fn pass(&self, message: Held, most: usize) -> Option<Held> {
        match &mut *self.state.lock() {
            State::Open => return Some(message),
            State::Closed { held, bytes } => {
                *bytes += message.message.body().size();
                held.push_back(message);
                if *bytes <= most {
                    return None;
                }
            }
        }
        self.pressed.notify_one();
        None
    }

    /// What has been held; once nothing is left, the gate is open.
    fn release(&self) -> VecDeque<Held> {
        let mut state = self.state.lock();
        match &mut *state {
            State::Closed { held, bytes } if !held.is_empty() => {
                *bytes = 0;
                std::mem::take(held)
            }
            _ => {
                *state = State::Open;
                VecDeque::new()
            }
        }
    }
}

impl Proxy {
    /// A connection has authenticated itself as this client's. One that was away waits at its gate.
    pub(super) fn client_arrived(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        client: &ClientId,
    ) -> Arc<Gate> {
        if connection.channel == Channel::Stdin {
            // Its clients' messages are answers, which nothing can come before.
            return Arc::new(Gate::open(connection.identity.clone()));
        }
        let was_here = self.with_table(|table, _| {
            let was_here = table.is_connected(client);
            table.client_connected(client, connection.origin);
            was_here
        });
        self.audience_changed.notify_waiters();
        if was_here && let Some(gate) = self.gates.get(client) {
            return gate.clone();
        }
        let gate = Arc::new(Gate::closed(connection.identity.clone()));
        self.gates.insert(client.clone(), gate.clone());
        tokio::spawn(self.clone().open_gate(client.clone(), gate.clone()));
        gate
    }

    /// A connection of this client has ended.
    pub(super) fn client_left(&self, connection: &Connection, client: &ClientId) {
        if connection.channel == Channel::Stdin {
            return;
        }
        let gone = self.with_table(|table, now| {
            table.client_disconnected(client, now);
            !table.is_connected(client)
        });
        if gone {
            self.gates.remove(client);
        }
    }

    async fn open_gate(self: Arc<Self>, client: ClientId, gate: Arc<Gate>) {
        tokio::select! {
            () = self.all_listen(&client) => {}
            () = gate.pressed.notified() => {}
            () = sleep(self.limits.barrier()) => {
                debug!(session = %client.session, "no iopub connection of this client came in time");
            }
        }
        let mut flushes = Flushes::default();
        loop {
            let held = gate.release();
            if held.is_empty() {
                return;
            }
            for Held { connection, message, entry } in held {
                self.route(&connection, &client, message, entry, &mut flushes);
            }
            flushes.flush();
        }
    }

    /// Returns once as many iopub connections listen where the client is as clients live there.
    pub(super) async fn all_listen(&self, client: &ClientId) {
        loop {
            let mut changed = std::pin::pin!(self.audience_changed.notified());
            changed.as_mut().enable();
            if self.with_table(|table, now| table.all_listen(client, now)) {
                return;
            }
            changed.await;
        }
    }
}
