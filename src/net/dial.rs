//! Connecting to sockets that may not be bound yet: those of a kernel that is starting.

use std::{io, time::Duration};

use bytes::Bytes;
use thiserror::Error;
use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, sleep, timeout_at},
};

use super::{peer::Peer, peer_error::PeerError, settings::PeerSettings, stream::Stream};
use crate::{
    channel::Channel,
    jupyter::{address::Address, connection_file::ConnectionFile},
    limits::Limits,
    zmtp::{Local, SocketType},
};

/// First and longest pause between two tries. A kernel binds within tens of milliseconds or within seconds; pauses grow
/// by a quarter, so that no more than about a quarter of the time that it took is added to it.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(100);

/// Why a connection could not be made.
#[derive(Debug, Error)]
pub enum DialError {
    /// Nobody listened until the deadline.
    #[error("nobody answers at {address}: {error}")]
    Unreachable {
        /// Where.
        address: Address,
        /// What the last try met.
        error: io::Error,
    },
    /// Somebody listens, but it is no fitting ZeroMQ socket.
    #[error("{address} does not answer as it should: {error}")]
    Peer {
        /// Where.
        address: Address,
        /// What went wrong.
        error: PeerError,
    },
}

/// Connects to the sockets of a connection file, as Jupyter's clients do.
#[derive(Clone, Debug)]
pub struct Dialler {
    file: ConnectionFile,
    routing_id: Bytes,
    limits: Limits,
}

impl Dialler {
    /// One that the sockets know by this routing id.
    pub fn new(file: &ConnectionFile, routing_id: Bytes, limits: &Limits) -> Self {
        Self { file: file.clone(), routing_id, limits: limits.clone() }
    }

    /// Connects to a channel, trying again while nobody listens, until the deadline. On iopub, everything is subscribed to.
    pub async fn dial(&self, channel: Channel, deadline: Instant) -> Result<Peer, DialError> {
        let socket = match channel {
            Channel::Shell | Channel::Stdin | Channel::Control => SocketType::Dealer,
            Channel::IoPub => SocketType::Sub,
            Channel::Heartbeat => SocketType::Req,
        };
        let local = Local::new(socket, self.routing_id.clone(), self.limits.handshake_bytes);
        let settings = PeerSettings::dialling(&self.limits, socket);
        let peer = dial(&self.file.address(channel), &local, &settings, deadline).await?;
        if socket == SocketType::Sub {
            peer.subscribe(b"");
        }
        Ok(peer)
    }
}

/// Connects to one socket, trying again while nobody listens, until the deadline.
pub async fn dial(
    address: &Address,
    local: &Local,
    settings: &PeerSettings,
    deadline: Instant,
) -> Result<Peer, DialError> {
    let mut pause = PAUSE;
    loop {
        let tried = timeout_at(deadline, connect(address)).await;
        let error = match tried.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(stream) => match Peer::establish(stream, local.clone(), settings.clone()).await {
                Ok(peer) => return Ok(peer),
                // Some kernels bind, close and bind again while they start.
                Err(PeerError::Io(error)) => error,
                Err(PeerError::Torn) => io::ErrorKind::UnexpectedEof.into(),
                Err(error) => return Err(DialError::Peer { address: address.clone(), error }),
            },
            Err(error) => error,
        };
        if Instant::now() + pause >= deadline {
            return Err(DialError::Unreachable { address: address.clone(), error });
        }
        sleep(pause).await;
        pause = LONGEST_PAUSE.min(pause * 5 / 4);
    }
}

async fn connect(address: &Address) -> io::Result<Stream> {
    match address {
        Address::Tcp(address) => Stream::tcp(TcpStream::connect(address).await?),
        Address::Ipc(path) => UnixStream::connect(path).await.map(Stream::Ipc),
    }
}
