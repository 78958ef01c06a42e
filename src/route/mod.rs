//! Who gets which kernel, who is answered, who hears what: pure, without sockets and without a clock.
//!
//! `now` is always a parameter, and so is a fresh kernel id: the same history gives the same decisions. What a
//! message's bytes look like belongs below, carrying a decision out belongs above.

mod admission;
mod audience;
mod bindings;
mod cull;
mod decide;
mod host;
mod in_flight;
mod lost_subscribers;
mod offer;
mod placement;
mod presence;
mod questions;
mod queue;
mod refusal;
mod remembered;
mod report;
mod requests;
mod requirements;
mod settings;
mod table;
mod visits;
mod why;

#[cfg(test)]
mod tests;

pub use admission::{Launch, NoRoom};
pub use audience::{Change, Hearing};
pub use cull::Cull;
pub use decide::{Decision, Request, RequestKind};
pub use host::host_client;
pub use in_flight::Outstanding;
pub use offer::{Offer, Unmet};
pub use placement::{Candidate, Placement, place};
pub use queue::{CellName, Offered, Queue};
pub use refusal::{NoMatch, Refusal};
pub use remembered::{RememberedClient, RememberedKernel};
pub use report::{BoundClient, Occupancy};
pub use requirements::{Requirements, RequirementsError};
pub use settings::{Bounds, RestartRight, Settings, Skipped};
pub use table::{KernelState, Table};
pub use visits::Moved;
pub use why::{ConsideredKernel, ConsideredRuntime, Explanation, Reason, explain};

/// What holds for whatever a connection or a message asks for.
#[cfg(any(test, fuzzing))]
pub mod laws {
    pub use super::requirements::law::requirements;
}
