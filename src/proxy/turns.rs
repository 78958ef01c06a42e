//! One client's cells take turns, whichever kernels they go to.
//!
//! A kernel does its cells one after the other, and after an error gives up those behind it. A notebook whose cells go to
//! several kernels, and which sends them all at once, expects no less: a cell for another kernel than the one before it
//! waits here until that one has answered. While nobody has sent a cell elsewhere, no cell comes by.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use tokio::time::sleep;

use super::{Proxy, cells::Cell, connection::ReturnAddress};
use crate::{id::ClientId, jupyter::reply::Failure};

/// How long cells may take that were sent together with one that fails: that long its reply is kept back.
const ON_ITS_WAY: Duration = Duration::from_millis(50);

/// The cells that wait, by client.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queues: DashMap<ClientId, Queue>,
    /// Somebody has sent a cell elsewhere.
    used: AtomicBool,
    /// How many cells of a client's fail at the moment.
    failing: DashMap<ClientId, usize>,
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

    fn begin_failure(&self, client: &ClientId) {
        *self.failing.entry(client.clone()).or_default() += 1;
    }

    fn end_failure(&self, client: &ClientId) {
        if let Some(mut failing) = self.failing.get_mut(client) {
            *failing -= 1;
        }
        self.failing.remove_if(client, |_, failing| *failing == 0);
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
        self.abort_all(client, self.turns.take_all(client));
    }

    fn abort_all(self: &Arc<Self>, client: &ClientId, cells: VecDeque<Cell>) {
        for cell in cells {
            self.abort(client, &cell.address(), None);
        }
        self.turns.tidy(client);
    }

    /// Ends a cell that fails here, and has been shown why. Its client sent others behind it that may still be on their way,
    /// and it can know nothing of the failure before the reply: what comes before that is aborted, as by a kernel.
    pub(super) fn end_failed_cell(
        self: &Arc<Self>,
        client: &ClientId,
        address: &ReturnAddress,
        failure: &Failure,
    ) {
        self.turns.begin_failure(client);
        let reply = self.builder.error_reply("execute_request", failure, &address.header);
        let (proxy, client, address) = (self.clone(), client.clone(), address.clone());
        tokio::spawn(async move {
            sleep(ON_ITS_WAY).await;
            let behind = proxy.turns.take_all(&client);
            proxy.turns.end_failure(&client);
            proxy.reply(&client, &address, reply);
            proxy.send_idle(&client, &address.header);
            proxy.abort_all(&client, behind);
            proxy.next_turn(&client);
        });
    }

    /// Whether a cell of the client's fails at the moment, or runs elsewhere than where this one goes. Where that is, is known for its own kernel
    /// only.
    fn must_wait(&self, client: &ClientId, cell: &Cell) -> bool {
        self.turns.failing.contains_key(client) || self.table.lock().runs_cells(client, cell.stays_at_home())
    }
}
