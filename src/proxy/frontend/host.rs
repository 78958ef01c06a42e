//! Programs that start a kernel from a kernelspec of the fleet: JupyterLab, VS Code, nbclient.
//!
//! Such a host writes a connection file and starts a process of ours, the stub, which asks for the file to be served here.
//! Whoever connects by it is one client, the host's. The host ends its kernel by a `shutdown_request`, or by killing the
//! stub while it lives on itself; a host that dies leaves its kernel as it is.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use thiserror::Error;
use tokio::{select, time::sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use super::{
    connection::ReturnAddress,
    endpoint::Endpoint,
    endpoints::Open,
    gate::{Gate, Held},
};
use crate::proxy::{Proxy, backend::kernel::Kernel, cells::queues::cell_name};
use crate::{
    channel::Channel,
    fleet::{LaunchedFor, ProcessIdentity, Variables, ended},
    id::{ClientId, EndpointId, KernelId, Origin, SessionId},
    jupyter::{connection_file::ConnectionFileError, header::Header},
    net::{Flushes, HandedOver, Server},
    route::{Decision, Request, RequestKind, Requirements, host_client},
    runtimes::{FileError, read_connection_file},
    state::HostRecord,
};

/// How long an interrupt waits to see whether the end follows, where none of the host's own cells runs. Hosts send an
/// interrupt before each `shutdown_request`, milliseconds apart, and do not know that others may use the kernel.
const HESITATION: Duration = Duration::from_millis(200);

/// How long what is said on iopub may come after the reply to a `shutdown_request`.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// How long after its stub a host may end, if both were ended by the same: a logout, a crash.
const TOGETHER: Duration = Duration::from_secs(1);

/// What a stub says of its host.
#[derive(Debug)]
pub struct HostRequest {
    /// The connection file that the host wrote.
    pub connection_file: PathBuf,
    /// The kernel that is asked for.
    pub wishes: Requirements,
    /// Where the host started the stub, if that is there: beside its notebook.
    pub directory: Option<PathBuf>,
    /// What the host added to the kernelspec's arguments.
    pub arguments: Vec<String>,
    /// The environment that the host gave to the stub.
    pub environment: Arc<Variables>,
    /// The stub's process.
    pub stub: ProcessIdentity,
    /// The host's process, if it is known.
    pub process: Option<ProcessIdentity>,
    /// The `msg_id`s of requests that an earlier `serve` was asked and the stub has answered.
    pub answered: Vec<String>,
}

/// Why a host's connection file is not served.
#[derive(Debug, Error)]
pub enum HostError {
    /// It cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// It asks for what is not to be had.
    #[error("the connection file {path} {cause}", path = path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        cause: ConnectionFileError,
    },
    /// Another stub has it served.
    #[error("process {pid} has {path} served already", path = path.display())]
    Served {
        /// The file.
        path: PathBuf,
        /// The other stub.
        pid: i32,
    },
    /// The fleet is being stopped.
    #[error("the fleet is being stopped")]
    FleetStops,
}

/// A host, as the walk sees it.
#[derive(Debug)]
pub(crate) struct Host {
    /// The client that all who connect by its file are.
    pub(crate) client: SessionId,
    /// Where kernels that are launched for it begin.
    pub(crate) directory: Option<PathBuf>,
    /// What such kernels get of it.
    pub(crate) launched_for: Arc<LaunchedFor>,
    /// A kernel that has been launched for nobody will do: its directory and environment are the same.
    pub(crate) takes_warm_kernels: bool,
    pub(crate) connection_file: PathBuf,
    pub(crate) stub: Option<ProcessIdentity>,
    pub(crate) process: Option<ProcessIdentity>,
    /// It has sent a `shutdown_request`.
    parts: AtomicBool,
    /// It wants no kernel any more: nothing else that it says is served.
    leaves: AtomicBool,
    /// Its `shutdown_request` has been answered.
    has_ended: CancellationToken,
}

/// A host whose stub is gone, and for whose kernel it is not yet known whether it ends.
#[derive(Debug)]
pub(crate) struct Bereft {
    process: Option<ProcessIdentity>,
    endpoint: Arc<Endpoint>,
}

/// A host's connection file that is served for as long as this lives.
#[derive(Debug)]
pub struct ServedHost {
    proxy: Arc<Proxy>,
    endpoint: Arc<Endpoint>,
    process: Option<ProcessIdentity>,
    is_present: bool,
}

impl Host {
    fn new(request: &HostRequest, client: SessionId) -> Self {
        let launched_for = LaunchedFor::new(request.arguments.clone(), Some(request.environment.clone()));
        let directory = request.directory.clone();
        let is_here = directory
            .as_ref()
            .is_none_or(|directory| std::env::current_dir().is_ok_and(|here| here == *directory));
        Self {
            takes_warm_kernels: is_here && is_like_our_own(&request.environment),
            directory,
            ..Self::expected(client, request.connection_file.clone(), launched_for)
        }
    }

    /// A host that an earlier `serve` knew, and whose stub has yet to come back.
    pub(crate) fn expected(client: SessionId, connection_file: PathBuf, launched_for: LaunchedFor) -> Self {
        Self {
            client,
            directory: None,
            launched_for: Arc::new(launched_for),
            takes_warm_kernels: false,
            connection_file,
            stub: None,
            process: None,
            parts: AtomicBool::new(false),
            leaves: AtomicBool::new(false),
            has_ended: CancellationToken::new(),
        }
    }

