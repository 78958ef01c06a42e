//! Which iopub connection hears which kernels.
//!
//! A SUB socket cannot be told by identity and never authenticates itself, so it is matched by where it comes from:
//! it hears the kernels of the authenticated clients of its process (or remote address). Where no client of its
//! process shows up, as behind a tunnel, it hears those of its user, and never more.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use crate::id::{ClientId, ConnectionId, KernelId, Origin};

/// What changed in who hears what.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// From now on the subscriber hears the kernel.
    Joined {
        /// The iopub connection.
        subscriber: ConnectionId,
        /// What it hears.
        kernel: KernelId,
    },
    /// From now on it does not.
    Left {
        /// The iopub connection.
        subscriber: ConnectionId,
        /// What it no longer hears.
        kernel: KernelId,
    },
}

#[derive(Clone, Debug, Default)]
pub(super) struct Audience {
    subscribers: BTreeMap<ConnectionId, Subscriber>,
    subscribers_at: HashMap<Origin, BTreeSet<ConnectionId>>,
    /// Subscribers that may be matched by user.
    wide: BTreeSet<ConnectionId>,
    clients: BTreeMap<ClientId, Presence>,
    clients_at: HashMap<Origin, BTreeSet<ClientId>>,
    changes: Vec<Change>,
}

#[derive(Clone, Debug)]
struct Subscriber {
    origin: Origin,
    topics: usize,
    /// A client of its process has shown up: it stands behind no tunnel, and is never matched by user.
    met: bool,
    hears: BTreeSet<KernelId>,
}

/// Where a client is, and whether.
#[derive(Clone, Debug, Default)]
struct Presence {
    origins: BTreeSet<Origin>,
    kernel: Option<KernelId>,
    connections: usize,
    /// A client without connections still counts until then, for its listener may outlive its shell.
    until: Option<Instant>,
    /// It has left, and no listener can be its: it counts no more, whatever the time.
    gone: bool,
}

impl Presence {
    fn is_live(&self, now: Instant) -> bool {
        self.connections > 0 || (!self.gone && self.until.is_some_and(|until| now < until))
    }

    /// Whether a listener may be its.
    fn is_here(&self) -> bool {
        self.connections > 0 || !self.gone
    }
}

impl Audience {
    /// A shell or control connection has authenticated itself as this client's.
    pub(super) fn client_connected(&mut self, client: &ClientId, origin: Origin) {
        if !self.is_connected(client) {
            self.move_out(client, origin);
        }
        let presence = self.clients.entry(client.clone()).or_default();
        presence.connections += 1;
        let was_gone = std::mem::replace(&mut presence.gone, false);
        let is_new = presence.origins.insert(origin);
        if is_new {
            self.clients_at.entry(origin).or_default().insert(client.clone());
            self.narrow(origin);
        }
        if is_new || was_gone {
            self.refresh_around(client);
        }
    }

    /// One of the client's connections has ended.
    pub(super) fn client_disconnected(&mut self, client: &ClientId, now: Instant, linger: Duration) {
        let Some(presence) = self.clients.get_mut(client) else { return };
        presence.connections = presence.connections.saturating_sub(1);
        if presence.connections > 0 {
            return;
        }
        presence.until = Some(now + linger);
        for origin in presence.origins.clone() {
            self.end_lingering(origin, now);
        }
    }

    pub(super) fn bind(&mut self, client: &ClientId, kernel: Option<KernelId>) {
        self.clients.entry(client.clone()).or_default().kernel = kernel;
        self.refresh_around(client);
    }

    pub(super) fn forget_client(&mut self, client: &ClientId) {
        self.bind(client, None);
        let Some(presence) = self.clients.remove(client) else { return };
        for origin in presence.origins {
            remove_at(&mut self.clients_at, &origin, client);
        }
    }

    pub(super) fn subscriber_arrived(&mut self, subscriber: ConnectionId, origin: Origin) {
        let met = self.at(&origin).next().is_some();
        let entry = Subscriber { origin, topics: 0, met, hears: BTreeSet::new() };
        self.subscribers.insert(subscriber, entry);
        self.subscribers_at.entry(origin).or_default().insert(subscriber);
        if matches!(origin, Origin::User { .. }) {
            self.wide.insert(subscriber);
        }
        self.refresh(subscriber);
    }

