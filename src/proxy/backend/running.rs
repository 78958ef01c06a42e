//! What a kernel says it is doing: the messages that it is busy with.
//!
//! Its last status does not tell: whatever goes through control ends with an `idle` of its own, also while a cell of a
//! subshell or a comm's handler still runs.

use std::{
    collections::{HashSet, hash_map::RandomState},
    hash::BuildHasher,
};

use jupyter_protocol::ExecutionState;

use crate::jupyter::header::Parent;

/// Messages that are remembered; that there are more makes no difference.
const REMEMBERED: usize = 1024;

/// The messages that a kernel has said `busy` for, and not yet `idle`.
#[derive(Debug, Default)]
pub(crate) struct Running {
    /// Hashes, for kernels choose what they call a parent.
    parents: HashSet<u64>,
    hasher: RandomState,
}

impl Running {
    /// The kernel tells its state. What it says without a parent is said of all that it does.
    pub(crate) fn heard(&mut self, parent: &Parent<'_>, state: &ExecutionState) {
        let key = self.hasher.hash_one((&parent.msg_id, &parent.session));
        match state {
            ExecutionState::Busy if self.parents.len() < REMEMBERED => {
                self.parents.insert(key);
            }
            ExecutionState::Idle if parent.msg_id.is_empty() => self.parents.clear(),
            ExecutionState::Idle => {
                self.parents.remove(&key);
            }
            _ => {}
        }
    }

    /// Whether it is busy with anything.
    pub(crate) fn is_anything(&self) -> bool {
        !self.parents.is_empty()
    }

    /// The process is gone, and so is what it did.
    pub(crate) fn end(&mut self) {
        self.parents.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parent(msg_id: &str) -> Parent<'_> {
        Parent { msg_id: msg_id.into(), session: "s".into(), ..Parent::default() }
    }

    #[test]
    fn each_message_runs_until_its_own_idle() {
        let mut running = Running::default();
        running.heard(&parent("comm"), &ExecutionState::Busy);
        running.heard(&parent("control"), &ExecutionState::Busy);
        running.heard(&parent("control"), &ExecutionState::Idle);
        assert!(running.is_anything(), "the comm's handler still runs");
        running.heard(&parent("comm"), &ExecutionState::Idle);
        assert!(!running.is_anything());
    }

    #[test]
    fn who_names_no_parent_speaks_of_everything() {
        let mut running = Running::default();
        running.heard(&Parent::default(), &ExecutionState::Busy);
        running.heard(&parent("cell"), &ExecutionState::Busy);
        assert!(running.is_anything());
        running.heard(&Parent::default(), &ExecutionState::Idle);
        assert!(!running.is_anything());
    }

    #[test]
    fn what_a_process_did_ends_with_it_and_is_bounded() {
        let mut running = Running::default();
        for index in 0..2 * REMEMBERED {
            running.heard(&parent(&index.to_string()), &ExecutionState::Busy);
        }
        assert_eq!(running.parents.len(), REMEMBERED);
        running.end();
        assert!(!running.is_anything());
    }
}
