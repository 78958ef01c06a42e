//! The walk: what happens to a message between a client and its kernel.
//!
//! | folder | what happens there |
//! |---|---|
//! | `frontend` | connections are taken and their messages read, decided on and sent to kernels, or answered here |
//! | `cells` | cells that are meant for the fleet are carried out; the others wait for their turn |
//! | `backend` | kernels: the way to their processes, what these reply, and what becomes of them |
//! | `iopub` | what kernels publish is spread over those who hear it |
//! | `reconnect` | clients that come back are known again, and get what they are still owed |
//! | `recovery` | what the next `serve` must know is written down, and taken up by it |
//! | `control` | what those who look after the fleet see of it and do to it |
//!
//! Decisions are made in `route`, processes are watched in `fleet`; neither happens here.

mod backend;
mod cells;
mod control;
mod frontend;
mod iopub;
mod reconnect;
mod recovery;

use std::{
    collections::BTreeSet,
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
    backend::{kernel::Kernel, tombstones::Tombstones},
    cells::order::CellOrder,
    control::peer_errors::Notices,
    frontend::{
        arrivals::Arrivals,
        connection::{Connection, ReturnAddress},
        endpoint::Endpoint,
        endpoints::Open,
        gate::Gate,
        killed_stubs::Bereft,
    },
    iopub::{comms::Comms, topics::Topics},
    reconnect::{expected::Reconnecting, identity::RoutingIds},
};
pub use self::{
    cells::of_client::CellsOfClient,
    control::{
        kernel_endpoint::EndpointError,
        operate::OperateError,
        report::{ClientReport, KernelReport, KernelStatus},
    },
    frontend::{
        host::{HostError, HostRequest},
        served_host::ServedHost,
        who::Who,
    },
    recovery::restore::Past,
};
use crate::{
    fleet::Provisioner,
    id::{ClientId, ConnectionId, EndpointId, KernelId},
    jupyter::{connection_file::ConnectionFile, replay::Replays, reply::MessageBuilder},
    limits::Limits,
    metrics::Metrics,
    net::{Acceptor, UserNames},
    route::{Bounds, Offer, Requirements, RestartRight, Settings, Skipped, Table},
    runtimes::Runtime,
    state::Journal,
};

/// What a proxy is made of.
#[derive(Debug)]
pub struct Parts {
    /// The published connection file.
    pub published: ConnectionFile,
    /// What can be launched, in order of preference.
    pub runtimes: Vec<Arc<Runtime>>,
    /// The index of the default runtime.
    pub default_runtime: usize,
    /// What is installed and cannot be launched.
    pub skipped: Vec<Skipped>,
    /// What launches kernels.
    pub provisioner: Arc<dyn Provisioner>,
    /// The bounds.
    pub limits: Arc<Limits>,
    /// Who may restart a shared kernel.
    pub restart: RestartRight,
    /// Where requests that wait are noted.
    pub journal: Journal,
    /// How large the fleet may grow.
    pub bounds: Bounds,
}

/// The state that all connections share. No lock on data in here is ever held across an await.
#[derive(Debug)]
pub struct Proxy {
    table: Mutex<Table<ReturnAddress>>,
    connections: DashMap<ConnectionId, Arc<Connection>>,
    routing_ids: RoutingIds,
    kernels: DashMap<KernelId, Arc<Kernel>>,
    gates: DashMap<ClientId, Arc<Gate>>,
    /// Sessions whose messages are another client's, and whose.
    spoken_for: DashMap<ClientId, ClientId>,
    cell_order: CellOrder,
    comms: Comms,
    /// What each iopub connection has subscribed to.
    topics: DashMap<ConnectionId, Arc<Topics>>,
    /// The content of each runtime's `kernel_info_reply`, once a kernel of it was up.
    infos: DashMap<usize, Bytes>,
    /// The connection files by which clients can connect, or are expected to.
    endpoints: DashMap<EndpointId, Open>,
    /// Hosts whose stubs are gone, until it is known why.
    bereft: DashMap<EndpointId, Bereft>,
    /// Held while an endpoint is opened, which takes a while.
    opening: tokio::sync::Mutex<()>,
    replays: Mutex<Replays>,
    notices: Notices,
    tombstones: Tombstones,
    next_connection: AtomicU64,
    audience_changed: Notify,
    arrivals: Arrivals,
    kernels_changed: Notify,
    registry_changed: Notify,
    /// Held while the registry is written: the kernels whose own connection files are on disk.
    registry_turn: Mutex<BTreeSet<KernelId>>,
    journal: Journal,
    reconnecting: Reconnecting,
    stopping: AtomicBool,
    builder: MessageBuilder,
    acceptor: Acceptor,
    user_names: Arc<UserNames>,
    metrics: Metrics,
    published: Arc<Endpoint>,
    runtimes: Vec<Arc<Runtime>>,
    default_runtime: usize,
    provisioner: Arc<dyn Provisioner>,
    limits: Arc<Limits>,
}

impl Proxy {
    /// A proxy without clients and kernels.
    pub fn new(parts: Parts) -> Arc<Self> {
        let Parts {
            published,
            runtimes,
            default_runtime,
            skipped,
            provisioner,
            limits,
            restart,
            bounds,
            journal,
        } = parts;
        let published = Endpoint::new(EndpointId::DEFAULT, published, Requirements::default());
        let table = Table::new(Settings {
            runtimes: runtimes.iter().map(|runtime| offer(runtime)).collect(),
            default: default_runtime,
            skipped,
            linger: limits.linger(),
            requests_in_flight: limits.requests_in_flight,
            remembered_clients: limits.remembered_clients,
            restart,
            bounds,
            abandoned_after: limits.abandoned_after(),
        });
        Arc::new(Self {
            table: Mutex::new(table),
            connections: DashMap::new(),
            routing_ids: RoutingIds::default(),
            kernels: DashMap::new(),
            gates: DashMap::new(),
            spoken_for: DashMap::new(),
            cell_order: CellOrder::default(),
            comms: Comms::default(),
            topics: DashMap::new(),
            infos: DashMap::new(),
            endpoints: DashMap::new(),
            bereft: DashMap::new(),
            opening: tokio::sync::Mutex::default(),
            notices: Notices::new(Instant::now()),
            tombstones: Tombstones::default(),
            replays: Mutex::new(Replays::new(limits.remembered_signatures)),
            next_connection: AtomicU64::new(ConnectionId::BEFORE.0 + 1),
            audience_changed: Notify::new(),
            arrivals: Arrivals::default(),
            kernels_changed: Notify::new(),
            registry_changed: Notify::new(),
            registry_turn: Mutex::default(),
            journal,
            reconnecting: Reconnecting::new(Instant::now(), &limits),
            stopping: AtomicBool::new(false),
            builder: MessageBuilder::new("jupyter-fleet"),
            acceptor: Acceptor::new(&limits),
            user_names: Arc::default(),
            metrics: Metrics::default(),
            published: Arc::new(published),
            runtimes,
            default_runtime,
            provisioner,
            limits,
        })
    }

    /// What happened how often.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
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
        let before = table.revision();
        let result = change(&mut table, Instant::now());
        if table.revision() != before {
            self.registry_changed.notify_one();
        }
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
        cull_after: runtime.cull_after,
    }
}
