//! What the other host has not acknowledged: calls of the system for which there is no safe crate.

use rustix::ioctl::{Getter, Opcode, ioctl};
use tokio::net::TcpStream;

/// tcp(7): the bytes in the socket's send queue, unsent or not acknowledged.
const SIOCOUTQ: Opcode = 0x5411;

/// linux/sockios.h: the bytes in the socket's send queue that have not been sent.
const SIOCOUTQNSD: Opcode = 0x894B;

/// What TCP tells of a connection, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Unacknowledged {
    /// Written, and not acknowledged by the other host.
    pub(super) all: u64,
    /// Of these, what has not even been sent: the other host has no room for it.
    pub(super) unsent: u64,
}

/// Bytes that have been written and not acknowledged. Still known after the connection's end.
pub(super) fn unacknowledged(socket: &TcpStream) -> rustix::io::Result<Unacknowledged> {
    let (all, unsent) = (queued::<SIOCOUTQ>(socket)?, queued::<SIOCOUTQNSD>(socket)?);
    Ok(Unacknowledged { all: all.into(), unsent: unsent.into() })
}

#[allow(unsafe_code, reason = "the only way to ask; what the call writes is told by a type")]
fn queued<const OPCODE: Opcode>(socket: &TcpStream) -> rustix::io::Result<u32> {
    // SAFETY: for these opcodes, the system writes a C int to the place that it is given, and `u32` has its size and alignment.
    unsafe { ioctl(socket, Getter::<OPCODE, u32>::new()) }
}
