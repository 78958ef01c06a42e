//! Why a kernelspec cannot be installed or removed.
use std::{io, path::PathBuf};

use super::KernelspecName;

/// What went wrong, with which kernelspec, and what can be done.
#[derive(Debug, thiserror::Error)]
pub enum KernelspecError {
    /// Somebody else has that name.
    #[error(
        "{} is a kernelspec that jupyter-fleet has not written, so it stays as it is: choose another name with --name, or \
         remove it with: jupyter kernelspec remove {name}", path.display()
    )]
    InTheWay {
        /// The name.
        name: KernelspecName,
        /// The kernelspec's directory.
        path: PathBuf,
    },
    /// Ours, but for other kernels: two groups may come to one name.
    #[error(
        "{} leads to other kernels than the kernelspec to be installed, which would be called {name} as well: give one \
         of them another name with --name", path.display()
    )]
    LeadsElsewhere {
        /// The name.
        name: KernelspecName,
        /// The kernelspec's directory.
        path: PathBuf,
    },
    /// It is somebody else's.
    #[error(
        "{} is a kernelspec that jupyter-fleet has not written, so it is not removed here. Jupyter removes it with: jupyter \
         kernelspec remove {name}", path.display()
    )]
    NotOurs {
        /// The name.
        name: KernelspecName,
        /// The kernelspec's directory.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot {action} {}: {cause}", path.display())]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// Why not.
        cause: io::Error,
    },
}
