//! A host's connection file is served for as long as its stub asks for that.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;
use tracing::info;

use super::{
    connection::ReturnAddress,
    endpoint::Endpoint,
    endpoints::Open,
    host::{Host, HostError, HostRequest},
};
use crate::{
    channel::Channel,
    fleet::{LaunchedFor, ProcessIdentity, Variables},
    id::{ClientId, EndpointId, Origin},
    jupyter::header::Header,
    net::{HandedOver, Server},
    proxy::{Proxy, backend::kernel::Kernel, cells::queues::cell_named},
    route::{Requirements, host_client},
    runtimes::read_connection_file,
    state::HostRecord,
};

/// How long what is said on iopub may come after the reply to a `shutdown_request`.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// A host's connection file that is served for as long as this lives.
#[derive(Debug)]
pub struct ServedHost {
    proxy: Arc<Proxy>,
    endpoint: Arc<Endpoint>,
    process: Option<ProcessIdentity>,
    is_present: bool,
}

impl Proxy {
    /// Makes ready to serve a host's connection file. Whoever asked before may have been killed by the host, which then wants
    /// another kernel.
    ///
    /// # Errors
    /// It cannot be served.
    pub async fn open_host(self: &Arc<Self>, request: HostRequest) -> Result<ServedHost, HostError> {
        if self.is_stopping() {
            return Err(HostError::FleetStops);
        }
        let path = request.connection_file.clone();
        let file = read_connection_file(&path)?;
        file.signing_key().map_err(|cause| HostError::Unusable { path: path.clone(), cause })?;
        let client = host_client(&path, &file);
        let id = client.endpoint;
        self.end_kernels_of_killed_stubs(request.process);
        if let Some(earlier) = self.endpoint(id)
            && let Some(host) = &earlier.host
            && let Some(stub) = host.stub.filter(|stub| *stub != request.stub)
        {
            if stub.is_alive() {
                return Err(HostError::Served { path, pid: stub.pid });
            }
            if host.process.is_some() && host.process == request.process {
                // The host killed it while nobody looked.
                self.end_kernel_of(&earlier);
            }
        }
        self.forget_answered(id, &request.answered);
        let host = Host::new(&request, client.session);
        self.hand_over_environment(id, &request.environment);
        let process = request.process;
        let endpoint = Endpoint { host: Some(host), ..Endpoint::new(id, file, request.wishes) };
        let endpoint = Arc::new(endpoint);
        self.endpoints.insert(id, Open::expected(endpoint.clone()));
        Ok(ServedHost { proxy: self.clone(), endpoint, process, is_present: false })
    }

    /// Hosts that an earlier `serve` knew are known again; their files are served once their stubs ask.
    pub(crate) fn expect_hosts(&self, hosts: &[HostRecord]) {
        for HostRecord { endpoint: id, client, connection_file, stub, process } in hosts {
            let file = match read_connection_file(connection_file) {
                Ok(file) if host_client(connection_file, &file).endpoint == *id => file,
                _ => continue,
            };
            let launched_for = LaunchedFor::new(Vec::new(), None);
            let host = Host::expected(client.clone(), connection_file.clone(), launched_for);
            let host = Some(host.with_processes(*stub, *process));
            let endpoint = Endpoint { host, ..Endpoint::new(*id, file, Requirements::default()) };
            self.endpoints.insert(*id, Open::expected(Arc::new(endpoint)));
        }
    }

    /// Kernels that are launched again for this host get its environment.
    fn hand_over_environment(&self, id: EndpointId, environment: &Arc<Variables>) {
        for kernel in self.kernels.iter().filter(|kernel| kernel.host == Some(id)) {
            if let Some(launched_for) = &kernel.launched_for {
                launched_for.set_environment(environment.clone());
            }
        }
    }

