//! Everything that routing remembers; here, kernels and subscribers. Clients are in `bindings`, requests in `requests`.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Instant,
};

use super::{
    Candidate, Change, Offer, Outstanding, Requirements, Settings, audience::Audience, cull::Idle,
    in_flight::InFlight, presence::Place, report::Choice,
};
use crate::id::{ClientId, ConnectionId, EndpointId, KernelId, Origin};

/// Where a kernel is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelState {
    /// Being launched or relaunched: messages to it wait.
    Starting,
    /// Taking messages.
    Ready,
    /// Being stopped: no client is bound to it any more.
    Stopping,
}

/// Everything that routing remembers. `A` is where replies go.
#[derive(Clone, Debug)]
pub struct Table<A> {
    pub(super) settings: Settings,
    pub(super) kernels: BTreeMap<KernelId, Kernel<A>>,
    /// How many requests of each client wait for replies, where any do.
    pub(super) outstanding: HashMap<(ClientId, bool), usize>,
    pub(super) audience: Audience,
    /// Runtimes whose `kernel_info_reply` is known.
    pub(super) informed: BTreeSet<usize>,
    /// What clients want that have moved, should they have to be placed again.
    pub(super) moved: HashMap<ClientId, Requirements>,
    /// The routing metadata that comes with every message of a client.
    pub(super) standing: HashMap<ClientId, Box<str>>,
    /// Why each bound client has its kernel.
    pub(super) choices: HashMap<ClientId, Choice>,
    births: u64,
    /// Raised with each change of what is [remembered](Self::remembered_clients).
    pub(super) revision: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Kernel<A> {
    pub(super) runtime: usize,
    pub(super) offer: Offer,
    /// Its memory limit is enforced.
    pub(super) enforced: bool,
    pub(super) group: Option<String>,
    pub(super) pristine: bool,
    pub(super) exclusive: bool,
    pub(super) state: KernelState,
    /// What was sent by an earlier `serve` may still run: its shell may be blocked.
    pub(super) has_past: bool,
    pub(super) clients: BTreeSet<ClientId>,
    /// Clients of other kernels that run single cells here.
    pub(super) visitors: BTreeSet<ClientId>,
    pub(super) in_flight: InFlight<A>,
    pub(super) idle: Idle,
    pub(super) born: u64,
}

impl<A> Kernel<A> {
    /// Its clients and its visitors.
    pub(super) fn users(&self) -> impl Iterator<Item = &ClientId> {
        self.clients.iter().chain(&self.visitors)
    }
}

impl<A> Table<A> {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            kernels: BTreeMap::new(),
            outstanding: HashMap::new(),
            audience: Audience::default(),
            informed: BTreeSet::new(),
            moved: HashMap::new(),
            standing: HashMap::new(),
            choices: HashMap::new(),
            births: 0,
            revision: 0,
        }
    }

    /// What changed since the last call in who hears what. To be carried out before the next message is routed.
    pub fn take_changes(&mut self) -> Vec<Change> {
        self.audience.take_changes()
    }

    // Kernels.

    /// Enters a kernel of the runtime with this index, nobody's yet.
    pub fn launch(&mut self, id: &KernelId, runtime: usize) -> Option<()> {
        let offer = self.settings.runtimes.get(runtime)?.clone();
        let kernel = Kernel {
            runtime,
            offer,
            enforced: true,
            group: None,
            pristine: true,
            exclusive: false,
            state: KernelState::Starting,
            has_past: false,
            clients: BTreeSet::new(),
            visitors: BTreeSet::new(),
            in_flight: InFlight::default(),
            idle: Idle::default(),
            born: self.births,
        };
        self.births += 1;
        self.revision += 1;
        self.kernels.insert(id.clone(), kernel);
        Some(())
    }

    /// Whether the memory limit of the kernel's process is enforced. (A process whose limit cannot be set is not started.)
    pub fn memory_limit_is_enforced(&mut self, id: &KernelId, enforced: bool) {
        if let Some(kernel) = self.kernels.get_mut(id) {
            kernel.enforced = enforced;
        }
    }

    /// The kernel takes messages now, and its runtime's `kernel_info_reply` is known.
    pub fn kernel_is_ready(&mut self, id: &KernelId) {
        self.kernel_takes_messages(id);
        let runtime = self.kernels.get(id).map(|kernel| kernel.runtime);
        self.informed.extend(runtime);
    }

    /// The kernel takes messages now, whoever it is.
    pub fn kernel_takes_messages(&mut self, id: &KernelId) {
        if let Some(kernel) = self.kernels.get_mut(id).filter(|kernel| kernel.state == KernelState::Starting)
        {
            kernel.state = KernelState::Ready;
        }
    }

    /// Whether the kernel may still run what an earlier `serve` sent.
    pub fn has_past(&mut self, id: &KernelId, has_past: bool) {
        if let Some(kernel) = self.kernels.get_mut(id) {
            kernel.has_past = has_past;
        }
    }

    /// A kernel has told the language of the runtime with this index. It counts if the kernelspec names none.
    pub fn learn_language(&mut self, runtime: usize, language: &str) {
        let kernels = self.kernels.values_mut().filter(|kernel| kernel.runtime == runtime);
        let offers = kernels.map(|kernel| &mut kernel.offer).chain(self.settings.runtimes.get_mut(runtime));
        for offer in offers.filter(|offer| offer.language.is_empty()) {
            language.clone_into(&mut offer.language);
        }
    }

    /// The kernel's process is gone; its bindings stay, for it comes back. Returns what will never be answered.
    pub fn kernel_is_down(&mut self, id: &KernelId) -> Vec<Outstanding<A>> {
        let Some(kernel) = self.kernels.get_mut(id) else { return Vec::new() };
        if kernel.state == KernelState::Ready {
            kernel.state = KernelState::Starting;
        }
        kernel.has_past = false;
        let lost = kernel.in_flight.drain();
        self.forget_requests(&lost);
        lost
    }

    /// The kernel is gone for good, and so are its bindings. Returns what will never be answered.
    pub fn remove_kernel(&mut self, id: &KernelId) -> Vec<Outstanding<A>> {
        let lost = self.kernel_is_down(id);
        self.unbind_all(id);
        self.send_visitors_home(id);
        self.kernels.remove(id);
        self.revision += 1;
        lost
    }

    /// The kernel is about to be stopped: its clients' next requests go elsewhere.
    pub(super) fn stop_kernel(&mut self, id: &KernelId) {
        self.unbind_all(id);
        self.send_visitors_home(id);
        if let Some(kernel) = self.kernels.get_mut(id) {
            kernel.state = KernelState::Stopping;
        }
    }

    /// Kernels of a runtime that nobody has had yet.
    pub fn pristine_kernels(&self, runtime: usize) -> usize {
        let ready = |kernel: &&Kernel<A>| kernel.pristine && kernel.state != KernelState::Stopping;
        self.kernels.values().filter(ready).filter(|kernel| kernel.runtime == runtime).count()
    }

    /// The youngest of the kernels that connections of this origin belong to, by this connection file.
    pub fn kernel_at(&self, endpoint: EndpointId, origin: Origin) -> Option<KernelId> {
        let kernels = self.audience.kernels_at(&Place { endpoint, origin }).into_iter();
        kernels.max_by_key(|id| self.kernels.get(id).map(|kernel| kernel.born))
    }

    pub(super) fn candidates(&self, now: Instant) -> Vec<Candidate<'_>> {
        let usable = self.kernels.iter().filter(|(_, kernel)| kernel.state != KernelState::Stopping);
        usable
            .map(|(id, kernel)| Candidate {
                kernel: id,
                offer: &kernel.offer,
                enforced: kernel.enforced,
                group: kernel.group.as_deref(),
                pristine: kernel.pristine,
                exclusive: kernel.exclusive,
                clients: self.live_clients(kernel, now),
                load: kernel.in_flight.len(),
                born: kernel.born,
            })
            .collect()
    }

    pub(super) fn live_clients(&self, kernel: &Kernel<A>, now: Instant) -> usize {
        kernel.users().filter(|client| self.audience.clients().is_live(client, now)).count()
    }

    // Subscribers.

    /// An iopub connection has been accepted.
    pub fn subscriber_arrived(&mut self, subscriber: ConnectionId, endpoint: EndpointId, origin: Origin) {
        self.audience.subscriber_arrived(subscriber, Place { endpoint, origin });
    }

    /// How many subscriptions it has now.
    pub fn topics_changed(&mut self, subscriber: ConnectionId, topics: usize) {
        self.audience.topics_changed(subscriber, topics);
    }

    /// It has waited so long for a client of its process that it is matched by user from now on.
    pub fn widen(&mut self, subscriber: ConnectionId) {
        self.audience.widen(subscriber);
    }

    /// It has ended.
    pub fn subscriber_left(&mut self, subscriber: ConnectionId, now: Instant) {
        self.audience.subscriber_left(subscriber, now);
    }

    /// Its connection is lost. `true`: it goes on hearing what it heard, until another one takes over or it has left.
    pub fn subscriber_lost(&mut self, subscriber: ConnectionId, now: Instant) -> bool {
        self.audience.subscriber_lost(subscriber, now)
    }

    /// Whether its connection is lost, and no other has taken over.
    pub fn is_lost(&self, subscriber: ConnectionId) -> bool {
        self.audience.lost.contains_key(&subscriber)
    }

    /// Whoever took over from it some time ago hears from now on what its own clients do.
    pub fn end_inheritance(&mut self, subscriber: ConnectionId) {
        self.audience.end_inheritance(subscriber);
    }

    /// The iopub connections from the same place by the same connection file.
    pub fn neighbours(&self, endpoint: EndpointId, origin: Origin) -> Vec<ConnectionId> {
        self.audience.at(&Place { endpoint, origin }).collect()
    }

    /// Whether the client's own iopub connection must be there, so that its first request can go out.
    pub fn all_listen(&self, client: &ClientId, now: Instant) -> bool {
        self.audience.all_listen(client, now)
    }

    /// Whether this is where the client is.
    pub fn is_at(&self, client: &ClientId, origin: Origin) -> bool {
        self.audience.is_at(client, origin)
    }

    /// The iopub connections that a message for this client alone goes to.
    pub fn listeners(&self, client: &ClientId) -> Vec<ConnectionId> {
        self.audience.listeners(client)
    }
}
