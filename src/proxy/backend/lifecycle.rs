//! What becomes of kernels, and what their clients are told of it: up, down, gone.

use std::sync::Arc;

use bytes::Bytes;
use jupyter_protocol::ExecutionState;
use tracing::{info, warn};

use super::{
    exit_reason::explain,
    kernel::Kernel,
    launch::Readers,
    link::{Known, Outboxes},
};
use crate::{
    fleet::{Channels, ExitReason, ProcessRecord},
    jupyter::{content::peek_language, message::Body, reply::Failure},
    metrics::Trouble,
    proxy::{
        Proxy,
        frontend::{connection::ReturnAddress, endpoint::Endpoint},
        iopub::{broadcast::Broadcast, fanout::NOBODY_ASKED},
    },
    route::Outstanding,
    state::Connected,
};

impl Proxy {
    fn learn_language(&self, kernel: &Kernel, info: &[u8]) {
        let index = kernel.runtime_index;
        if self.runtimes.get(index).is_some_and(|runtime| runtime.language.is_empty())
            && let Some(language) = peek_language(info)
        {
            self.table.lock().learn_language(index, &language);
        }
    }

    pub(crate) fn kernel_is_up(
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

    /// The process is gone and comes back: everyone who waited is told why in vain.
    pub(crate) fn kernel_is_down(self: &Arc<Self>, kernel: &Kernel, exit_reason: &ExitReason) {
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
    pub(crate) fn tell_of_lost_environment(&self, kernel: &Kernel) {
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
    pub(crate) fn lose_process(&self, kernel: &Kernel) -> Vec<Outstanding<ReturnAddress>> {
        self.comms.end(&kernel.id);
        self.with_table(|table, _| {
            kernel.disconnect(false);
            table.kernel_is_down(&kernel.id)
        })
    }

    pub(crate) fn kernel_is_gone(self: &Arc<Self>, kernel: &Kernel, exit_reason: &ExitReason) {
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

    pub(crate) fn fail_all(self: &Arc<Self>, lost: Vec<Outstanding<ReturnAddress>>, failure: &Failure) {
        for request in lost {
            self.fail(&request.client, &request.msg_type, &request.address, failure);
        }
    }

    pub(crate) fn set_state(&self, kernel: &Kernel, state: ExecutionState) {
        self.set_state_for(kernel, state, |_| true);
    }

    /// The same, but told only to those who came by such an endpoint.
    pub(crate) fn set_state_for(
        &self,
        kernel: &Kernel,
        state: ExecutionState,
        such: impl Fn(&Endpoint) -> bool,
    ) {
        let mut fanout = kernel.fanout();
        fanout.set_state(state.clone());
        let (envelope, mut status) =
            (fanout.topic(), Broadcast::new(fanout.voice().status(state, &Bytes::new())));
        fanout.publish_where(&envelope, &mut status, |subscriber| such(&subscriber.endpoint));
        self.metrics.lost.add(fanout.flush());
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
