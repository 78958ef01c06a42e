//! Which iopub connection hears which kernels.
//!
//! A SUB socket cannot be told by identity and never authenticates itself, so it is matched by where it comes from:
//! it hears the kernels of the authenticated clients of its process (or remote address). Where no client of its
//! process shows up, as behind a tunnel, it hears those of its user, and never more. All that within one profile: by
//! another connection file come other clients, and other keys.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{
    RememberedClient,
    attendance::{Attendance, Place, remove_at},
    away::Away,
};
use crate::id::{ClientId, ConnectionId, KernelId, Origin, ProfileId};

/// How much of a kernel's iopub a subscriber hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// All of it: the kernel is one of its clients'.
    Everything,
    /// Only what answers these clients, who visit the kernel.
    Visitors(BTreeSet<ClientId>),
}

/// What changed in who hears what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// From now on the subscriber hears the kernel, or more or less of it than before.
    Joined {
        /// The iopub connection.
        subscriber: ConnectionId,
        /// What it hears.
        kernel: KernelId,
        /// How much of it.
        hearing: Hearing,
    },
    /// From now on it does not.
    Left {
        /// The iopub connection.
        subscriber: ConnectionId,
        /// What it no longer hears.
        kernel: KernelId,
    },
    /// The subscriber, whose connection had ended, goes on with another one, which is nobody by itself any more.
    Resumed {
        /// The one that has been there before.
        subscriber: ConnectionId,
        /// The one that came.
        by: ConnectionId,
    },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Audience {
    pub(super) clients: Attendance,
    pub(super) subscribers: BTreeMap<ConnectionId, Subscriber>,
    pub(super) subscribers_at: HashMap<Place, BTreeSet<ConnectionId>>,
    /// Subscribers that are matched by user, under their profile and user.
    pub(super) wide: BTreeSet<((ProfileId, u32), ConnectionId)>,
    /// Subscribers whose connections have ended, and whose places are kept.
    pub(super) away: BTreeMap<ConnectionId, Away>,
    pub(super) changes: Vec<Change>,
}

#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) place: Place,
    /// When it came.
    pub(super) arrived: Instant,
    /// It may yet turn out to be in the place of one that is away, and hears nothing until that is known.
    pub(super) undecided: bool,
    /// That one may not have been found to be away yet.
    pub(super) doubts: bool,
    /// A client has come to its place since, whose it may be.
    pub(super) in_company: bool,
    pub(super) topics: usize,
    /// A client of its process has shown up: it stands behind no tunnel, and is never matched by user.
    pub(super) met: bool,
    pub(super) hears: Heard,
}

/// Which kernels are heard, and how much of each.
pub(super) type Heard = BTreeMap<KernelId, Hearing>;

impl Audience {
    /// A shell or control connection has authenticated itself as this client's.
    pub(super) fn client_connected(&mut self, client: &ClientId, origin: Origin, now: Instant) {
        let mut near = self.around(client);
        let place = Place { profile: client.profile, origin };
        let has_come = !self.clients.is_connected(client);
        let has_moved = self.clients.connect(client, origin);
        self.reunite(&place, now);
        self.reunite_behind_tunnels(&place, now);
        if has_come {
            // Those that are left are this one's, or those of others who have come.
            self.at(&place).into_iter().for_each(|subscriber| self.gets_company(subscriber));
        }
        if has_moved {
            self.narrow(place);
            near.extend(self.around(client));
            self.refresh(&near);
        }
    }

    /// A client of an earlier `serve` is expected back until then.
    pub(super) fn recall_client(&mut self, remembered: &RememberedClient, now: Instant, until: Instant) {
        let RememberedClient { client, kernel, origins, .. } = remembered;
        for origin in origins {
            self.clients.connect(client, *origin);
        }
        for _ in origins {
            self.clients.disconnect(client, now, until);
        }
        self.clients.bind(client, Some(kernel.clone()));
        self.refresh(&self.around(client));
    }

