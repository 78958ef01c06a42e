//! The kernels of the fleet: launching them, connecting to them, watching over their processes.
//!
//! One task owns one kernel. What clients say to kernels passes elsewhere, in the walk.
mod adopt;
mod command;
pub mod confine;
mod connect;
mod handle;
mod launched_for;
mod launcher;
mod leftovers;
mod local;
mod log;
mod optional;
mod process_end;
mod provision;
mod reconcile;
mod record;
mod regain;
mod supervisor;

pub use connect::{Channels, KnownKernel};
pub use handle::{ExitReason, KernelEvent, KernelHandle};
pub use launched_for::{LaunchedFor, Variables};
pub use launcher::{OpenFiles, Start, StartError};
pub use leftovers::sweep;
pub use local::{Local, LocalSettings};
pub use log::rotate;
pub use optional::{OptionalChannels, Redialler};
pub use process_end::ended;
pub use provision::{Exit, LaunchError, LaunchOrder, Provisioner};
pub use reconcile::{Belonging, belongings, kill_all};
pub use record::{ProcessIdentity, ProcessRecord, seconds_since_epoch};
pub use regain::Regained;
pub use supervisor::{Earlier, supervise};
