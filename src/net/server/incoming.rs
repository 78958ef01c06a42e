//! A connection that has been accepted and not yet admitted.

use bytes::Bytes;

use super::super::{admit::Acceptor, peer::Peer, peer_error::PeerError, stream::Stream};
use crate::{
    channel::Channel,
    id::Origin,
    zmtp::{Local, SocketType},
};

/// A connection that has been accepted and not yet admitted.
#[derive(Debug)]
pub struct Incoming {
    channel: Channel,
    stream: Stream,
    acceptor: Acceptor,
}

impl Incoming {
    pub(super) fn new(channel: Channel, stream: Stream, acceptor: Acceptor) -> Self {
        Self { channel, stream, acceptor }
    }

    /// The channel that it came in on.
    pub fn channel(&self) -> Channel {
        self.channel
    }

    /// Lets it in as a stranger, with the socket type of its channel.
    ///
    /// # Errors
    /// There is no room for it, or its handshake failed.
    pub async fn admit(self) -> Result<(Peer, Origin), PeerError> {
        self.admit_telling(|_| {}).await
    }

    /// The same; `tell` gets to know where it comes from as soon as that is known.
    ///
    /// # Errors
    /// There is no room for it, or its handshake failed.
    pub async fn admit_telling(self, tell: impl FnOnce(Origin)) -> Result<(Peer, Origin), PeerError> {
        let Self { channel, stream, acceptor } = self;
        let local = Local::new(socket_type(channel), Bytes::new(), acceptor.handshake_bytes());
        acceptor.admit_telling(stream, local, tell).await
    }
}

/// The socket types that the messaging spec gives a kernel; XPUB by JEP 65.
pub fn socket_type(channel: Channel) -> SocketType {
    match channel {
        Channel::Shell | Channel::Stdin | Channel::Control => SocketType::Router,
        Channel::IoPub => SocketType::XPub,
        Channel::Heartbeat => SocketType::Rep,
    }
}
