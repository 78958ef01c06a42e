//! The versions of the protocol.

use serde::{Deserialize, Serialize};

/// The version of ZMTP that both ends of a connection speak: the lower one of both.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Version {
    /// RFC 15 (libzmq 3, JeroMQ 0.3, NetMQ): there are no commands, so no READY and no PING.
    V2_0,
    /// RFC 23 (libzmq 4.0 and 4.1): READY and ERROR are the only commands.
    V3_0,
    /// RFC 37 (libzmq from 4.2 on): subscriptions are commands, and there is PING.
    V3_1,
}
