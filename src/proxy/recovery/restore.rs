//! Taking up what an earlier `serve` left: its kernels, its clients, and the requests that it had not answered.

use std::{collections::HashSet, sync::Arc, time::Instant};

use bytes::Bytes;
use tracing::{Instrument, info, info_span, warn};

use super::orphaned_requests::restarted;
use crate::{
    fleet::{Earlier, KnownKernel, LaunchOrder, LaunchedFor, supervise},
    id::{ClientId, KernelId, SessionId},
    jupyter::{
        connection_file::ConnectionFile,
        header::Header,
        message::{Body, Envelope},
    },
    proxy::{
        Proxy,
        backend::{kernel::Kernel, link::Known},
        cells::queues::{Waiting, cell_named},
        frontend::connection::ReturnAddress,
        reconnect::expected::connection_before,
    },
    route::Outstanding,
    runtimes::Runtime,
    state::{Asked, BindingRecord, Entry, KernelRecord, Registry},
};

/// Serves before the last whose routing ids are tried beside the oldest: each that crashes while a cell runs leaves one.
const EARLIER: usize = 3;

/// What an earlier `serve` left.
#[derive(Debug)]
pub struct Past {
    /// Its kernels and clients.
    pub registry: Registry,
    /// Its kernels' own connection files.
    pub endpoints: Vec<(KernelId, ConnectionFile)>,
    /// Requests that it has not answered.
    pub owed: Vec<(Entry, Asked)>,
}

impl Proxy {
    /// Takes up what an earlier `serve` left. Before the first connection is accepted.
    pub async fn resume(self: &Arc<Self>, past: Past) {
        let Past { registry, endpoints, owed } = past;
        let bound: HashSet<_> = registry.bindings.iter().map(|binding| &binding.remembered.client).collect();
        let visited = owed.iter().filter_map(|(_, asked)| asked.kernel.as_ref());
        let owing: HashSet<&KernelId> = registry
            .bindings
            .iter()
            .filter(|binding| owed.iter().any(|(_, asked)| asked.client == binding.remembered.client))
            .map(|binding| &binding.remembered.kernel)
            .chain(visited)
            .collect();
        info!(
            kernels = registry.kernels.len(),
            clients = bound.len(),
            requests = owed.len(),
            "taking up what the last serve left"
        );
        self.expect_hosts(&registry.hosts);
        let taken_over: Vec<_> = registry
            .kernels
            .iter()
            .filter_map(|record| self.take_over(record, owing.contains(&record.remembered.id)))
            .collect();
        if owed.iter().any(|(_, asked)| asked.kernel.is_some()) {
            self.cell_order.begin();
        }
        for BindingRecord { remembered, identity } in &registry.bindings {
            self.with_table(|table, now| table.recall_client(remembered, now));
            let identity = identity.as_deref().and_then(|text| hex::decode(text).ok());
            if let (Some(identity), Some(origin)) = (identity, remembered.origins.first()) {
                self.reconnecting.expect(identity.into(), remembered.client.clone(), *origin);
            }
        }
        for (_, asked) in &owed {
            let identity = hex::decode(&asked.identity).unwrap_or_default();
            self.reconnecting.expect(identity.into(), asked.client.clone(), asked.origin);
        }
        // Whoever comes by one of them from here on is known.
        for (kernel, file) in endpoints {
            self.registry_turn.lock().insert(kernel.clone());
            if let Err(error) = self.reopen_kernel_endpoint(&kernel, file).await {
                warn!(%kernel, %error, "a kernel's own connection file cannot be opened again: its clients have to connect anew");
            }
        }
        for (entry, asked) in owed {
            self.recall_request(entry, asked);
        }
        // Not before: an idle kernel says at once that its past is over, and nobody would answer what is recalled later.
        for kernel in taken_over {
            tokio::spawn(kernel);
        }
        self.registry_changed.notify_one();
    }

