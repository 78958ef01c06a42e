//! Between a decision and a kernel's shell: at most one cell of each shell is at the kernel, the others wait for their
//! client's turn. [`Queue`] has the rules.
//!
//! What waits is in flight for `route`, so whatever becomes of the kernel becomes of it too; and it is in the journal with
//! its content, so the next `serve` sends it.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use jupyter_protocol::ExecutionState;
use parking_lot::Mutex;
use serde_json::json;
use tokio::time::sleep;

use super::{Proxy, connection::ReturnAddress, kernel::Kernel, link::Pushed};
use crate::{
    channel::Channel,
    id::{ClientId, MsgId, SessionId},
    jupyter::{
        content::is_silent,
        header::{Header, Parent, subshell_of},
        message::Body,
    },
    net::{Flushes, SignedOutbox},
    route::{CellName, Offered, Queue},
    state::Entry,
};

/// How long the second half of a cell's end, its reply or its `idle`, is waited for, once for each kernel that leaves one out.
const SECOND_HALF: Duration = Duration::from_secs(1);

/// The messages that wait for one kernel.
#[derive(Debug, Default)]
pub(super) struct CellQueues(Mutex<Shells>);

#[derive(Debug, Default)]
struct Shells {
    /// By subshell; the main shell has no id.
    queues: HashMap<Option<String>, Shell>,
    bytes: usize,
    /// What waited when the last `serve` ended, and was sent by this one or will be.
    kept: HashSet<Entry>,
    /// Those who wait are being told.
    told: bool,
}

#[derive(Debug)]
struct Shell {
    queue: Queue<Waiting>,
    /// When its latest cell was sent.
    since: Instant,
}

impl Default for Shell {
    fn default() -> Self {
        Self { queue: Queue::default(), since: Instant::now() }
    }
}

/// A client whose cell waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) client: ClientId,
    /// The header of the cell.
    pub(super) header: Bytes,
    pub(super) since: Instant,
    /// How many clients come before it.
    pub(super) before: usize,
    /// Whose cell runs, which, and since when.
    pub(super) owner: ClientId,
    pub(super) running: CellName,
    pub(super) running_since: Instant,
    is_silent: bool,
}

impl Waiter {
    /// Whether it is to be told: not by a cell that nobody has typed.
    pub(super) fn waits_for_another(&self) -> bool {
        self.owner != self.client && !self.is_silent
    }
}

/// A message on its way to a kernel.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) client: ClientId,
    /// Its name, if it is a cell.
    pub(super) cell: Option<CellName>,
    pub(super) body: Body,
    pub(super) address: ReturnAddress,
    /// The life of the kernel that it is meant for.
    pub(super) life: u64,
    /// When it came.
    pub(super) since: Instant,
}

/// The name of the message with this header, if it is a cell.
pub(super) fn cell_name(header: &Header<'_>) -> Option<CellName> {
    header.is_cell().then(|| CellName {
        msg_id: MsgId::from(&*header.msg_id),
        session: SessionId::from(&*header.session),
    })
}

impl CellQueues {
    /// Whether so much waits that a message of that size cannot.
    pub(super) fn are_overfull(&self, size: usize, most: usize) -> bool {
        let shells = self.0.lock();
        shells.bytes > 0 && shells.bytes + size > most
    }

    /// Whether a message that an earlier `serve` was sent waited when that ended: this one sends it.
    pub(super) fn kept(&self, address: &ReturnAddress) -> bool {
        self.0.lock().kept.contains(&address.entry)
    }

    /// Whether cells of the client's wait, and none of its own runs.
    pub(super) fn keep_waiting(&self, client: &ClientId) -> bool {
        let shells = self.0.lock();
        let any =
            |such: &dyn Fn(&Queue<Waiting>) -> bool| shells.queues.values().any(|shell| such(&shell.queue));
        any(&|queue| queue.waits(client)) && !any(&|queue| queue.running() == Some(client))
    }

    /// A cell that an earlier `serve` had sent may still run.
    pub(super) fn recall_running(&self, client: &ClientId, header: &Bytes) {
        let Some(name) = Header::of_bytes(header).ok().and_then(|header| cell_name(&header)) else { return };
        self.0.lock().queues.entry(subshell_of(header)).or_default().queue.recall_running(client, name);
    }

    /// The kernel is gone, and with it all that ran or waited.
    pub(super) fn clear(&self) {
        let mut shells = self.0.lock();
        *shells = Shells { told: shells.told, ..Shells::default() };
    }
}

impl Shell {
    fn waiters(&self) -> Vec<Waiter> {
        let Some((owner, running)) = self.queue.running().zip(self.queue.running_cell()) else {
            return Vec::new();
        };
        let waiter = |(before, (client, waiting)): (usize, (&ClientId, &Waiting))| Waiter {
            client: client.clone(),
            header: waiting.address.header.clone(),
            since: waiting.since,
            before,
            owner: owner.clone(),
            running: running.clone(),
            running_since: self.since,
            is_silent: is_silent(waiting.body.content()),
        };
        self.queue.waiters().filter(|(client, _)| *client != owner).enumerate().map(waiter).collect()
    }
}

