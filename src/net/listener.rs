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
use crate::jupyter::address::Address;

/// First and longest pause after a failed accept (out of file descriptors, most often).
const BACK_OFF: Duration = Duration::from_millis(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(1);

/// A listening socket. An ipc path is removed when it is dropped, if it was bound here.
#[derive(Debug)]
pub struct Listener {
    socket: Socket,
    address: Address,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Ipc(UnixListener, Option<PathBuf>),
}

/// Why an address could not be bound.
#[derive(Debug, Error)]
#[error("cannot listen on {address}: {error}. Choose another address, or stop what listens there")]
pub struct BindError {
    /// The address.
    pub address: Address,
    /// What the system says.
    pub error: io::Error,
}

impl Listener {
    /// Binds an address. TCP port 0 takes any free port; an ipc path is for the owner only (0600), and a socket file
    /// that nobody listens on any more is replaced.
    pub async fn bind(address: &Address) -> Result<Self, BindError> {
        let failed = |error| BindError { address: address.clone(), error };
        match address {
            Address::Tcp(address) => {
                let socket = TcpListener::bind(address).await.map_err(failed)?;
                let local = socket.local_addr().map_err(failed)?;
                Ok(Self { socket: Socket::Tcp(socket), address: Address::Tcp(local) })
            }
            Address::Ipc(path) => {
                if path.exists() && tokio::net::UnixStream::connect(path).await.is_err() {
                    std::fs::remove_file(path).map_err(failed)?;
                }
                let socket = UnixListener::bind(path).map_err(failed)?;
                std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).map_err(failed)?;
                Ok(Self { socket: Socket::Ipc(socket, Some(path.clone())), address: address.clone() })
            }
        }
    }

    /// A socket that listens at this address already. An ipc path is another process's, which removes it.
    pub(super) fn from_socket(address: Address, socket: OwnedFd) -> Result<Self, BindError> {
        let taken = || -> io::Result<Socket> {
            Ok(match &address {
                Address::Tcp(_) => {
                    let socket = std::net::TcpListener::from(socket);
                    socket.set_nonblocking(true)?;
                    Socket::Tcp(TcpListener::from_std(socket)?)
                }
                Address::Ipc(_) => {
                    let socket = std::os::unix::net::UnixListener::from(socket);
                    socket.set_nonblocking(true)?;
                    Socket::Ipc(UnixListener::from_std(socket)?, None)
                }
            })
        };
        match taken() {
            Ok(socket) => Ok(Self { socket, address }),
            Err(error) => Err(BindError { address, error }),
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
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The next connection. Errors of single connections are logged and waited out, never returned.
    pub async fn accept(&self) -> Stream {
        let mut pause = BACK_OFF;
        loop {
            match self.try_accept().await {
                Ok(stream) => return stream,
                Err(error) => {
                    warn!(address = %self.address, %error, "cannot accept a connection; trying again in {pause:?}");
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
