//! One client's cells take turns, whichever kernels they go to.
//!
//! A kernel does its cells one after the other, and after an error gives up those behind it. A notebook whose cells go to
//! several kernels, and which sends them all at once, expects no less: a cell for another kernel than the one before it
//! waits here until that one has answered. Clients that have one kernel never come by.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use dashmap::DashMap;
use jupyter_protocol::ExecutionState;
use serde_json::json;

use super::{Proxy, cells::Cell, connection::ReturnAddress};
use crate::{
    id::ClientId,
    jupyter::{header::was_made_before, reply::Failure},
};

/// How long cells may take that were sent together with one that has failed.
const ON_ITS_WAY: Duration = Duration::from_millis(100);

/// The cells that wait, by client.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queues: DashMap<ClientId, Queue>,
    /// Somebody has sent a cell elsewhere.
    used: AtomicBool,
    /// When a cell of a client's was failed here, by both clocks.
    failed: DashMap<ClientId, (Instant, SystemTime)>,
}

#[derive(Debug, Default)]
struct Queue {
    cells: VecDeque<Cell>,
    bytes: usize,
    /// The one that was first is being routed.
    moving: bool,
}

impl Turns {
    /// Whether any client's cells may have to wait.
    pub(super) fn are_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// From now on, cells may have to wait.
    pub(super) fn begin(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Whether any cell of the client's waits.
    pub(super) fn keep_waiting(&self, client: &ClientId) -> bool {
        self.are_used() && self.queues.get(client).is_some_and(|queue| !queue.cells.is_empty())
    }

    /// A cell of the client's was failed without its kernel. What the client had sent behind it is still on its way.
    fn note_failure(&self, client: &ClientId, time: SystemTime) {
        self.failed.retain(|_, (at, _)| at.elapsed() < ON_ITS_WAY);
        self.failed.insert(client.clone(), (Instant::now(), time));
    }

    /// Whether a cell with this header was sent before its client could know that the one before it failed.
    pub(super) fn has_just_failed(&self, client: &ClientId, header: &[u8]) -> bool {
        if !self.are_used() {
            return false;
        }
        let Some((at, time)) = self.failed.get(client).map(|failed| *failed) else { return false };
        at.elapsed() < ON_ITS_WAY && was_made_before(header, time)
    }

    fn take_all(&self, client: &ClientId) -> VecDeque<Cell> {
        let Some(mut queue) = self.queues.get_mut(client) else { return VecDeque::new() };
        queue.bytes = 0;
        std::mem::take(&mut queue.cells)
    }

    fn tidy(&self, client: &ClientId) {
        self.queues.remove_if(client, |_, queue| queue.cells.is_empty() && !queue.moving);
    }
}

impl Proxy {
    /// Gives the cell back if it is its turn, else keeps it until it is.
    pub(super) fn take_turn(self: &Arc<Self>, client: &ClientId, cell: Cell) -> Option<Cell> {
        if cell.stays_at_home() && !self.turns.are_used() {
            return Some(cell);
        }
        self.turns.begin();
        let size = cell.size();
        let refused = {
            let mut queue = self.turns.queues.entry(client.clone()).or_default();
            let free = queue.cells.is_empty() && !queue.moving && !self.must_wait(client, &cell);
            if !free && queue.bytes + size <= self.limits.held_bytes {
                queue.bytes += size;
                queue.cells.push_back(cell);
                return None;
            }
            (!free).then_some(())
        };
        self.turns.tidy(client);
        if refused.is_some() {
            // Those before it are as good as before.
            let text = "too many cells already wait for others of this client: try again when some are done";
            let address = ReturnAddress { stops_on_error: false, ..cell.address() };
            self.fail(client, "execute_request", &address, &Failure::new("TooManyRequests", text));
            return None;
        }
        Some(cell)
    }

    /// A cell of the client's has been answered: the next may have its turn.
    pub(super) fn next_turn(self: &Arc<Self>, client: &ClientId) {
        loop {
            let cell = {
                let Some(mut queue) = self.turns.queues.get_mut(client) else { return };
                let waits = queue.cells.front().is_none_or(|next| self.must_wait(client, next));
                if queue.moving || waits {
                    break;
                }
                queue.moving = true;
                let next = queue.cells.pop_front();
                queue.bytes = queue.bytes.saturating_sub(next.as_ref().map_or(0, Cell::size));
                next
            };
            if let Some(cell) = cell {
                self.run_later(client, cell);
            }
            if let Some(mut queue) = self.turns.queues.get_mut(client) {
                queue.moving = false;
            }
        }
        self.turns.tidy(client);
    }

    /// A cell has failed, or the client's kernel is restarted: what waits behind it is not run, as a kernel would do it.
    pub(super) fn abort_waiting(self: &Arc<Self>, client: &ClientId) {
        for cell in self.turns.take_all(client) {
            let address = cell.address();
            self.abort(client, &address);
        }
        self.turns.tidy(client);
    }

    /// A cell of the client's was failed without its kernel, at that time.
    pub(super) fn cell_failed(self: &Arc<Self>, client: &ClientId, time: SystemTime) {
        self.turns.note_failure(client, time);
        self.abort_waiting(client);
    }

    /// Tells a cell that it is not run.
    pub(super) fn abort(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress) {
        let parent = &address.header;
        self.send_to_client(client, [self.voice.status(ExecutionState::Busy, parent)]);
        self.reply(
            client,
            address,
            self.voice.say_raw("execute_reply", json!({ "status": "aborted" }), parent),
        );
        self.send_to_client(client, [self.voice.status(ExecutionState::Idle, parent)]);
    }

    /// Whether a cell of the client's runs elsewhere than where this one goes. Where that is, is known for its own kernel
    /// only.
    fn must_wait(&self, client: &ClientId, cell: &Cell) -> bool {
        self.table.lock().runs_cells(client, cell.stays_at_home())
    }
}
