//! Replies to a client: on the connection that asked, on the one that replaced it, or once the client is back.
//!
//! Each item is tried, and kept in [`super::expected`] where it cannot be delivered. What is kept is tried again when
//! the client reconnects, and at no other time.

use std::sync::Arc;

use parking_lot::MutexGuard;
use tokio::time::sleep;
use tracing::debug;

use super::{
    expected::Waiting,
    undelivered::{Item, Undelivered},
};
use crate::{
    id::ClientId,
    jupyter::{message::Body, reply::Failure},
    metrics::Trouble,
    net::{self, Flushes, PushError},
    proxy::{
        Proxy,
        frontend::connection::{Connection, ReturnAddress},
    },
};

impl Proxy {
    /// Signs a reply for a client and queues it at its return address, or where the client is now. If the client is away,
    /// the reply waits for it.
    pub(crate) fn deliver(
        self: &Arc<Self>,
        client: &ClientId,
        address: &ReturnAddress,
        body: Body,
        flushes: &mut Flushes,
    ) {
        let signed = address.connection.endpoint.signer.sign(body);
        let mut connection = address.connection.clone();
        let mut pushed = connection.outbox.push(&address.envelope, &signed);
        if pushed == Err(PushError::Closed) {
            let waiting = self.reconnecting.lock();
            // What waits already was there before.
            let newer =
                self.replacement_of(&connection).filter(|_| !waiting.keeps(client, connection.channel));
            if let Some(newer) = newer {
                pushed = newer.outbox.push(&address.envelope, &signed);
                connection = newer;
            }
            if pushed == Err(PushError::Closed) && address.can_be_known_again() {
                debug!(session = %client.session, "a reply waits for its client");
                return self.keep(waiting, client, address, Item::Reply(signed.body().clone()));
            }
        }
        self.journal.answered(address.entry);
        match pushed {
            Ok(()) => flushes.add(connection.outbox.clone()),
            Err(PushError::Closed) => {
                debug!(session = %client.session, "the client left before its reply came")
            }
            Err(why @ PushError::Full) => {
                // A reply that cannot be delivered must not be lost in silence: the client sees its connection end.
                let Connection { channel, origin, .. } = *connection;
                self.trouble_from(channel, origin, Trouble::UnreadReplies, "a connection was ended", &why);
                connection.outbox.close();
            }
        }
    }

    /// Sends what an ended connection has not delivered on the one that has replaced it, or keeps it for the client.
    pub(crate) fn deliver_again(
        &self,
        client: &ClientId,
        address: &ReturnAddress,
        undelivered: net::Undelivered,
    ) {
        let waiting = self.reconnecting.lock();
        let undelivered = match self.replacement_of(&address.connection) {
            Some(newer) => match newer.outbox.redeliver(undelivered) {
                Ok(()) => return,
                Err(undelivered) => undelivered,
            },
            None => undelivered,
        };
        self.keep(waiting, client, address, Item::Sent(undelivered));
    }

    /// Keeps an error for a client that asked an earlier `serve` and is not back yet. `false`: it is back.
    pub(crate) fn keep_failure(
        &self,
        client: &ClientId,
        address: &ReturnAddress,
        msg_type: &str,
        failure: &Failure,
    ) -> bool {
        let waiting = self.reconnecting.lock();
        if self.replacement_of(&address.connection).is_some() {
            return false;
        }
        self.keep(waiting, client, address, Item::Failure(msg_type.to_owned(), failure.clone()));
        true
    }

    /// Keeps an item for a client that was not found while this was locked.
    pub(crate) fn keep(
        &self,
        mut waiting: MutexGuard<'_, Waiting>,
        client: &ClientId,
        address: &ReturnAddress,
        item: Item,
    ) {
        let dropped = self.reconnecting.keep(&mut waiting, client, address, item);
        drop(waiting);
        dropped.into_iter().for_each(|entry| self.journal.answered(entry));
    }

    /// Delivers what waits for a client that is back, once its iopub connection must be there too. What cannot be
    /// delivered now is kept again.
    pub(crate) async fn deliver_waiting(self: Arc<Self>, client: ClientId) {
        tokio::select! {
            () = self.all_listen(&client) => {}
            () = sleep(self.limits.barrier()) => {}
        }
        let (notice, items) = self.reconnecting.lock().take(&client);
        self.send_to_client(&client, notice);
        let mut flushes = Flushes::default();
        for Undelivered { address, item, .. } in items {
            match item {
                Item::Reply(body) => self.deliver(&client, &address, body, &mut flushes),
                Item::Sent(undelivered) => self.deliver_again(&client, &address, undelivered),
                Item::Question(kernel, body) => self.ask_again(&kernel, &client, &address, body),
                Item::Failure(msg_type, failure) => self.fail(&client, &msg_type, &address, &failure),
            }
        }
        flushes.flush();
        self.journal.write();
    }
}
