//! The five listening sockets of a connection file, and a task for each connection that comes in.

mod echo;
mod incoming;
mod publisher;
mod subscriber;

use std::{io, net::SocketAddr, num::NonZeroU16, os::fd::OwnedFd, time::Duration};

use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use super::{
    admit::Acceptor,
    listener::{BindError, Listener},
};
use crate::{
    channel::Channel,
    jupyter::{
        address::Address,
        connection_file::{ConnectionFile, Location, Ports},
    },
};

pub use echo::echo;
pub use incoming::{Incoming, socket_type};
pub use publisher::Publisher;
pub use subscriber::{Lost, SubscriberOutbox};

/// How long ports that were bound before are tried for, and how often.
const SAME_PORTS: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(50);

/// The sockets of one connection file, bound. Dropping the server removes what ipc left in the file system.
#[derive(Debug)]
pub struct Server {
    /// In the order of [`Channel::ALL`].
    listeners: [Listener; 5],
    ports: Ports,
}

impl Server {
    /// Binds a socket for each channel: on these ports, or on any that are free. With ipc, a port is a suffix of a path,
    /// and 1 to 5 are as good as any.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub async fn bind(address: &Location, ports: Option<Ports>) -> Result<Self, BindError> {
        let bind = async |channel, number: u16| {
            let port = ports.map(|ports| ports.of(channel).get());
            let address = match address {
                Location::Tcp(ip) => Address::Tcp(SocketAddr::new(*ip, port.unwrap_or(0))),
                Location::Ipc(prefix) => Address::Ipc(format!("{prefix}-{}", port.unwrap_or(number)).into()),
            };
            let listener = Listener::bind(&address).await?;
            let bound = match listener.address() {
                Address::Tcp(address) => address.port(),
                Address::Ipc(_) => port.unwrap_or(number),
            };
            Ok::<_, BindError>((listener, NonZeroU16::new(bound).unwrap_or(NonZeroU16::MIN)))
        };
        let [shell, iopub, stdin, control, heartbeat] = Channel::ALL;
        let (shell, iopub) = (bind(shell, 1).await?, bind(iopub, 2).await?);
        let (stdin, control) = (bind(stdin, 3).await?, bind(control, 4).await?);
        let heartbeat = bind(heartbeat, 5).await?;
        Ok(Self {
            ports: Ports {
                shell: shell.1,
                iopub: iopub.1,
                stdin: stdin.1,
                control: control.1,
                heartbeat: heartbeat.1,
            },
            listeners: [shell.0, iopub.0, stdin.0, control.0, heartbeat.0],
        })
    }

    /// Binds the ports that were bound before this process was started. A port that is taken is tried for a while: a
    /// client that connects to a port where nobody listens can, by chance, get that very port for its own end.
    ///
    /// # Errors
    /// An address cannot be bound.
    pub async fn bind_again(address: &Location, ports: Ports) -> Result<Self, BindError> {
        let deadline = Instant::now() + SAME_PORTS;
        loop {
            match Self::bind(address, Some(ports)).await {
                Err(_) if Instant::now() < deadline => sleep(AGAIN).await,
                bound => return bound,
            }
        }
    }

    /// Serves sockets that another process has bound, those of this connection file in the order of [`Channel::ALL`].
    ///
    /// # Errors
    /// A socket is of another kind than the connection file says.
    pub fn from_sockets(file: &ConnectionFile, sockets: [OwnedFd; 5]) -> Result<Self, BindError> {
        let [one, two, three, four, five] = sockets;
        let [shell, iopub, stdin, control, heartbeat] = Channel::ALL;
        let take = |channel, socket| Listener::from_socket(file.address(channel), socket);
        let listeners = [
            take(shell, one)?,
            take(iopub, two)?,
            take(stdin, three)?,
            take(control, four)?,
            take(heartbeat, five)?,
        ];
        Ok(Self { listeners, ports: file.ports() })
    }

    /// Other descriptors of the sockets, in the order of [`Channel::ALL`].
    ///
    /// # Errors
    /// There are no file descriptors left.
    pub fn sockets(&self) -> io::Result<[OwnedFd; 5]> {
        let [shell, iopub, stdin, control, heartbeat] = &self.listeners;
        Ok([shell.socket()?, iopub.socket()?, stdin.socket()?, control.socket()?, heartbeat.socket()?])
    }

    /// The ports that are bound.
    pub fn ports(&self) -> Ports {
        self.ports
    }

    /// Accepts connections, each served by a task that `handler` begins. Never returns; dropping this ends the
    /// connections, and the sockets go on listening.
    pub async fn serve<Handler, Handled>(&self, acceptor: &Acceptor, handler: Handler)
    where
        Handler: Fn(Incoming) -> Handled,
        Handled: Future<Output = ()> + Send + 'static,
    {
        let accept = async |channel, listener: &Listener| {
            let mut connections = JoinSet::new();
            loop {
                let stream = listener.accept().await;
                while connections.try_join_next().is_some() {}
                connections.spawn(handler(Incoming::new(channel, stream, acceptor.clone())));
            }
        };
        let [shell, iopub, stdin, control, heartbeat] = &self.listeners;
        tokio::join!(
            accept(Channel::Shell, shell),
            accept(Channel::IoPub, iopub),
            accept(Channel::Stdin, stdin),
            accept(Channel::Control, control),
            accept(Channel::Heartbeat, heartbeat),
        );
    }
}

#[cfg(test)]
mod tests;
