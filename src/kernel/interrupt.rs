//! Stopping a cell from another thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::Notify;

/// Interrupts the cell that a [`Language`](super::Language) is running. Clones are equal; any thread may hold one.
///
/// An interrupt while no cell runs is forgotten when the next one starts.
#[derive(Debug, Clone, Default)]
pub struct InterruptHandle(Arc<Interrupt>);

#[derive(Debug, Default)]
struct Interrupt {
    asked: AtomicBool,
    changed: Notify,
}

impl InterruptHandle {
    /// Asks the running cell to stop.
    pub fn interrupt(&self) {
        self.0.asked.store(true, Ordering::Release);
        self.0.changed.notify_waiters();
    }

    /// Whether the current cell has been asked to stop.
    #[must_use]
    pub fn is_interrupted(&self) -> bool {
        self.0.asked.load(Ordering::Acquire)
    }

    /// Returns once the current cell has been asked to stop.
    pub async fn interrupted(&self) {
        let mut changed = std::pin::pin!(self.0.changed.notified());
        // From here on no notification is missed.
        changed.as_mut().enable();
        if !self.is_interrupted() {
            changed.await;
        }
    }

    /// Begins a cell: forgets an earlier interrupt.
    pub fn begin_cell(&self) {
        self.0.asked.store(false, Ordering::Release);
    }
}
