//! Why the fleet is not there, in words for whoever reads them in a cell.

use std::{path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{admin::CallError, jupyter::reply::Failure};

/// Why the last try to reach the fleet failed.
#[derive(Debug, Error)]
pub(super) enum Absence {
    /// Nobody listens, and nothing says that anybody ever did.
    #[error("no fleet is running: {} does not exist", .0.display())]
    NoFile(PathBuf),
    /// Nobody listens any more.
    #[error("the fleet of {} is not running", .0.display())]
    NotRunning(PathBuf),
    /// Somebody listens, and does not answer as a fleet would.
    #[error("the fleet of {} does not answer ({cause}): it is stopped, too busy, or of another version", path.display())]
    Silent {
        /// The fleet's connection file.
        path: PathBuf,
        /// What went wrong.
        cause: String,
    },
    /// The fleet does not serve this host.
    #[error("the fleet does not serve this kernel: {0}")]
    Refused(String),
    /// A fleet was to be started.
    #[error("no fleet is running, and none could be started: {0}")]
    NotStarted(String),
}

/// What to do where no fleet runs.
const START_ONE: &str = "Start one with `jupyter-fleet serve` in a terminal, then run the cell again. (`jupyter-fleet attach \
                         --start`, in the kernelspec, starts one by itself.)";

impl Absence {
    /// What an error of the admin socket means, where the fleet's connection file is this one.
    pub(super) fn of(error: &CallError, path: &std::path::Path) -> Self {
        match error {
            CallError::NoFleet(_) if path.exists() => Self::NotRunning(path.to_owned()),
            CallError::NoFleet(_) => Self::NoFile(path.to_owned()),
            other => Self::Silent { path: path.to_owned(), cause: other.to_string() },
        }
    }

    /// Whether somebody listens, who may yet answer.
    pub(super) fn is_somebody_there(&self) -> bool {
        matches!(self, Self::Silent { .. })
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Silent { .. } => "Run the cell again once `jupyter-fleet list` answers",
            Self::Refused(_) => "Mend what it names, then restart the kernel",
            _ => START_ONE,
        }
    }

    /// For a request that finds no fleet.
    pub(super) fn no_fleet(&self) -> Failure {
        Failure::new("NoFleet", format!("{self}. {}", self.advice()))
    }

    /// For a request that a fleet had when it went away, and that has not come back.
    pub(super) fn fleet_lost(&self, waited: Duration) -> Failure {
        let seconds = waited.as_secs_f32();
        Failure::new("FleetLost", format!("{self}; it was waited for {seconds} s. {}", self.advice()))
    }
}