    /// It has sent a `shutdown_request`.
    pub(crate) fn parts(&self, restart: bool) {
        self.parts.store(true, Ordering::Relaxed);
        self.leaves.store(!restart, Ordering::Relaxed);
    }

    /// Whether nothing that it says is served any more.
    pub(crate) fn leaves(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }
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
        let host = Host { stub: Some(request.stub), process, ..host };
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
            let host = Some(Host { stub: *stub, process: *process, ..host });
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
    fn forget_answered(&self, id: EndpointId, answered: &[String]) {
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
                let header = Header::of_bytes(&request.address.header).ok();
                if let Some(cell) = header.and_then(|header| cell_name(&header)) {
                    self.drop_waiting_cell(&kernel, &request.client, &cell);
                }
            }
        }
        self.journal.write();
    }

    /// A host that starts another stub lives: where its earlier stubs were killed, it was by itself.
    fn end_kernels_of_killed_stubs(self: &Arc<Self>, process: Option<ProcessIdentity>) {
        let Some(process) = process else { return };
        let of_it = |bereft: &Bereft| bereft.process == Some(process);
        let killed: Vec<EndpointId> =
            self.bereft.iter().filter(|bereft| of_it(bereft)).map(|bereft| *bereft.key()).collect();
        for (_, bereft) in killed.iter().filter_map(|id| self.bereft.remove(id)) {
            self.end_kernel_of(&bereft.endpoint);
        }
    }

    /// The stub is gone without a `shutdown_request`. A host that lives on has ended its kernel by that, and one that died with
    /// the stub finds it again.
    async fn stub_is_gone(self: Arc<Self>, endpoint: Arc<Endpoint>, process: ProcessIdentity) {
        let id = endpoint.id;
        self.bereft.insert(id, Bereft { process: Some(process), endpoint: endpoint.clone() });
        select! {
            () = ended(process) => {}
            () = sleep(TOGETHER) => {}
        }
        let undecided = self.bereft.remove_if(&id, |_, bereft| Arc::ptr_eq(&bereft.endpoint, &endpoint));
        if undecided.is_some() && process.is_alive() {
            self.end_kernel_of(&endpoint);
        }
    }

    /// Ends the host's kernel, unless others use it.
    fn end_kernel_of(self: &Arc<Self>, endpoint: &Endpoint) {
        let Some(host) = endpoint.host.as_ref().filter(|_| !self.is_stopping()) else { return };
        let client = ClientId { endpoint: endpoint.id, session: host.client.clone() };
        let request = Request {
            client: &client,
            kind: RequestKind::Shutdown { restart: false },
            defaults: &endpoint.defaults,
            leads_to: None,
            reserve: true,
            shell_session: None,
            answers: "",
        };
        let decision =
            self.with_table(|table, now| table.decide(&request, || Ok(None), KernelId::random, now));
        self.end_visits(&client);
        match decision {
            Decision::Stop(kernel) => {
                self.stop_kernel(&kernel, "its only user has killed the process that stood for it");
            }
            decision => debug!(%decision, "a host has killed its stub"),
        }
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
                host.has_ended.cancel();
            }
        });
    }

    /// Keeps an interrupt back that a host may have sent only because it is about to end its kernel, while others use it.
    /// Gives back one that is meant.
    pub(crate) fn hesitate(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Arc<Gate>),
        held: Held,
    ) -> Option<Held> {
        let is_hosts = held.connection.endpoint.host.is_some();
        if !is_hosts || self.table.lock().runs_cells(client, false) {
            return Some(held);
        }
        let (proxy, client, gate) = (self.clone(), client.clone(), gate.clone());
        tokio::spawn(async move {
            sleep(HESITATION).await;
            let host = held.connection.endpoint.host.as_ref();
            if host.is_some_and(|host| host.parts.load(Ordering::Relaxed)) {
                let address = held.address();
                return proxy.reply(&client, &address, proxy.interrupt_reply(&address.header));
            }
            let mut flushes = Flushes::default();
            proxy.pass((&client, &gate), held, None, &mut flushes);
            flushes.flush();
        });
        None
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
            Some(host) => host.has_ended.cancelled().await,
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
        let has_ended = endpoint.host.as_ref().is_none_or(|host| host.has_ended.is_cancelled());
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

/// Variables that say nothing of what a kernel needs: what Jupyter itself sets for its kernels, and a shell's bookkeeping.
fn is_set_aside(name: &OsStr) -> bool {
    const OF_A_SHELL: [&str; 5] = ["_", "OLDPWD", "PWD", "SHLVL", "SHELL_SESSION_ID"];
    let bytes = name.as_encoded_bytes();
    bytes.starts_with(b"JPY_") || OF_A_SHELL.iter().any(|known| name == *known)
}

/// Whether an environment is that of kernels which are launched for nobody.
fn is_like_our_own(environment: &Variables) -> bool {
    let known = |of: Vec<(OsString, OsString)>| -> BTreeMap<OsString, OsString> {
        of.into_iter().filter(|(name, _)| !is_set_aside(name)).collect()
    };
    known(environment.clone()) == known(env::vars_os().collect())
}
