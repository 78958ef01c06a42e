//! A kernel is launched, and what its processes say is read for as long as they live.

use std::{sync::Arc, time::Duration};

use tokio::{sync::mpsc, task::JoinSet, time::timeout};
use tracing::{Instrument, info, info_span, warn};

use super::{kernel::Kernel, replies::Source};
use crate::{
    channel::Channel,
    fleet::{Channels, ExitReason, KernelEvent, LaunchOrder, supervise},
    id::KernelId,
    proxy::{Proxy, frontend::endpoint::Endpoint},
    route::Launch,
    runtimes::Runtime,
};

/// How long what a dead kernel had sent is still read.
const LAST_WORDS: Duration = Duration::from_millis(300);

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

    /// Starts reading all that a process says.
    pub(crate) fn read(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        process: u64,
        channels: Channels,
        readers: &mut Readers,
    ) {
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
}

/// The tasks that read what a process says.
#[derive(Default)]
pub(crate) struct Readers {
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