    /// One of the client's connections has ended.
    pub(super) fn client_disconnected(&mut self, client: &ClientId, now: Instant, linger: Duration) {
        if self.clients.disconnect(client, now, now + linger) {
            self.left_as_well(client, now);
            let places: Vec<Place> = self.clients.places_of(client).collect();
            places.into_iter().for_each(|place| self.end_lingering(place, now));
        }
    }

    pub(super) fn bind(&mut self, client: &ClientId, kernel: Option<KernelId>) {
        self.clients.bind(client, kernel);
        self.refresh(&self.around(client));
    }

    /// Begins or ends a visit; `false` if the client is not known.
    pub(super) fn visit(&mut self, client: &ClientId, kernel: &KernelId, begins: bool) -> bool {
        let is_known = self.clients.visit(client, kernel, begins);
        self.refresh(&self.around(client));
        is_known
    }

    pub(super) fn forget_client(&mut self, client: &ClientId) {
        let near = self.around(client);
        self.clients.forget(client);
        self.refresh(&near);
    }

    pub(super) fn subscriber_arrived(&mut self, subscriber: ConnectionId, place: Place, now: Instant) {
        let met = self.clients.here(&place).next().is_some();
        let undecided = self.anyone_is_missing(&place);
        let entry = Subscriber {
            place,
            arrived: now,
            undecided,
            doubts: false,
            in_company: false,
            topics: 0,
            met,
            hears: Heard::new(),
        };
        self.subscribers.insert(subscriber, entry);
        self.subscribers_at.entry(place).or_default().insert(subscriber);
        if matches!(place.origin, Origin::User { .. }) {
            self.wide.extend(place.user().map(|user| (user, subscriber)));
        }
        self.refresh(&BTreeSet::from([subscriber]));
    }

    pub(super) fn topics_changed(&mut self, subscriber: ConnectionId, topics: usize, now: Instant) {
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        let is_first = std::mem::replace(&mut entry.topics, topics) == 0;
        let place = entry.place;
        if is_first {
            self.reunite(&place, now);
            if !self.is_to_wait(subscriber) {
                self.decide_that_new(subscriber);
            }
        }
    }

    /// No client of the subscriber's process has shown up for so long that it is matched by user. `true`: it is still not
    /// known whether it is in another's place.
    pub(super) fn widen(&mut self, subscriber: ConnectionId, now: Instant) -> bool {
        let Some(entry) = self.subscribers.get(&subscriber) else { return false };
        let place = entry.place;
        if !entry.met
            && let Some(user) = place.user()
        {
            self.wide.insert((user, subscriber));
            self.reunite(&place, now);
            self.refresh(&BTreeSet::from([subscriber]));
        }
        self.decide_in_time(subscriber, now)
    }

