//! Who must and who may hear what, worked out from where connections are and from who is bound to what.
//!
//! Between the two lies only how long a client that has left is still counted with its process, which the tests of
//! presence pin down.

use std::collections::BTreeMap;

use super::super::*;
use super::operation::session;
use super::world::World;

/// Where a client's connections are, and where they were before it came back from elsewhere.
#[derive(Default)]
pub(super) struct Whereabouts {
    connections: Vec<Origin>,
    seen_at: BTreeSet<Origin>,
}

impl Whereabouts {
    pub(super) fn connect(&mut self, at: Origin) {
        if self.connections.is_empty() {
            self.seen_at.retain(|seen| *seen == at);
        }
        self.connections.push(at);
        self.seen_at.insert(at);
    }

    /// Whether there was a connection to end.
    pub(super) fn disconnect(&mut self) -> bool {
        self.connections.pop().is_some()
    }

    pub(super) fn is_connected(&self) -> bool {
        !self.connections.is_empty()
    }
}

/// An iopub connection.
pub(super) struct Listener {
    endpoint: EndpointId,
    origin: Origin,
    /// It has been asked to be matched by user.
    wide: bool,
    /// A client of its process has certainly shown up.
    met: bool,
    /// It may count one that had left as shown up.
    may_have_met: bool,
    subscribes: bool,
    /// What the one heard that it took over from.
    inherited: Option<(u64, BTreeSet<KernelId>)>,
}

impl Listener {
    pub(super) fn at(endpoint: EndpointId, origin: Origin, clients: &BTreeMap<usize, Whereabouts>) -> Self {
        let of_endpoint = || clients.iter().filter(|(number, _)| endpoint_of(**number) == endpoint);
        let met = of_endpoint().any(|(_, client)| client.connections.contains(&origin));
        let may_have_met = of_endpoint().any(|(_, client)| client.seen_at.contains(&origin));
        let hidden = matches!(origin, Origin::User { .. });
        let (met, may_have_met) = (met && !hidden, may_have_met && !hidden);
        Self { endpoint, origin, wide: hidden, met, may_have_met, subscribes: true, inherited: None }
    }

    pub(super) fn subscribe(&mut self, topics: usize) {
        self.subscribes = topics > 0;
    }

    pub(super) fn inherit(&mut self, from: u64, kernels: &[KernelId]) {
        self.inherited = Some((from, kernels.iter().cloned().collect()));
    }

    pub(super) fn end_inheritance(&mut self, from: u64) {
        self.inherited.take_if(|(lost, _)| *lost == from);
    }

    pub(super) fn widen(&mut self) {
        self.wide |= self.origin.uid().is_some();
    }

    fn must_hear(&self, client: &Whereabouts) -> bool {
        let exact = !matches!(self.origin, Origin::User { .. } | Origin::Unknown);
        (exact && client.connections.contains(&self.origin) && (self.met || !self.wide))
            || (self.wide && !self.may_have_met && self.owns(&client.connections))
    }

    fn may_hear(&self, client: &Whereabouts) -> bool {
        let exact = self.origin != Origin::Unknown && client.seen_at.contains(&self.origin);
        exact || (self.wide && !self.met && client.seen_at.iter().any(|at| at.same_owner(&self.origin)))
    }

    fn owns(&self, connections: &[Origin]) -> bool {
        connections.iter().any(|at| at.same_owner(&self.origin))
    }
}

/// By which connection file a client comes.
pub(super) fn endpoint_of(number: usize) -> EndpointId {
    client(&session(number)).endpoint
}

impl World {
    /// A client has shown up at an origin.
    pub(super) fn meet(&mut self, endpoint: EndpointId, at: Origin) {
        let hidden = matches!(at, Origin::User { .. });
        let there = |listener: &&mut Listener| (listener.endpoint, listener.origin) == (endpoint, at);
        for listener in self.listeners.values_mut().filter(there).filter(|_| !hidden) {
            (listener.met, listener.may_have_met) = (true, true);
        }
    }

