//! Our sockets against libzmq and the `zeromq` crate, over tcp and ipc, accepting and connecting; and against bare peers of
//! ZMTP 2.0.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test"
)]

#[path = "wire_peers/accepting.rs"]
mod accepting;
#[path = "wire_peers/connecting.rs"]
mod connecting;
#[path = "wire_peers/ours.rs"]
mod ours;
#[path = "wire_peers/theirs.rs"]
mod theirs;
#[path = "wire_peers/version_2.rs"]
mod version_2;
