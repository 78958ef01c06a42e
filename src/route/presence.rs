//! Which clients are where, and whether they still are.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use crate::id::{ClientId, EndpointId, KernelId, Origin};

/// Where a connection comes from, and by which connection file: clients and listeners are matched by both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) struct Place {
    pub(super) endpoint: EndpointId,
    pub(super) origin: Origin,
}

/// Clients, by themselves and by where they are.
#[derive(Clone, Debug, Default)]
pub(super) struct Presence {
    clients: BTreeMap<ClientId, ClientPresence>,
    at: HashMap<Place, BTreeSet<ClientId>>,
}

#[derive(Clone, Debug, Default)]
struct ClientPresence {
    origins: BTreeSet<Origin>,
    kernel: Option<KernelId>,
    /// Kernels that it only visits, in the order in which it came to them.
    visits: Vec<KernelId>,
    connections: usize,
    /// A client without connections still counts until then, for its listener may outlive its shell.
    until: Option<Instant>,
    /// It has left, and no listener can be its: it counts no more, whatever the time.
    gone: bool,
}

impl Presence {
    /// A connection of the client's. `true`: that changes where it is, or whether.
    pub(super) fn connect(&mut self, client: &ClientId, origin: Origin) -> bool {
        let presence = self.clients.entry(client.clone()).or_default();
        if presence.connections == 0 {
            // Whoever comes back from elsewhere is no longer where he was.
            for left in presence.origins.iter().filter(|left| **left != origin) {
                remove_at(&mut self.at, &Place::of(client, *left), client);
            }
            presence.origins.retain(|kept| *kept == origin);
        }
        presence.connections += 1;
        let was_gone = std::mem::replace(&mut presence.gone, false);
        let is_new = presence.origins.insert(origin);
        if is_new {
            self.at.entry(Place::of(client, origin)).or_default().insert(client.clone());
        }
        is_new || was_gone
    }

    /// One connection less. `true`: it was the last, and the client lingers until then.
    pub(super) fn disconnect(&mut self, client: &ClientId, until: Instant) -> bool {
        let Some(presence) = self.clients.get_mut(client) else { return false };
        presence.connections = presence.connections.saturating_sub(1);
        if presence.connections == 0 {
            presence.until = Some(until);
        }
        presence.connections == 0
    }

    pub(super) fn bind(&mut self, client: &ClientId, kernel: Option<KernelId>) {
        self.clients.entry(client.clone()).or_default().kernel = kernel;
    }

    /// The client counts no more, but is remembered.
    pub(super) fn leave(&mut self, client: &ClientId) {
        if let Some(presence) = self.clients.get_mut(client) {
            presence.gone = true;
        }
    }

    pub(super) fn forget(&mut self, client: &ClientId) {
        let Some(presence) = self.clients.remove(client) else { return };
        for origin in presence.origins {
            remove_at(&mut self.at, &Place::of(client, origin), client);
        }
    }

    pub(super) fn is_connected(&self, client: &ClientId) -> bool {
        self.clients.get(client).is_some_and(|presence| presence.connections > 0)
    }

    pub(super) fn is_live(&self, client: &ClientId, now: Instant) -> bool {
        let Some(presence) = self.clients.get(client) else { return false };
        presence.connections > 0 || (!presence.gone && presence.until.is_some_and(|until| now < until))
    }

    /// When a client that has left stopped counting, or will; `None` if it was never here.
    pub(super) fn counts_until(&self, client: &ClientId) -> Option<Instant> {
        self.clients.get(client)?.until
    }

    pub(super) fn kernel_of(&self, client: &ClientId) -> Option<&KernelId> {
        self.clients.get(client)?.kernel.as_ref()
    }

    /// The kernels that it only visits.
    pub(super) fn visits_of(&self, client: &ClientId) -> impl Iterator<Item = &KernelId> {
        self.clients.get(client).into_iter().flat_map(|presence| &presence.visits)
    }

    /// Begins or ends a visit; `false` if the client is not known.
    pub(super) fn visit(&mut self, client: &ClientId, kernel: &KernelId, begins: bool) -> bool {
        let Some(presence) = self.clients.get_mut(client) else { return false };
        presence.visits.retain(|visited| visited != kernel || begins);
        if begins && !presence.visits.contains(kernel) {
            presence.visits.push(kernel.clone());
        }
        true
    }

    pub(super) fn origins_of(&self, client: &ClientId) -> impl Iterator<Item = &Origin> {
        self.clients.get(client).into_iter().flat_map(|presence| &presence.origins)
    }

    pub(super) fn places_of(&self, client: &ClientId) -> impl Iterator<Item = Place> {
        self.origins_of(client).map(|origin| Place::of(client, *origin))
    }

    /// The clients at one process or address that a listener there may belong to. A session that was closed long ago
    /// must not be heard in the next one.
    pub(super) fn here(&self, place: &Place) -> impl Iterator<Item = &ClientId> {
        let at = self.at.get(place).into_iter().flatten();
        at.filter(|client| self.is_here(client, place))
    }

    /// Whether a listener at this process or address may be the client's.
    pub(super) fn is_here(&self, client: &ClientId, place: &Place) -> bool {
        let exact = matches!(place.origin, Origin::Process { .. } | Origin::Address(_));
        let here = |presence: &ClientPresence| !presence.gone && presence.origins.contains(&place.origin);
        exact && client.endpoint == place.endpoint && self.clients.get(client).is_some_and(here)
    }

    /// The clients that have been at this place and nowhere else since.
    pub(super) fn all_at(&self, place: &Place) -> impl Iterator<Item = &ClientId> {
        self.at.get(place).into_iter().flatten()
    }

    /// All clients of the place's user or address.
    pub(super) fn of_owner(&self, place: &Place) -> impl Iterator<Item = &ClientId> {
        self.at.iter().filter(|(at, _)| at.same_owner(place)).flat_map(|(_, clients)| clients)
    }
}

impl Place {
    fn of(client: &ClientId, origin: Origin) -> Self {
        Self { endpoint: client.endpoint, origin }
    }

    /// Whether both belong to one user of this machine, or to one remote address, and to one connection file.
    pub(super) fn same_owner(&self, other: &Self) -> bool {
        self.endpoint == other.endpoint && self.origin.same_owner(&other.origin)
    }

    /// Whose listeners may be matched by user here; `None` if nobody's.
    pub(super) fn user(&self) -> Option<(EndpointId, u32)> {
        self.origin.uid().map(|uid| (self.endpoint, uid))
    }
}

/// Takes an item out of an index by place, and its entry with the last one.
pub(super) fn remove_at<T: Ord>(index: &mut HashMap<Place, BTreeSet<T>>, place: &Place, item: &T) {
    if let Some(at) = index.get_mut(place) {
        at.remove(item);
        if at.is_empty() {
            index.remove(place);
        }
    }
}
