//! No slow joiner: a client's first messages wait until its iopub connection must be there.
//!
//! A client connects its channels at the same time and asks at once. What its kernel published before the iopub
//! subscription arrived would be lost, so the messages of a client that has just come are held here, in their order.

use std::{collections::VecDeque, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::{sync::Notify, time::sleep};
use tracing::debug;

use super::connection::Connection;
use crate::{
    channel::Channel,
    id::ClientId,
    jupyter::{header::Heading, message::Verified},
    net::Flushes,
    proxy::Proxy,
    state::Entry,
};

/// Longest header that is kept, in bytes: they are a few hundred.
const LONGEST_HEADER: usize = 4 << 10;

/// A message on its way to be routed.
#[derive(Debug)]
pub(crate) struct Held {
    pub(crate) connection: Arc<Connection>,
    pub(crate) message: Verified,
    pub(crate) heading: Heading,
    /// Where the journal notes that it waits.
    pub(crate) entry: Entry,
    /// Whether it is a cell whose failure ends those that wait behind it.
    pub(crate) stops_on_error: bool,
}

/// One client's gate.
#[derive(Debug)]
pub(crate) struct Gate {
    /// The routing id that the client came with.
    identity: Bytes,
    /// The header of its last request, JSON.
    last_request: Mutex<Option<LastRequest>>,
    state: Mutex<State>,
    pressed: Notify,
    /// A message is held.
    holds: Notify,
}

#[derive(Debug)]
struct LastRequest {
    header: Bytes,
    is_cell: bool,
}

#[derive(Debug)]
enum State {
    Open,
    Closed { held: VecDeque<Held>, bytes: usize },
}

impl Gate {
    fn new(identity: Bytes, state: State) -> Self {
        Self {
            identity,
            last_request: Mutex::default(),
            state: Mutex::new(state),
            pressed: Notify::new(),
            holds: Notify::new(),
        }
    }

    /// A gate that lets everything pass.
    pub(crate) fn open(identity: Bytes) -> Self {
        Self::new(identity, State::Open)
    }

    fn closed(identity: Bytes) -> Self {
        Self::new(identity, State::Closed { held: VecDeque::new(), bytes: 0 })
    }

    pub(crate) fn identity(&self) -> &Bytes {
        &self.identity
    }

    /// Remembers a request of the client's, under which it can be told something. What belongs to a cell is shown for
    /// longest, so a cell gives way only to the next one.
    pub(crate) fn remember(&self, msg_type: &str, header: &Bytes) {
        let is_cell = msg_type == "execute_request";
        if !msg_type.ends_with("_request") || header.len() > LONGEST_HEADER {
            return;
        }
        let mut last = self.last_request.lock();
        if is_cell || last.as_ref().is_none_or(|last| !last.is_cell) {
            *last = Some(LastRequest { header: header.clone(), is_cell });
        }
    }

    /// The header of the client's last cell, else of its last request.
    pub(crate) fn last_request(&self) -> Option<Bytes> {
        self.last_request.lock().as_ref().map(|last| last.header.clone())
    }

    /// Gives the message back if the gate is open, else holds it. When more than `most` bytes are held, the gate opens
    /// without waiting any longer.
    pub(crate) fn pass(&self, message: Held, most: usize) -> Option<Held> {
        match &mut *self.state.lock() {
            State::Open => return Some(message),
            State::Closed { held, bytes } => {
                *bytes += message.message.body().size();
                held.push_back(message);
                self.holds.notify_one();
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
    pub(crate) fn client_arrived(
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
    pub(crate) fn client_left(&self, connection: &Connection, client: &ClientId) {
        if connection.channel == Channel::Stdin {
            return;
        }
        let gone = self.with_table(|table, now| {
            match connection.endpoint.host {
                // Its stub is one more connection: there is none now.
                Some(_) => table.client_left_for_good(client, now),
                None => table.client_disconnected(client, now),
            }
            !table.is_connected(client)
        });
        // One less of those who must be heard by someone.
        self.audience_changed.notify_waiters();
        if gone {
            if let Some((_, gate)) = self.gates.remove(client) {
                // One that came back and said nothing: nobody waits for its first message any more.
                gate.pressed.notify_one();
            }
            if connection.client.is_some() {
                self.spoken_for.retain(|_, known| *known != *client);
            }
        }
    }

    async fn open_gate(self: Arc<Self>, client: ClientId, gate: Arc<Gate>) {
        tokio::select! {
            () = self.all_listen(&client) => {}
            () = gate.pressed.notified() => {}
            () = self.held_long_enough(&gate) => {
                debug!(session = %client.session, "no iopub connection of this client came in time");
            }
        }
        let mut flushes = Flushes::default();
        loop {
            let held = gate.release();
            if held.is_empty() {
                return;
            }
            for held in held {
                self.route((&client, &gate), held, &mut flushes);
            }
            self.journal.write();
            flushes.flush();
        }
    }

    /// A client that comes back says nothing at first, and listens only when it is about to.
    async fn held_long_enough(&self, gate: &Gate) {
        gate.holds.notified().await;
        sleep(self.limits.barrier()).await;
    }

    /// Returns once as many iopub connections listen where the client is as clients live there, and none that came from
    /// there before now is still on its way.
    pub(crate) async fn all_listen(&self, client: &ClientId) {
        let now = self.arrivals.now();
        loop {
            let mut changed = std::pin::pin!(self.audience_changed.notified());
            changed.as_mut().enable();
            let all_listen = self.with_table(|table, time| {
                table.all_listen(client, time)
                    && !self.arrivals.any_before(now, client.endpoint, |origin| table.is_at(client, origin))
            });
            if all_listen {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn last_after(requests: &[(&str, usize)]) -> Option<Bytes> {
        let gate = Gate::open(Bytes::new());
        for (index, (msg_type, length)) in requests.iter().enumerate() {
            let header = format!("{index:<length$}");
            gate.remember(msg_type, &header.into());
        }
        gate.last_request()
    }

    #[test]
    fn the_last_request_is_remembered_and_a_cell_before_others() {
        assert_eq!(last_after(&[]), None);
        assert_eq!(last_after(&[("comm_msg", 1)]), None, "no request");
        let asked = ("complete_request", 1);
        assert_eq!(last_after(&[("kernel_info_request", 1), asked]).unwrap(), "1");
        let cell = ("execute_request", 1);
        assert_eq!(last_after(&[asked, cell, cell, asked]).unwrap(), "2");
        let long = ("execute_request", LONGEST_HEADER + 1);
        assert_eq!(last_after(&[cell, long]).unwrap(), "0", "what is kept is bounded");
    }
}
