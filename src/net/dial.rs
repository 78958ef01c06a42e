//! Connecting to a socket that may not be bound yet: a kernel that is starting.

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{
    net::{TcpStream, UnixStream},
    time::{Instant, sleep, timeout_at},
};

use super::{peer::Peer, peer_error::PeerError, settings::PeerSettings, stream::Stream};
use crate::{jupyter::address::Address, zmtp::Local};

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

/// Connects, trying again while nobody listens, until the deadline.
pub async fn dial(
    address: &Address,
    local: &Local,
    settings: &PeerSettings,
    deadline: Instant,
) -> Result<Peer, DialError> {
    dial_for(address, local, settings, deadline, deadline).await
}

/// The same, trying again only until then. On a slow network, a try that has begun by then takes its time, until the
/// deadline.
pub async fn dial_for(
    address: &Address,
    local: &Local,
    settings: &PeerSettings,
    again_until: Instant,
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
        if Instant::now() + pause >= again_until {
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
