//! Kernels that are gone, and why: whoever waits for one, or asks for it a moment too late, is told.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{exit_reason::explain, kernel::Kernel};
use crate::{fleet::ExitReason, id::KernelId, proxy::control::operate::OperateError};

/// Kernels that are remembered.
const REMEMBERED: usize = 64;

/// The kernels that went last.
#[derive(Debug, Default)]
pub(crate) struct Tombstones(Mutex<VecDeque<(KernelId, Tombstone)>>);

#[derive(Clone, Debug)]
enum Tombstone {
    NeverUp(String),
    Ended(String),
}

impl Tombstones {
    pub(crate) fn note(&self, kernel: &Kernel, exit_reason: &ExitReason) {
        let departure = match exit_reason {
            ExitReason::NeverUp(error) => {
                Tombstone::NeverUp(format!("{} did not come up: {error}", kernel.name()))
            }
            ExitReason::Stopped => Tombstone::Ended(format!("{} was stopped", kernel.name())),
            other => Tombstone::Ended(explain(kernel, other, None, false).evalue),
        };
        let mut tombstones = self.0.lock();
        tombstones.push_back((kernel.id.clone(), departure));
        if tombstones.len() > REMEMBERED {
            tombstones.pop_front();
        }
    }

    /// What became of a kernel; `None` if nobody knows.
    pub(crate) fn fate(&self, asked: &str) -> Option<OperateError> {
        let tombstones = self.0.lock();
        let (_, departure) = tombstones.iter().rev().find(|(id, _)| id.as_str().starts_with(asked))?;
        Some(match departure.clone() {
            Tombstone::NeverUp(text) => OperateError::NeverUp(text),
            Tombstone::Ended(text) => OperateError::Gone(text),
        })
    }
}
