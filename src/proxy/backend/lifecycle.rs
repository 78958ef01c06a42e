//! What happens to kernels, and what their clients are told of it: launch, death, restart, end.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jupyter_protocol::{ExecutionState, ShutdownRequest};
use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tracing::{Instrument, info, info_span, warn};

use super::{
    exit_reason::explain,
    kernel::Kernel,
    link::{Known, Outboxes},
    replies::Source,
};
use crate::proxy::{
    Proxy,
    frontend::{connection::ReturnAddress, endpoint::Endpoint},
    iopub::{broadcast::Broadcast, fanout::NOBODY_ASKED},
};
use crate::{
    channel::Channel,
    fleet::{Channels, ExitReason, KernelEvent, LaunchOrder, ProcessRecord, supervise},
    id::{ClientId, KernelId},
    jupyter::{content::peek_language, message::Body, reply::Failure},
    metrics::Trouble,
    route::{Launch, Outstanding},
    runtimes::Runtime,
    state::Connected,
};

/// How long what a dead kernel had sent is still read.
const LAST_WORDS: Duration = Duration::from_millis(300);

/// How a restart was asked for, and so where it is announced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RestartAsked<'a> {
    /// By this request.
    ByRequest(&'a ReturnAddress),
    /// In a cell of this client's, which shows it.
    InCell(&'a ClientId),
    /// By those who look after the fleet.
    ByOperator,
}

impl RestartAsked<'_> {
    /// The host that asked. It knows of the restart, and JupyterLab takes the status `restarting` for a restart by the server:
    /// it would connect a second time, in the middle of its own.
    fn host(&self) -> Option<&Endpoint> {
        match self {
            Self::ByRequest(address) => {
                Some(&*address.connection.endpoint).filter(|endpoint| endpoint.host.is_some())
            }
            Self::ByOperator | Self::InCell(_) => None,
        }
    }
}

impl Proxy {
    /// Launches a kernel; one for a host gets its environment, and begins in its directory unless the runtime names one. Called
    /// with the table locked: whoever is routed to the kernel finds it here.
    pub(crate) fn launch(self: &Arc<Self>, id: &KernelId, launch: &Launch, asker: Option<&Endpoint>) {
        let Launch { runtime: runtime_index, memory_limit, ref displaced } = *launch;
        let Some(runtime) = self.runtimes.get(runtime_index) else { return };
        let host = asker.and_then(|endpoint| Some((endpoint.id, endpoint.host.as_ref()?)));
        let directory = host.and_then(|(_, host)| host.directory.as_deref());
        let runtime = Runtime::beginning_at(runtime, directory);
        for reserve in displaced.iter().filter_map(|reserve| self.kernel(reserve)) {
            info!(kernel = %reserve.id, "killing it: nobody has had it yet, and kernel {id} needs its room now");
            reserve.handle.kill();
        }
        info!(kernel = %id, runtime = %runtime.name, "launching");
        let host = host.map(|(id, host)| (id, host.launched_for.clone()));
        let order = LaunchOrder {
            kernel: id.clone(),
            runtime: runtime.clone(),
            memory_limit,
            launched_for: host.as_ref().map(|(_, launched_for)| launched_for.clone()),
        };
        let (handle, events) = supervise(self.provisioner.clone(), order, None, self.limits.clone());
        let kernel = Arc::new(Kernel::new(
            id.clone(),
            (runtime_index, runtime),
            memory_limit,
            handle,
            host,
            self.builder.clone(),
        ));
        self.kernels.insert(id.clone(), kernel.clone());
        let span = info_span!(parent: None, "kernel", %id, runtime = %kernel.runtime.name);
        tokio::spawn(self.clone().follow(kernel, events).instrument(span));
    }

    /// Launches kernels until each runtime has as many in reserve as its `pool` says, or the fleet's bounds are reached.
    pub fn fill_pools(self: &Arc<Self>) {
        if self.is_stopping() {
            return;
        }
        for (index, runtime) in self.runtimes.iter().enumerate() {
            let pool = runtime.pool_size(index == self.default_runtime);
            self.with_table(|table, _| {
                for _ in table.pristine_kernels(index)..pool {
                    if !table.has_room_for(index) {
                        return;
                    }
                    let id = KernelId::random();
                    let memory_limit = runtime.memory_limit;
                    table.launch(&id, index);
                    self.launch(&id, &Launch { runtime: index, memory_limit, displaced: Vec::new() }, None);
                }
            });
        }
    }

