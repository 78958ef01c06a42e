//! What routing knows, for those who look after the fleet; and the few things that they change in it.

use std::time::{Duration, Instant};

use super::{
    KernelState, Launch, Offer, Reason, Refusal, Requirements, Table, placement::launchable, table::Kernel,
};
use crate::id::{ClientId, KernelId, Origin};

/// Why a client has its kernel.
#[derive(Clone, Debug)]
pub(super) struct Choice {
    asked: Requirements,
    reason: Reason,
    at: Instant,
}

/// How a kernel is used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Occupancy {
    /// Which kernel.
    pub kernel: KernelId,
    /// What it offers.
    pub offer: Offer,
    /// Its group.
    pub group: Option<String>,
    /// Nobody has had it yet: any group may have it.
    pub pristine: bool,
    /// It is one client's alone.
    pub exclusive: bool,
    /// Where it is in its life.
    pub state: KernelState,
    /// How many live clients it has.
    pub clients: usize,
    /// How many requests wait for its replies.
    pub requests: usize,
}

/// A client that is bound to a kernel.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BoundClient {
    /// Which client.
    pub client: ClientId,
    /// Its kernel.
    pub kernel: KernelId,
    /// Whether it counts: it has a connection, or had one a moment ago.
    pub live: bool,
    /// Where its connections come from.
    pub origins: Vec<Origin>,
    /// What it asked for and why it got this kernel, how long ago; `None` if that was before this `serve`.
    pub choice: Option<(Requirements, Reason, Duration)>,
}

impl<A> Table<A> {
    /// All kernels, the oldest first.
    pub fn occupancy(&self, now: Instant) -> Vec<Occupancy> {
        let mut kernels: Vec<_> = self.kernels.iter().collect();
        kernels.sort_by_key(|(_, kernel)| kernel.born);
        let report = |(id, kernel): (&KernelId, &Kernel<A>)| Occupancy {
            kernel: id.clone(),
            offer: kernel.offer.clone(),
            group: kernel.group.clone(),
            pristine: kernel.pristine,
            exclusive: kernel.exclusive,
            state: kernel.state,
            clients: self.live_clients(kernel, now),
            requests: kernel.in_flight.len(),
        };
        kernels.into_iter().map(report).collect()
    }

    /// All clients that are bound to kernels.
    pub fn clients(&self, now: Instant) -> Vec<BoundClient> {
        let bound = self.kernels.iter().flat_map(|(id, kernel)| kernel.clients.iter().map(move |c| (id, c)));
        let report = |(id, client): (&KernelId, &ClientId)| BoundClient {
            client: client.clone(),
            kernel: id.clone(),
            live: self.is_live(client, now),
            origins: self.origins_of(client),
            choice: self.choices.get(client).map(|choice| {
                (choice.asked.clone(), choice.reason.clone(), now.saturating_duration_since(choice.at))
            }),
        };
        bound.map(report).collect()
    }

    /// Whether a client counts: it has a connection, or had one a moment ago.
    pub fn is_live(&self, client: &ClientId, now: Instant) -> bool {
        self.audience.clients().is_live(client, now)
    }

    /// Where the client's connections come from.
    pub fn origins_of(&self, client: &ClientId) -> Vec<Origin> {
        self.audience.clients().origins_of(client).copied().collect()
    }

    /// Since when a client has its kernel; `None` if that was before this `serve`, or it has none.
    pub fn bound_for(&self, client: &ClientId, now: Instant) -> Option<Duration> {
        self.choices.get(client).map(|choice| now.saturating_duration_since(choice.at))
    }

    /// Notes why a client that has just been bound got its kernel.
    pub(super) fn remember_choice(
        &mut self,
        client: &ClientId,
        asked: Requirements,
        reason: Reason,
        at: Instant,
    ) {
        self.choices.insert(client.clone(), Choice { asked, reason, at });
    }

    /// Enters a kernel for clients to come, which belongs to the group asked for from the beginning. Kernels that live
    /// are not considered.
    ///
    /// # Errors
    /// It can be launched from no runtime, or there is no room for it.
    pub fn reserve(
        &mut self,
        requirements: &Requirements,
        fresh: impl FnOnce() -> KernelId,
    ) -> Result<(KernelId, Launch), Refusal> {
        let (runtime, memory_limit) = launchable(requirements, &[], &self.settings)?;
        let id = fresh();
        let launch = self.admit(&id, runtime, memory_limit, requirements)?;
        if let Some(kernel) = self.kernels.get_mut(&id) {
            kernel.pristine = false;
            kernel.group.clone_from(&requirements.group);
        }
        Ok((id, launch))
    }

    /// The kernel is about to be stopped: its clients' next requests go elsewhere. Returns how many it had.
    pub fn release(&mut self, id: &KernelId, now: Instant) -> usize {
        let clients = self.kernels.get(id).map_or(0, |kernel| self.live_clients(kernel, now));
        self.stop_kernel(id);
        clients
    }
}
