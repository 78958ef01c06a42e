//! What those who look after the fleet see of it and do to it.
//!
//! - `report`: what they see
//! - `operate`: what they do
//! - `kernel_endpoint`: a connection file for one kernel
//! - `peer_errors`: who makes what trouble is told once

pub(super) mod kernel_endpoint;
pub(super) mod operate;
pub(super) mod peer_errors;
pub(super) mod report;
