//! Kernels that are gone, and why: whoever waits for one, or asks for it a moment too late, is told.

use std::collections::VecDeque;

use parking_lot::Mutex;

use super::{explain::explain, kernel::Kernel, operate::OperateError};
use crate::{fleet::Downfall, id::KernelId};

/// Kernels that are remembered.
const REMEMBERED: usize = 64;

/// The kernels that went last.
#[derive(Debug, Default)]
pub(super) struct Departed(Mutex<VecDeque<(KernelId, Departure)>>);

#[derive(Clone, Debug)]
enum Departure {
    NeverUp(String),
    Ended(String),
}

impl Departed {
    pub(super) fn note(&self, kernel: &Kernel, downfall: &Downfall) {
        let departure = match downfall {
            Downfall::NeverUp(error) => {
                Departure::NeverUp(format!("{} did not come up: {error}", kernel.name()))
            }
            Downfall::Stopped => Departure::Ended(format!("{} was stopped", kernel.name())),
            other => Departure::Ended(explain(kernel, other, false).evalue),
        };
        let mut departed = self.0.lock();
        departed.push_back((kernel.id.clone(), departure));
        if departed.len() > REMEMBERED {
            departed.pop_front();
        }
    }

    /// What became of a kernel; `None` if nobody knows.
    pub(super) fn fate(&self, asked: &str) -> Option<OperateError> {
        let departed = self.0.lock();
        let (_, departure) = departed.iter().rev().find(|(id, _)| id.as_str().starts_with(asked))?;
        Some(match departure.clone() {
            Departure::NeverUp(text) => OperateError::NeverUp(text),
            Departure::Ended(text) => OperateError::Gone(text),
        })
    }
}
