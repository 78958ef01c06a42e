//! Between a decision and a kernel's shell: clients take turns, cell by cell.
//!
//! What waits is in flight for `route`, so whatever becomes of the kernel becomes of it too; and it is in the journal with
//! its content, so the next `serve` sends it.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jupyter_protocol::{ExecutionState, KernelInfoRequest};
use serde_json::json;
use tokio::time::sleep;

use super::queues::{Submitted, Waiting};
use crate::{
    channel::Channel,
    id::{ClientId, MsgId},
    jupyter::header::{Header, Parent},
    net::{Flushes, SignedOutbox},
    proxy::{
        Proxy,
        backend::{kernel::Kernel, link::Pushed},
        frontend::connection::ReturnAddress,
    },
    route::{CellName, Queue},
};

/// How long the second half of a cell's end, its reply or its `idle`, is waited for, once for each kernel that leaves one out.
const SECOND_HALF: Duration = Duration::from_secs(1);

/// How long a kernel keeps silent that has answered what it was sent after a cell, before that cell has ended.
const BOTH_HALVES: Duration = Duration::from_secs(5);

impl Proxy {
    /// Sends a message of a client's to its kernel, or lets it wait for its turn.
    pub(crate) fn send_in_turn(self: &Arc<Self>, kernel: &Arc<Kernel>, message: Waiting) -> Pushed {
        let note = |message: &Waiting| self.journal.waits(message.address.entry, &message.body);
        match kernel.cell_queues.submit(&kernel.link, message, note) {
            Submitted::Sent(pushed) => pushed,
            Submitted::Waits { untold, half_ended } => {
                if untold {
                    self.tell_those_who_wait(kernel);
                }
                if let Some(name) = half_ended {
                    self.wait_for_second_half(kernel, name);
                }
                Pushed::Held
            }
        }
    }

    /// A cell has been answered: if it has failed, what its client has waiting is aborted; then the next has its turn.
    pub(crate) fn cell_is_answered(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        name: &CellName,
        aborts: Option<&ClientId>,
        flushes: &mut Flushes,
    ) {
        // Before the reply leaves: what its client sends when it has it, is not meant.
        let aborted = aborts.map(|client| self.take_cells(kernel, client, |_| true)).unwrap_or_default();
        if !aborted.is_empty() || kernel.cell_queues.keep_anybody_waiting() {
            // A reply is not noted as sent before it has left.
            flushes.flush();
        }
        for cell in &aborted {
            self.abort_taken(kernel, cell, None);
        }
        self.queue_goes_on(kernel, name, |queue| queue.replied(name));
    }

    /// Whether a reply that nobody waits for any more is the end of the cell that runs.
    pub(crate) fn ends_running_cell(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        parent: &Parent<'_>,
        flushes: &mut Flushes,
    ) -> bool {
        let running = kernel.cell_queues.running(parent);
        let running = running.filter(|name| kernel.cell_queues.owe_reply(name));
        if let Some(name) = &running {
            self.cell_is_answered(kernel, name, None, flushes);
        }
        running.is_some()
    }

    /// The kernel has said that it is done with a message.
    pub(crate) fn message_is_done(self: &Arc<Self>, kernel: &Arc<Kernel>, parent: &Parent<'_>) {
        if let Some(name) = kernel.cell_queues.running(parent) {
            self.queue_goes_on(kernel, &name, |queue| queue.idle(&name));
        }
    }

    /// Cells that an earlier `serve` had sent have ended, whatever was or was not said of them.
    pub(crate) fn recalled_cells_have_ended(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        for name in kernel.cell_queues.recalled() {
            self.queue_goes_on(kernel, &name, |queue| queue.ended(&name));
        }
    }

    /// A cell that nobody waits for any more is not run, if it has not been sent.
    pub(crate) fn drop_waiting_cell(self: &Arc<Self>, kernel: &Kernel, client: &ClientId, cell: &CellName) {
        let _ = self.take_cells(kernel, client, |waiting| waiting == cell);
    }

    /// The client's cells that wait are not run, and a notice in the first of them says why. Returns how many those are.
    pub(crate) fn abort_cells(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        client: &ClientId,
        notice: Option<&str>,
    ) -> usize {
        let aborted = self.take_cells(kernel, client, |_| true);
        for (index, cell) in aborted.iter().enumerate() {
            self.abort_taken(kernel, cell, notice.filter(|_| index == 0));
        }
        aborted.len()
    }

    /// Tells a cell that it is not run, and why where that is not plain.
    pub(crate) fn abort(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress, notice: Option<&str>) {
        let parent = &address.header;
        let busy = self.builder.status(ExecutionState::Busy, parent);
        let notice = notice.map(|text| self.builder.notice(text, parent));
        self.send_to_client(client, std::iter::once(busy).chain(notice));
        let reply = self.builder.say_raw("execute_reply", json!({ "status": "aborted" }), parent);
        self.reply(client, address, reply);
        self.send_idle(client, parent);
    }

