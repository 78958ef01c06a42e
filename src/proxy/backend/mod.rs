//! Kernels, and the way from them to their clients.
//!
//! - `kernel`: what is known of one
//! - `link`: the way to its process, through all its lives
//! - `replies`: what it says, to whom that goes
//! - `stdin`: its questions
//! - `running`: what it says that it does
//! - `launch`: its start; `lifecycle`: what becomes of it, and what clients are told of that; `restart`: and when they ask for it
//! - `exit_reason`: its end in words
//! - `tombstones`: what became of those that are gone
//! - `liveness`: whether they are well
//! - `cull`: those that nobody needs
//! - `shutdown`: the end of all

pub(super) mod cull;
pub(super) mod exit_reason;
pub(super) mod kernel;
pub(super) mod launch;
pub(super) mod lifecycle;
pub(super) mod link;
pub(super) mod liveness;
pub(super) mod replies;
pub(super) mod restart;
pub(super) mod running;
pub(super) mod shutdown;
pub(super) mod stdin;
pub(super) mod tombstones;
