//! Subscribers whose connections are lost: they go on hearing what they heard, and the next subscriber of their place that
//! comes to hear one of these kernels takes over.
//!
//! A SUB socket does not say whose it is. So what was retained for a lost subscriber goes to the next one by the same connection
//! file and from the same process or address. It must also hear one of the kernels by itself: while no client is back, a
//! stranger from there gets nothing.

use std::{cmp::Reverse, time::Instant};

use super::{
    Change, Hearing,
    audience::{Audience, Heard},
    presence::Place,
};
use crate::id::{ConnectionId, KernelId, Origin};

/// The most lost subscribers. Messages are retained for each.
const MOST: usize = 64;

/// Kernels that a subscriber hears because the one whose place it took heard them.
#[derive(Clone, Debug)]
pub(super) struct Inherited {
    from: ConnectionId,
    pub(super) heard: Heard,
}

impl Audience {
    /// The subscriber's connection is lost. `true`: messages are to be retained for it.
    pub(super) fn subscriber_lost(&mut self, subscriber: ConnectionId, now: Instant) -> bool {
        if self.lost.contains_key(&subscriber) {
            return true;
        }
        let hears = |entry: &&super::audience::Subscriber| !entry.hears.is_empty();
        let Some(place) = self.subscribers.get(&subscriber).filter(hears).map(|entry| entry.place) else {
            self.subscriber_left(subscriber, now);
            return false;
        };
        if self.lost.len() >= MOST {
            self.surplus(place).into_iter().for_each(|surplus| self.subscriber_left(surplus, now));
        }
        self.lost.insert(subscriber, now);
        self.end_lingering(place, now);
        true
    }

    /// Of the place with the most lost subscribers, this one's included, the one that has been lost for longest.
    fn surplus(&self, newest: Place) -> Option<ConnectionId> {
        let place_of = |subscriber| self.subscribers.get(subscriber).map(|entry| entry.place);
        let lost_of = |owner: &Place| {
            let places = self.lost.keys().filter_map(place_of).chain([newest]);
            places.filter(|place| place.same_owner(owner)).count()
        };
        let lost = self.lost.iter().filter_map(|(subscriber, since)| {
            Some((lost_of(&place_of(subscriber)?), Reverse(since), *subscriber))
        });
        lost.max().map(|(.., subscriber)| subscriber)
    }

    /// What a lost subscriber hears: what it heard, what there is to hear at its place, and the kernels that its clients
    /// visit, although they are not connected.
    pub(super) fn heard_by_lost(&self, subscriber: ConnectionId) -> Heard {
        let Some(entry) = self.subscribers.get(&subscriber) else { return Heard::new() };
        let mut heard = entry.hears.clone();
        let is_its = |client: &&crate::id::ClientId| {
            self.clients.kernel_of(client).is_some_and(|kernel| entry.hears.contains_key(kernel))
        };
        let own = self.clients.all_at(&entry.place).filter(is_its);
        let wide = self.is_wide(&entry.place, subscriber);
        let clients: Vec<_> = self.clients_at(&entry.place, wide).into_iter().chain(own).collect();
        self.add_heard(clients.into_iter(), &mut heard);
        heard
    }

    /// What a subscriber has heard and lost ones of its place go on hearing. Its own connection may be the next to break, and it
    /// is not known which of them belongs to which client: either may be taken over by either.
    pub(super) fn also_heard_by_lost(&self, subscriber: ConnectionId, heard: &Heard) -> Heard {
        let Some(entry) =
            self.subscribers.get(&subscriber).filter(|entry| entry.listens() && !self.lost.is_empty())
        else {
            return Heard::new();
        };
        let lost = self.lost.keys().filter_map(|lost| self.subscribers.get(lost));
        let lost: Vec<_> = lost.filter(|lost| lost.place == entry.place).collect();
        // Programs of this machine close their connections, and do not break them.
        let is_remote = matches!(entry.place.origin, Origin::Address(_));
        let is_expected = |kernel: &KernelId| {
            let mut clients = self.clients.all_at(&entry.place);
            clients.any(|client| self.clients.kernel_of(client) == Some(kernel))
        };
        let is_kept = |kernel: &KernelId| {
            is_remote
                && !heard.contains_key(kernel)
                && lost.iter().any(|lost| lost.hears.contains_key(kernel))
                && is_expected(kernel)
        };
        let all = entry.hears.iter().filter(|(_, hearing)| **hearing == Hearing::Everything);
        let kept = all.filter(|(kernel, _)| is_kept(kernel));
        kept.map(|(kernel, hearing)| (kernel.clone(), hearing.clone())).collect()
    }

    /// The lost subscriber in whose place this one is if it hears these kernels from now on: the latest of its place that
    /// heard one of them.
    pub(super) fn predecessor(&self, subscriber: ConnectionId, hears: &Heard) -> Option<ConnectionId> {
        if self.lost.is_empty() || self.lost.contains_key(&subscriber) {
            return None;
        }
        let entry = self.subscribers.get(&subscriber)?;
        let is_predecessor = |(lost, _): &(&ConnectionId, &Instant)| {
            let Some(before) = self.subscribers.get(lost) else { return false };
            // What it has heard, it would hear again.
            let has_heard = || before.hears.keys().any(|kernel| entry.hears.contains_key(kernel));
            let will_hear = || before.hears.keys().any(|kernel| hears.contains_key(kernel));
            before.place == entry.place && **lost < subscriber && will_hear() && !has_heard()
        };
        self.lost.iter().filter(is_predecessor).max_by_key(|(_, since)| **since).map(|(lost, _)| *lost)
    }

    /// A subscriber takes over from a lost one, and hears at first what that has heard: not all its clients may be back.
    pub(super) fn take_over(&mut self, lost: ConnectionId, by: ConnectionId) {
        let Some(before) = self.remove_subscriber(lost) else { return };
        let Some(entry) = self.subscribers.get_mut(&by) else { return };
        let kernels = before.hears.keys().cloned().collect();
        entry.hears.extend(before.hears.clone());
        entry.inherited = Some(Inherited { from: lost, heard: before.hears });
        self.changes.push(Change::TakenOver { lost, by, kernels });
    }

    /// Whoever took over from this subscriber hears from now on what its own clients do.
    pub(super) fn end_inheritance(&mut self, lost: ConnectionId) {
        let inherits = |inherited: &Inherited| inherited.from == lost;
        let heir =
            self.subscribers.iter_mut().find(|(_, entry)| entry.inherited.as_ref().is_some_and(inherits));
        if let Some((_, entry)) = heir {
            entry.inherited = None;
            let place = entry.place;
            let neighbours = self.at(&place).collect();
            self.refresh(&neighbours);
        }
    }
}
