//! Clients, kernels, and what binds them: everything that routing remembers.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::{Duration, Instant},
};

use super::{Candidate, Change, Offer, Outstanding, Requirements, audience::Audience, in_flight::InFlight};
use crate::{
    channel::Channel,
    id::{ClientId, ConnectionId, KernelId, Origin},
};

/// What routing is told once, at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What can be launched, in order of preference.
    pub runtimes: Vec<Offer>,
    /// The index of the default runtime.
    pub default: usize,
    /// How long a client without connections still counts as live.
    pub linger: Duration,
    /// Requests of one client that may wait for replies.
    pub requests_in_flight: usize,
    /// Clients remembered per kernel.
    pub remembered_clients: usize,
    /// Who may restart a shared kernel.
    pub restart: RestartRight,
}

/// Who may restart a kernel that has several clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartRight {
    /// Each of them.
    #[default]
    Anyone,
    /// Only a client that has the kernel to itself.
    Sole,
}

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
    pub(super) clients: HashMap<ClientId, Client>,
    pub(super) audience: Audience,
    /// Runtimes whose `kernel_info_reply` is known.
    pub(super) informed: BTreeSet<usize>,
    births: u64,
}

#[derive(Clone, Debug)]
pub(super) struct Kernel<A> {
    pub(super) runtime: usize,
    pub(super) offer: Offer,
    pub(super) group: Option<String>,
    pub(super) pristine: bool,
    pub(super) exclusive: bool,
    pub(super) state: KernelState,
    pub(super) busy: bool,
    pub(super) clients: BTreeSet<ClientId>,
    pub(super) in_flight: InFlight<A>,
    born: u64,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Client {
    pub(super) kernel: Option<KernelId>,
    outstanding: usize,
}

impl<A> Table<A> {
    /// An empty table.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            kernels: BTreeMap::new(),
            clients: HashMap::new(),
            audience: Audience::default(),
            informed: BTreeSet::new(),
            births: 0,
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
            group: None,
            pristine: true,
            exclusive: false,
            state: KernelState::Starting,
            busy: false,
            clients: BTreeSet::new(),
            in_flight: InFlight::default(),
            born: self.births,
        };
        self.births += 1;
        self.kernels.insert(id.clone(), kernel);
        Some(())
    }

    /// The kernel takes messages now, and its runtime's `kernel_info_reply` is known.
    pub fn kernel_is_ready(&mut self, id: &KernelId) {
        if let Some(kernel) = self.kernels.get_mut(id) {
            self.informed.insert(kernel.runtime);
            kernel.busy = false;
            if kernel.state == KernelState::Starting {
                kernel.state = KernelState::Ready;
            }
        }
    }

    /// The kernel's process is gone; its bindings stay, for it comes back. Returns what will never be answered.
    pub fn kernel_is_down(&mut self, id: &KernelId) -> Vec<Outstanding<A>> {
        let Some(kernel) = self.kernels.get_mut(id) else { return Vec::new() };
        if kernel.state == KernelState::Ready {
            kernel.state = KernelState::Starting;
        }
        kernel.busy = false;
        let lost = kernel.in_flight.drain();
        self.settle(&lost);
        lost
    }

    /// The kernel is gone for good, and so are its bindings. Returns what will never be answered.
    pub fn remove_kernel(&mut self, id: &KernelId) -> Vec<Outstanding<A>> {
        let lost = self.kernel_is_down(id);
        self.unbind_all(id);
        self.kernels.remove(id);
        lost
    }

    /// The kernel is about to be stopped: its clients' next requests go elsewhere.
    pub(super) fn stop_kernel(&mut self, id: &KernelId) {
        self.unbind_all(id);
        if let Some(kernel) = self.kernels.get_mut(id) {
            kernel.state = KernelState::Stopping;
        }
    }

    /// What the kernel last said of itself on iopub.
    pub fn set_busy(&mut self, id: &KernelId, busy: bool) {
        if let Some(kernel) = self.kernels.get_mut(id) {
            kernel.busy = busy;
        }
    }

    /// Kernels of a runtime that nobody has had yet.
    pub fn pristine_kernels(&self, runtime: usize) -> usize {
        self.kernels.values().filter(|kernel| kernel.pristine && kernel.runtime == runtime).count()
    }

    /// The kernel with the most recently bound client among those that connections of this origin belong to.
    pub fn kernel_at(&self, origin: &Origin) -> Option<KernelId> {
        let kernels = self.audience.kernels_at(origin).into_iter();
        kernels.max_by_key(|id| self.kernels.get(id).map(|kernel| kernel.born))
    }

    pub(super) fn candidates(&self, now: Instant) -> Vec<Candidate<'_>> {
        let usable = self.kernels.iter().filter(|(_, kernel)| kernel.state != KernelState::Stopping);
        usable
            .map(|(id, kernel)| Candidate {
                kernel: id,
                offer: &kernel.offer,
                group: kernel.group.as_deref(),
                pristine: kernel.pristine,
                exclusive: kernel.exclusive,
                clients: self.live_clients(kernel, now),
                load: kernel.in_flight.len(),
                born: kernel.born,
            })
            .collect()
    }

    fn live_clients(&self, kernel: &Kernel<A>, now: Instant) -> usize {
        kernel.clients.iter().filter(|client| self.audience.is_live(client, now)).count()
    }

    // Clients.

    /// A shell or control connection has authenticated itself as this client's.
    pub fn client_connected(&mut self, client: &ClientId, origin: Origin) {
        self.clients.entry(client.clone()).or_default();
        self.audience.client_connected(client, origin);
    }

    /// One of the client's shell or control connections has ended. Its binding stays.
    pub fn client_disconnected(&mut self, client: &ClientId, now: Instant) {
        self.audience.client_disconnected(client, now, self.settings.linger);
        let unbound = self.kernel_of(client).is_none();
        if unbound && !self.audience.is_connected(client) {
            self.forget_client(client);
        }
    }

    /// Whether the client has a shell or control connection.
    pub fn is_connected(&self, client: &ClientId) -> bool {
        self.audience.is_connected(client)
    }

    /// The kernel that a client is bound to.
    pub fn kernel_of(&self, client: &ClientId) -> Option<&KernelId> {
        self.clients.get(client)?.kernel.as_ref()
    }

    /// Live clients of the kernel other than this one.
    pub fn others(&self, id: &KernelId, client: &ClientId, now: Instant) -> usize {
        let Some(kernel) = self.kernels.get(id) else { return 0 };
        let others = kernel.clients.iter().filter(|other| *other != client);
        others.filter(|other| self.audience.is_live(other, now)).count()
    }

    /// The clients that are bound to the kernel.
    pub fn clients_of(&self, id: &KernelId) -> Vec<ClientId> {
        self.kernels.get(id).map(|kernel| kernel.clients.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn bind(&mut self, client: &ClientId, id: &KernelId, requirements: &Requirements) {
        let Some(kernel) = self.kernels.get_mut(id) else { return };
        if kernel.pristine {
            kernel.pristine = false;
            kernel.exclusive = requirements.isolated;
            kernel.group.clone_from(&requirements.group);
        }
        kernel.clients.insert(client.clone());
        self.clients.entry(client.clone()).or_default().kernel = Some(id.clone());
        self.audience.bind(client, Some(id.clone()));
        self.forget_oldest(id);
    }

    pub(super) fn unbind(&mut self, client: &ClientId) {
        let Some(entry) = self.clients.get_mut(client) else { return };
        if let Some(kernel) = entry.kernel.take().and_then(|id| self.kernels.get_mut(&id)) {
            kernel.clients.remove(client);
        }
        self.audience.bind(client, None);
        if !self.audience.is_connected(client) {
            self.forget_client(client);
        }
    }

    fn unbind_all(&mut self, id: &KernelId) {
        for client in self.clients_of(id) {
            self.unbind(&client);
        }
    }

    /// Clients that are long gone are remembered in case they come back, but not without end.
    fn forget_oldest(&mut self, id: &KernelId) {
        let Some(kernel) = self.kernels.get(id) else { return };
        if kernel.clients.len() <= self.settings.remembered_clients {
            return;
        }
        let gone = kernel.clients.iter().filter(|client| !self.audience.is_connected(client));
        if let Some(oldest) = gone.min_by_key(|client| self.audience.counts_until(client)).cloned() {
            self.unbind(&oldest);
        }
    }

    fn forget_client(&mut self, client: &ClientId) {
        self.clients.remove(client);
        self.audience.forget_client(client);
    }

    // Requests.

    /// Remembers a request that is about to be forwarded. `false`: the client has too many of them already.
    #[must_use]
    pub fn track(&mut self, id: &KernelId, msg_id: &str, request: Outstanding<A>) -> bool {
        let Some(kernel) = self.kernels.get_mut(id) else { return false };
        // A client that is gone meanwhile and forgotten has nothing that could be counted.
        if let Some(client) = self.clients.get_mut(&request.client) {
            if client.outstanding >= self.settings.requests_in_flight {
                return false;
            }
            client.outstanding += 1;
        }
        // It will say so itself, but only in a moment, and whoever attaches until then would wait for the cell.
        kernel.busy |= request.channel == Channel::Shell;
        kernel.in_flight.add(msg_id, request);
        true
    }

    /// The request that a reply answers; it is no longer outstanding.
    pub fn answered(&mut self, id: &KernelId, msg_id: &str, session: &str) -> Option<Outstanding<A>> {
        let request = self.kernels.get_mut(id)?.in_flight.take(msg_id, session)?;
        self.settle(std::slice::from_ref(&request));
        Some(request)
    }

    /// The request during which the kernel asks for input; from now on its client's `input_reply` is awaited.
    pub fn input_asked(&mut self, id: &KernelId, msg_id: &str, session: &str) -> Option<&Outstanding<A>> {
        let request = self.kernels.get_mut(id)?.in_flight.find_mut(msg_id, session)?;
        request.awaits_input = true;
        Some(request)
    }

    /// The kernel is done with a message. One that has no reply by its nature (a comm's) ends with that.
    pub fn finished(&mut self, id: &KernelId, msg_id: &str, session: &str) {
        let Some(kernel) = self.kernels.get_mut(id) else { return };
        let found = kernel.in_flight.find_mut(msg_id, session);
        if found.is_some_and(|request| !request.msg_type.ends_with("_request")) {
            self.answered(id, msg_id, session);
        }
    }

    /// How many requests wait for the kernel's replies.
    pub fn outstanding(&self, id: &KernelId) -> usize {
        self.kernels.get(id).map_or(0, |kernel| kernel.in_flight.len())
    }

    fn settle(&mut self, requests: &[Outstanding<A>]) {
        for request in requests {
            if let Some(client) = self.clients.get_mut(&request.client) {
                client.outstanding = client.outstanding.saturating_sub(1);
            }
        }
    }

    pub(super) fn shell_is_blocked(&self, kernel: &Kernel<A>) -> bool {
        kernel.state != KernelState::Ready || (kernel.busy && kernel.in_flight.on_shell() > 0)
    }

    // Subscribers.

    /// An iopub connection has been accepted.
    pub fn subscriber_arrived(&mut self, subscriber: ConnectionId, origin: Origin) {
        self.audience.subscriber_arrived(subscriber, origin);
    }

    /// How many subscriptions it has now.
    pub fn topics_changed(&mut self, subscriber: ConnectionId, topics: usize) {
        self.audience.topics_changed(subscriber, topics);
    }

    /// It has waited so long for a client of its process that it is matched by user from now on.
    pub fn widen(&mut self, subscriber: ConnectionId) {
        self.audience.widen(subscriber);
    }

    /// The kernels that it hears.
    pub fn heard_by(&self, subscriber: ConnectionId) -> Vec<KernelId> {
        self.audience.heard_by(subscriber)
    }

    /// It has ended.
    pub fn subscriber_left(&mut self, subscriber: ConnectionId, now: Instant) {
        self.audience.subscriber_left(subscriber, now);
    }

    /// Whether the client's own iopub connection must be there, so that its first request can go out.
    pub fn all_listen(&self, client: &ClientId, now: Instant) -> bool {
        self.audience.all_listen(client, now)
    }

    /// The iopub connections that a message for this client alone goes to.
    pub fn listeners(&self, client: &ClientId) -> Vec<ConnectionId> {
        self.audience.listeners(client)
    }
}