    /// Returns what follows the kernel's life.
    fn take_over(
        self: &Arc<Self>,
        record: &KernelRecord,
        owes: bool,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let KernelRecord {
            remembered, process, identity, earlier_identities, kernel_info, config, port, ..
        } = record;
        let process = process.clone()?;
        let is_limited = process.enforcement.limits.memory_limit.is_some();
        if record.clients.is_empty() && !process.identity.is_alive() {
            // Nobody's, and gone.
            return None;
        }
        let of_config = self.runtimes.iter().position(|runtime| runtime.name == config.name);
        let Some(runtime_index) = of_config else {
            warn!(kernel = %remembered.id, runtime = %config.name, "no such runtime any more");
            return None;
        };
        let runtime = Runtime::beginning_at(self.runtimes.get(runtime_index)?, config.directory());
        let info = kernel_info.as_ref().map(|info| Bytes::from(info.to_string()));
        let identities: Vec<Bytes> =
            tried(earlier_identities).chain(identity.clone()).map(Bytes::from).collect();
        let known = KnownKernel { info: info.clone(), identities: identities.clone(), owes };
        let host = record
            .launched_for
            .as_ref()
            .map(|host| (host.endpoint, Arc::new(LaunchedFor::new(host.arguments.clone(), None))));
        let order = LaunchOrder {
            kernel: remembered.id.clone(),
            runtime: runtime.clone(),
            memory_limit: remembered.memory_limit,
            launched_for: host.as_ref().map(|(_, launched_for)| launched_for.clone()),
        };
        let earlier = Some(Earlier { record: process.clone(), known });
        let (handle, events) = supervise(self.provisioner.clone(), order, earlier, self.limits.clone());
        let kernel = Arc::new(Kernel::new(
            remembered.id.clone(),
            (runtime_index, runtime),
            remembered.memory_limit,
            handle,
            host,
            self.builder.clone(),
        ));
        kernel.is_launched(process);
        if let Some(info) = &info {
            self.infos.insert(runtime_index, info.clone());
        }
        kernel.link.recall(Known { info, identities, port: *port });
        self.with_table(|table, _| {
            self.kernels.insert(remembered.id.clone(), kernel.clone());
            table.recall_kernel(remembered, runtime_index, is_limited)
        });
        let span = info_span!(parent: None, "kernel", id = %remembered.id, runtime = %kernel.runtime.name);
        Some(self.clone().follow(kernel, events).instrument(span))
    }

    /// A request that was not answered: its kernel may still answer it; what reached none is failed.
    fn recall_request(self: &Arc<Self>, entry: Entry, asked: Asked) {
        let Asked {
            client,
            channel,
            origin,
            msg_type,
            msg_id,
            identity,
            envelope,
            header,
            kernel,
            stops_on_error,
            waits,
        } = asked;
        let header = Bytes::from(header);
        let identity = Bytes::from(hex::decode(identity).unwrap_or_default());
        if identity.is_empty() {
            warn!(session = %client.session, "a client without a routing id cannot be told what became of its request");
        }
        let Some(endpoint) = self.endpoint(client.endpoint) else { return self.journal.answered(entry) };
        let session = Header::of_bytes(&header).map(|header| SessionId::from(&*header.session));
        let session = session.unwrap_or_else(|_| client.session.clone());
        self.speaks_as(client.endpoint, &client.session, session.as_str());
        let frames = envelope.iter().filter_map(|frame| hex::decode(frame).ok()).map(Bytes::from);
        let address = ReturnAddress {
            connection: connection_before(channel, endpoint, origin, identity),
            envelope: Envelope::new(frames),
            header: header.clone(),
            entry,
            stops_on_error,
        };
        let tracked = self.with_table(|table, _| {
            let kernel = kernel.or_else(|| table.kernel_of(&client).cloned())?;
            let request = Outstanding {
                client: client.clone(),
                session,
                msg_type: msg_type.as_str().into(),
                channel,
                address: address.clone(),
                // The question may have come before.
                awaits_input: msg_type == "execute_request" && waits.is_none(),
                is_done: false,
            };
            table.track(&kernel, &msg_id, request).then(|| self.kernel(&kernel)).flatten()
        });
        let body = waits.and_then(|message| message.body(header));
        if let Some(kernel) = &tracked {
            self.queue_again(kernel, &client, &address, body);
        }
        if tracked.is_none() {
            let failure = restarted("it may not have reached its kernel; run it again");
            self.fail(&client, &msg_type, &address, &failure);
        }
    }

    /// What waited for its turn waits again; else the kernel may be at work on it.
    fn queue_again(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        client: &ClientId,
        address: &ReturnAddress,
        body: Option<Body>,
    ) {
        match (body, cell_named(&address.header)) {
            (Some(body), cell) => {
                let (client, address) = (client.clone(), address.clone());
                let (life, since) = (kernel.link.life(), Instant::now());
                self.send_in_turn(kernel, Waiting { client, cell, body, address, life, since });
            }
            (None, Some(_)) => kernel.cell_queues.recall_running(client, &address.header),
            (None, None) => {}
        }
    }

    /// Gives up clients that have not come back.
    pub(crate) fn forget_late(&self) {
        let patience = self.limits.expected_for();
        self.endpoints.retain(|_, open| open.accepts() || open.since.elapsed() < patience);
        for entry in self.reconnecting.expire(Instant::now()) {
            self.journal.answered(entry);
        }
        self.journal.write();
    }
}

/// Of the routing ids of earlier serves, those that are tried: the oldest, which the running cell came from, and the
/// latest, which those that wait came from.
fn tried(identities: &[String]) -> impl Iterator<Item = String> {
    let latest = identities.len().saturating_sub(EARLIER);
    identities.iter().enumerate().filter(move |(at, _)| *at == 0 || *at >= latest).map(|(_, id)| id.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_and_the_latest_are_tried() {
        let tried =
            |ids: &str| tried(&ids.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect::<Vec<_>>();
        assert_eq!(tried("a b c d"), ["a", "b", "c", "d"]);
        assert_eq!(tried("a b c d e f"), ["a", "d", "e", "f"]);
    }
}
