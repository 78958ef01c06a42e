//! What those who look after the fleet see of it.

use std::{collections::HashMap, fmt, path::PathBuf, sync::Arc, time::Instant};

use jupyter_protocol::ExecutionState;

use crate::{
    channel::Channel,
    fleet::ProcessRecord,
    id::{ClientId, EndpointId, KernelId},
    jupyter::connection_file::ConnectionFile,
    limits::Limits,
    proxy::{
        Proxy,
        backend::kernel::Kernel,
        cells::of_client::CellsOfClient,
        frontend::{endpoint::Endpoint, who::Who},
    },
    route::{BoundClient, Explanation, KernelState, Occupancy, Requirements},
};

/// A kernel, its process and how it is used.
#[derive(Clone, Debug)]
pub struct KernelReport {
    /// What it offers, and who has it.
    pub occupancy: Occupancy,
    /// What it does.
    pub status: KernelStatus,
    /// Its process, while that lives.
    pub process: Option<ProcessRecord>,
    /// The channels that it lacks.
    pub missing_channels: Vec<Channel>,
    /// Where its output goes; `None` until its first process was started.
    pub log: Option<PathBuf>,
}

/// A client that has a kernel.
#[derive(Clone, Debug)]
pub struct ClientReport {
    /// Which client, and which kernel.
    pub bound: BoundClient,
    /// Who sits there.
    pub who: Who,
    /// The user of its process.
    pub user: Option<Arc<str>>,
    /// By which connection file it came: `published`, `kernel ID` or a host's path.
    pub endpoint: String,
    /// What it has at its kernel.
    pub cells: CellsOfClient,
}

/// What a kernel does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KernelStatus {
    /// It comes up for the first time.
    Starting,
    /// It waits for requests.
    Idle,
    /// It works on a request.
    Busy,
    /// It does not echo heartbeats.
    Unresponsive,
    /// Its process was lost or ended, and comes back.
    Restarting,
    /// It is being stopped.
    Stopping,
}

impl Proxy {
    /// All kernels, the oldest first.
    pub fn kernels(&self) -> Vec<KernelReport> {
        self.occupancy().into_iter().filter_map(|occupancy| self.report(occupancy)).collect()
    }

    /// One kernel; `None` if it is gone.
    pub fn kernel_report(&self, id: &KernelId) -> Option<KernelReport> {
        let mut occupancy = self.occupancy().into_iter();
        self.report(occupancy.find(|occupancy| occupancy.kernel == *id)?)
    }

    pub(crate) fn occupancy(&self) -> Vec<Occupancy> {
        self.table.lock().occupancy(Instant::now())
    }

    fn report(&self, occupancy: Occupancy) -> Option<KernelReport> {
        let kernel = self.kernel(&occupancy.kernel)?;
        Some(report(occupancy, &kernel))
    }

    /// How many clients are here.
    pub fn live_clients(&self) -> usize {
        self.table.lock().clients(Instant::now()).iter().filter(|client| client.live).count()
    }

    /// All clients that have kernels, and why those.
    pub fn clients(&self) -> Vec<ClientReport> {
        let bound = self.table.lock().clients(Instant::now());
        let kernels = self.kernels.iter().map(|kernel| kernel.clone());
        let cells: HashMap<_, _> =
            kernels.map(|kernel| (kernel.id.clone(), kernel.cell_queues.by_client())).collect();
        bound.into_iter().map(|bound| self.client_report(bound, &cells)).collect()
    }

    fn client_report(
        &self,
        bound: BoundClient,
        cells: &HashMap<KernelId, HashMap<ClientId, CellsOfClient>>,
    ) -> ClientReport {
        let cells = cells.get(&bound.kernel);
        let user = bound.origins.iter().find_map(|origin| self.user_names.get(origin.uid()?));
        let endpoint = self.endpoint(bound.client.endpoint);
        ClientReport {
            who: self.who(&bound.client),
            user,
            endpoint: endpoint.map_or_else(String::new, |endpoint| name_of(&endpoint)),
            cells: cells.and_then(|cells| cells.get(&bound.client).copied()).unwrap_or_default(),
            bound,
        }
    }

    /// Which kernel a client with these wishes would get now, and why.
    pub fn why(&self, requirements: &Requirements) -> Explanation {
        self.table.lock().explain(requirements, None, Instant::now())
    }

    /// What is published.
    pub fn published(&self) -> &ConnectionFile {
        &self.published.file
    }

    /// The bounds.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
}

fn name_of(endpoint: &Endpoint) -> String {
    match (&endpoint.host, &endpoint.defaults.kernel) {
        _ if endpoint.id == EndpointId::DEFAULT => "published".to_owned(),
        (Some(host), _) => host.connection_file.display().to_string(),
        (None, Some(kernel)) => format!("kernel {kernel}"),
        (None, None) => String::new(),
    }
}

fn report(occupancy: Occupancy, kernel: &Kernel) -> KernelReport {
    let process = kernel.process();
    KernelReport {
        status: match status(&occupancy, kernel.fanout().state(), kernel.is_running()) {
            KernelStatus::Idle | KernelStatus::Busy if kernel.is_unresponsive() => KernelStatus::Unresponsive,
            status => status,
        },
        log: process.as_ref().map(|process| process.log.clone()),
        missing_channels: kernel.link.missing(),
        process: process.filter(|process| process.identity.is_alive()),
        occupancy,
    }
}

/// A kernel is busy from the moment it gets a request, and until it says that it is idle again.
fn status(occupancy: &Occupancy, told: &ExecutionState, is_running: bool) -> KernelStatus {
    match occupancy.state {
        KernelState::Stopping => KernelStatus::Stopping,
        // A cold start is hidden from clients, who are told that the kernel is idle.
        KernelState::Starting if *told == ExecutionState::Idle => KernelStatus::Starting,
        KernelState::Starting => KernelStatus::Restarting,
        KernelState::Ready if occupancy.requests > 0 || is_running => KernelStatus::Busy,
        KernelState::Ready => KernelStatus::Idle,
    }
}

impl fmt::Display for KernelStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Busy => "busy",
            Self::Unresponsive => "unresponsive",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
        })
    }
}
