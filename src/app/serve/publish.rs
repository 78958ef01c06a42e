//! What is published: five sockets and a key, the same as last time where that can be.

use std::{net::SocketAddr, num::NonZeroU16, time::Duration};

use anyhow::Context;
use tokio::time::{Instant, sleep};
use tracing::{info, warn};

use crate::{
    channel::Channel,
    cli::serve::{Listen, ServeSettings},
    jupyter::{
        connection_file::{Address, ConnectionFile, Ports},
        endpoint::Endpoint,
        scheme::SecretKey,
    },
    net::{BindError, Listener},
    state::StateDirectory,
};

/// What the published file says its kernel is called; jupyter_server lists a file only if it names a kernel.
const PUBLISHED_NAME: &str = "fleet";

/// How long a port of the last `serve` is tried for: a client that tries to connect to it while nobody listens can, by
/// chance, be given that very port for its own end.
const SAME_PORT: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(50);

type Bound = Vec<(Channel, Listener)>;

/// The five published sockets and the file that lists them. Clients of the last `serve` find the same ones, unless the
/// settings ask for others or somebody else has taken them.
pub(super) async fn bind(
    settings: &ServeSettings,
    state: &StateDirectory,
) -> anyhow::Result<(Bound, ConnectionFile)> {
    let last = state.published();
    let key = match (&settings.key, last.as_ref().and_then(|last| last.key.clone())) {
        (Some(given), _) => given.key.clone(),
        (None, Some(last)) => last,
        (None, None) => SecretKey::random()?,
    };
    let address = match settings.listen {
        Listen::Tcp(ip) => Address::Tcp(ip),
        Listen::Ipc => Address::Ipc(state.path().join("published").to_string_lossy().into_owned()),
    };
    let last = last.filter(|last| *last.address() == address);
    let again = match last {
        Some(last) => rebind(&last).await,
        None => None,
    };
    let (listeners, ports) = match again {
        Some(again) => again,
        None => bind_anywhere(&address).await?,
    };
    let mut published = ConnectionFile::new(address, ports, Some(key))?;
    published.kernel_name = Some(PUBLISHED_NAME.to_owned());
    Ok((listeners, published))
}

async fn rebind(last: &ConnectionFile) -> Option<(Bound, Ports)> {
    let deadline = Instant::now() + SAME_PORT;
    let mut listeners = Vec::new();
    for channel in Channel::ALL {
        match bind_until(&last.endpoint(channel), deadline).await {
            Ok(listener) => listeners.push((channel, listener)),
            Err(error) => {
                warn!(%error, "the ports of the last serve are taken: its clients have to connect anew");
                return None;
            }
        }
    }
    info!("publishing the same ports as the last serve");
    Some((listeners, last.ports()))
}

async fn bind_until(endpoint: &Endpoint, deadline: Instant) -> Result<Listener, BindError> {
    loop {
        match Listener::bind(endpoint).await {
            Err(_) if Instant::now() < deadline => sleep(AGAIN).await,
            bound => return bound,
        }
    }
}

async fn bind_anywhere(address: &Address) -> anyhow::Result<(Bound, Ports)> {
    let mut listeners = Vec::new();
    let mut ports = Vec::new();
    for (number, channel) in (1_u16..).zip(Channel::ALL) {
        let endpoint = match address {
            Address::Tcp(ip) => Endpoint::Tcp(SocketAddr::new(*ip, 0)),
            Address::Ipc(prefix) => Endpoint::Ipc(format!("{prefix}-{number}").into()),
        };
        let listener = Listener::bind(&endpoint).await?;
        ports.push(match listener.endpoint() {
            Endpoint::Tcp(address) => address.port(),
            Endpoint::Ipc(_) => number,
        });
        listeners.push((channel, listener));
    }
    let mut numbers = ports.into_iter().filter_map(NonZeroU16::new);
    let mut next = || numbers.next().context("the system gave no port");
    // In the order of `Channel::ALL`.
    let ports =
        Ports { shell: next()?, iopub: next()?, stdin: next()?, control: next()?, heartbeat: next()? };
    Ok((listeners, ports))
}
