//! What waits for one kernel: of each of its shells, at most one cell is at the kernel. [`Queue`] has the rules.
//!
//! A message is queued for the kernel under the lock of the queues, so what was let go first arrives first. The lock is
//! taken after those of the table and the fanout, never before.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;

use super::of_client::CellsOfClient;
use crate::{
    channel::Channel,
    id::ClientId,
    jupyter::{
        content::is_silent,
        header::{Header, Heading, Parent, subshell_of},
        message::Body,
    },
    proxy::{
        backend::link::{Link, Pushed},
        frontend::connection::ReturnAddress,
    },
    route::{CellName, Offered, Queue},
    state::Entry,
};

/// The messages that wait for one kernel.
#[derive(Debug, Default)]
pub(crate) struct CellQueues(Mutex<Shells>);

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

/// A message on its way to a kernel.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) client: ClientId,
    /// Its name, if it is a cell.
    pub(crate) cell: Option<CellName>,
    pub(crate) body: Body,
    pub(crate) address: ReturnAddress,
    /// The life of the kernel that it is meant for.
    pub(crate) life: u64,
    /// When it came.
    pub(crate) since: Instant,
}

/// What became of a message.
pub(crate) enum Submitted {
    /// It went to the kernel.
    Sent(Pushed),
    /// It waits.
    Waits {
        /// Nobody has been told so yet.
        untold: bool,
        /// The cell that runs, if it has ended by half.
        half_ended: Option<CellName>,
    },
}

/// A client whose cell waits.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) client: ClientId,
    /// The header of the cell.
    pub(crate) header: Bytes,
    pub(crate) since: Instant,
    /// How many clients come before it.
    pub(crate) before: usize,
    /// Whose cell runs, which, and since when.
    pub(crate) owner: ClientId,
    pub(crate) running: CellName,
    pub(crate) running_since: Instant,
    is_silent: bool,
}

impl Waiter {
    /// Whether it is to be told: not by a cell that nobody has typed.
    pub(crate) fn waits_for_another(&self) -> bool {
        self.owner != self.client && !self.is_silent
    }
}

/// The name of a message, if it is a cell.
pub(crate) fn cell_name(heading: &Heading) -> Option<CellName> {
    let Heading { msg_id, session, .. } = heading;
    heading.is_cell().then(|| CellName { msg_id: msg_id.clone(), session: session.clone() })
}

/// The same for the message with this header's JSON.
pub(crate) fn cell_named(header: &[u8]) -> Option<CellName> {
    cell_name(&Header::of_bytes(header).ok()?.heading())
}

impl CellQueues {
    /// A message of a client's: it goes to the kernel, or waits, which `note` writes down.
    pub(crate) fn submit(&self, link: &Link, message: Waiting, note: impl FnOnce(&Waiting)) -> Submitted {
        let (cell, subshell) = (message.cell.clone(), subshell_of(message.body.header()));
        let mut shells = self.0.lock();
        if message.life != link.life() {
            // It has failed with the process that it was meant for.
            return Submitted::Sent(Pushed::Dropped);
        }
        let Shells { queues, bytes, kept, told } = &mut *shells;
        if message.address.is_from_before() {
            kept.insert(message.address.entry);
        }
        let shell = queues.entry(subshell).or_default();
        let client = message.client.clone();
        if shell.queue.has_to_wait(&client, cell.is_some()) {
            *bytes += message.body.size();
            note(&message);
        }
        let Offered::Goes(message) = shell.queue.offer(&client, cell.clone(), message) else {
            let half_ended = shell.queue.half_ended().cloned();
            return Submitted::Waits { untold: !std::mem::replace(told, true), half_ended };
        };
        if cell.is_some() {
            shell.since = Instant::now();
        }
        let pushed = link.push(Channel::Shell, message.body, message.life);
        if let (Pushed::Full, Some(name)) = (&pushed, cell) {
            // Nothing waits, or it would not have gone.
            let _ = shell.queue.ended(&name);
        }
        Submitted::Sent(pushed)
    }

    /// Something `happens` to the shell where this cell runs, which then sends what it may. `send` says whether it could.
    pub(crate) fn go_on(
        &self,
        name: &CellName,
        happens: impl FnOnce(&mut Queue<Waiting>) -> Vec<Waiting>,
        mut send: impl FnMut(Waiting) -> bool,
    ) {
        let mut shells = self.0.lock();
        let Shells { queues, bytes, .. } = &mut *shells;
        let Some((subshell, shell)) = queues.iter_mut().find(|(_, shell)| shell.queue.runs(name)) else {
            return;
        };
        let mut next = VecDeque::from(happens(&mut shell.queue));
        while let Some(waiting) = next.pop_front() {
            *bytes = bytes.saturating_sub(waiting.body.size());
            let cell = waiting.cell.clone();
            if !send(waiting)
                && let Some(name) = cell
            {
                next.extend(shell.queue.ended(&name));
            }
        }
        if !shell.queue.runs(name) {
            shell.since = Instant::now();
        }
        if subshell.is_some() && shell.queue.running().is_none() && !shell.queue.is_waiting() {
            let subshell = subshell.clone();
            queues.remove(&subshell);
        }
    }

