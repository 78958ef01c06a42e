//! What is published: five sockets and a key, the same as last time where that can be.

use tracing::{info, warn};

use crate::{
    channel::Channel,
    cli::serve::{Listen, ServeSettings},
    jupyter::{
        connection_file::{Address, ConnectionFile, Ports},
        scheme::SecretKey,
    },
    net::{Listener, bind_again, bind_channels},
    state::StateDirectory,
};

/// What the published file says its kernel is called; jupyter_server lists a file only if it names a kernel.
const PUBLISHED_NAME: &str = "fleet";

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
    let (listeners, ports) = bind_as_before(&address, last.map(|last| last.ports())).await?;
    let mut published = ConnectionFile::new(address, ports, Some(key))?;
    published.kernel_name = Some(PUBLISHED_NAME.to_owned());
    Ok((listeners, published))
}

async fn bind_as_before(address: &Address, last: Option<Ports>) -> anyhow::Result<(Bound, Ports)> {
    let Some(last) = last else { return Ok(bind_channels(address, None).await?) };
    match bind_again(address, last).await {
        Ok(listeners) => {
            info!("publishing the same ports as the last serve");
            Ok((listeners, last))
        }
        Err(error) => {
            warn!(%error, "the ports of the last serve are taken: its clients have to connect anew");
            Ok(bind_channels(address, None).await?)
        }
    }
}
