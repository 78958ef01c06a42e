//! The five listening sockets of one connection file.

use std::{net::SocketAddr, num::NonZeroU16, time::Duration};

use tokio::time::{Instant, sleep};

use super::listener::{BindError, Listener};
use crate::{
    channel::Channel,
    jupyter::{
        connection_file::{Address, Ports},
        endpoint::Endpoint,
    },
};

/// How long ports that were bound before are tried for, and how often.
const SAME_PORTS: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(50);

/// Binds a socket for each channel: on these ports, or on any that are free. With ipc, ports are mere suffixes of a path,
/// and 1 to 5 are as good as any.
pub async fn bind_channels(
    address: &Address,
    ports: Option<Ports>,
) -> Result<(Vec<(Channel, Listener)>, Ports), BindError> {
    let mut listeners = Vec::new();
    let mut bound = Vec::new();
    for (number, channel) in (1_u16..).zip(Channel::ALL) {
        let wanted = ports.map(|ports| ports.of(channel).get());
        let endpoint = match address {
            Address::Tcp(ip) => Endpoint::Tcp(SocketAddr::new(*ip, wanted.unwrap_or(0))),
            Address::Ipc(prefix) => Endpoint::Ipc(format!("{prefix}-{}", wanted.unwrap_or(number)).into()),
        };
        let listener = Listener::bind(&endpoint).await?;
        bound.push(match listener.endpoint() {
            Endpoint::Tcp(address) => address.port(),
            Endpoint::Ipc(_) => wanted.unwrap_or(number),
        });
        listeners.push((channel, listener));
    }
    let mut bound = bound.into_iter().map(|port| NonZeroU16::new(port).unwrap_or(NonZeroU16::MIN));
    // In the order of `Channel::ALL`; all five are there.
    let mut next = || bound.next().unwrap_or(NonZeroU16::MIN);
    let ports = Ports { shell: next(), iopub: next(), stdin: next(), control: next(), heartbeat: next() };
    Ok((listeners, ports))
}

/// Binds the ports that were bound before this process was started. One that is taken is tried for a while: a client
/// that tries to connect to a port at which nobody listens can, by chance, be given that very port for its own end.
pub async fn bind_again(address: &Address, ports: Ports) -> Result<Vec<(Channel, Listener)>, BindError> {
    let deadline = Instant::now() + SAME_PORTS;
    loop {
        match bind_channels(address, Some(ports)).await {
            Err(_) if Instant::now() < deadline => sleep(AGAIN).await,
            bound => return bound.map(|(listeners, _)| listeners),
        }
    }
}