    fn abort_taken(self: &Arc<Self>, kernel: &Kernel, cell: &Waiting, notice: Option<&str>) {
        if let Some(name) = &cell.cell {
            self.table.lock().withdraw(&kernel.id, name.msg_id.as_str(), &cell.client);
        }
        self.abort(&cell.client, &cell.address, notice);
    }

    fn take_cells(
        self: &Arc<Self>,
        kernel: &Kernel,
        client: &ClientId,
        meant: impl Fn(&CellName) -> bool,
    ) -> Vec<Waiting> {
        let mut sending = Sending::default();
        let taken = kernel.cell_queues.take_out(client, meant, |waiting| {
            self.push_waiting(kernel, waiting, &mut sending);
        });
        self.send(kernel, sending);
        taken
    }

    fn queue_goes_on(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        name: &CellName,
        happens: impl FnOnce(&mut Queue<Waiting>) -> Vec<Waiting>,
    ) {
        let mut sending = Sending::default();
        kernel.cell_queues.go_on(name, happens, |waiting| self.push_waiting(kernel, waiting, &mut sending));
        self.send(kernel, sending);
        if kernel.cell_queues.wait_for_half_of(name) {
            self.wait_for_second_half(kernel, name.clone());
        }
    }

    /// Queues a message for the kernel, with the queues locked. `false`: the kernel does not read what it is sent.
    fn push_waiting(&self, kernel: &Kernel, waiting: Waiting, sending: &mut Sending) -> bool {
        let Waiting { client, body, address, life, .. } = waiting;
        self.journal.sent(address.entry, &kernel.id);
        match kernel.link.push(Channel::Shell, body, life) {
            Pushed::Queued(outbox) => sending.outboxes.push(outbox),
            Pushed::Held | Pushed::Dropped | Pushed::NoChannel => {}
            Pushed::Full => {
                sending.full.push((client, address));
                return false;
            }
        }
        true
    }

    /// Sends what was queued, once it is noted: a cell that leaves before that could run twice.
    fn send(self: &Arc<Self>, kernel: &Kernel, sending: Sending) {
        if sending.outboxes.is_empty() && sending.full.is_empty() {
            return;
        }
        self.journal.write();
        sending.outboxes.iter().for_each(SignedOutbox::flush);
        for (client, address) in sending.full {
            self.take_back(kernel, &client, &address);
        }
    }

    fn wait_for_second_half(self: &Arc<Self>, kernel: &Arc<Kernel>, name: CellName) {
        let (proxy, kernel) = (self.clone(), kernel.clone());
        tokio::spawn(async move {
            sleep(SECOND_HALF).await;
            proxy.queue_goes_on(&kernel, &name, |queue| queue.give_up_waiting(&name));
        });
    }

    /// Somebody waits for a cell that has been running on the main shell for long. What the kernel is asked now it answers
    /// after the cell, whatever it does or does not say of that.
    pub(crate) fn probe(&self, kernel: &Kernel, running: &CellName) {
        if kernel.is_probed_for(running) {
            return;
        }
        let question = self.builder.say(KernelInfoRequest {}, &Bytes::new());
        if let Ok(header) = Header::of(&question) {
            kernel.note_probe(running.clone(), MsgId::from(&*header.msg_id));
        }
        kernel.send(Channel::Shell, question);
    }

    /// The kernel has answered what it was asked after this cell: once it keeps silent, the cell has ended.
    pub(crate) fn cell_is_overtaken(self: &Arc<Self>, kernel: &Arc<Kernel>, name: CellName) {
        kernel.cell_queues.overtake(&name);
        let (proxy, kernel) = (self.clone(), kernel.clone());
        tokio::spawn(async move {
            // What belongs to the answer comes first.
            sleep(SECOND_HALF).await;
            while kernel.cell_queues.are_overtaken(&name) {
                let said = kernel.said();
                sleep(BOTH_HALVES).await;
                if kernel.said() == said && !proxy.asks(&kernel, &name) {
                    proxy.queue_goes_on(&kernel, &name, |queue| queue.give_up_waiting(&name));
                }
            }
        });
    }

    /// Whether a cell that runs waits for an answer to its question: some kernels serve others meanwhile.
    fn asks(&self, kernel: &Kernel, name: &CellName) -> bool {
        let owner = kernel.cell_queues.owner_of(name);
        owner.is_some_and(|owner| self.table.lock().asks(&kernel.id, &owner, name.msg_id.as_str()))
    }
}

/// What was queued for a kernel, and what it had no room for.
#[derive(Default)]
struct Sending {
    outboxes: Vec<SignedOutbox>,
    full: Vec<(ClientId, ReturnAddress)>,
}
