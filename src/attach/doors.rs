//! The five sockets of the host's connection file, and a task for each connection that comes in.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use tracing::debug;

use super::{carrier::Carrier, subscriber::serve_heartbeat};
use crate::{
    channel::Channel,
    jupyter::connection_file::ConnectionFile,
    limits::Limits,
    net::{BindError, Listener, Peer, PeerSettings, Stream, bind_again},
    zmtp::{Local, SocketType},
};

/// The longest mark that a message gets on its way to the fleet, which has the same limits as we: a number and an
/// identity (RFC 37: 255 bytes).
const LONGEST_MARK: usize = 8 + 255;

/// The longest signature that it can get there, where it may have come without one (hmac-sha512).
const LONGEST_SIGNATURE: usize = 128;

/// The sockets, bound. Dropping them removes what ipc left in the file system.
pub(super) struct Doors(Vec<(Channel, Listener)>);

impl Doors {
    /// Binds them. The ports of a process that has just ended may be taken for a moment longer.
    pub(super) async fn bind(file: &ConnectionFile) -> Result<Self, BindError> {
        bind_again(file.address(), file.ports()).await.map(Self)
    }

    /// Serves all connections; dropping this ends them.
    pub(super) async fn serve(self, carrier: &Arc<Carrier>) {
        let mut doors = JoinSet::new();
        for (channel, listener) in self.0 {
            doors.spawn(accept(carrier.clone(), channel, listener));
        }
        doors.join_all().await;
    }
}

async fn accept(carrier: Arc<Carrier>, channel: Channel, listener: Listener) {
    let mut connections = JoinSet::new();
    loop {
        let stream = listener.accept().await;
        while connections.try_join_next().is_some() {}
        connections.spawn(attend(carrier.clone(), channel, stream));
    }
}

async fn attend(carrier: Arc<Carrier>, channel: Channel, stream: Stream) {
    // The socket types that the messaging spec gives a kernel; XPUB by JEP 65.
    let socket = match channel {
        Channel::Shell | Channel::Stdin | Channel::Control => SocketType::Router,
        Channel::IoPub => SocketType::XPub,
        Channel::Heartbeat => SocketType::Rep,
    };
    let local = Local::new(socket, Bytes::new(), carrier.limits.handshake_bytes);
    let ended = match Peer::establish(stream, local, settings(&carrier.limits, socket)).await {
        Err(error) => Err(error),
        Ok(peer) => match channel {
            Channel::IoPub => carrier.serve_subscriber(peer).await,
            Channel::Heartbeat => serve_heartbeat(peer).await,
            _ => {
                carrier.serve_requests(channel, peer).await;
                Ok(())
            }
        },
    };
    if let Err(error) = ended {
        debug!(%channel, %error, "a connection of the host ended");
    }
}

fn settings(limits: &Limits, socket: SocketType) -> PeerSettings {
    let mut settings = PeerSettings::accepting(limits, socket);
    if socket == SocketType::Router {
        settings.frames.parts = settings.frames.parts.saturating_sub(1);
        settings.frames.message = settings.frames.message.saturating_sub(LONGEST_MARK + LONGEST_SIGNATURE);
    }
    settings
}
