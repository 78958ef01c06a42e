//! What the other host has not acknowledged: a call of the system for which there is no safe crate.

use rustix::ioctl::{Getter, Opcode, ioctl};
use tokio::net::TcpStream;

/// tcp(7): the bytes in the socket's send queue, unsent or not acknowledged.
const SIOCOUTQ: Opcode = 0x5411;

/// Bytes that have been written and not acknowledged. Still known after the connection's end.
#[allow(unsafe_code, reason = "the only way to ask; what the call writes is told by a type")]
pub(super) fn unacknowledged(socket: &TcpStream) -> rustix::io::Result<u32> {
    // SAFETY: for this opcode, the system writes a C int to the place that it is given, and `u32` has its size and alignment.
    unsafe { ioctl(socket, Getter::<SIOCOUTQ, u32>::new()) }
}
