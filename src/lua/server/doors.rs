//! The five listening sockets, and a task for each connection that comes in.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::JoinSet;
use tracing::debug;

use super::{connection, kernel::Kernel, worker::Queue};
use crate::{
    channel::Channel,
    jupyter::connection_file::ConnectionFile,
    limits::Limits,
    net::{BindError, Gatehouse, Listener},
    zmtp::{Local, SocketType},
};

/// The kernel's sockets, bound.
pub(super) struct Doors(Vec<Door>);

struct Door {
    channel: Channel,
    listener: Listener,
    gatehouse: Gatehouse,
    local: Local,
}

impl Doors {
    pub async fn bind(file: &ConnectionFile, limits: &Limits) -> Result<Self, BindError> {
        let gatehouse = Gatehouse::new(limits);
        let mut doors = Vec::new();
        for channel in Channel::ALL {
            let (identity, longest_ready) = (Bytes::new(), limits.handshake_bytes);
            doors.push(Door {
                channel,
                listener: Listener::bind(&file.endpoint(channel)).await?,
                gatehouse: gatehouse.clone(),
                local: Local::new(socket(channel), identity, longest_ready),
            });
        }
        Ok(Self(doors))
    }

    /// Serves all connections; dropping this ends them.
    pub async fn serve(self, kernel: &Arc<Kernel>, queue: Queue) {
        let mut doors = JoinSet::new();
        for door in self.0 {
            doors.spawn(door.serve(kernel.clone(), queue.clone()));
        }
        doors.join_all().await;
    }
}

impl Door {
    async fn serve(self, kernel: Arc<Kernel>, queue: Queue) {
        let mut connections = JoinSet::new();
        loop {
            let stream = self.listener.accept().await;
            while connections.try_join_next().is_some() {}
            let (gatehouse, local, channel) = (self.gatehouse.clone(), self.local.clone(), self.channel);
            let (kernel, queue) = (kernel.clone(), queue.clone());
            connections.spawn(async move {
                match gatehouse.admit(stream, local).await {
                    Ok((peer, origin)) => connection::serve(channel, kernel, queue, peer, origin).await,
                    Err(error) => debug!(%channel, %error, "a connection was not admitted"),
                }
            });
        }
    }
}

/// The socket types that the messaging spec gives a kernel; XPUB by JEP 65.
fn socket(channel: Channel) -> SocketType {
    match channel {
        Channel::Shell | Channel::Stdin | Channel::Control => SocketType::Router,
        Channel::IoPub => SocketType::XPub,
        Channel::Heartbeat => SocketType::Rep,
    }
}
