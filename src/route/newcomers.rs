//! Subscribers that have just come, while it is not known whether they are in the place of one that is missing: they hear nothing,
//! for what they heard they would hear again, or too early.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    attendance::Place,
    audience::{Audience, Heard},
    away::Away,
};
use crate::id::{ConnectionId, Origin};

/// How long a listener that came over a network before its client hears nothing, where a listener is missed: connections are
/// tried again later and later.
const UNDECIDED: Duration = Duration::from_secs(30);

impl Audience {
    /// Whether a connection may be in place of another.
    pub(super) fn is_new(&self, newcomer: ConnectionId) -> bool {
        let Some(entry) = self.subscribers.get(&newcomer) else { return false };
        // What it has heard, it would hear again.
        entry.topics > 0 && entry.hears.is_empty() && !self.away.contains_key(&newcomer)
    }

    /// Whether a connection that comes to this place may be in that of one that is away.
    pub(super) fn anyone_is_missing(&self, place: &Place) -> bool {
        self.missing(place).next().is_some()
    }

    /// Whether it may still turn out to be one's when clients come back, or when a connection is found to be broken. Programs of
    /// this machine come back at once, and open listeners as they like: none of them has to wait.
    pub(super) fn is_to_wait(&self, subscriber: ConnectionId) -> bool {
        let Some(entry) = self.subscribers.get(&subscriber) else { return false };
        let is_remote = matches!(entry.place.origin, Origin::Address(_));
        let awaits = || entry.doubts || self.missing(&entry.place).any(|away| !away.left_with.is_empty());
        is_remote && !entry.in_company && awaits() && !self.lacks_listeners(&entry.place)
    }

    /// Whether more clients are connected from a place than listen there: one that comes is of a client that is there already.
    fn lacks_listeners(&self, place: &Place) -> bool {
        let connected = self.clients.all_at(place).filter(|client| self.clients.is_connected(client));
        let listens = |subscriber: &ConnectionId| {
            let entry = self.subscribers.get(subscriber).filter(|entry| entry.topics > 0 && !entry.undecided);
            entry.is_some() && !self.away.contains_key(subscriber)
        };
        connected.count() > self.at(place).into_iter().filter(listens).count()
    }

    /// A connection may be in place of one that has not been found to be broken yet.
    pub(super) fn may_be_anothers(&mut self, subscriber: ConnectionId) {
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        (entry.undecided, entry.doubts) = (true, true);
        self.changes.extend(entry.now_hears(subscriber, &Heard::new()));
    }

    /// A client has come to a subscriber's place: it is this one's if it was nobody's before, as soon as it listens.
    pub(super) fn gets_company(&mut self, subscriber: ConnectionId) {
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        entry.in_company = true;
        if entry.topics > 0 {
            self.decide_that_new(subscriber);
        }
    }

    /// A subscriber is in nobody's place, and hears from now on what there is to hear.
    pub(super) fn decide_that_new(&mut self, subscriber: ConnectionId) {
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        if std::mem::replace(&mut entry.undecided, false) {
            self.refresh(&BTreeSet::from([subscriber]));
        }
    }

    /// The same if it came long enough ago. `false`: it did not.
    pub(super) fn decide_in_time(&mut self, subscriber: ConnectionId, now: Instant) -> bool {
        let Some(entry) = self.subscribers.get(&subscriber).filter(|entry| entry.undecided) else {
            return false;
        };
        let is_remote = matches!(entry.place.origin, Origin::Address(_));
        // Before it has subscribed, it hears nothing anyway.
        let may_wait = entry.topics == 0 || (is_remote && now.duration_since(entry.arrived) < UNDECIDED);
        if !may_wait {
            self.decide_that_new(subscriber);
        }
        may_wait
    }

    fn missing(&self, place: &Place) -> impl Iterator<Item = &Away> {
        let is_missing_here = |subscriber: &ConnectionId| {
            let Some(kept) = self.subscribers.get(subscriber).map(|entry| entry.place) else { return false };
            kept == *place || (kept.same_owner(place) && self.is_wide(&kept, *subscriber))
        };
        self.away.iter().filter(move |(subscriber, _)| is_missing_here(subscriber)).map(|(_, away)| away)
    }
}
