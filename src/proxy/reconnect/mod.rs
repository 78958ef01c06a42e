//! Clients whose connections break.
//!
//! - `identity`: which connections are whose
//! - `expected`: who may come back, and what waits for them
//! - `undelivered`: what that is
//! - `deliver`: replies go to where the client is now
//! - `iopub_handover`: what an iopub connection missed goes to the next

pub(super) mod deliver;
pub(super) mod expected;
pub(super) mod identity;
pub(super) mod iopub_handover;
pub(super) mod undelivered;