    pub(super) fn subscriber_left(&mut self, subscriber: ConnectionId, now: Instant) {
        self.away.remove(&subscriber);
        let Some(entry) = self.subscribers.remove(&subscriber) else { return };
        remove_at(&mut self.subscribers_at, &entry.place, &subscriber);
        self.not_wide(&entry.place, subscriber);
        self.changes.extend(entry.hears.into_keys().map(|kernel| Change::Left { subscriber, kernel }));
        self.end_lingering(entry.place, now);
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn clients(&self) -> &Attendance {
        &self.clients
    }

    /// Whether as many iopub connections listen at one of the client's origins as clients live there: then its own
    /// is among them, and nothing that it asks for now can be missed.
    pub(super) fn all_listen(&self, client: &ClientId, now: Instant) -> bool {
        self.clients.places_of(client).any(|place| {
            let live = self.clients.here(&place).filter(|client| self.clients.is_live(client, now)).count();
            self.listening(&place) >= live
        })
    }

    /// Whether this is where the client is.
    pub(super) fn is_at(&self, client: &ClientId, origin: Origin) -> bool {
        self.clients.origins_of(client).any(|own| *own == origin)
    }

    /// The iopub connections that a message for this client alone goes to.
    pub(super) fn listeners(&self, client: &ClientId) -> Vec<ConnectionId> {
        let owned = |place: &Place| self.clients.places_of(client).any(|own| own.same_owner(place));
        let hears = |subscriber: &ConnectionId| {
            let Some(entry) = self.subscribers.get(subscriber) else { return false };
            if self.away.contains_key(subscriber) {
                self.keeps_for(*subscriber, client)
            } else if self.is_wide(&entry.place, *subscriber) {
                owned(&entry.place)
            } else {
                self.clients.is_here(client, &entry.place)
            }
        };
        self.around(client).into_iter().filter(hears).collect()
    }

    pub(super) fn heard_by(&self, subscriber: ConnectionId) -> Vec<KernelId> {
        let entry = self.subscribers.get(&subscriber).into_iter();
        let all_of =
            entry.flat_map(|entry| &entry.hears).filter(|(_, hearing)| **hearing == Hearing::Everything);
        all_of.map(|(kernel, _)| kernel.clone()).collect()
    }

    /// The subscribers at a place.
    pub(super) fn at(&self, place: &Place) -> Vec<ConnectionId> {
        self.subscribers_at.get(place).into_iter().flatten().copied().collect()
    }

    /// The kernels that connections at this place belong to: those of its clients, else of its user's.
    pub(super) fn kernels_at(&self, place: &Place) -> BTreeSet<KernelId> {
        let kernels = |wide| {
            let company = self.company(place, wide).into_iter();
            company.filter_map(|client| self.clients.kernel_of(client).cloned()).collect::<BTreeSet<_>>()
        };
        let near = kernels(false);
        if near.is_empty() { kernels(true) } else { near }
    }

    /// The clients at a place, or all its owner's.
    pub(super) fn company(&self, place: &Place, wide: bool) -> Vec<&ClientId> {
        if wide { self.clients.of_owner(place).collect() } else { self.clients.here(place).collect() }
    }

    /// What is heard at a place: the kernels of its company, and of those that they visit what answers them.
    fn heard_at(&self, place: &Place, wide: bool) -> Heard {
        let mut heard = Heard::new();
        self.add_heard(self.company(place, wide).into_iter(), &mut heard);
        heard
    }

    /// Adds the kernels of these clients, and of those that they visit what answers them.
    pub(super) fn add_heard<'a>(
        &self,
        company: impl Iterator<Item = &'a ClientId> + Clone,
        heard: &mut Heard,
    ) {
        for client in company.clone() {
            for kernel in self.clients.visits_of(client) {
                let hearing =
                    heard.entry(kernel.clone()).or_insert_with(|| Hearing::Visitors(BTreeSet::new()));
                if let Hearing::Visitors(visitors) = hearing {
                    visitors.insert(client.clone());
                }
            }
        }
        let own = company.filter_map(|client| self.clients.kernel_of(client));
        heard.extend(own.map(|kernel| (kernel.clone(), Hearing::Everything)));
    }

    pub(super) fn is_wide(&self, place: &Place, subscriber: ConnectionId) -> bool {
        place.user().is_some_and(|user| self.wide.contains(&(user, subscriber)))
    }

    pub(super) fn not_wide(&mut self, place: &Place, subscriber: ConnectionId) {
        if let Some(user) = place.user() {
            self.wide.remove(&(user, subscriber));
        }
    }

    fn listening(&self, place: &Place) -> usize {
        let at = self.subscribers_at.get(place).into_iter().flatten();
        let listens = |subscriber: &&ConnectionId| {
            let has_topics = self.subscribers.get(subscriber).is_some_and(|entry| entry.topics > 0);
            has_topics && !self.away.contains_key(subscriber)
        };
        at.filter(listens).count()
    }

