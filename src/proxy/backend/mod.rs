//! Kernels, and the way from them to their clients.
//!
//! - `kernel`: what is known of one
//! - `link`: the way to its process, through all its lives
//! - `replies`: what it says, to whom that goes
//! - `stdin`: its questions
//! - `running`: what it says that it does
//! - `lifecycle`: its launch, death, restart and end, and what clients are told of them
//! - `exit_reason`: its end in words
//! - `tombstones`: what became of those that are gone
//! - `liveness`: whether they are well
//! - `cull`: those that nobody needs
//! - `shutdown`: the end of all

pub(super) mod cull;
pub(super) mod exit_reason;
pub(super) mod kernel;
pub(super) mod lifecycle;
pub(super) mod link;
pub(super) mod liveness;
pub(super) mod replies;
pub(super) mod running;
pub(super) mod shutdown;
pub(super) mod stdin;
pub(super) mod tombstones;
