//! Looking after kernels at regular times: do they echo, are their logs short, is nothing left of those that are gone.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::time::{MissedTickBehavior, interval};
use tracing::{info, warn};

use super::{kernel::Kernel, link::Asker};
use crate::{
    fleet::{Belonging, belongings, kill_all, rotate, sweep},
    frames::Frames,
    id::KernelId,
    metrics::Trouble,
    proxy::Proxy,
    state::SERVE_LOG,
};

/// How often kernels are looked at.
const LOOK: Duration = Duration::from_secs(1);

/// Silence after which a kernel counts as unresponsive.
const SILENCE: Duration = Duration::from_secs(3);

/// How often processes of kernels that are gone are looked for.
const RECONCILE: Duration = Duration::from_secs(60);

/// Logs of kernels that are gone which are kept, for those who want to know why.
const LOGS: usize = 20;

impl Proxy {
    /// Looks after the kernels of the fleet with this id and directory, until the task is dropped.
    pub async fn look_after_kernels(self: Arc<Self>, fleet: String, directory: PathBuf) {
        let mut look = interval(LOOK);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut reconcile = interval(RECONCILE);
        reconcile.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = look.tick() => self.look(),
                _ = reconcile.tick() => self.clone().reconcile(fleet.clone(), directory.clone()).await,
            }
        }
    }

    fn look(&self) {
        let now = Instant::now();
        // An empty delimiter and a body: what a REQ socket would send.
        let ping: Frames = [Bytes::new(), Bytes::from_static(b"jupyter-fleet")].into_iter().collect();
        let kernels: Vec<Arc<Kernel>> = self.kernels.iter().map(|entry| entry.value().clone()).collect();
        let mut logs = Vec::new();
        for kernel in kernels {
            self.mark(&kernel, now);
            kernel.link.ping(&ping, Asker::Ourselves);
            logs.extend(kernel.process().map(|process| process.log));
        }
        let most = self.limits.log_bytes;
        tokio::task::spawn_blocking(move || logs.iter().for_each(|log| shorten(log, most)));
        self.forget_late();
        self.tell_more_trouble(now);
    }

    /// A kernel that does not echo is marked and shown. It may be stopped by a debugger, or swapped out: it is nobody's
    /// to kill but its clients'.
    fn mark(&self, kernel: &Kernel, now: Instant) {
        let Some(silence) = kernel.link.silence(now) else { return };
        let unresponsive = silence > SILENCE;
        if kernel.set_unresponsive(unresponsive) {
            self.registry_changed.notify_one();
            if unresponsive {
                self.metrics.troubles.of(Trouble::KernelSilent).increment();
                warn!(kernel = %kernel.id, ?silence, "the kernel does not echo its heartbeat");
            } else {
                info!(kernel = %kernel.id, "the kernel echoes again");
            }
        }
    }

    /// Ends what is left of kernels that are gone, and removes their files.
    async fn reconcile(self: Arc<Self>, fleet: String, directory: PathBuf) {
        let looked = tokio::task::spawn_blocking(move || {
            kill_all(&self.strays(&fleet));
            shorten(&directory.join(SERVE_LOG), self.limits.log_bytes);
            let living: Vec<KernelId> = self.kernels.iter().map(|kernel| kernel.id.clone()).collect();
            sweep(&directory, &living, LOGS)
        });
        if let Ok(Err(error)) = looked.await {
            warn!(%error, "cannot look for files of kernels that are gone");
        }
    }

    fn strays(&self, fleet: &str) -> Vec<Belonging> {
        let found = belongings(fleet).into_iter();
        found.filter(|one| self.kernel(&one.kernel).is_none_or(|kernel| kernel.has_outlived(one))).collect()
    }
}

fn shorten(log: &Path, most: u64) {
    if let Err(error) = rotate(log, most) {
        warn!(log = %log.display(), %error, "cannot shorten a log");
    }
}

impl Kernel {
    /// Whether a process belongs to an earlier process of this kernel. What is younger than the one that is known may
    /// belong to one that we have yet to hear of.
    fn has_outlived(&self, one: &Belonging) -> bool {
        self.process().is_some_and(|known| {
            one.leader != known.identity.pid && one.process.start_time < known.identity.start_time
        })
    }
}
