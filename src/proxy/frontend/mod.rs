//! From clients to their kernels.
//!
//! - `accept`: a connection comes in
//! - `endpoint`: a connection file and what its clients get
//! - `endpoints`: those that are open
//! - `connection`: one connection, and the way back to who asked on it
//! - `requests`: the walk of a message to its kernel
//! - `sessions`: who speaks on a connection
//! - `gate`: a client's first messages wait until it listens
//! - `arrivals`: iopub connections that are on their way
//! - `heartbeat`: echoes
//! - `local_replies`: what the fleet answers itself
//! - `host`: programs that start a kernel from a kernelspec of the fleet; `served_host`: their files; `killed_stubs`: how they end
//! - `who`: how people know a client

pub(super) mod accept;
pub(super) mod arrivals;
pub(super) mod connection;
pub(super) mod endpoint;
pub(super) mod endpoints;
pub(super) mod gate;
pub(super) mod heartbeat;
pub(super) mod host;
pub(super) mod killed_stubs;
pub(super) mod local_replies;
pub(super) mod requests;
pub(super) mod served_host;
pub(super) mod sessions;
pub(super) mod who;