    pub(crate) async fn follow(
        self: Arc<Self>,
        kernel: Arc<Kernel>,
        mut events: mpsc::Receiver<KernelEvent>,
    ) {
        let mut readers = Readers::default();
        while let Some(event) = events.recv().await {
            match event {
                KernelEvent::Launched(process) => {
                    let enforced = process.enforcement.limits.memory_limit.is_some();
                    self.with_table(|table, _| table.memory_limit_is_enforced(&kernel.id, enforced));
                    kernel.is_launched(process);
                    self.registry_changed.notify_one();
                }
                KernelEvent::Unreachable(why) => {
                    warn!(why, "the kernel lives, but cannot be talked to; trying again");
                    kernel.set_unresponsive(true);
                    self.registry_changed.notify_one();
                }
                KernelEvent::Up(process, channels) => {
                    self.kernel_is_up(&kernel, process, *channels, &mut readers);
                }
                KernelEvent::Down(ExitReason::Restarted) => readers.shutdown().await,
                KernelEvent::Down(exit_reason) => {
                    readers.hear_out().await;
                    self.kernel_is_down(&kernel, &exit_reason);
                }
                KernelEvent::Gone(exit_reason) => {
                    readers.hear_out().await;
                    self.kernel_is_gone(&kernel, &exit_reason);
                }
            }
        }
    }

    fn learn_language(&self, kernel: &Kernel, info: &[u8]) {
        let index = kernel.runtime_index;
        if self.runtimes.get(index).is_some_and(|runtime| runtime.language.is_empty())
            && let Some(language) = peek_language(info)
        {
            self.table.lock().learn_language(index, &language);
        }
    }

    fn kernel_is_up(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        process: u64,
        channels: Channels,
        readers: &mut Readers,
    ) {
        let (info, is_adopted) = (channels.info.clone(), channels.is_adopted);
        let outboxes = Outboxes::of_channels(&channels);
        self.note_connection(kernel, &outboxes.known);
        self.read(kernel, process, channels, readers);
        // What an earlier serve's clients had asked may still run, even if nobody waits for it any more.
        let owes = !self.table.lock().outstanding_such(&kernel.id, ReturnAddress::is_from_before).is_empty();
        let has_past = is_adopted || owes;
        let state = if has_past { ExecutionState::Busy } else { ExecutionState::Idle };
        if *kernel.fanout().state() != state {
            self.set_state(kernel, state);
        }
        self.with_table(|table, _| table.has_past(&kernel.id, has_past));
        kernel.link.connect(outboxes);
        if has_past {
            self.wait_for_the_past(kernel);
        }
        match info {
            Some(info) => self.kernel_is_known(kernel, info),
            None => self.with_table(|table, _| table.kernel_takes_messages(&kernel.id)),
        }
        self.kernels_changed.notify_waiters();
        self.registry_changed.notify_one();
    }

    /// Before anything is sent: what a kernel replies comes to the routing id that it was sent under.
    fn note_connection(&self, kernel: &Kernel, known: &Known) {
        if let Some(ProcessRecord { identity: process, .. }) = kernel.process() {
            let connected = Connected { kernel: kernel.id.clone(), process, identities: known.identities() };
            self.journal.connected(&connected);
            self.journal.write();
        }
    }

    /// It is known who the kernel is: those who asked are told.
    pub(crate) fn kernel_is_known(self: &Arc<Self>, kernel: &Kernel, info: Bytes) {
        self.infos.insert(kernel.runtime_index, info.clone());
        self.learn_language(kernel, &info);
        self.with_table(|table, _| table.kernel_is_ready(&kernel.id));
        for (client, address) in kernel.take_info_waiters() {
            self.tell_info(Some(kernel), &client, &address, info.clone());
        }
    }

