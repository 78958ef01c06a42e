//! Subscribers whose connections have broken: their places are kept, and taken again by the connections that come next.
//!
//! A SUB socket says nothing of whose it is, so a place is given by what is known of its neighbours. Clients that left at about
//! the same time have lost the same network, and when one of them is back, its listener is. Where nobody else left, only
//! the listener's own connection broke.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    Change,
    attendance::{Place, remove_at},
    audience::Audience,
};
use crate::id::{ClientId, ConnectionId, Origin};

/// One network's end is noticed on its connections within this time: keepalive looks after each by itself.
const TOGETHER: Duration = Duration::from_secs(120);

/// A listener that came so long before its client is still the client's: a connection may be tried again that late.
const FRESH: Duration = Duration::from_secs(60);

/// Places that are kept at once. Each may keep messages.
const MOST: usize = 64;

/// A subscriber whose connection has ended.
#[derive(Clone, Debug)]
pub(super) struct Away {
    since: Instant,
    /// Clients of its place that left when it did.
    left_with: BTreeSet<ClientId>,
}

impl Audience {
    /// The subscriber's connection has broken. `true`: its place is kept, and it goes on hearing what it has heard.
    pub(super) fn subscriber_broke_off(&mut self, subscriber: ConnectionId, now: Instant) -> bool {
        let kept =
            self.subscribers.get(&subscriber).filter(|entry| entry.topics > 0 && !entry.hears.is_empty());
        let Some(place) = kept.map(|entry| entry.place) else {
            self.subscriber_left(subscriber, now);
            return false;
        };
        if self.away.len() >= MOST {
            let longest =
                self.away.iter().min_by_key(|(_, away)| away.since).map(|(subscriber, _)| *subscriber);
            longest.into_iter().for_each(|subscriber| self.subscriber_left(subscriber, now));
        }
        let since = now.checked_sub(TOGETHER).unwrap_or(now);
        let left_with = self.clients.left_since(&place, since).cloned().collect();
        self.away.insert(subscriber, Away { since: now, left_with });
        self.end_lingering(place, now);
        true
    }

    /// The subscriber's place need not be kept any longer. `false` if it is taken again.
    pub(super) fn give_up_place(&mut self, subscriber: ConnectionId, now: Instant) -> bool {
        if self.away.contains_key(&subscriber) {
            self.subscriber_left(subscriber, now);
        }
        !self.subscribers.contains_key(&subscriber)
    }

    /// A client has left, maybe with others whose network is gone.
    pub(super) fn left_as_well(&mut self, client: &ClientId, now: Instant) {
        let places: BTreeSet<Origin> = self.clients.origins_of(client).copied().collect();
        for (subscriber, away) in &mut self.away {
            let Some(place) = self.subscribers.get(subscriber).map(|entry| entry.place) else { continue };
            let is_there = place.profile == client.profile && places.contains(&place.origin);
            if is_there && now.duration_since(away.since) <= TOGETHER {
                away.left_with.insert(client.clone());
            }
        }
    }

    /// Somebody has come to a place: connections there may be those of subscribers that were away.
    pub(super) fn reunite(&mut self, place: &Place, now: Instant) {
        if self.away.is_empty() {
            return;
        }
        for newcomer in self.subscribers_at.get(place).cloned().unwrap_or_default() {
            if self.is_new(newcomer, now)
                && let Some(subscriber) = self.missing_from(place, newcomer)
            {
                self.resume(subscriber, newcomer, now);
            }
        }
    }

    /// Whether a connection may be in place of another.
    fn is_new(&self, newcomer: ConnectionId, now: Instant) -> bool {
        let Some(entry) = self.subscribers.get(&newcomer) else { return false };
        let Some(arrived) = entry.arrived else { return false };
        let is_fresh = entry.hears.is_empty() || now.duration_since(arrived) <= FRESH;
        entry.topics > 0 && is_fresh && !self.away.contains_key(&newcomer)
    }

    /// Whoever left last of those whose place is this newcomer's.
    fn missing_from(&self, place: &Place, newcomer: ConnectionId) -> Option<ConnectionId> {
        let is_back = |client: &&ClientId| self.clients.is_connected_at(client, place);
        let belongs = |(subscriber, away): &(&ConnectionId, &Away)| {
            let Some(entry) = self.subscribers.get(subscriber).filter(|entry| entry.place.same_owner(place))
            else {
                return false;
            };
            if **subscriber > newcomer {
                // It came later itself, so the newcomer is no continuation of it.
                return false;
            }
            if !away.left_with.is_empty() {
                return away.left_with.iter().any(|client| is_back(&client));
            }
            let hears = |client: &&ClientId| {
                self.clients.kernel_of(client).is_some_and(|kernel| entry.hears.contains_key(kernel))
            };
            entry.place == *place && self.clients.here(place).filter(is_back).any(|client| hears(&client))
        };
        let missing = self.away.iter().filter(belongs);
        missing.max_by_key(|(_, away)| away.since).map(|(subscriber, _)| *subscriber)
    }

    fn resume(&mut self, subscriber: ConnectionId, by: ConnectionId, now: Instant) {
        let Some(newer) = self.subscribers.get(&by).cloned() else { return };
        let is_wide = self.is_wide(&newer.place, by);
        self.subscriber_left(by, now);
        self.away.remove(&subscriber);
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        let before = std::mem::replace(&mut entry.place, newer.place);
        (entry.arrived, entry.topics, entry.met) = (None, newer.topics, newer.met);
        remove_at(&mut self.subscribers_at, &before, &subscriber);
        self.not_wide(&before, subscriber);
        self.subscribers_at.entry(newer.place).or_default().insert(subscriber);
        if is_wide {
            self.wide.extend(newer.place.user().map(|user| (user, subscriber)));
        }
        self.changes.push(Change::Resumed { subscriber, by });
        self.refresh(&BTreeSet::from([subscriber]));
    }
}
