//! A bound address that accepts connections for as long as it lives, whatever single connections do.

use std::{
    io,
    os::{
        fd::{AsFd, OwnedFd},
        unix::fs::PermissionsExt,
    },
    path::PathBuf,
    time::Duration,
};

use thiserror::Error;
use tokio::net::{TcpListener, UnixListener};
use tracing::warn;

use super::stream::Stream;
use crate::jupyter::endpoint::Endpoint;

/// First and longest pause after a failed accept (out of file descriptors, most often).
const BACK_OFF: Duration = Duration::from_millis(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// A listening socket. An ipc path is removed when it is dropped, if it was bound here.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    endpoint: Endpoint,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Ipc(UnixListener, Option<PathBuf>),
}

/// Why an address could not be bound.
#[derive(Debug, Error)]
#[error("cannot listen on {endpoint}: {error}. Choose another address, or stop what listens there")]
pub struct BindError {
    /// The address.
    pub endpoint: Endpoint,
    /// What the system says.
    pub error: io::Error,
}

impl Listener {
    /// Binds an address. TCP port 0 takes any free port; an ipc path is for the owner only (0600), and a socket file
    /// that nobody listens on any more is replaced.
    pub async fn bind(endpoint: &Endpoint) -> Result<Self, BindError> {
        let failed = |error| BindError { endpoint: endpoint.clone(), error };
        match endpoint {
            Endpoint::Tcp(address) => {
                let socket = TcpListener::bind(address).await.map_err(failed)?;
                let local = socket.local_addr().map_err(failed)?;
                Ok(Self { socket: Socket::Tcp(socket), endpoint: Endpoint::Tcp(local) })
            }
            Endpoint::Ipc(path) => {
                if path.exists() && tokio::net::UnixStream::connect(path).await.is_err() {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                let socket = UnixListener::bind(path).map_err(failed)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
                Ok(Self { socket: Socket::Ipc(socket, Some(path.clone())), endpoint: endpoint.clone() })
            }
        }
    }

    /// A socket that listens at this address already. An ipc path is another process's, which removes it.
    pub(super) fn from_socket(endpoint: Endpoint, socket: OwnedFd) -> Result<Self, BindError> {
        let taken = || -> io::Result<Socket> {
            Ok(match &endpoint {
                Endpoint::Tcp(_) => {
                    let socket = std::net::TcpListener::from(socket);
                    socket.set_nonblocking(true)?;
                    Socket::Tcp(TcpListener::from_std(socket)?)
                }
                Endpoint::Ipc(_) => {
                    let socket = std::os::unix::net::UnixListener::from(socket);
                    socket.set_nonblocking(true)?;
                    Socket::Ipc(UnixListener::from_std(socket)?, None)
                }
            })
        };
        match taken() {
            Ok(socket) => Ok(Self { socket, endpoint }),
            Err(error) => Err(BindError { endpoint, error }),
        }
    }

    /// Another descriptor of the socket.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_fd().try_clone_to_owned(),
            Socket::Ipc(listener, _) => listener.as_fd().try_clone_to_owned(),
        }
    }

    /// The address, with the port that was taken.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The next connection. Errors of single connections are logged and waited out, never returned.
    pub async fn accept(&self) -> Stream {
        let mut pause = BACK_OFF;
        loop {
            match self.try_accept().await {
                Ok(stream) => return stream,
                Err(error) => {
                    warn!(endpoint = %self.endpoint, %error, "cannot accept a connection; trying again in {pause:?}");
                    tokio::time::sleep(pause).await;
                    pause = LONGEST_BACK_OFF.min(pause * 2);
                }
            }
        }
    }

    async fn try_accept(&self) -> io::Result<Stream> {
        match &self.socket {
            Socket::Tcp(listener) => Stream::tcp(listener.accept().await?.0),
            Socket::Ipc(listener, _) => Ok(Stream::Ipc(listener.accept().await?.0)),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        if let Socket::Ipc(_, Some(path)) = &self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}