    pub(super) fn check_hearing(&self) {
        let kernels_of = |endpoint, wanted: &dyn Fn(&Whereabouts) -> bool| -> BTreeSet<KernelId> {
            let clients = self.clients.iter().filter(|(number, _)| endpoint_of(**number) == endpoint);
            let clients = clients.filter(|(_, client)| wanted(client));
            clients.filter_map(|(number, _)| self.binding(*number)).collect()
        };
        for (subscriber, listener) in &self.listeners {
            let all = self.heard.iter().filter(|((who, _), _)| who == subscriber);
            let heard = all.clone();
            if !listener.subscribes {
                assert_eq!(heard.count(), 0, "{subscriber} has not subscribed to anything");
                continue;
            }
            let inherited = listener.inherited.clone().map(|(_, kernels)| kernels).unwrap_or_default();
            let heard = heard.filter(|((_, kernel), _)| !inherited.contains(kernel));
            self.check_visitors(listener, heard.clone().map(|((_, kernel), hearing)| (kernel, hearing)));
            self.check_that_visits_are_heard(
                listener,
                all.map(|((_, kernel), hearing)| (kernel, hearing)).collect(),
            );
            let heard = heard.filter(|(_, hearing)| **hearing == Hearing::Everything);
            let heard: BTreeSet<KernelId> = heard.map(|((_, kernel), _)| kernel.clone()).collect();
            let must = kernels_of(listener.endpoint, &|client| listener.must_hear(client));
            let must: BTreeSet<KernelId> = must.difference(&inherited).cloned().collect();
            let may = kernels_of(listener.endpoint, &|client| listener.may_hear(client));
            assert!(must.is_subset(&heard), "{subscriber} must hear {must:?} but hears {heard:?}");
            assert!(heard.is_subset(&may), "{subscriber} may hear {may:?} but hears {heard:?}");
        }
        let is_known = |who| self.listeners.contains_key(who) || self.lost.contains(who);
        let gone = self.heard.keys().find(|(who, _)| !is_known(who));
        assert_eq!(gone, None, "one that has ended still hears");
    }

    /// Of a kernel that is not its clients', a listener hears what answers those that visit it, and nothing else.
    fn check_visitors<'a>(
        &self,
        listener: &Listener,
        heard: impl Iterator<Item = (&'a KernelId, &'a Hearing)>,
    ) {
        let of_endpoint =
            || self.clients.iter().filter(|(number, _)| endpoint_of(**number) == listener.endpoint);
        let visits =
            |number: &usize, kernel| self.fleet.table.visited_by(&client(&session(*number))).contains(kernel);
        for (kernel, hearing) in heard {
            let Hearing::Visitors(visitors) = hearing else { continue };
            let may = of_endpoint().filter(|(number, who)| listener.may_hear(who) && visits(number, kernel));
            let may: BTreeSet<ClientId> = may.map(|(number, _)| client(&session(*number))).collect();
            assert!(!visitors.is_empty() && visitors.is_subset(&may), "{kernel}: {visitors:?} of {may:?}");
        }
    }

    /// What answers a client on the kernels that it visits, its listener hears, be it because another did in whose place it came.
    fn check_that_visits_are_heard(&self, listener: &Listener, heard: BTreeMap<&KernelId, &Hearing>) {
        let of_endpoint =
            || self.clients.iter().filter(|(number, _)| endpoint_of(**number) == listener.endpoint);
        for (number, _) in of_endpoint().filter(|(_, who)| listener.must_hear(who)) {
            for kernel in self.fleet.table.visited_by(&client(&session(*number))) {
                let hears = match heard.get(&kernel) {
                    Some(Hearing::Everything) => true,
                    Some(Hearing::Visitors(visitors)) => visitors.contains(&client(&session(*number))),
                    None => false,
                };
                assert!(hears, "client {number} visits {kernel}, and its listener does not hear that");
            }
        }
    }
}
