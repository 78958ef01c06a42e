//! Iopub connections on their way in: accepted, and not subscribed yet.
//!
//! Clients connect iopub before they ask for anything, so when a client's first message is here, its iopub connection has
//! been accepted at least. To count those that listen is not enough: one of them may be that of a client of the same
//! process that has not asked for anything yet.

use std::{collections::BTreeMap, sync::Arc};

use parking_lot::Mutex;

use crate::id::{EndpointId, Origin};
use crate::proxy::Proxy;

/// Those that are on their way, by their numbers, which rise.
#[derive(Debug, Default)]
pub(crate) struct Arrivals(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    next: u64,
    coming: BTreeMap<u64, (EndpointId, Option<Origin>)>,
}

/// One of them, until it is dropped.
#[derive(Debug)]
pub(crate) struct Arrival {
    proxy: Arc<Proxy>,
    number: u64,
}

impl Proxy {
    /// An iopub connection has been accepted.
    pub(crate) fn arrives(self: &Arc<Self>, endpoint: EndpointId) -> Arrival {
        Arrival { proxy: self.clone(), number: self.arrivals.begin(endpoint) }
    }
}

impl Arrival {
    /// Where it comes from. Until that is known, it may be anyone's.
    pub(crate) fn is_from(&self, origin: Origin) {
        self.proxy.arrivals.locate(self.number, origin);
        self.proxy.audience_changed.notify_waiters();
    }
}

impl Drop for Arrival {
    fn drop(&mut self) {
        self.proxy.arrivals.end(self.number);
        self.proxy.audience_changed.notify_waiters();
    }
}

impl Arrivals {
    /// A number that only later ones have.
    pub(crate) fn now(&self) -> u64 {
        self.0.lock().next
    }

    /// Whether one that came before is still on its way, by this file and from a place that fits.
    pub(crate) fn any_before(
        &self,
        number: u64,
        endpoint: EndpointId,
        fits: impl Fn(Origin) -> bool,
    ) -> bool {
        let state = self.0.lock();
        let mut earlier = state.coming.range(..number).map(|(_, coming)| coming);
        earlier.any(|(by, origin)| *by == endpoint && origin.is_none_or(&fits))
    }

    fn begin(&self, endpoint: EndpointId) -> u64 {
        let mut state = self.0.lock();
        let number = state.next;
        state.next += 1;
        state.coming.insert(number, (endpoint, None));
        number
    }

    fn locate(&self, number: u64, origin: Origin) {
        if let Some((_, known)) = self.0.lock().coming.get_mut(&number) {
            *known = Some(origin);
        }
    }

    fn end(&self, number: u64) {
        self.0.lock().coming.remove(&number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: Origin = Origin::Process { uid: 1, pid: 1 };
    const ELSEWHERE: Origin = Origin::Process { uid: 1, pid: 2 };

    #[test]
    fn only_those_that_came_before_and_may_be_from_here_are_waited_for() {
        let arrivals = Arrivals::default();
        let awaited = |before| arrivals.any_before(before, EndpointId::DEFAULT, |origin| origin == HERE);
        let (one, other) = (arrivals.begin(EndpointId::DEFAULT), arrivals.begin(EndpointId::DEFAULT));
        let now = arrivals.now();
        arrivals.begin(EndpointId::DEFAULT);
        assert!(awaited(now), "nobody knows yet where they are from");
        arrivals.locate(one, ELSEWHERE);
        assert!(awaited(now));
        arrivals.locate(other, HERE);
        assert!(awaited(now));
        assert!(!awaited(other), "it came later");
        arrivals.end(other);
        assert!(!awaited(now), "one is elsewhere, one came later");
        assert!(awaited(arrivals.now()));
    }
}
