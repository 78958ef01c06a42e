//! The five listening sockets of one connection file, one by one.

use super::{
    listener::{BindError, Listener},
    server::Server,
};
use crate::{
    channel::Channel,
    jupyter::connection_file::{Address, Ports},
};

/// Binds a socket for each channel, as [`Server::bind`] does.
pub async fn bind_channels(
    address: &Address,
    ports: Option<Ports>,
) -> Result<(Vec<(Channel, Listener)>, Ports), BindError> {
    let server = Server::bind(address, ports).await?;
    let ports = server.ports();
    Ok((server.into_listeners(), ports))
}

/// Binds the ports that were bound before, as [`Server::bind_again`] does.
pub async fn bind_again(address: &Address, ports: Ports) -> Result<Vec<(Channel, Listener)>, BindError> {
    Server::bind_again(address, ports).await.map(Server::into_listeners)
}