    /// The stub has answered these requests itself, after the host had waited long enough.
    fn forget_answered(self: &Arc<Self>, id: EndpointId, answered: &[String]) {
        if answered.is_empty() {
            return;
        }
        let is_answered = |address: &ReturnAddress| {
            let header = Header::of_bytes(&address.header);
            address.connection.endpoint.id == id
                && header.is_ok_and(|header| answered.iter().any(|msg_id| *msg_id == header.msg_id))
        };
        let kernels: Vec<Arc<Kernel>> = self.kernels.iter().map(|kernel| kernel.clone()).collect();
        for kernel in kernels {
            for request in self.with_table(|table, _| table.take_outstanding(&kernel.id, is_answered)) {
                self.journal.answered(request.address.entry);
                if let Some(cell) = cell_named(&request.address.header) {
                    self.drop_waiting_cell(&kernel, &request.client, &cell);
                }
            }
        }
        self.journal.write();
    }

    /// A `shutdown_request` has been answered: the stub, if that is whose client asked, ends like a kernel.
    pub(crate) fn host_has_its_answer(&self, address: &ReturnAddress) {
        let endpoint = address.connection.endpoint.clone();
        if endpoint.host.is_none() {
            return;
        }
        tokio::spawn(async move {
            sleep(LAST_WORDS).await;
            if let Some(host) = &endpoint.host {
                host.ends();
            }
        });
    }
}

impl ServedHost {
    /// Serves the host's file from now on: on these sockets, which listen already, and on connections that the stub took.
    pub fn listen(&mut self, server: Server, connections: Vec<(Channel, HandedOver)>) {
        let Self { proxy, endpoint, .. } = self;
        info!(file = %endpoint.file_name(), connections = connections.len(), "serving a host");
        if let Some(client) = endpoint.host_client() {
            self.is_present = true;
            proxy.with_table(|table, _| table.client_connected(&client, own_user()));
        }
        proxy.open(endpoint.clone(), server);
        for (channel, connection) in connections {
            proxy.clone().attend_handed_over(endpoint.clone(), channel, connection);
        }
        proxy.registry_changed.notify_one();
    }

    /// Interrupts what the host's kernel runs: the stub was sent SIGINT.
    pub fn interrupt(&self) {
        let Some(client) = self.endpoint.host_client() else { return };
        let kernel = self.proxy.table.lock().kernel_of(&client).cloned();
        if let Some(Err(error)) = kernel.map(|kernel| self.proxy.interrupt(&kernel)) {
            info!(%error, "an interrupt has no effect");
        }
    }

    /// Returns once the host has ended its kernel in order.
    pub async fn has_ended(&self) {
        match &self.endpoint.host {
            Some(host) => host.ended().await,
            None => std::future::pending().await,
        }
    }
}

impl Drop for ServedHost {
    fn drop(&mut self) {
        let Self { proxy, endpoint, .. } = self;
        if proxy.is_stopping() {
            return;
        }
        let id = endpoint.id;
        if proxy.endpoint(id).is_some_and(|open| Arc::ptr_eq(&open, endpoint)) {
            proxy.close(id);
        }
        if self.is_present
            && let Some(client) = endpoint.host_client()
        {
            proxy.with_table(|table, now| table.client_left_for_good(&client, now));
            proxy.audience_changed.notify_waiters();
        }
        proxy.registry_changed.notify_one();
        let has_ended = endpoint.host.as_ref().is_none_or(|host| host.has_ended());
        if let Some(process) = self.process.filter(|_| !has_ended) {
            tokio::spawn(proxy.clone().stub_is_gone(endpoint.clone(), process));
        }
    }
}

impl Endpoint {
    /// The one client that all who connect by a host's file are.
    fn host_client(&self) -> Option<ClientId> {
        let host = self.host.as_ref()?;
        Some(ClientId { endpoint: self.id, session: host.client.clone() })
    }

    fn file_name(&self) -> String {
        self.host.as_ref().map(|host| host.connection_file.display().to_string()).unwrap_or_default()
    }
}

fn own_user() -> Origin {
    Origin::User { uid: rustix::process::geteuid().as_raw() }
}
