//! Subscribers whose connections have broken: their places are kept, and taken again by the connections that come next.
//!
//! A SUB socket says nothing of whose it is, so a place is given by what is known of its neighbours. Clients that left at about
//! the same time have lost the same network, and when one of them is back, its listener is. Where nobody else left, only
//! the listener's own connection broke. Until it is known whose a connection is, [`super::newcomers`] keeps it from hearing anything.

use std::{
    cmp::Reverse,
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::{
    Change,
    attendance::{Place, remove_at},
    audience::{Audience, Heard},
};
use crate::id::{ClientId, ConnectionId, Origin};

/// One network's end is noticed on its connections within this time: keepalive looks after each by itself.
const TOGETHER: Duration = Duration::from_secs(120);

/// Places that are kept at once. Each may keep messages.
const MOST: usize = 64;

/// A subscriber whose connection has ended.
#[derive(Clone, Debug)]
pub(super) struct Away {
    since: Instant,
    /// Clients of its place that left when it did.
    pub(super) left_with: BTreeSet<ClientId>,
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
            self.surplus(place).into_iter().for_each(|subscriber| self.subscriber_left(subscriber, now));
        }
        let since = now.checked_sub(TOGETHER).unwrap_or(now);
        let left_with = match self.is_wide(&place, subscriber) {
            true => self.clients.of_owner_left_since(&place, since).cloned().collect(),
            false => self.clients.left_since(&place, since).cloned().collect(),
        };
        self.away.insert(subscriber, Away { since: now, left_with });
        self.end_lingering(place, now);
        self.reunite(&place, now);
        true
    }

    /// Of those who keep most places, this one's owner among them, the one that has been away for longest.
    fn surplus(&self, newest: Place) -> Option<ConnectionId> {
        let place_of = |subscriber| self.subscribers.get(subscriber).map(|entry| entry.place);
        let kept_for = |owner: &Place| {
            let places = self.away.keys().filter_map(place_of).chain([newest]);
            places.filter(|place| place.same_owner(owner)).count()
        };
        let kept = self.away.iter().filter_map(|(subscriber, away)| {
            Some((kept_for(&place_of(subscriber)?), Reverse(away.since), *subscriber))
        });
        kept.max().map(|(.., subscriber)| subscriber)
    }

    /// Where the connection must come from that takes this one's place; `None` if it may stand behind a tunnel.
    pub(super) fn awaited(&self, subscriber: ConnectionId) -> Option<Origin> {
        let place = self.subscribers.get(&subscriber)?.place;
        (!self.is_wide(&place, subscriber)).then_some(place.origin)
    }

    /// What a subscriber that is away is to hear besides what it has heard: where the clients are now whose it may be.
    pub(super) fn also_heard(&self, subscriber: ConnectionId) -> Heard {
        let (Some(away), Some(entry)) = (self.away.get(&subscriber), self.subscribers.get(&subscriber))
        else {
            return Heard::new();
        };
        let mut heard = entry.hears.clone();
        let wide = self.is_wide(&entry.place, subscriber);
        let more = self.company(&entry.place, wide).into_iter().chain(&away.left_with);
        self.add_heard(more, &mut heard);
        heard
    }

    /// Whether what is said to this client alone is to be kept by a subscriber that is away.
    pub(super) fn keeps_for(&self, subscriber: ConnectionId, client: &ClientId) -> bool {
        let (Some(away), Some(entry)) = (self.away.get(&subscriber), self.subscribers.get(&subscriber))
        else {
            return false;
        };
        away.left_with.contains(client) || self.clients.places_of(client).any(|place| place == entry.place)
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
        let places: BTreeSet<Place> = self.clients.places_of(client).collect();
        let is_there = |subscriber: &ConnectionId| {
            let Some(place) = self.subscribers.get(subscriber).map(|entry| entry.place) else { return false };
            let wide = self.is_wide(&place, *subscriber);
            places.iter().any(|left| *left == place || (wide && left.same_owner(&place)))
        };
        let there: Vec<ConnectionId> = self.away.keys().filter(|away| is_there(away)).copied().collect();
        for subscriber in there {
            let Some(away) = self.away.get_mut(&subscriber) else { continue };
            if now.duration_since(away.since) <= TOGETHER {
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
            if self.is_new(newcomer)
                && let Some(subscriber) = self.missing_from(place, newcomer)
            {
                self.resume(subscriber, newcomer, now);
            }
        }
    }

    /// The same of listeners that stand elsewhere: a tunnel may have a process for each channel.
    pub(super) fn reunite_behind_tunnels(&mut self, place: &Place, now: Instant) {
        let Some(user) = place.user().filter(|_| !self.away.is_empty()) else { return };
        let elsewhere = self.wide_of(user).filter_map(|subscriber| self.subscribers.get(&subscriber));
        let elsewhere: BTreeSet<Place> = elsewhere.map(|entry| entry.place).collect();
        for elsewhere in elsewhere.iter().filter(|elsewhere| *elsewhere != place) {
            self.reunite(elsewhere, now);
        }
    }

    /// Whoever left last of those whose place is this newcomer's.
    fn missing_from(&self, place: &Place, newcomer: ConnectionId) -> Option<ConnectionId> {
        let is_wide = self.is_wide(place, newcomer);
        let belongs = |(subscriber, away): &(&ConnectionId, &Away)| {
            let Some(entry) = self.subscribers.get(subscriber).filter(|entry| entry.place.same_owner(place))
            else {
                return false;
            };
            if **subscriber > newcomer {
                // It came later itself, so the newcomer is no continuation of it.
                return false;
            }
            let tunnelled = is_wide && self.is_wide(&entry.place, **subscriber);
            let is_back = |client: &&ClientId| self.clients.is_connected_at(client, place, tunnelled);
            if !away.left_with.is_empty() {
                return away.left_with.iter().any(|client| is_back(&client));
            }
            let hears = |client: &&ClientId| {
                self.clients.kernel_of(client).is_some_and(|kernel| entry.hears.contains_key(kernel))
            };
            entry.place == *place && self.clients.all_at(place).filter(is_back).any(|client| hears(&client))
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
        (entry.undecided, entry.topics, entry.met) = (false, newer.topics, newer.met);
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