impl Shells {
    /// What has happened to one queue, which then sends what it may. Under the lock, so that messages keep their order.
    fn go_on(
        &mut self,
        such: impl Fn(&Queue<Waiting>) -> bool,
        happens: impl FnOnce(&mut Queue<Waiting>) -> Vec<Waiting>,
        mut send: impl FnMut(Waiting) -> bool,
    ) {
        let Some((subshell, shell)) = self.queues.iter_mut().find(|(_, shell)| such(&shell.queue)) else {
            return;
        };
        let queue = &mut shell.queue;
        let before = queue.running_cell().cloned();
        let mut next = VecDeque::from(happens(queue));
        while let Some(waiting) = next.pop_front() {
            self.bytes = self.bytes.saturating_sub(waiting.body.size());
            let cell = waiting.cell.clone();
            if !send(waiting)
                && let Some(name) = cell
            {
                next.extend(queue.ended(&name));
            }
        }
        if queue.running_cell() != before.as_ref() {
            shell.since = Instant::now();
        }
        if subshell.is_some() && queue.running().is_none() && !queue.is_waiting() {
            let subshell = subshell.clone();
            self.queues.remove(&subshell);
        }
    }
}

impl Proxy {
    /// Sends a message of a client's to its kernel, or lets it wait for its turn.
    pub(super) fn send_in_turn(self: &Arc<Self>, kernel: &Arc<Kernel>, message: Waiting) -> Pushed {
        let (cell, subshell) = (message.cell.clone(), subshell_of(message.body.header()));
        let mut shells = kernel.cell_queues.0.lock();
        if message.life != kernel.link.life() {
            return Pushed::Dropped;
        }
        let Shells { queues, bytes, kept, told } = &mut *shells;
        if message.address.is_from_before() {
            kept.insert(message.address.entry);
        }
        let shell = queues.entry(subshell).or_default();
        let queue = &mut shell.queue;
        let client = message.client.clone();
        if queue.has_to_wait(&client, cell.is_some()) {
            *bytes += message.body.size();
            self.journal.waits(message.address.entry, &message.body);
        }
        let name = cell.clone();
        match queue.offer(&client, cell, message) {
            Offered::Goes(Waiting { body, life, .. }) => {
                if name.is_some() {
                    shell.since = Instant::now();
                }
                let pushed = kernel.link.push(Channel::Shell, body, life);
                if let (Pushed::Full, Some(name)) = (&pushed, name) {
                    // Nothing waits, or it would not have gone.
                    let _ = queue.ended(&name);
                }
                pushed
            }
            Offered::Waits => {
                let half = queue.half_ended().cloned();
                let is_told = std::mem::replace(told, true);
                drop(shells);
                if !is_told {
                    self.tell_those_who_wait(kernel);
                }
                if let Some(name) = half {
                    self.wait_for_second_half(kernel, name);
                }
                Pushed::Held
            }
        }
    }

    /// A cell has been answered: if it has failed, what its client has waiting is aborted; then the next has its turn.
    pub(super) fn cell_is_answered(
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
        let half = kernel.cell_queues.half_ended(name);
        if half {
            self.wait_for_second_half(kernel, name.clone());
        }
    }

    /// Whether a reply that nobody waits for any more is the end of the cell that runs.
    pub(super) fn ends_running_cell(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        parent: &Parent<'_>,
        flushes: &mut Flushes,
    ) -> bool {
        let running = kernel.cell_queues.running(parent);
        if let Some(name) = &running {
            self.cell_is_answered(kernel, name, None, flushes);
        }
        running.is_some()
    }

    /// The kernel has said that it is done with a message.
    pub(super) fn message_is_done(self: &Arc<Self>, kernel: &Arc<Kernel>, parent: &Parent<'_>) {
        let Some(name) = kernel.cell_queues.running(parent) else { return };
        self.queue_goes_on(kernel, &name, |queue| queue.idle(&name));
        if kernel.cell_queues.half_ended(&name) {
            self.wait_for_second_half(kernel, name);
        }
    }

    /// Cells that an earlier `serve` had sent have ended, whatever was or was not said of them.
    pub(super) fn recalled_cells_have_ended(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        for name in kernel.cell_queues.recalled() {
            self.queue_goes_on(kernel, &name, |queue| queue.ended(&name));
        }
    }

    /// A cell that nobody waits for any more is not run, if it has not been sent.
    pub(super) fn drop_waiting_cell(&self, kernel: &Kernel, client: &ClientId, cell: &CellName) {
        let _ = self.take_cells(kernel, client, |waiting| waiting == cell);
    }

