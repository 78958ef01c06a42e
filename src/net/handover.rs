//! A connection that changes hands: from one process of ours to another, without its peer noticing.

use std::{io, os::fd::OwnedFd};

use bytes::Bytes;

use super::peer::Peer;
use crate::zmtp::Remote;

/// A connection on its way to another process.
#[derive(Debug)]
pub struct HandedOver {
    /// The socket.
    pub socket: OwnedFd,
    /// What the handshake told of the peer.
    pub remote: Remote,
    /// What the peer sent and nobody has served yet, as it stands on the wire.
    pub unread: Bytes,
}

impl Peer {
    /// Gives the connection away, with what its peer has sent and nobody has served: messages that were held, then the rest
    /// of what was read. `None` if the connection has ended, or something waits to be written on it: then it ends.
    ///
    /// # Errors
    /// There are no file descriptors left.
    pub fn hand_over(mut self, held: Bytes) -> io::Result<Option<HandedOver>> {
        let socket = self.socket()?;
        if !self.release_socket() {
            return Ok(None);
        }
        Ok(Some(HandedOver { socket, remote: self.remote().clone(), unread: self.unread(held) }))
    }
}
