//! Letting a connection in: where it comes from, whether there is room for another stranger, and the handshake.

use tokio::time::timeout;

use super::{
    admission::Admission, handover::HandedOver, origin::Origins, peer::Peer, peer_error::PeerError,
    settings::PeerSettings, stream::Stream,
};
use crate::{
    id::Origin,
    limits::Limits,
    zmtp::{Local, SocketType},
};

/// What letting connections in needs, shared by all listeners.
#[derive(Clone, Debug)]
pub struct Acceptor {
    origins: Origins,
    admission: Admission,
    limits: Limits,
}

impl Acceptor {
    /// Starts the search for origins and the counters at zero.
    pub fn new(limits: &Limits) -> Self {
        Self { origins: Origins::start(), admission: Admission::new(limits), limits: limits.clone() }
    }

    /// The longest handshake of a connection, in bytes.
    pub(super) fn handshake_bytes(&self) -> usize {
        self.limits.handshake_bytes
    }

    /// Lets a connection in as a stranger; [`Peer::trust`] makes it one of those that hold the key.
    ///
    /// Its origin is found while hands are shaken, so it costs no time of its own.
    pub async fn admit(&self, stream: Stream, local: Local) -> Result<(Peer, Origin), PeerError> {
        self.admit_telling(stream, local, |_| {}).await
    }

    /// The same; says where the connection comes from as soon as that is known, which may be before hands are shaken, and
    /// is known of most that are not let in.
    pub async fn admit_telling(
        &self,
        stream: Stream,
        local: Local,
        tell: impl FnOnce(Origin),
    ) -> Result<(Peer, Origin), PeerError> {
        let mut ticket = self.admission.enter()?;
        let ends = stream.ends()?;
        let settings = PeerSettings::accepting(&self.limits, local.socket);
        let counted = async {
            let origin = self.origins.of(ends).await;
            ticket.belongs_to(&origin)?;
            tell(origin);
            Ok::<_, PeerError>(origin)
        };
        // The search has no end of its own, and a stranger is worth no longer wait than the handshake's.
        let deadline = self.limits.handshake();
        // Who breaks the handshake off is looked for all the same, so that it can be named.
        let shaken = async { Ok(Peer::establish(stream, local, settings).await) };
        let both = async { tokio::try_join!(shaken, counted) };
        let (peer, origin) =
            timeout(deadline, both).await.map_err(|_| PeerError::SlowHandshake(deadline))??;
        let mut peer = peer?;
        peer.distrust(ticket, self.limits.unauthenticated_message_bytes);
        Ok((peer, origin))
    }

    /// Lets a connection in whose handshake another process of ours has made: as a stranger, like any other.
    pub async fn admit_handed_over(
        &self,
        handed_over: HandedOver,
        local: SocketType,
    ) -> Result<(Peer, Origin), PeerError> {
        let HandedOver { socket, remote, unread } = handed_over;
        let mut ticket = self.admission.enter()?;
        let stream = Stream::from_socket(socket)?;
        let ends = stream.ends()?;
        let deadline = self.limits.handshake();
        let origin = timeout(deadline, self.origins.of(ends)).await;
        let origin = origin.map_err(|_| PeerError::SlowHandshake(deadline))?;
        ticket.belongs_to(&origin)?;
        let settings = PeerSettings::accepting(&self.limits, local);
        let mut peer = Peer::established(stream, remote, unread.into(), local, settings);
        peer.distrust(ticket, self.limits.unauthenticated_message_bytes);
        Ok((peer, origin))
    }
}
