//! What kernels publish, spread over those who hear it.
//!
//! - `subscriptions`: clients' iopub connections
//! - `topics`: what they want
//! - `fanout`: everyone who hears one kernel
//! - `subscriber`: one of them
//! - `broadcast`: a message for all of them, signed once per key
//! - `batch`: what most of them get alike
//! - `comms`: where widgets are
//! - `announcements`: what clients are told unasked

pub(super) mod announcements;
pub(super) mod batch;
pub(super) mod broadcast;
pub(super) mod comms;
pub(super) mod fanout;
pub(super) mod subscriber;
pub(super) mod subscriptions;
pub(super) mod topics;