    pub(super) fn topics_changed(&mut self, subscriber: ConnectionId, topics: usize) {
        if let Some(entry) = self.subscribers.get_mut(&subscriber) {
            entry.topics = topics;
        }
    }

    /// No client of the subscriber's process has shown up for so long that it is matched by user.
    pub(super) fn widen(&mut self, subscriber: ConnectionId) {
        let may = |entry: &Subscriber| !entry.met && entry.origin.uid().is_some();
        if self.subscribers.get(&subscriber).is_some_and(may) {
            self.wide.insert(subscriber);
            self.refresh(subscriber);
        }
    }

    /// A client of this process has shown up.
    fn narrow(&mut self, origin: Origin) {
        if !matches!(origin, Origin::Process { .. }) {
            return;
        }
        for subscriber in self.subscribers_at.get(&origin).into_iter().flatten() {
            self.wide.remove(subscriber);
            if let Some(entry) = self.subscribers.get_mut(subscriber) {
                entry.met = true;
            }
        }
    }

    pub(super) fn subscriber_left(&mut self, subscriber: ConnectionId, now: Instant) {
        let Some(entry) = self.subscribers.remove(&subscriber) else { return };
        remove_at(&mut self.subscribers_at, &entry.origin, &subscriber);
        self.wide.remove(&subscriber);
        self.changes.extend(entry.hears.into_iter().map(|kernel| Change::Left { subscriber, kernel }));
        self.end_lingering(entry.origin, now);
    }

    pub(super) fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    pub(super) fn is_live(&self, client: &ClientId, now: Instant) -> bool {
        self.clients.get(client).is_some_and(|presence| presence.is_live(now))
    }

    /// When a client that has left stopped counting, or will; `None` if it was never here.
    pub(super) fn counts_until(&self, client: &ClientId) -> Option<Instant> {
        self.clients.get(client)?.until
    }

    pub(super) fn is_connected(&self, client: &ClientId) -> bool {
        self.clients.get(client).is_some_and(|presence| presence.connections > 0)
    }

    /// Whether as many iopub connections listen at one of the client's origins as clients live there: then its own
    /// is among them, and nothing that it asks for now can be missed.
    pub(super) fn all_listen(&self, client: &ClientId, now: Instant) -> bool {
        let Some(presence) = self.clients.get(client) else { return false };
        presence.origins.iter().any(|origin| {
            let live = self.at(origin).filter(|client| self.is_live(client, now)).count();
            self.listening(origin) >= live
        })
    }

    /// The iopub connections that a message for this client alone goes to.
    pub(super) fn listeners(&self, client: &ClientId) -> Vec<ConnectionId> {
        let near = self.around(client).into_iter();
        near.filter(|subscriber| self.company(*subscriber).contains(&client)).collect()
    }

    pub(super) fn heard_by(&self, subscriber: ConnectionId) -> Vec<KernelId> {
        self.subscribers
            .get(&subscriber)
            .map(|entry| entry.hears.iter().cloned().collect())
            .unwrap_or_default()
    }

    /// The kernels that connections of this origin belong to, by the rule for subscribers that may be matched widely.
    pub(super) fn kernels_at(&self, origin: &Origin) -> BTreeSet<KernelId> {
        let kernel =
            |client: &ClientId| self.clients.get(client).and_then(|presence| presence.kernel.clone());
        let near: BTreeSet<KernelId> = self.here(origin).filter_map(kernel).collect();
        if !near.is_empty() {
            return near;
        }
        self.of_owner(origin).into_iter().filter_map(kernel).collect()
    }

    fn listening(&self, origin: &Origin) -> usize {
        let at = self.subscribers_at.get(origin).into_iter().flatten();
        at.filter(|subscriber| self.subscribers.get(subscriber).is_some_and(|entry| entry.topics > 0)).count()
    }

