//! What is owed to clients that are away: replies and questions that came when nobody was there to take them.

use std::{collections::VecDeque, time::Instant};

use parking_lot::Mutex;

use super::connection::ReturnAddress;
use crate::{
    id::{ClientId, KernelId},
    jupyter::{message::Body, reply::Failure},
    net::Undelivered,
    state::Entry,
};

/// Debts that are remembered, of all clients together.
const REMEMBERED: usize = 10_000;

/// What a client is owed, and where it asked for it.
#[derive(Debug)]
pub(super) struct Debt {
    pub(super) client: ClientId,
    pub(super) address: ReturnAddress,
    pub(super) due: Due,
    /// When the client is no longer expected.
    pub(super) until: Instant,
}

/// What is due.
#[derive(Debug)]
pub(super) enum Due {
    /// A reply, which came before the client.
    Reply(Body),
    /// Replies and questions that were sent on a connection which broke before they had arrived.
    Sent(Undelivered),
    /// A question of this kernel's, unless it has been answered or interrupted meanwhile.
    Question(KernelId, Body),
    /// An error, on iopub too.
    Failure(String, Failure),
}

impl Due {
    fn size(&self) -> usize {
        match self {
            Self::Reply(body) | Self::Question(_, body) => body.size(),
            Self::Sent(undelivered) => undelivered.size(),
            Self::Failure(..) => 0,
        }
    }
}

/// The debts to all clients, the oldest first.
#[derive(Debug)]
pub(super) struct Debts {
    owed: Mutex<(VecDeque<Debt>, usize)>,
    /// Most bytes of all together.
    most: usize,
}

impl Debts {
    pub(super) fn new(most: usize) -> Self {
        Self { owed: Mutex::default(), most }
    }

    /// One more. Where they take too much room, the oldest are given up: their entries are returned.
    pub(super) fn add(&self, debt: Debt) -> Vec<Entry> {
        let mut owed = self.owed.lock();
        let (debts, bytes) = &mut *owed;
        *bytes += debt.due.size();
        debts.push_back(debt);
        let mut given_up = Vec::new();
        while debts.len() > 1 && (*bytes > self.most || debts.len() > REMEMBERED) {
            let Some(oldest) = debts.pop_front() else { break };
            *bytes -= oldest.due.size();
            given_up.push(oldest.address.entry);
        }
        given_up
    }

    /// What this client is owed, which it is about to be paid.
    pub(super) fn take(&self, client: &ClientId) -> Vec<Debt> {
        self.take_such(|debt| debt.client == *client)
    }

    /// Gives up those that nobody came for in time.
    pub(super) fn forget_late(&self, now: Instant) -> Vec<Entry> {
        let late = self.take_such(|debt| debt.until <= now);
        late.into_iter().map(|debt| debt.address.entry).collect()
    }

    fn take_such(&self, such: impl Fn(&Debt) -> bool) -> Vec<Debt> {
        let mut owed = self.owed.lock();
        let (debts, bytes) = &mut *owed;
        let (taken, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(debts).into_iter().partition(such);
        *debts = kept;
        *bytes = debts.iter().map(|debt| debt.due.size()).sum();
        taken.into()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;
    use crate::{
        id::{Origin, ProfileId, SessionId},
        jupyter::{message::Envelope, reply::Voice},
        proxy::successor::tests::connection,
    };

    fn client(session: &str) -> ClientId {
        ClientId { profile: ProfileId::DEFAULT, session: SessionId::from(session) }
    }

    /// A reply of at least so many bytes.
    fn debt(session: &str, size: usize, until: Instant) -> Debt {
        let content = serde_json::json!({ "long": "x".repeat(size) });
        let address = ReturnAddress {
            connection: connection(ProfileId::DEFAULT, Origin::Unknown, "me"),
            envelope: Envelope::default(),
            header: Bytes::new(),
            entry: Entry::NONE,
            stops_on_error: false,
        };
        let due = Due::Reply(Voice::new("test").say_raw("execute_reply", content, &Bytes::new()));
        Debt { client: client(session), address, due, until }
    }

    #[test]
    fn each_client_is_paid_what_it_is_owed_once() {
        let (debts, now) = (Debts::new(1 << 20), Instant::now());
        for session in ["one", "other", "one"] {
            assert!(debts.add(debt(session, 0, now)).is_empty());
        }
        assert_eq!(debts.take(&client("one")).len(), 2);
        assert_eq!(debts.take(&client("one")).len(), 0);
        assert_eq!(debts.take(&client("other")).len(), 1);
    }

    #[test]
    fn the_oldest_are_given_up_for_room_but_never_the_last() {
        let (debts, now) = (Debts::new(10_000), Instant::now());
        assert!(debts.add(debt("one", 20_000, now)).is_empty(), "one may be of any size");
        assert_eq!(debts.add(debt("two", 6_000, now)).len(), 1);
        assert_eq!(debts.add(debt("three", 6_000, now)).len(), 1);
        assert_eq!(debts.take(&client("two")).len(), 0);
        assert_eq!(debts.take(&client("three")).len(), 1);
        assert_eq!(debts.owed.lock().1, 0);
    }

    #[test]
    fn those_who_do_not_come_in_time_are_given_up() {
        let (debts, now) = (Debts::new(10_000), Instant::now());
        let later = now + Duration::from_secs(1);
        debts.add(debt("early", 0, now));
        debts.add(debt("late", 0, later));
        assert_eq!(debts.forget_late(now).len(), 1);
        assert_eq!(debts.forget_late(later).len(), 1);
    }
}
