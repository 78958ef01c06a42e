//! The end of all kernels.

use std::{sync::atomic::Ordering, time::Duration};

use tokio::time::{Instant, timeout, timeout_at};

use crate::id::KernelId;
use crate::proxy::Proxy;

impl Proxy {
    /// Stops all kernels and waits until they are gone, at most until the deadline; `false` if some are left.
    pub async fn stop_all(&self, within: Duration) -> bool {
        self.stopping.store(true, Ordering::Relaxed);
        let ids: Vec<KernelId> = self.kernels.iter().map(|kernel| kernel.id.clone()).collect();
        for id in ids {
            self.stop_kernel(&id, "the fleet is stopped");
        }
        self.all_gone(Instant::now() + within).await
    }

    /// Takes no more requests, and leaves the kernels as they are; returns how many there are.
    pub fn leave_kernels(&self) -> usize {
        self.stopping.store(true, Ordering::Relaxed);
        self.kernels.len()
    }

    /// Returns when clients have been written what waits for them, at the latest after that time: one that does not read is not
    /// waited for longer.
    pub async fn drain(&self, within: Duration) {
        let outboxes: Vec<_> = self.connections.iter().map(|connection| connection.outbox.clone()).collect();
        let all = async {
            for outbox in outboxes {
                outbox.emptied().await;
            }
        };
        let _ = timeout(within, all).await;
    }

    /// Kills all kernels that are left.
    pub async fn kill_all(&self, within: Duration) -> bool {
        for kernel in &self.kernels {
            kernel.handle.kill();
        }
        self.all_gone(Instant::now() + within).await
    }

    async fn all_gone(&self, deadline: Instant) -> bool {
        loop {
            let mut changed = std::pin::pin!(self.kernels_changed.notified());
            changed.as_mut().enable();
            if self.kernels.is_empty() {
                return true;
            }
            if timeout_at(deadline, changed).await.is_err() {
                return self.kernels.is_empty();
            }
        }
    }
}
