//! Kernelspecs that lead to a fleet: what JupyterLab, notebooks and editors start, each an `attach`.
//!
//! What one says, where it is installed, and which of those that are installed are ours. Which runtimes there are is found
//! in `runtimes`; what an `attach` then does is not told here.
mod destination;
mod error;
mod install;
mod installed;
mod name;
mod remove;
mod spec;

pub use destination::{Destination, NoPython};
pub use error::KernelspecError;
pub use install::{install, install_unless_another};
pub use installed::{InstalledKernelspec, installed, installed_in};
pub use name::{InvalidKernelspecName, KernelspecName};
pub use remove::remove;
pub use spec::FleetKernelspec;
