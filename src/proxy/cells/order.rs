//! One client's cells in their order, whichever kernels they go to.
//!
//! A kernel does its cells one after the other, and after an error gives up those behind it. A notebook whose cells go to
//! several kernels, and which sends them all at once, expects no less: a cell for another kernel than the one before it
//! waits here until that one has answered. While nobody has sent a cell elsewhere, no cell comes by.
//!
//! A cell that fails here fails faster than its client can send the next ones. What the client sends before it can know of
//! the failure is aborted: it is asked by a PING, and its reply is sent once that is answered, and not at once.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dashmap::DashMap;
use jupyter_protocol::ExecutionState;
use tokio::time::{sleep, timeout};

use super::recognised::Cell;
use crate::{
    id::ClientId,
    jupyter::{message::Body, reply::Failure},
    proxy::{Proxy, frontend::connection::ReturnAddress},
};

/// How long a client that has been asked is waited for.
const ANSWER: Duration = Duration::from_secs(1);

/// How long the reply is kept back at least: a program answers a PING sooner than it has sent all that it is about to send.
const SENDING: Duration = Duration::from_millis(50);

/// The cells that wait, by client.
#[derive(Debug, Default)]
pub(crate) struct CellOrder {
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

impl CellOrder {
    /// Whether any client's cells may have to wait.
    pub(crate) fn is_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// From now on, cells may have to wait.
    pub(crate) fn begin(&self) {
        self.used.store(true, Ordering::Relaxed);
    }

    /// Whether any cell of the client's waits.
    pub(crate) fn keep_waiting(&self, client: &ClientId) -> bool {
        self.is_used() && self.queues.get(client).is_some_and(|queue| !queue.cells.is_empty())
    }

    fn begin_failure(&self, client: &ClientId) {
        self.begin();
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
    /// Gives the cell back if nothing has to come before it, else keeps it until then.
    pub(crate) fn put_in_order(self: &Arc<Self>, client: &ClientId, cell: Cell) -> Option<Cell> {
        if cell.stays_at_home() && !self.cell_order.is_used() {
            return Some(cell);
        }
        self.cell_order.begin();
        let size = cell.size();
        let refused = {
            let mut queue = self.cell_order.queues.entry(client.clone()).or_default();
            let free = queue.cells.is_empty() && !queue.moving && !self.must_wait(client, &cell);
            if !free && queue.bytes + size <= self.limits.held_bytes {
                queue.bytes += size;
                queue.cells.push_back(cell);
                return None;
            }
            (!free).then_some(())
        };
        self.cell_order.tidy(client);
        if refused.is_some() {
            // Those before it are as good as before.
            let text = "too many cells already wait for others of this client: try again when some are done";
            let address = ReturnAddress { stops_on_error: false, ..cell.address() };
            self.fail(client, "execute_request", &address, &Failure::new("TooManyRequests", text));
            return None;
        }
        Some(cell)
    }

    /// A cell of the client's has been answered: the next may go.
    pub(crate) fn next_in_order(self: &Arc<Self>, client: &ClientId) {
        loop {
            let cell = {
                let Some(mut queue) = self.cell_order.queues.get_mut(client) else { return };
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
            if let Some(mut queue) = self.cell_order.queues.get_mut(client) {
                queue.moving = false;
            }
        }
        self.cell_order.tidy(client);
    }

    /// A cell has failed, or the client's kernel is restarted: what waits behind it is not run, as a kernel would do it.
    pub(crate) fn abort_waiting(self: &Arc<Self>, client: &ClientId) {
        self.abort_all(client, self.cell_order.take_all(client));
    }

    fn abort_all(self: &Arc<Self>, client: &ClientId, cells: VecDeque<Cell>) {
        for cell in cells {
            self.abort(client, &cell.address(), None);
        }
        self.cell_order.tidy(client);
    }

    /// Fails a cell here: it goes to no kernel.
    pub(crate) fn refuse_cell(
        self: &Arc<Self>,
        client: &ClientId,
        address: &ReturnAddress,
        failure: &Failure,
    ) {
        if address.is_from_before() && self.keep_failure(client, address, "execute_request", failure) {
            return;
        }
        self.send_to_client(client, [self.builder.status(ExecutionState::Busy, &address.header)]);
        self.fail_cell(client, address, failure);
    }

    /// The same for a cell that is known to be worked on.
    pub(crate) fn fail_cell(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress, failure: &Failure) {
        self.send_to_client(client, [self.builder.error(failure, &address.header)]);
        let reply = self.builder.error_reply("execute_request", failure, &address.header);
        if !address.stops_on_error {
            return self.end_failed_cell(client, address, reply, VecDeque::new());
        }
        self.cell_order.begin_failure(client);
        let (proxy, client, address) = (self.clone(), client.clone(), address.clone());
        tokio::spawn(async move {
            let _ = tokio::join!(timeout(ANSWER, address.connection.answers_ping()), sleep(SENDING));
            let behind = proxy.cell_order.take_all(&client);
            proxy.cell_order.end_failure(&client);
            proxy.end_failed_cell(&client, &address, reply, behind);
        });
    }

    fn end_failed_cell(
        self: &Arc<Self>,
        client: &ClientId,
        address: &ReturnAddress,
        reply: Body,
        behind: VecDeque<Cell>,
    ) {
        self.reply(client, address, reply);
        self.send_idle(client, &address.header);
        self.abort_all(client, behind);
        self.next_in_order(client);
    }

    /// Whether a cell of the client's fails at the moment, or runs elsewhere than where this one goes. Where that is, is known for its own kernel
    /// only.
    fn must_wait(&self, client: &ClientId, cell: &Cell) -> bool {
        self.cell_order.failing.contains_key(client)
            || self.table.lock().runs_cells(client, cell.stays_at_home())
    }
}
