//! Which kernels have been idle for so long that they are stopped, and who is to be warned before.

use std::time::{Duration, Instant};

use super::{KernelState, Table, table::Kernel};
use crate::id::KernelId;

/// The longest time between warning and end.
const LONGEST_GRACE: Duration = Duration::from_secs(60);

/// Bounds on how often is looked.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(20);
const LONGEST_INTERVAL: Duration = Duration::from_secs(10);

/// What becomes of a kernel that has been idle for too long.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Cull {
    /// Its clients are told that it will be stopped.
    Warn {
        /// The kernel.
        kernel: KernelId,
        /// For how long it has been idle.
        idle: Duration,
        /// In which time it will be stopped.
        grace: Duration,
    },
    /// It is stopped now.
    Stop {
        /// The kernel.
        kernel: KernelId,
        /// For how long it has been idle.
        idle: Duration,
    },
}

/// Since when a kernel has had nothing to do.
#[derive(Clone, Debug, Default)]
pub(super) struct Idle {
    /// `None`: something has happened since it was last looked at.
    since: Option<Instant>,
    warned: Option<Instant>,
}

impl Idle {
    /// Something happens.
    pub(super) fn interrupt(&mut self) {
        *self = Self::default();
    }
}

impl<A> Table<A> {
    /// Looks at all kernels: what is to be done with those that are idle. Those to be stopped have their clients
    /// until they are [released](Self::release), so that these can be told. `is_active` tells of a kernel whether it runs something, or has said anything since it was
    /// last looked at.
    ///
    /// A kernel is idle from the first look on that finds nothing to have happened since the one before, so it never
    /// goes too early, and at most one interval between looks too late.
    pub fn cull(&mut self, is_active: impl Fn(&KernelId) -> bool, now: Instant) -> Vec<Cull> {
        let mut culls = Vec::new();
        let ids: Vec<KernelId> = self.kernels.keys().cloned().collect();
        for id in ids {
            culls.extend(self.look_at(&id, is_active(&id), now));
        }
        culls
    }

    /// Since when the kernel has had nothing to do; `None` if it has, or had just now.
    pub fn idle_since(&self, id: &KernelId) -> Option<Instant> {
        self.kernels.get(id)?.idle.since
    }

    /// How often to look, so that a kernel gets little more than its time.
    pub fn cull_interval(&self) -> Duration {
        let graces = self.settings.runtimes.iter().filter_map(|offer| offer.cull_after).map(grace);
        let shortest = graces.min().unwrap_or(LONGEST_GRACE).min(self.settings.abandoned_after);
        (shortest / 4).clamp(SHORTEST_INTERVAL, LONGEST_INTERVAL)
    }

    fn look_at(&mut self, id: &KernelId, is_active: bool, now: Instant) -> Option<Cull> {
        let is_connected = self.is_anyone_connected(id);
        let left = self.last_left(id);
        let abandoned_after = self.settings.abandoned_after;
        let kernel = self.kernels.get_mut(id)?;
        if is_active || !kernel.may_be_culled() {
            kernel.idle.interrupt();
            return None;
        }
        let since = *kernel.idle.since.get_or_insert(now);
        let idle = now.saturating_duration_since(since);
        let stop = || Some(Cull::Stop { kernel: id.clone(), idle });
        if kernel.exclusive && !is_connected {
            let gone_since = left.map_or(since, |left| left.max(since));
            if now.saturating_duration_since(gone_since) >= abandoned_after {
                return stop();
            }
        }
        let cull_after = kernel.offer.cull_after?;
        if idle < cull_after {
            return None;
        }
        match kernel.idle.warned {
            _ if !is_connected => stop(),
            Some(warned) if now.saturating_duration_since(warned) >= grace(cull_after) => stop(),
            Some(_) => None,
            None => {
                kernel.idle.warned = Some(now);
                Some(Cull::Warn { kernel: id.clone(), idle, grace: grace(cull_after) })
            }
        }
    }

    fn is_anyone_connected(&self, id: &KernelId) -> bool {
        let mut users = self.kernels.get(id).into_iter().flat_map(Kernel::users);
        users.any(|client| self.audience.clients().is_connected(client))
    }

    /// When the last of the kernel's clients stopped counting, or will.
    fn last_left(&self, id: &KernelId) -> Option<Instant> {
        let users = self.kernels.get(id).into_iter().flat_map(Kernel::users);
        users.filter_map(|client| self.audience.clients().counts_until(client)).max()
    }
}

impl<A> Kernel<A> {
    /// A running cell is never idle, and kernels in reserve wait for just that. What expects no reply keeps a kernel
    /// only when it comes: not every kernel says when it is done with it.
    fn may_be_culled(&self) -> bool {
        self.state == KernelState::Ready && !self.pristine && !self.in_flight.owes_a_reply()
    }
}

/// The time between warning and end.
fn grace(cull_after: Duration) -> Duration {
    (cull_after / 10).min(LONGEST_GRACE)
}