    /// All subscribers that may have to do with a client.
    fn around(&self, client: &ClientId) -> BTreeSet<ConnectionId> {
        let places = || self.clients.places_of(client);
        let near = places().filter_map(|place| self.subscribers_at.get(&place)).flatten();
        let users = places().filter_map(|place| place.user()).collect::<BTreeSet<_>>();
        let wide = users.into_iter().flat_map(|user| self.wide_of(user));
        near.copied().chain(wide).collect()
    }

    /// The subscribers that are matched by this user.
    pub(super) fn wide_of(&self, user: (ProfileId, u32)) -> impl Iterator<Item = ConnectionId> {
        let every = (user, ConnectionId(u64::MIN))..=(user, ConnectionId(u64::MAX));
        self.wide.range(every).map(|(_, subscriber)| *subscriber)
    }

    pub(super) fn refresh(&mut self, subscribers: &BTreeSet<ConnectionId>) {
        // Those at one place hear the same, and one process may have hundreds of them.
        let mut known: HashMap<(Place, bool), Heard> = HashMap::new();
        for subscriber in subscribers {
            if self.away.contains_key(subscriber) {
                // Whoever is away hears what it has heard, and where its clients go.
                let hears = self.also_heard(*subscriber);
                let Some(entry) = self.subscribers.get_mut(subscriber) else { continue };
                self.changes.extend(entry.now_hears(*subscriber, &hears));
                continue;
            }
            let Some(place) = self.subscribers.get(subscriber).map(|entry| entry.place) else { continue };
            if self.subscribers.get(subscriber).is_some_and(|entry| entry.undecided) {
                continue;
            }
            let wide = self.is_wide(&place, *subscriber);
            let hears = known.entry((place, wide)).or_insert_with(|| self.heard_at(&place, wide));
            let Some(entry) = self.subscribers.get_mut(subscriber) else { continue };
            self.changes.extend(entry.now_hears(*subscriber, hears));
        }
    }

    /// A client of this process has shown up.
    fn narrow(&mut self, place: Place) {
        if !matches!(place.origin, Origin::Process { .. }) {
            return;
        }
        for subscriber in self.subscribers_at.get(&place).cloned().unwrap_or_default() {
            self.not_wide(&place, subscriber);
            if let Some(entry) = self.subscribers.get_mut(&subscriber) {
                entry.met = true;
            }
        }
    }

    /// A client lingers for its time and while a listener may be its: those beyond the number of spare listeners are
    /// gone, the first to have left first.
    pub(super) fn end_lingering(&mut self, place: Place, now: Instant) {
        let (connected, mut lingering): (Vec<ClientId>, Vec<ClientId>) =
            self.clients.here(&place).cloned().partition(|client| self.clients.is_connected(client));
        let spare = self.listening(&place).saturating_sub(connected.len());
        let surplus = lingering.len().saturating_sub(spare);
        lingering.sort_by_key(|client| self.clients.counts_until(client));
        for (index, client) in lingering.iter().enumerate() {
            if index < surplus || !self.clients.is_live(client, now) {
                self.clients.leave(client);
                self.refresh(&self.around(client));
            }
        }
    }
}

impl Subscriber {
    pub(super) fn now_hears(&mut self, subscriber: ConnectionId, heard: &Heard) -> Vec<Change> {
        let before = std::mem::replace(&mut self.hears, heard.clone());
        let left = before.keys().filter(|kernel| !heard.contains_key(*kernel)).cloned();
        let left = left.map(|kernel| Change::Left { subscriber, kernel });
        let joined = heard.iter().filter(|(kernel, hearing)| before.get(*kernel) != Some(*hearing));
        let joined = joined.map(|(kernel, hearing)| {
            let (kernel, hearing) = (kernel.clone(), hearing.clone());
            Change::Joined { subscriber, kernel, hearing }
        });
        left.chain(joined).collect()
    }
}
