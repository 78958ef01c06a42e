//! The kernels of the fleet: launching them, connecting to them, watching over their processes.
//!
//! One task owns one kernel. What clients say to kernels passes elsewhere, in the walk.
mod command;
pub mod confine;
mod connect;
mod handle;
mod launcher;
mod local;
mod log;
mod provision;
mod record;
mod supervisor;

pub use connect::Channels;
pub use handle::{Downfall, KernelEvent, KernelHandle};
pub use launcher::{OpenFiles, Start, StartError};
pub use local::Local;
pub use provision::{Exit, LaunchError, LaunchOrder, Provisioner};
pub use record::{ProcessIdentity, ProcessRecord, seconds_since_epoch};
pub use supervisor::supervise;