    fn at(&self, origin: &Origin) -> impl Iterator<Item = &ClientId> {
        let exact = matches!(origin, Origin::Process { .. } | Origin::Address(_));
        self.clients_at.get(origin).filter(|_| exact).into_iter().flatten()
    }

    /// Those of them that have not left for good. A session that was closed long ago must not be heard in the next.
    fn here(&self, origin: &Origin) -> impl Iterator<Item = &ClientId> {
        self.at(origin).filter(|client| self.clients.get(client).is_some_and(Presence::is_here))
    }

    fn of_owner(&self, origin: &Origin) -> Vec<&ClientId> {
        let owned = self.clients_at.iter().filter(|(at, _)| at.same_owner(origin));
        owned.flat_map(|(_, clients)| clients).collect()
    }

    /// The clients whose kernels a subscriber hears.
    fn company(&self, subscriber: ConnectionId) -> Vec<&ClientId> {
        let Some(entry) = self.subscribers.get(&subscriber) else { return Vec::new() };
        if self.wide.contains(&subscriber) {
            self.of_owner(&entry.origin)
        } else {
            self.here(&entry.origin).collect()
        }
    }

    /// All subscribers that may have to do with a client.
    fn around(&self, client: &ClientId) -> BTreeSet<ConnectionId> {
        let origins = self.clients.get(client).into_iter().flat_map(|presence| &presence.origins);
        let near = origins.filter_map(|origin| self.subscribers_at.get(origin)).flatten();
        near.chain(&self.wide).copied().collect()
    }

    fn refresh_around(&mut self, client: &ClientId) {
        for subscriber in self.around(client) {
            self.refresh(subscriber);
        }
    }

    fn refresh(&mut self, subscriber: ConnectionId) {
        let kernel =
            |client: &ClientId| self.clients.get(client).and_then(|presence| presence.kernel.clone());
        let hears: BTreeSet<KernelId> = self.company(subscriber).into_iter().filter_map(kernel).collect();
        let Some(entry) = self.subscribers.get_mut(&subscriber) else { return };
        let before = std::mem::replace(&mut entry.hears, hears);
        let left = before.difference(&entry.hears).cloned();
        self.changes.extend(left.map(|kernel| Change::Left { subscriber, kernel }));
        let joined = entry.hears.difference(&before).cloned();
        self.changes.extend(joined.map(|kernel| Change::Joined { subscriber, kernel }));
    }

    /// A client lingers for its time and while a listener may be its: those beyond the number of spare listeners are
    /// gone, the first to have left first.
    fn end_lingering(&mut self, origin: Origin, now: Instant) {
        let (connected, lingering): (Vec<&ClientId>, Vec<&ClientId>) =
            self.here(&origin).partition(|client| self.is_connected(client));
        let spare = self.listening(&origin).saturating_sub(connected.len());
        let surplus = lingering.len().saturating_sub(spare);
        let mut lingering: Vec<(Option<Instant>, ClientId)> =
            lingering.into_iter().map(|client| (self.counts_until(client), client.clone())).collect();
        lingering.sort();
        for (index, (_, client)) in lingering.into_iter().enumerate() {
            if index < surplus || !self.is_live(&client, now) {
                self.leave(&client);
            }
        }
    }

    /// A client that comes back from elsewhere is no longer where it was.
    fn move_out(&mut self, client: &ClientId, to: Origin) {
        let near = self.around(client);
        let Some(presence) = self.clients.get_mut(client) else { return };
        for origin in std::mem::take(&mut presence.origins) {
            if origin == to {
                presence.origins.insert(origin);
            } else {
                remove_at(&mut self.clients_at, &origin, client);
            }
        }
        for subscriber in near {
            self.refresh(subscriber);
        }
    }

    fn leave(&mut self, client: &ClientId) {
        if let Some(presence) = self.clients.get_mut(client) {
            presence.gone = true;
        }
        self.refresh_around(client);
    }
}

fn remove_at<T: Ord>(index: &mut HashMap<Origin, BTreeSet<T>>, origin: &Origin, item: &T) {
    if let Some(at) = index.get_mut(origin) {
        at.remove(item);
        if at.is_empty() {
            index.remove(origin);
        }
    }
}
