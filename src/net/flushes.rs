//! What is written to many peers at once, when a batch is done.

use std::time::Duration;

use smallvec::SmallVec;
use tokio::time::timeout;

use super::outbox::SignedOutbox;

/// Outboxes that have something to write once a batch is done.
#[derive(Debug, Default)]
pub struct Flushes(SmallVec<[SignedOutbox; 4]>);

impl Flushes {
    /// One more, once.
    pub fn add(&mut self, outbox: SignedOutbox) {
        if !self.0.iter().any(|known| known.is(&outbox)) {
            self.0.push(outbox);
        }
    }

    /// Writes what all of them hold.
    pub fn flush(&mut self) {
        for outbox in self.0.drain(..) {
            outbox.flush();
        }
    }

    /// The same; where much is left, waits for it to leave, but no longer than `patience`: whoever fills an outbox faster
    /// than its peer reads has to wait, as it would if it wrote to that peer itself.
    pub async fn flush_and_wait(&mut self, patience: Duration) {
        for outbox in self.0.drain(..) {
            outbox.flush();
            if outbox.0.is_filling() {
                // Else those who wait for room are told that there is none.
                let _ = timeout(patience, outbox.0.emptied()).await;
            }
        }
    }
}
