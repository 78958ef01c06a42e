//! One process of a kernel, with what holds its limits.
use std::{io, path::PathBuf, time::Duration};

use parking_lot::Mutex;
use tokio::time::sleep;
use tracing::warn;

use super::{
    enforcement::{Enforcement, Exceeded},
    group::Counts,
};
use crate::fleet::provision::Exit;

/// What the system kills with: signal(7).
const SIGKILL: i32 = 9;

/// How often a group is looked at until all that was killed in it has ended.
const CLEAR_TRIES: usize = 50;

/// How long between two looks.
const CLEAR_AGAIN: Duration = Duration::from_millis(10);

/// A process of a kernel whose limits are held.
#[derive(Debug)]
pub struct Confined {
    enforcement: Enforcement,
    /// What had happened in its group before.
    before: Counts,
    /// What had happened at the last two looks, the older first. What ends a process may have happened just before the
    /// last one.
    looks: Mutex<[Counts; 2]>,
}

impl Confined {
    /// The same for a process that lives on from an earlier `serve`, by what that one has written down. Nothing is
    /// made, and nothing set.
    pub fn again(enforcement: Enforcement) -> Self {
        let before = enforcement.group.as_ref().map(|group| group.counts()).unwrap_or_default();
        Self { enforcement, before, looks: Mutex::new([before; 2]) }
    }

    /// How its limits are held.
    pub fn enforcement(&self) -> &Enforcement {
        &self.enforcement
    }

    /// The files to which the process writes itself, to be held.
    pub fn procs_files(&self) -> Vec<PathBuf> {
        self.enforcement.group.as_ref().map(|group| group.procs_files()).unwrap_or_default()
    }

    /// Notes what has happened in its group so far.
    pub fn look(&self) {
        if let Some(group) = &self.enforcement.group {
            let now = group.counts();
            let mut looks = self.looks.lock();
            let [_, last] = *looks;
            *looks = [last, now];
        }
    }

    /// Which limit ended the process that ended like this.
    ///
    /// With cgroup v1 the system may have killed a child, and the process lived on and failed later for a reason of its
    /// own. So only SIGKILL is laid to what happened long ago; an error, which may be that of a shell around the one that
    /// was killed, only to what happened since the last look but one.
    pub fn exceeded(&self, exit: &Exit) -> Option<Exceeded> {
        let Enforcement { mechanism, limits, group, .. } = &self.enforcement;
        let now = group.as_ref()?.counts();
        let held_by = *mechanism;
        let [lately, _] = *self.looks.lock();
        let killed_since =
            |then: Counts| now.killed > then.killed && now.memory_refused > then.memory_refused;
        let killed = match exit {
            Exit::Signal(SIGKILL) => killed_since(self.before),
            Exit::Signal(_) | Exit::Code(0) => false,
            Exit::Code(_) | Exit::Unknown => killed_since(lately),
        };
        if let Some(limit) = limits.memory_limit.filter(|_| killed) {
            return Some(Exceeded::Memory { limit, held_by });
        }
        let is_error = matches!(exit, Exit::Code(code) if *code != 0);
        let refused = now.forks_refused > lately.forks_refused && is_error;
        let limit = limits.process.max_processes.filter(|_| refused)?;
        Some(Exceeded::Processes { limit: limit.get(), held_by })
    }

    /// Kills all that runs in its group, also what left its process group.
    pub fn kill(&self) {
        if let Some(group) = &self.enforcement.group {
            group.kill();
        }
    }

    /// The same as [`Self::clear`]; what does not end is logged.
    pub async fn clear_or_warn(&self) {
        if let Err(error) = self.clear().await {
            warn!(%error, "a kernel's cgroup cannot be removed");
        }
    }

    /// Kills all that runs in its group, and removes the group once it is empty.
    ///
    /// # Errors
    /// Something in it does not end.
    pub async fn clear(&self) -> io::Result<()> {
        let Some(group) = &self.enforcement.group else { return Ok(()) };
        for _ in 0..CLEAR_TRIES {
            group.kill();
            if group.remove().is_ok() {
                return Ok(());
            }
            sleep(CLEAR_AGAIN).await;
        }
        group.remove()
    }
}
