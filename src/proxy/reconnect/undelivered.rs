//! What clients have not been delivered yet: replies, questions and errors that came while their connections were lost.

use std::{collections::VecDeque, time::Instant};

use crate::{
    id::{ClientId, KernelId},
    jupyter::{message::Body, reply::Failure},
    net,
    proxy::frontend::connection::ReturnAddress,
    state::Entry,
};

/// The most items, of all clients together.
const MOST: usize = 10_000;

/// Something for a client, and where it was asked for.
#[derive(Debug)]
pub(crate) struct Undelivered {
    pub(crate) client: ClientId,
    pub(crate) address: ReturnAddress,
    pub(crate) item: Item,
    /// When the client is no longer expected.
    pub(crate) until: Instant,
}

/// What is to be delivered.
#[derive(Debug)]
pub(crate) enum Item {
    /// A reply, which came before the client was back.
    Reply(Body),
    /// Replies and questions that were sent on a connection which broke before they were delivered.
    Sent(net::Undelivered),
    /// A question of this kernel's, unless it has been answered or interrupted meanwhile.
    Question(KernelId, Body),
    /// An error in reply to a request of this type, on iopub too.
    Failure(String, Failure),
}

impl Item {
    fn size(&self) -> usize {
        match self {
            Self::Reply(body) | Self::Question(_, body) => body.size(),
            Self::Sent(undelivered) => undelivered.size(),
            Self::Failure(..) => 0,
        }
    }
}

/// The undelivered items of all clients, the oldest first.
#[derive(Debug)]
pub(crate) struct UndeliveredItems {
    items: VecDeque<Undelivered>,
    bytes: usize,
    /// The most bytes of all together.
    most: usize,
}

impl UndeliveredItems {
    pub(crate) fn new(most: usize) -> Self {
        Self { items: VecDeque::new(), bytes: 0, most }
    }

    /// One more. The oldest make room: the journal entries of their requests are returned.
    pub(crate) fn add(&mut self, undelivered: Undelivered) -> Vec<Entry> {
        self.bytes += undelivered.item.size();
        self.items.push_back(undelivered);
        let mut dropped = Vec::new();
        while self.items.len() > 1 && (self.bytes > self.most || self.items.len() > MOST) {
            let Some(oldest) = self.items.pop_front() else { break };
            self.bytes -= oldest.item.size();
            dropped.push(oldest.address.entry);
        }
        dropped
    }

    /// Whether any is such.
    pub(crate) fn any(&self, such: impl Fn(&Undelivered) -> bool) -> bool {
        self.items.iter().any(such)
    }

    /// Takes out what this client is to be delivered.
    pub(crate) fn take(&mut self, client: &ClientId) -> Vec<Undelivered> {
        self.take_such(|undelivered| undelivered.client == *client)
    }

    /// Drops what nobody came for in time; returns the journal entries of these requests.
    pub(crate) fn expire(&mut self, now: Instant) -> Vec<Entry> {
        let expired = self.take_such(|undelivered| undelivered.until <= now);
        expired.into_iter().map(|undelivered| undelivered.address.entry).collect()
    }

    fn take_such(&mut self, such: impl Fn(&Undelivered) -> bool) -> Vec<Undelivered> {
        let (taken, kept): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.items).into_iter().partition(such);
        self.items = kept;
        self.bytes = self.items.iter().map(|undelivered| undelivered.item.size()).sum();
        taken.into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::{
        id::{EndpointId, Origin, SessionId},
        jupyter::{message::Envelope, reply::MessageBuilder},
        proxy::reconnect::identity::tests::connection,
    };

    fn client(session: &str) -> ClientId {
        ClientId { endpoint: EndpointId::DEFAULT, session: SessionId::from(session) }
    }

    /// A reply of at least so many bytes.
    fn undelivered(session: &str, size: usize, until: Instant) -> Undelivered {
        let content = serde_json::json!({ "long": "x".repeat(size) });
        let address = ReturnAddress {
            connection: connection(EndpointId::DEFAULT, Origin::Unknown, "me"),
            envelope: Envelope::default(),
            header: Bytes::new(),
            entry: Entry::NONE,
            stops_on_error: false,
        };
        let item = Item::Reply(MessageBuilder::new("test").say_raw("execute_reply", content, &Bytes::new()));
        Undelivered { client: client(session), address, item, until }
    }

    #[test]
    fn each_client_is_delivered_its_own_items_once() {
        let (mut items, now) = (UndeliveredItems::new(1 << 20), Instant::now());
        for session in ["one", "other", "one"] {
            assert!(items.add(undelivered(session, 0, now)).is_empty());
        }
        assert_eq!(items.take(&client("one")).len(), 2);
        assert_eq!(items.take(&client("one")).len(), 0);
        assert_eq!(items.take(&client("other")).len(), 1);
    }

    #[test]
    fn the_oldest_make_room_but_never_the_last() {
        let (mut items, now) = (UndeliveredItems::new(10_000), Instant::now());
        assert!(items.add(undelivered("one", 20_000, now)).is_empty(), "one may be of any size");
        assert_eq!(items.add(undelivered("two", 6_000, now)).len(), 1);
        assert_eq!(items.add(undelivered("three", 6_000, now)).len(), 1);
        assert_eq!(items.take(&client("two")).len(), 0);
        assert_eq!(items.take(&client("three")).len(), 1);
        assert_eq!(items.bytes, 0);
    }

    #[test]
    fn items_of_clients_that_do_not_come_in_time_are_dropped() {
        let (mut items, now) = (UndeliveredItems::new(10_000), Instant::now());
        let later = now + Duration::from_secs(1);
        items.add(undelivered("early", 0, now));
        items.add(undelivered("late", 0, later));
        assert_eq!(items.expire(now).len(), 1);
        assert_eq!(items.expire(later).len(), 1);
    }
}