    /// The client's cells that wait are not run, and a notice in the first of them says why. Returns how many those are.
    pub(super) fn abort_cells(
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

    /// Takes cells of the client's that wait out of the queue. What came behind them goes to the kernel.
    fn take_cells(
        &self,
        kernel: &Kernel,
        client: &ClientId,
        meant: impl Fn(&CellName) -> bool,
    ) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let mut outboxes = Vec::new();
        let mut shells = kernel.cell_queues.0.lock();
        let Shells { queues, bytes, .. } = &mut *shells;
        for shell in queues.values_mut() {
            let (cells, others) = shell.queue.take_out(client, &meant);
            let size = |waiting: &Waiting| waiting.body.size();
            *bytes = bytes.saturating_sub(cells.iter().chain(&others).map(size).sum());
            for other in others {
                self.push_waiting(kernel, other, &mut outboxes);
            }
            taken.extend(cells);
        }
        outboxes.iter().for_each(SignedOutbox::flush);
        taken
    }

    fn abort_taken(self: &Arc<Self>, kernel: &Kernel, cell: &Waiting, notice: Option<&str>) {
        if let Some(name) = &cell.cell {
            self.table.lock().withdraw(&kernel.id, name.msg_id.as_str(), &cell.client);
        }
        self.abort(&cell.client, &cell.address, notice);
    }

    fn queue_goes_on(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        name: &CellName,
        happens: impl FnOnce(&mut Queue<Waiting>) -> Vec<Waiting>,
    ) {
        let mut full = Vec::new();
        let mut outboxes = Vec::new();
        {
            let mut shells = kernel.cell_queues.0.lock();
            let runs = |queue: &Queue<Waiting>| queue.runs(name);
            shells.go_on(runs, happens, |waiting| {
                let (client, address) = (waiting.client.clone(), waiting.address.clone());
                let goes = self.push_waiting(kernel, waiting, &mut outboxes);
                if !goes {
                    full.push((client, address));
                }
                goes
            });
            outboxes.iter().for_each(SignedOutbox::flush);
        }
        for (client, address) in full {
            self.take_back(kernel, &client, &address);
        }
    }

    /// `false`: the kernel does not read what it is sent.
    fn push_waiting(&self, kernel: &Kernel, waiting: Waiting, outboxes: &mut Vec<SignedOutbox>) -> bool {
        // A cell that leaves before it is noted could run twice.
        self.journal.sent(waiting.address.entry, &kernel.id);
        self.journal.write();
        match kernel.link.push(Channel::Shell, waiting.body, waiting.life) {
            Pushed::Queued(outbox) => outboxes.push(outbox),
            Pushed::Held | Pushed::Dropped | Pushed::NoChannel => {}
            Pushed::Full => return false,
        }
        true
    }

    fn wait_for_second_half(self: &Arc<Self>, kernel: &Arc<Kernel>, name: CellName) {
        let (proxy, kernel) = (self.clone(), kernel.clone());
        tokio::spawn(async move {
            sleep(SECOND_HALF).await;
            proxy.queue_goes_on(&kernel, &name, |queue| queue.give_up_waiting(&name));
        });
    }

    /// Tells a cell that it is not run, and why where that is not plain.
    pub(super) fn abort(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress, notice: Option<&str>) {
        let parent = &address.header;
        let busy = self.builder.status(ExecutionState::Busy, parent);
        let notice = notice.map(|text| self.builder.notice(text, parent));
        self.send_to_client(client, std::iter::once(busy).chain(notice));
        let reply = self.builder.say_raw("execute_reply", json!({ "status": "aborted" }), parent);
        self.reply(client, address, reply);
        self.send_idle(client, parent);
    }
}

impl CellQueues {
    /// Whether others wait while this cell has ended by half.
    fn half_ended(&self, name: &CellName) -> bool {
        let shells = self.0.lock();
        let mut queues = shells.queues.values().map(|shell| &shell.queue);
        queues.any(|queue| queue.is_waiting() && queue.half_ended() == Some(name))
    }

    /// The cell that runs on the main shell, and whose it is.
    pub(super) fn running_on_main_shell(&self) -> Option<(ClientId, CellName)> {
        let shells = self.0.lock();
        let queue = &shells.queues.get(&None)?.queue;
        Some((queue.running()?.clone(), queue.running_cell()?.clone()))
    }

    fn keep_anybody_waiting(&self) -> bool {
        self.0.lock().queues.values().any(|shell| shell.queue.is_waiting())
    }

    /// The cell that runs, if that is what a message answers.
    fn running(&self, parent: &Parent<'_>) -> Option<CellName> {
        let is_meant = |name: &&CellName| {
            name.msg_id.as_str() == parent.msg_id
                && (parent.session.is_empty() || name.session.as_str() == parent.session)
        };
        let shells = self.0.lock();
        shells.queues.values().filter_map(|shell| shell.queue.running_cell()).find(is_meant).cloned()
    }

    fn recalled(&self) -> Vec<CellName> {
        self.0.lock().queues.values().filter_map(|shell| shell.queue.recalled().cloned()).collect()
    }

    /// Who waits; `None` if nobody does, and nobody is told any more.
    pub(super) fn waiters(&self) -> Option<Vec<Waiter>> {
        let mut shells = self.0.lock();
        let waiters: Vec<Waiter> = shells.queues.values().flat_map(Shell::waiters).collect();
        if waiters.is_empty() {
            shells.told = false;
            return None;
        }
        Some(waiters)
    }
}