    /// Takes cells of the client's that wait out of the queues. What came behind them and is no cell is sent.
    pub(crate) fn take_out(
        &self,
        client: &ClientId,
        meant: impl Fn(&CellName) -> bool,
        mut send: impl FnMut(Waiting),
    ) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let mut shells = self.0.lock();
        let Shells { queues, bytes, .. } = &mut *shells;
        for shell in queues.values_mut() {
            let (cells, others) = shell.queue.take_out(client, &meant);
            let size = |waiting: &Waiting| waiting.body.size();
            *bytes = bytes.saturating_sub(cells.iter().chain(&others).map(size).sum());
            others.into_iter().for_each(&mut send);
            taken.extend(cells);
        }
        taken
    }

    /// The kernel has answered what it was sent after this cell.
    pub(crate) fn overtake(&self, name: &CellName) {
        self.0.lock().queues.values_mut().for_each(|shell| shell.queue.overtake(name));
    }

    /// A cell that an earlier `serve` had sent may still run.
    pub(crate) fn recall_running(&self, client: &ClientId, header: &Bytes) {
        let Some(name) = cell_named(header) else { return };
        self.0.lock().queues.entry(subshell_of(header)).or_default().queue.recall_running(client, name);
    }

    /// The kernel is gone, and with it all that ran or waited.
    pub(crate) fn clear(&self) {
        let mut shells = self.0.lock();
        *shells = Shells { told: shells.told, ..Shells::default() };
    }
}

/// What there is.
impl CellQueues {
    /// Whether so much waits that a message of that size cannot.
    pub(crate) fn are_overfull(&self, size: usize, most: usize) -> bool {
        let shells = self.0.lock();
        shells.bytes > 0 && shells.bytes + size > most
    }

    /// Whether a message that an earlier `serve` was sent waited when that ended: this one sends it.
    pub(crate) fn kept(&self, address: &ReturnAddress) -> bool {
        self.0.lock().kept.contains(&address.entry)
    }

    /// Whether cells of the client's wait, and none of its own runs.
    pub(crate) fn keep_waiting(&self, client: &ClientId) -> bool {
        self.any(|queue| queue.waits(client)) && !self.any(|queue| queue.running() == Some(client))
    }

    /// Whether this cell runs and has not been replied to.
    pub(crate) fn owe_reply(&self, name: &CellName) -> bool {
        self.any(|queue| queue.owes_reply(name))
    }

    /// Whether a cell runs, of whose end nothing has been heard.
    pub(crate) fn are_busy(&self) -> bool {
        self.any(Queue::is_busy)
    }

    /// Whether anybody waits.
    pub(crate) fn keep_anybody_waiting(&self) -> bool {
        self.any(Queue::is_waiting)
    }

    /// Whether others wait while this cell has ended by half.
    pub(crate) fn wait_for_half_of(&self, name: &CellName) -> bool {
        self.any(|queue| queue.is_waiting() && queue.half_ended() == Some(name))
    }

    fn any(&self, such: impl Fn(&Queue<Waiting>) -> bool) -> bool {
        self.0.lock().queues.values().any(|shell| such(&shell.queue))
    }

    /// Whether this cell runs, and the kernel has answered what it was sent afterwards.
    pub(crate) fn are_overtaken(&self, name: &CellName) -> bool {
        self.any(|queue| queue.is_overtaken(name))
    }

    /// Whose cell this is, if it runs.
    pub(crate) fn owner_of(&self, name: &CellName) -> Option<ClientId> {
        let shells = self.0.lock();
        let shell = shells.queues.values().find(|shell| shell.queue.runs(name))?;
        shell.queue.running().cloned()
    }

    /// The cell that runs on the main shell, and whose it is.
    pub(crate) fn running_on_main_shell(&self) -> Option<(ClientId, CellName)> {
        let shells = self.0.lock();
        let queue = &shells.queues.get(&None)?.queue;
        Some((queue.running()?.clone(), queue.running_cell()?.clone()))
    }

    /// The cell that runs, if that is what a message answers.
    pub(crate) fn running(&self, parent: &Parent<'_>) -> Option<CellName> {
        let is_meant = |name: &&CellName| {
            name.msg_id.as_str() == parent.msg_id
                && (parent.session.is_empty() || name.session.as_str() == parent.session)
        };
        let shells = self.0.lock();
        shells.queues.values().filter_map(|shell| shell.queue.running_cell()).find(is_meant).cloned()
    }

    /// The cells that run and were sent by an earlier `serve`.
    pub(crate) fn recalled(&self) -> Vec<CellName> {
        self.0.lock().queues.values().filter_map(|shell| shell.queue.recalled().cloned()).collect()
    }

    /// Who waits for another's cell; `None` if nobody waits at all, and nobody is told any more.
    pub(crate) fn waiters(&self) -> Option<Vec<Waiter>> {
        let mut shells = self.0.lock();
        if !shells.queues.values().any(|shell| shell.queue.is_waiting()) {
            shells.told = false;
            return None;
        }
        Some(shells.queues.values().flat_map(Shell::waiters).collect())
    }

    /// The cell that has been running on the main shell for that long.
    pub(crate) fn running_for(&self, time: Duration) -> Option<CellName> {
        let shells = self.0.lock();
        let shell = shells.queues.get(&None).filter(|shell| shell.since.elapsed() >= time)?;
        shell.queue.running_cell().cloned()
    }

    /// The cells of those who have any.
    pub(crate) fn by_client(&self) -> HashMap<ClientId, CellsOfClient> {
        let mut clients: HashMap<ClientId, CellsOfClient> = HashMap::new();
        for shell in self.0.lock().queues.values() {
            if let Some(owner) = shell.queue.running() {
                clients.entry(owner.clone()).or_default().running_for = Some(shell.since.elapsed());
            }
            for (before, (client, _)) in shell.queue.waiters().enumerate() {
                let cells = clients.entry(client.clone()).or_default();
                cells.before = if cells.waiting == 0 { before } else { cells.before.min(before) };
                cells.waiting += shell.queue.waiting_cells(client);
            }
        }
        clients
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
