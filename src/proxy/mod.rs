//! The walk: what happens to a message between a client and its kernel.
//!
//! `frontend` is the way from a client to a kernel, `backend` the way back; `iopub` and `heartbeat` are the two
//! channels that know no sessions. `answer` speaks where the proxy itself is asked, `lifecycle` acts on what happens to
//! kernels. Decisions are made in `route`, processes are watched in `fleet`; neither happens here.

mod accept;
mod answer;
mod backend;
mod connection;
mod departed;
mod door;
mod explain;
mod fanout;
mod frontend;
mod gate;
mod heartbeat;
mod iopub;
mod kernel;
mod lifecycle;
mod notice;
mod operate;
mod replay;
mod report;
mod stdin;
mod stop;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};

use bytes::Bytes;
use dashmap::DashMap;
use parking_lot::{Mutex, MutexGuard};
use tokio::sync::Notify;

use self::{
    connection::{Connection, ReturnAddress},
    departed::Departed,
    fanout::Topics,
    gate::Gate,
    kernel::Kernel,
    notice::Notices,
    replay::Replays,
};
pub use self::{
    door::DoorError,
    operate::OperateError,
    report::{KernelReport, KernelStatus},
};
use crate::{
    fleet::Provisioner,
    id::{ClientId, ConnectionId, KernelId, ProfileId},
    jupyter::{connection_file::ConnectionFile, reply::Voice, signature::Signer},
    limits::Limits,
    metrics::Metrics,
    net::Gatehouse,
    route::{Offer, RestartRight, Settings, Table},
    runtimes::Runtime,
};

/// What a proxy is made of.
#[derive(Debug)]
pub struct Parts {
    /// The published connection file.
    pub published: ConnectionFile,
    /// The published key.
    pub signer: Signer,
    /// What can be launched, in order of preference.
    pub runtimes: Vec<Arc<Runtime>>,
    /// The index of the default runtime.
    pub default_runtime: usize,
    /// What launches kernels.
    pub provisioner: Arc<dyn Provisioner>,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Who may restart a shared kernel.
    pub restart: RestartRight,
}

/// The state that all connections share. No lock in here is ever held across an await.
#[derive(Debug)]
pub struct Proxy {
    table: Mutex<Table<ReturnAddress>>,
    connections: DashMap<ConnectionId, Arc<Connection>>,
    kernels: DashMap<KernelId, Arc<Kernel>>,
    gates: DashMap<ClientId, Arc<Gate>>,
    /// What each iopub connection has subscribed to.
    topics: DashMap<ConnectionId, Arc<Topics>>,
    /// The content of each runtime's `kernel_info_reply`, once a kernel of it was up.
    infos: DashMap<usize, Bytes>,
    /// One signer per profile.
    signers: Vec<Signer>,
    replays: Mutex<Replays>,
    notices: Notices,
    departed: Departed,
    next_connection: AtomicU64,
    audience_changed: Notify,
    kernels_changed: Notify,
    stopping: AtomicBool,
    voice: Voice,
    gatehouse: Gatehouse,
    metrics: Metrics,
    published: ConnectionFile,
    runtimes: Vec<Arc<Runtime>>,
    provisioner: Arc<dyn Provisioner>,
    limits: Arc<Limits>,
}

impl Proxy {
    /// A proxy without clients and kernels.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts { published, signer, runtimes, default_runtime, provisioner, limits, restart } = parts;
        let table = Table::new(Settings {
            runtimes: runtimes.iter().map(|runtime| offer(runtime)).collect(),
            default: default_runtime,
            linger: limits.linger(),
            requests_in_flight: limits.requests_in_flight,
            remembered_clients: limits.remembered_clients,
            restart,
        });
        Arc::new(Self {
            table: Mutex::new(table),
            connections: DashMap::new(),
            kernels: DashMap::new(),
            gates: DashMap::new(),
            topics: DashMap::new(),
            infos: DashMap::new(),
            signers: vec![signer],
            notices: Notices::new(Instant::now()),
            departed: Departed::default(),
            replays: Mutex::new(Replays::new(limits.remembered_signatures)),
            next_connection: AtomicU64::new(0),
            audience_changed: Notify::new(),
            kernels_changed: Notify::new(),
            stopping: AtomicBool::new(false),
            voice: Voice::new("jupyter-fleet"),
            gatehouse: Gatehouse::new(&limits),
            metrics: Metrics::default(),
            published,
            runtimes,
            provisioner,
            limits,
        })
    }

    /// What happened how often.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    fn signer(&self, profile: ProfileId) -> Option<&Signer> {
        self.signers.get(usize::try_from(profile.0).ok()?)
    }

    fn kernel(&self, id: &KernelId) -> Option<Arc<Kernel>> {
        self.kernels.get(id).map(|kernel| kernel.clone())
    }

    /// Changes the table and carries out what follows for who hears what, before anyone else sees the table.
    fn with_table<T>(
        &self,
        change: impl FnOnce(&mut MutexGuard<'_, Table<ReturnAddress>>, Instant) -> T,
    ) -> T {
        let mut table = self.table.lock();
        let result = change(&mut table, Instant::now());
        for change in table.take_changes() {
            self.change_audience(change);
        }
        result
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

fn offer(runtime: &Runtime) -> Offer {
    Offer {
        runtime: runtime.name.clone(),
        language: runtime.language.clone(),
        providers: runtime.providers.clone(),
        labels: runtime.labels.clone(),
        memory_limit: runtime.memory_limit,
        debugger: runtime.debugger,
        max_clients: runtime.max_clients,
    }
}