    /// Starts reading all that a process says.
    fn read(self: &Arc<Self>, kernel: &Arc<Kernel>, process: u64, channels: Channels, readers: &mut Readers) {
        let Channels { shell, iopub, mut optional, signer, past, .. } = channels;
        let source = |channel, is_past| Source {
            kernel: kernel.clone(),
            channel,
            process,
            life: kernel.link.life(),
            signer: signer.clone(),
            is_past,
        };
        let published = self.clone().serve_iopub(source(Channel::IoPub, false), iopub);
        // A reply comes together with a status: two tasks would wake two threads for them.
        let (shell, iopub) = (self.clone().serve_replies(source(Channel::Shell, false), shell), published);
        let Readers { at_once, late } = readers;
        at_once.spawn(
            async move {
                tokio::join!(shell, iopub);
            }
            .in_current_span(),
        );
        for (channel, peer) in std::mem::take(&mut optional.connected) {
            let served = self.clone().serve_optional(source(channel, false), peer, optional.redialler());
            at_once.spawn(served.in_current_span());
        }
        at_once.spawn(self.clone().serve_regained(source(Channel::Shell, true), past).in_current_span());
        late.spawn(self.clone().serve_late(source(Channel::Control, false), optional).in_current_span());
    }

    /// The process is gone and comes back: everyone who waited is told why in vain.
    fn kernel_is_down(self: &Arc<Self>, kernel: &Kernel, exit_reason: &ExitReason) {
        let failure = explain(kernel, exit_reason, self.shared_cell(kernel).as_deref(), true);
        self.count_downfall(exit_reason);
        warn!(reason = failure.evalue, "kernel is down");
        let lost = self.lose_process(kernel);
        self.fail_all(lost, &failure);
        self.announce(kernel, [self.builder.error(&failure, &Bytes::new())]);
        if matches!(exit_reason, ExitReason::Unwatched) {
            let away = self.with_table(|table, _| {
                let clients = table.clients_of(&kernel.id).into_iter();
                clients.filter(|client| !table.is_connected(client)).collect::<Vec<_>>()
            });
            for client in away {
                self.reconnecting.tell_later(client, self.builder.error(&failure, &Bytes::new()));
            }
        }
        self.set_state(kernel, ExecutionState::Restarting);
        self.tell_of_lost_environment(kernel);
        self.set_state(kernel, ExecutionState::Starting);
    }

    /// Says that the next process is another than the last: whoever was told of an environment has ended since.
    fn tell_of_lost_environment(&self, kernel: &Kernel) {
        if kernel.lacks_environment() {
            let text = format!(
                "[jupyter-fleet: {} starts again without the environment of the program that it was launched for, which has \
                 ended; it has the fleet's own]",
                kernel.name()
            );
            self.with_table(|table, _| self.tell_clients(table, kernel, &[], &text, None));
        }
    }

    /// What is routed from now on waits for the next process; returns what the last one has not answered.
    fn lose_process(&self, kernel: &Kernel) -> Vec<Outstanding<ReturnAddress>> {
        self.comms.end(&kernel.id);
        self.with_table(|table, _| {
            kernel.disconnect(false);
            table.kernel_is_down(&kernel.id)
        })
    }

    fn kernel_is_gone(self: &Arc<Self>, kernel: &Kernel, exit_reason: &ExitReason) {
        let failure = explain(kernel, exit_reason, self.shared_cell(kernel).as_deref(), false);
        self.count_downfall(exit_reason);
        info!(reason = failure.evalue, "kernel is gone");
        if !matches!(exit_reason, ExitReason::Stopped) {
            self.announce(kernel, [self.builder.error(&failure, &Bytes::new())]);
            self.set_state(kernel, ExecutionState::Dead);
        }
        let lost = self.with_table(|table, _| {
            kernel.disconnect(true);
            table.remove_kernel(&kernel.id)
        });
        self.fail_all(lost, &failure);
        for (client, address) in kernel.take_info_waiters() {
            self.fail(&client, "kernel_info_request", &address, &failure);
        }
        self.tombstones.note(kernel, exit_reason);
        self.kernels.remove(&kernel.id);
        self.close_kernel_endpoint(&kernel.id);
        self.comms.end(&kernel.id);
        self.kernels_changed.notify_waiters();
        self.registry_changed.notify_one();
        if kernel.was_used() {
            // There may be room again. (What gave way to others, or never came up, would only do so again.)
            self.fill_pools();
        }
    }

    /// In words, the cell that a kernel runs, if several use it.
    fn shared_cell(&self, kernel: &Kernel) -> Option<String> {
        let (owner, cell) = kernel.cell_queues.running_on_main_shell()?;
        let is_shared = self.table.lock().users_of(&kernel.id).len() > 1;
        is_shared.then(|| self.cell_in_words(kernel, &owner, &cell))
    }

    fn count_downfall(&self, exit_reason: &ExitReason) {
        let trouble = match exit_reason {
            ExitReason::Broken(_) => Trouble::KernelBroke,
            ExitReason::NeverUp(_) => Trouble::KernelNeverUp,
            _ => return,
        };
        self.metrics.troubles.of(trouble).increment();
    }

