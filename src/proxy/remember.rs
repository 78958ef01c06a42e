//! Writing down what the next `serve` must know, whenever it changes.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use tracing::error;

use super::{Proxy, kernel::Kernel};
use crate::{
    id::ClientId,
    route::{RememberedClient, RememberedKernel},
    state::{BindingRecord, KernelRecord, Registry},
};

impl Proxy {
    /// Writes the registry at each change, until the task is dropped. Changes that come while it is being written are
    /// written together.
    pub async fn keep_registry(self: Arc<Self>, path: PathBuf) {
        loop {
            self.registry_changed.notified().await;
            let (proxy, path) = (self.clone(), path.clone());
            let written = tokio::task::spawn_blocking(move || proxy.write_registry(&path)).await;
            if let Err(error) = written {
                error!(%error, "the registry could not be written");
            }
        }
    }

    /// Writes the registry as things are now.
    pub fn write_registry(&self, path: &Path) {
        // Whoever writes last has looked last.
        let _turn = self.registry_turn.lock();
        if let Err(error) = self.registry().save(path) {
            error!(%error, "what the fleet knows is not on disk: a serve after this one will not find its kernels");
        }
    }

    fn registry(&self) -> Registry {
        let (kernels, clients) = {
            let table = self.table.lock();
            (table.remembered_kernels(), table.remembered_clients())
        };
        let kernels = kernels.into_iter().filter_map(|(_, remembered)| {
            let kernel = self.kernel(&remembered.id)?;
            let of = |client: &&RememberedClient| client.kernel == remembered.id;
            let sessions = clients.iter().filter(of).map(|client| client.client.session.to_string());
            let sessions = sessions.collect();
            Some(kernel.record(remembered, sessions))
        });
        let kernels = kernels.collect();
        let bindings = clients
            .into_iter()
            .map(|remembered| BindingRecord { identity: self.identity_of(&remembered.client), remembered });
        Registry::new(kernels, bindings.collect())
    }

    /// The routing id of a client that is here, in hexadecimal digits.
    fn identity_of(&self, client: &ClientId) -> Option<String> {
        let gate = self.gates.get(client)?;
        (!gate.identity().is_empty()).then(|| hex::encode(gate.identity()))
    }
}

impl Kernel {
    fn record(&self, remembered: RememberedKernel, clients: Vec<String>) -> KernelRecord {
        let known = self.known();
        KernelRecord {
            remembered,
            process: self.process(),
            port: known.as_ref().and_then(|known| known.port),
            status: self.status().to_owned(),
            clients,
            kernel_info: known.as_ref().and_then(|known| serde_json::from_slice(&known.info).ok()),
            identity: known.map(|known| String::from_utf8_lossy(&known.identity).into_owned()),
            config: self.runtime.clone(),
        }
    }
}
