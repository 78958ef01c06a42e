//! What one `serve` leaves on disk for the next, and for people: the fleet's own directory, `.fleet`.
//!
//! `registry.json` says which kernels there are and whose they are, whole at each change; `requests.log` which requests
//! wait for replies, a line at each; `published.json` which ports and key clients know. What follows from them is
//! decided in the walk, not here.

mod directory;
mod journal;
mod registry;

pub use directory::{JOURNAL, SERVE_LOG, StateDirectory, StateError, endpoint_file};
pub use journal::{Asked, Connected, Entry, Journal, KeptMessage, Noted};
pub use registry::{BindingRecord, HostRecord, KernelRecord, LaunchedForRecord, Registry};

/// What holds for whatever a file of ours holds.
#[cfg(any(test, fuzzing))]
pub mod laws {
    pub use super::{journal::law::journal, registry::law::registry};
}
