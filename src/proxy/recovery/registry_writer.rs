//! Writing down what the next `serve` must know, whenever it changes.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use tokio::time::{Duration, sleep};
use tracing::error;

use crate::{
    id::{ClientId, KernelId},
    jupyter::connection_file::ConnectionFile,
    proxy::{
        Proxy,
        backend::{kernel::Kernel, link::Known},
    },
    route::{RememberedClient, RememberedKernel},
    runtimes::write_connection_file,
    state::{BindingRecord, Entry, HostRecord, KernelRecord, LaunchedForRecord, Registry, endpoint_file},
};

/// How long after a failure the registry is written again.
const TRY_AGAIN: Duration = Duration::from_secs(5);

impl Proxy {
    /// Writes the registry at each change, until the task is dropped. Changes that come while it is being written are
    /// written together.
    pub async fn keep_registry(self: Arc<Self>, path: PathBuf) {
        loop {
            let is_long = tokio::select! {
                () = self.registry_changed.notified() => false,
                () = self.journal.too_long() => true,
            };
            let (proxy, path) = (self.clone(), path.clone());
            let written = tokio::task::spawn_blocking(move || {
                let written = proxy.write_registry(&path);
                if is_long {
                    proxy.journal.shorten();
                }
                written
            })
            .await;
            if !matches!(written, Ok(true)) {
                // The disk may have room again.
                sleep(TRY_AGAIN).await;
                self.registry_changed.notify_one();
            }
        }
    }

    /// Writes the registry as things are now.
    ///
    /// `false`: it could not be, which is logged.
    pub fn write_registry(&self, path: &Path) -> bool {
        // Whoever writes last has looked last.
        let mut on_disk = self.registry_turn.lock();
        self.write_kernel_endpoints(path, &mut on_disk);
        let (known, registry) = self.registry();
        match registry.save(path) {
            Ok(()) => self.journal.registry_knows(known),
            Err(error) => {
                error!(%error, "what the fleet knows is not on disk: a serve after this one will not find its kernels");
                return false;
            }
        }
        true
    }

    /// Doors have keys, which have no place in a file that is there to be shown.
    fn write_kernel_endpoints(&self, registry: &Path, on_disk: &mut BTreeSet<KernelId>) {
        let open: BTreeMap<KernelId, ConnectionFile> = self.kernel_endpoints().into_iter().collect();
        for (kernel, file) in open.iter().filter(|(kernel, _)| !on_disk.contains(*kernel)) {
            if let Err(error) = write_connection_file(&endpoint_file(registry, kernel), file) {
                error!(%error, "the clients of a kernel's own connection file will have to connect anew after a restart");
            }
        }
        for closed in on_disk.iter().filter(|kernel| !open.contains_key(*kernel)) {
            // It may never have been written.
            let _ = std::fs::remove_file(endpoint_file(registry, closed));
        }
        *on_disk = open.into_keys().collect();
    }

    /// Things as they are now, and the latest line of the journal that this knows.
    fn registry(&self) -> (Entry, Registry) {
        let journal = self.journal.latest();
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
        (journal, Registry::new(journal, kernels, bindings.collect(), self.hosts()))
    }

    fn hosts(&self) -> Vec<HostRecord> {
        let hosts = self.endpoints.iter().filter_map(|open| {
            let host = open.endpoint.host.as_ref()?;
            Some(HostRecord {
                endpoint: open.endpoint.id,
                client: host.client.clone(),
                connection_file: host.connection_file.clone(),
                stub: host.stub,
                process: host.process,
            })
        });
        hosts.collect()
    }

    /// The routing id of a client that is here, in hexadecimal digits.
    fn identity_of(&self, client: &ClientId) -> Option<String> {
        let gate = self.gates.get(client)?;
        (!gate.identity().is_empty()).then(|| hex::encode(gate.identity()))
    }
}

impl Kernel {
    fn record(&self, remembered: RememberedKernel, clients: Vec<String>) -> KernelRecord {
        let known = self.link.known();
        let mut identities = known.as_ref().map(Known::identities).unwrap_or_default();
        let info = known.as_ref().and_then(|known| known.info.clone());
        KernelRecord {
            remembered,
            process: self.process(),
            port: known.as_ref().and_then(|known| known.port),
            status: self.status().to_owned(),
            clients,
            kernel_info: info.and_then(|info| serde_json::from_slice(&info).ok()),
            identity: identities.pop(),
            earlier_identities: identities,
            config: self.runtime.clone(),
            launched_for: self.host.zip(self.launched_for.as_ref()).map(|(endpoint, launched_for)| {
                LaunchedForRecord { endpoint, arguments: launched_for.arguments.clone() }
            }),
        }
    }
}

impl Known {
    /// The routing ids, as they are written down.
    pub(crate) fn identities(&self) -> Vec<String> {
        let text = |identity: &Bytes| String::from_utf8_lossy(identity).into_owned();
        self.identities.iter().map(text).collect()
    }
}
