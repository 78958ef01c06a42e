//! Which iopub connection hears which kernels.
//!
//! A SUB socket cannot be told by identity and never authenticates itself, so it is matched by where it comes from:
//! it hears the kernels of the authenticated clients of its process (or remote address). Where no client of its
//! process shows up, as behind a tunnel, it hears those of its user, and never more. All that within one endpoint: by
//! another connection file come other clients, and other keys.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{
    RememberedClient,
    lost_subscribers::Inherited,
    presence::{Place, Presence, remove_at},
};
use crate::id::{ClientId, ConnectionId, EndpointId, KernelId, Origin};

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
    /// From now on a subscriber hears what a lost one heard, and gets what was retained for that.
    TakenOver {
        /// The iopub connection that is lost. It hears nothing any more.
        lost: ConnectionId,
        /// The one that came in its place.
        by: ConnectionId,
        /// What the lost one heard.
        kernels: Vec<KernelId>,
    },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Audience {
    pub(super) clients: Presence,
    pub(super) subscribers: BTreeMap<ConnectionId, Subscriber>,
    subscribers_at: HashMap<Place, BTreeSet<ConnectionId>>,
    /// Subscribers that are matched by user, under their endpoint and user.
    wide: BTreeSet<((EndpointId, u32), ConnectionId)>,
    /// Subscribers whose connections are lost, and since when.
    pub(super) lost: BTreeMap<ConnectionId, Instant>,
    pub(super) changes: Vec<Change>,
}

#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) place: Place,
    /// How many subscriptions it has. Without any, it hears nothing.
    topics: usize,
    /// A client of its process has shown up: it stands behind no tunnel, and is never matched by user.
    met: bool,
    pub(super) hears: Heard,
    pub(super) inherited: Option<Inherited>,
}

impl Subscriber {
    /// Whether it has subscribed to anything.
    pub(super) fn listens(&self) -> bool {
        self.topics > 0
    }
}

/// Which kernels are heard, and how much of each.
pub(super) type Heard = BTreeMap<KernelId, Hearing>;

impl Audience {
    /// A shell or control connection has authenticated itself as this client's.
    pub(super) fn client_connected(&mut self, client: &ClientId, origin: Origin) {
        let mut near = self.around(client);
        if self.clients.connect(client, origin) {
            self.narrow(Place { endpoint: client.endpoint, origin });
            near.extend(self.around(client));
            self.refresh(&near);
        }
    }

    /// A client of an earlier `serve` is expected back until then.
    pub(super) fn recall_client(&mut self, remembered: &RememberedClient, until: Instant) {
        let RememberedClient { client, kernel, origins, .. } = remembered;
        for origin in origins {
            self.clients.connect(client, *origin);
        }
        for _ in origins {
            self.clients.disconnect(client, until);
        }
        self.clients.bind(client, Some(kernel.clone()));
        self.refresh(&self.around(client));
    }

