//! Why the fleet is not there, in words for whoever reads them in a cell.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{
    jupyter::{connection_file::ConnectionFileError, reply::Failure},
    net::DialError,
    runtimes::FileError,
};

/// Why the last try to reach the fleet failed.
#[derive(Debug, Error)]
pub(super) enum Absence {
    /// The connection file is not there.
    #[error("no fleet is running: {} does not exist", .0.display())]
    NoFile(PathBuf),
    /// The connection file cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The connection file is one that must not be used.
    #[error("the fleet's connection file {} {cause}", path.display())]
    Unsafe { path: PathBuf, cause: ConnectionFileError },
    /// Nobody listens where the file says, or somebody who is no fleet.
    #[error("the fleet of {} is not running ({cause})", path.display())]
    Unreachable { path: PathBuf, cause: DialError },
    /// Somebody listens who is no fleet.
    #[error("who listens where {} says is no fleet", .0.display())]
    Strange(PathBuf),
    /// Somebody listens, and says nothing that shows that he is the fleet of this file.
    #[error("the fleet of {} does not answer within {} s: it is stopped or too busy, or the file's key is not its own", path.display(), within.as_secs())]
    Silent { path: PathBuf, within: Duration },
    /// Somebody listens, and ended the connection before saying anything.
    #[error("the fleet of {} ends the connection at once: its log says why, most likely that it has too many connections", .0.display())]
    TurnedAway(PathBuf),
    /// One was to be started.
    #[error("no fleet is running, and none could be started: {0}")]
    NotStarted(String),
}

/// What to do about it.
const ADVICE: &str = "Start one with `jupyter-fleet serve` in a terminal, then run the cell again. (`jupyter-fleet attach \
                      --start`, in the kernelspec, starts one by itself.)";

impl Absence {
    /// Whether somebody listens, who may yet answer.
    pub(super) fn is_somebody_there(&self) -> bool {
        match self {
            Self::Silent { .. } | Self::TurnedAway(_) => true,
            Self::Unreachable { cause: DialError::Peer { .. }, .. } => true,
            Self::Unreachable { cause: DialError::Unreachable { error, .. }, .. } => {
                matches!(error.kind(), io::ErrorKind::TimedOut | io::ErrorKind::UnexpectedEof)
            }
            _ => false,
        }
    }

    fn advice(&self) -> &'static str {
        match self {
            Self::Silent { .. } | Self::TurnedAway(_) => {
                "Run the cell again once `jupyter-fleet list` answers"
            }
            _ => ADVICE,
        }
    }

    /// For a request that finds no fleet.
    pub(super) fn no_fleet(&self) -> Failure {
        Failure::new("NoFleet", format!("{self}. {}", self.advice()))
    }

    /// For a request that the fleet had been sent when it went away, and has not come back since.
    pub(super) fn gave_up(&self, waited: Duration) -> Failure {
        let seconds = waited.as_secs_f32();
        Failure::new("FleetLost", format!("{self}; it was waited for {seconds} s. {}", self.advice()))
    }
}

/// For a request that a fleet had been sent when it went away, where another has come in its place.
pub(super) fn replaced(path: &std::path::Path) -> Failure {
    let text = format!(
        "the fleet of {} ended while it had this request, and another one runs now: what was computed is lost with \
         its kernels. Run the cells again",
        path.display()
    );
    Failure::new("FleetLost", text)
}
