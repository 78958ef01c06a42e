//! One `serve` after another.
//!
//! - `registry_writer`: what the next one must know is written down
//! - `restore`: it is taken up
//! - `orphaned_requests`: what kernels still owe to clients of the last one

pub(super) mod orphaned_requests;
pub(super) mod registry_writer;
pub(super) mod restore;
