//! What is published: five sockets and a key, the same as last time where that can be; and the files that say so.

use std::path::Path;

use tracing::{info, warn};

use crate::{
    cli::serve::{Listen, ServeSettings},
    jupyter::{
        connection_file::{ConnectionFile, Location, Ports},
        scheme::SecretKey,
    },
    net::{BindError, Server},
    runtimes::{FileError, create_directory, read_connection_file, write_connection_file},
    state::StateDirectory,
};

/// What the published file says its kernel is called; jupyter_server lists a file only if it names a kernel.
const PUBLISHED_NAME: &str = "fleet";

/// The five published sockets and the file that lists them. Clients of the last `serve` find the same ones, unless the
/// settings ask for others or somebody else has taken them.
pub(super) async fn bind(
    settings: &ServeSettings,
    state: &StateDirectory,
) -> anyhow::Result<(Server, ConnectionFile)> {
    let last = state.published();
    let key = match (&settings.key, last.as_ref().and_then(|last| last.key.clone())) {
        (Some(given), _) => given.key.clone(),
        (None, Some(last)) => last,
        (None, None) => SecretKey::random()?,
    };
    let address = match settings.listen {
        Listen::Tcp(ip) => Location::Tcp(ip),
        Listen::Ipc => Location::Ipc(state.path().join("published").to_string_lossy().into_owned()),
    };
    let last = last.filter(|last| *last.location() == address);
    let server = bind_as_before(&address, last.map(|last| last.ports())).await?;
    let mut published = ConnectionFile::new(address, server.ports(), Some(key))?;
    published.kernel_name = Some(PUBLISHED_NAME.to_owned());
    Ok((server, published))
}

async fn bind_as_before(address: &Location, last: Option<Ports>) -> Result<Server, BindError> {
    let Some(last) = last else { return Server::bind(address, None).await };
    match Server::bind_again(address, last).await {
        Ok(server) => {
            info!("publishing the same ports as the last serve");
            Ok(server)
        }
        Err(error) => {
            warn!(%error, "the ports of the last serve are taken: its clients have to connect anew");
            Server::bind(address, None).await
        }
    }
}

/// Writes the files by which clients find the sockets.
pub(super) fn publish(settings: &ServeSettings, published: &ConnectionFile) -> Result<(), FileError> {
    write_connection_file(&settings.connection_file, published)?;
    if settings.publish_external {
        settings.external_file.parent().map_or(Ok(()), create_directory)?;
        write_connection_file(&settings.external_file, published)?;
    }
    Ok(())
}

/// Removes the published files, unless someone else has published there since; also one for jupyter_server that an
/// earlier `serve` had no time to remove.
pub(super) fn unpublish(settings: &ServeSettings, published: &ConnectionFile) {
    for file in [&settings.connection_file, &settings.external_file] {
        let ours = read_connection_file(file).is_ok_and(|found| found == *published);
        if ours {
            remove(file);
        }
    }
}

fn remove(file: &Path) {
    if let Err(error) = std::fs::remove_file(file) {
        warn!(file = %file.display(), %error, "cannot remove the published connection file");
    }
}