    /// One of the client's connections has ended.
    pub(super) fn client_disconnected(&mut self, client: &ClientId, now: Instant, linger: Duration) {
        if self.clients.disconnect(client, now + linger) {
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

    pub(super) fn subscriber_arrived(&mut self, subscriber: ConnectionId, place: Place) {
        let met = self.clients.here(&place).next().is_some();
        let entry = Subscriber { place, topics: 0, met, hears: Heard::new(), inherited: None };
        self.subscribers.insert(subscriber, entry);
        self.subscribers_at.entry(place).or_default().insert(subscriber);
        if matches!(place.origin, Origin::User { .. }) {
            self.wide.extend(place.user().map(|user| (user, subscriber)));
        }
    }

    pub(super) fn topics_changed(&mut self, subscriber: ConnectionId, topics: usize) {
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        let before = std::mem::replace(&mut entry.topics, topics);
        if (before == 0) != (topics == 0) {
            self.refresh(&BTreeSet::from([subscriber]));
        }
    }

    /// No client of the subscriber's process has shown up for so long that it is matched by user.
    pub(super) fn widen(&mut self, subscriber: ConnectionId) {
        let Some(entry) = self.subscribers.get(&subscriber) else { return };
        if !entry.met
            && let Some(user) = entry.place.user()
        {
            self.wide.insert((user, subscriber));
            self.refresh(&BTreeSet::from([subscriber]));
        }
    }

    pub(super) fn subscriber_left(&mut self, subscriber: ConnectionId, now: Instant) {
        let was_lost = self.lost.contains_key(&subscriber);
        let Some(entry) = self.remove_subscriber(subscriber) else { return };
        self.changes.extend(entry.hears.into_keys().map(|kernel| Change::Left { subscriber, kernel }));
        self.end_lingering(entry.place, now);
        if was_lost {
            let neighbours = self.at(&entry.place).collect();
            self.refresh(&neighbours);
        }
    }

    pub(super) fn remove_subscriber(&mut self, subscriber: ConnectionId) -> Option<Subscriber> {
        self.lost.remove(&subscriber);
        let entry = self.subscribers.remove(&subscriber)?;
        remove_at(&mut self.subscribers_at, &entry.place, &subscriber);
        self.not_wide(&entry.place, subscriber);
        Some(entry)
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn clients(&self) -> &Presence {
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
            if self.lost.contains_key(subscriber) {
                self.clients.places_of(client).any(|place| place == entry.place)
            } else if self.is_wide(&entry.place, *subscriber) {
                owned(&entry.place)
            } else {
                self.clients.is_here(client, &entry.place)
            }
        };
        self.around(client).into_iter().filter(hears).collect()
    }

    /// The subscribers at a place whose connections are not lost.
    pub(super) fn at(&self, place: &Place) -> impl Iterator<Item = ConnectionId> {
        let at = self.subscribers_at.get(place).into_iter().flatten().copied();
        at.filter(|subscriber| !self.lost.contains_key(subscriber))
    }

    /// The kernels that connections at this place belong to: those of its clients, else of its user's.
    pub(super) fn kernels_at(&self, place: &Place) -> BTreeSet<KernelId> {
        let kernels = |wide| {
            let clients = self.clients_at(place, wide).into_iter();
            clients.filter_map(|client| self.clients.kernel_of(client).cloned()).collect::<BTreeSet<_>>()
        };
        let near = kernels(false);
        if near.is_empty() { kernels(true) } else { near }
    }

    /// The clients at a place, or all its owner's.
    pub(super) fn clients_at(&self, place: &Place, wide: bool) -> Vec<&ClientId> {
        if wide { self.clients.of_owner(place).collect() } else { self.clients.here(place).collect() }
    }

    /// What is heard at a place: the kernels of its clients, and of those that they visit what answers them.
    fn heard_at(&self, place: &Place, wide: bool) -> Heard {
        let mut heard = Heard::new();
        self.add_heard(self.clients_at(place, wide).into_iter(), &mut heard);
        heard
    }

    /// Adds the kernels of these clients, and of those that they visit what answers them.
    pub(super) fn add_heard<'a>(
        &self,
        clients: impl Iterator<Item = &'a ClientId> + Clone,
        heard: &mut Heard,
    ) {
        for client in clients.clone() {
            for kernel in self.clients.visits_of(client) {
                let hearing =
                    heard.entry(kernel.clone()).or_insert_with(|| Hearing::Visitors(BTreeSet::new()));
                if let Hearing::Visitors(visitors) = hearing {
                    visitors.insert(client.clone());
                }
            }
        }
        let own = clients.filter_map(|client| self.clients.kernel_of(client));
        heard.extend(own.map(|kernel| (kernel.clone(), Hearing::Everything)));
    }

    pub(super) fn is_wide(&self, place: &Place, subscriber: ConnectionId) -> bool {
        place.user().is_some_and(|user| self.wide.contains(&(user, subscriber)))
    }

    fn not_wide(&mut self, place: &Place, subscriber: ConnectionId) {
        if let Some(user) = place.user() {
            self.wide.remove(&(user, subscriber));
        }
    }

    fn listening(&self, place: &Place) -> usize {
        let has_topics = |subscriber: &ConnectionId| {
            self.subscribers.get(subscriber).is_some_and(|entry| entry.topics > 0)
        };
        self.at(place).filter(has_topics).count()
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
    fn wide_of(&self, user: (EndpointId, u32)) -> impl Iterator<Item = ConnectionId> {
        let every = (user, ConnectionId(u64::MIN))..=(user, ConnectionId(u64::MAX));
        self.wide.range(every).map(|(_, subscriber)| *subscriber)
    }

    pub(super) fn refresh(&mut self, subscribers: &BTreeSet<ConnectionId>) {
        // Those at one place hear the same, and one process may have hundreds of them.
        let mut known: HashMap<(Place, bool), Heard> = HashMap::new();
        // Of several that could take over from a lost one, the latest does.
        for subscriber in subscribers.iter().rev().copied() {
            let Some(entry) = self.subscribers.get(&subscriber) else { continue };
            if self.lost.contains_key(&subscriber) {
                let hears = self.heard_by_lost(subscriber);
                self.now_hears(subscriber, &hears);
            } else if entry.topics == 0 {
                self.now_hears(subscriber, &Heard::new());
            } else {
                let (place, wide) = (entry.place, self.is_wide(&entry.place, subscriber));
                let hears = known.entry((place, wide)).or_insert_with(|| self.heard_at(&place, wide));
                if let Some(lost) = self.predecessor(subscriber, hears) {
                    self.take_over(lost, subscriber);
                }
                self.now_hears(subscriber, hears);
            }
        }
    }

    /// The subscriber hears these kernels from now on, and those that it has inherited.
    fn now_hears(&mut self, subscriber: ConnectionId, heard: &Heard) {
        let kept = self.also_heard_by_lost(subscriber, heard);
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        let mut hears = heard.clone();
        hears.extend(kept);
        for (kernel, hearing) in entry.inherited.iter().flat_map(|inherited| &inherited.heard) {
            hears.entry(kernel.clone()).or_insert_with(|| hearing.clone());
        }
        let before = std::mem::replace(&mut entry.hears, hears);
        let left = before.keys().filter(|kernel| !entry.hears.contains_key(*kernel)).cloned();
        let left = left.map(|kernel| Change::Left { subscriber, kernel });
        let joined = entry.hears.iter().filter(|(kernel, hearing)| before.get(*kernel) != Some(*hearing));
        let joined = joined.map(|(kernel, hearing)| {
            let (kernel, hearing) = (kernel.clone(), hearing.clone());
            Change::Joined { subscriber, kernel, hearing }
        });
        self.changes.extend(left.chain(joined));
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
