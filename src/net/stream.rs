//! TCP and Unix sockets under one roof, split into a reading and a writing half.

use std::{
    io::{self, IoSlice},
    net::SocketAddr,
    os::fd::{AsFd, OwnedFd},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::unacknowledged::{Unacknowledged, unacknowledged};
use rustix::net::{
    AddressFamily,
    sockopt::{set_socket_keepalive, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl, socket_domain},
};
use tokio::{
    io::{AsyncRead, ReadBuf},
    net::{TcpStream, UnixStream, tcp, unix},
};

/// A host that is gone is found after a minute and a half; one that is merely silent answers by itself.
const KEEPALIVE_AFTER: Duration = Duration::from_secs(30);
const KEEPALIVE_AGAIN: Duration = Duration::from_secs(15);
const KEEPALIVE_TRIES: u32 = 4;

/// A connected socket.
#[derive(Debug)]
pub enum Stream {
    /// `tcp`
    Tcp(TcpStream),
    /// `ipc`
    Ipc(UnixStream),
}

/// Whom a stream connects, as far as the socket itself tells.
#[derive(Clone, Copy, Debug)]
pub enum Ends {
    /// Both addresses.
    Tcp {
        /// Ours.
        local: SocketAddr,
        /// The peer's.
        peer: SocketAddr,
    },
    /// The peer's credentials at the time of `connect` (`SO_PEERCRED`).
    Ipc {
        /// Its user.
        uid: u32,
        /// Its process, if told.
        pid: Option<i32>,
    },
}

impl Stream {
    /// Wraps a TCP socket: no delay for small messages, and keepalive against half-open connections.
    pub fn tcp(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        set_socket_keepalive(&stream, true)?;
        set_tcp_keepidle(&stream, KEEPALIVE_AFTER)?;
        set_tcp_keepintvl(&stream, KEEPALIVE_AGAIN)?;
        set_tcp_keepcnt(&stream, KEEPALIVE_TRIES)?;
        Ok(Self::Tcp(stream))
    }

    /// A connected socket that another process has given away.
    ///
    /// # Errors
    /// It is no stream socket of a kind that we know.
    pub(super) fn from_socket(socket: OwnedFd) -> io::Result<Self> {
        if socket_domain(&socket)? == AddressFamily::UNIX {
            let stream = std::os::unix::net::UnixStream::from(socket);
            stream.set_nonblocking(true)?;
            return UnixStream::from_std(stream).map(Self::Ipc);
        }
        let stream = std::net::TcpStream::from(socket);
        stream.set_nonblocking(true)?;
        Self::tcp(TcpStream::from_std(stream)?)
    }

    /// Whom the stream connects.
    pub fn ends(&self) -> io::Result<Ends> {
        match self {
            Self::Tcp(stream) => Ok(Ends::Tcp { local: stream.local_addr()?, peer: stream.peer_addr()? }),
            Self::Ipc(stream) => {
                let peer = stream.peer_cred()?;
                Ok(Ends::Ipc { uid: peer.uid(), pid: peer.pid() })
            }
        }
    }

    pub(super) fn split(self) -> (ReadHalf, WriteHalf) {
        match self {
            Self::Tcp(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Tcp(read), WriteHalf::Tcp(write))
            }
            Self::Ipc(stream) => {
                let (read, write) = stream.into_split();
                (ReadHalf::Ipc(read), WriteHalf::Ipc(write))
            }
        }
    }
}

#[derive(Debug)]
pub(super) enum ReadHalf {
    Tcp(tcp::OwnedReadHalf),
    Ipc(unix::OwnedReadHalf),
}

impl ReadHalf {
    /// Waits until there is something to read, without a buffer: an idle connection holds none.
    pub(super) async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(read) => read.readable().await,
            Self::Ipc(read) => read.readable().await,
        }
    }
}

impl ReadHalf {
    /// Another descriptor of the same socket.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        match self {
            Self::Tcp(read) => read.as_ref().as_fd().try_clone_to_owned(),
            Self::Ipc(read) => read.as_ref().as_fd().try_clone_to_owned(),
        }
    }
}

impl AsyncRead for ReadHalf {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tcp(read) => Pin::new(read).poll_read(context, buffer),
            Self::Ipc(read) => Pin::new(read).poll_read(context, buffer),
        }
    }
}

#[derive(Debug)]
pub(super) enum WriteHalf {
    Tcp(tcp::OwnedWriteHalf),
    Ipc(unix::OwnedWriteHalf),
}

impl WriteHalf {
    pub(super) fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        match self {
            Self::Tcp(write) => write.try_write_vectored(slices),
            Self::Ipc(write) => write.try_write_vectored(slices),
        }
    }

    /// How many bytes the other host has not acknowledged. A Unix socket's peer has what was written; so, for want of better
    /// knowledge, has one that cannot be asked for.
    pub(super) fn unacknowledged(&self) -> Unacknowledged {
        match self {
            Self::Tcp(write) => unacknowledged(write.as_ref()).unwrap_or_default(),
            Self::Ipc(_) => Unacknowledged::default(),
        }
    }

    /// Drops this end without ending what the socket can write.
    pub(super) fn forget(self) {
        match self {
            Self::Tcp(write) => write.forget(),
            Self::Ipc(write) => write.forget(),
        }
    }

    pub(super) async fn writable(&self) -> io::Result<()> {
        match self {
            Self::Tcp(write) => write.writable().await,
            Self::Ipc(write) => write.writable().await,
        }
    }
}