    fn fail_all(self: &Arc<Self>, lost: Vec<Outstanding<ReturnAddress>>, failure: &Failure) {
        for request in lost {
            self.fail(&request.client, &request.msg_type, &request.address, failure);
        }
    }

    fn set_state(&self, kernel: &Kernel, state: ExecutionState) {
        self.set_state_for(kernel, state, |_| true);
    }

    /// The same, but told only to those who came by such an endpoint.
    fn set_state_for(&self, kernel: &Kernel, state: ExecutionState, such: impl Fn(&Endpoint) -> bool) {
        let mut fanout = kernel.fanout();
        fanout.set_state(state.clone());
        let (envelope, mut status) =
            (fanout.topic(), Broadcast::new(fanout.voice().status(state, &Bytes::new())));
        fanout.publish_where(&envelope, &mut status, |subscriber| such(&subscriber.endpoint));
        self.metrics.lost.add(fanout.flush());
    }

    /// Stops a kernel for good: it is asked, then made to.
    pub(crate) fn stop_kernel(&self, id: &KernelId, why: &str) {
        if let Some(kernel) = self.kernel(id) {
            info!(kernel = %id, why, "stopping");
            kernel.link.ask_to_end(self.builder.say(ShutdownRequest { restart: false }, &Bytes::new()));
            kernel.handle.stop();
        }
    }

    /// Restarts a kernel in place, and tells its clients who wanted that. `false` if it is starting: nothing of what it had is left to be thrown away.
    pub(crate) fn restart_kernel(
        self: &Arc<Self>,
        id: &KernelId,
        who: &str,
        asked: RestartAsked<'_>,
    ) -> bool {
        let Some(kernel) = self.kernel(id).filter(|kernel| kernel.link.is_up()) else { return false };
        info!(kernel = %id, who, "restarting");
        let text = format!("[jupyter-fleet: {} is restarted by {who}]", kernel.name());
        if let RestartAsked::ByRequest(address) = asked {
            self.announce(&kernel, [self.builder.notice(&text, &address.header)]);
        }
        kernel.link.ask_to_end(self.builder.say(ShutdownRequest { restart: true }, &Bytes::new()));
        let lost = self.lose_process(&kernel);
        kernel.handle.restart();
        let tell = |knows| self.with_table(|table, _| self.tell_clients(table, &kernel, &lost, &text, knows));
        match asked {
            RestartAsked::ByOperator => tell(None),
            RestartAsked::InCell(client) => tell(Some(client)),
            RestartAsked::ByRequest(_) => {
                for request in &lost {
                    // Frontends show a line only under a cell of their own.
                    self.send_to_client(
                        &request.client,
                        [self.builder.notice(&text, &request.address.header)],
                    );
                }
            }
        }
        self.fail_all(lost, &explain(&kernel, &ExitReason::Restarted, None, true));
        let asker = asked.host().map(|endpoint| endpoint.id);
        self.set_state_for(&kernel, ExecutionState::Restarting, |endpoint| Some(endpoint.id) != asker);
        self.tell_of_lost_environment(&kernel);
        self.set_state(&kernel, ExecutionState::Starting);
        true
    }

    /// Says something on iopub to everyone who hears a kernel.
    pub(crate) fn announce(&self, kernel: &Kernel, bodies: impl IntoIterator<Item = Body>) {
        let mut fanout = kernel.fanout();
        let envelope = fanout.topic();
        for body in bodies {
            let body = fanout.voice().in_own_session(body);
            fanout.publish(&envelope, &mut Broadcast::new(body), NOBODY_ASKED);
        }
        self.metrics.lost.add(fanout.flush());
    }
}

/// The tasks that read what a process says.
#[derive(Default)]
struct Readers {
    /// On the channels that it had when it came up.
    at_once: JoinSet<()>,
    /// On those that it binds later, for which another task waits without an end.
    late: JoinSet<()>,
}

impl Readers {
    /// Lets the readers of a dead kernel's sockets finish what is still in them.
    async fn hear_out(&mut self) {
        let all = async { while self.at_once.join_next().await.is_some() {} };
        let _ = timeout(LAST_WORDS, all).await;
        self.shutdown().await;
    }

    async fn shutdown(&mut self) {
        self.at_once.shutdown().await;
        self.late.shutdown().await;
    }
}
