//! What the API takes and gives. Times are seconds since 1970-01-01 UTC, sizes are bytes.

use std::{collections::BTreeMap, path::PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// A kernel of the fleet.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Kernel {
    /// Its id.
    pub id: String,
    /// The runtime that it was launched from.
    pub runtime: String,
    /// Its language.
    pub language: String,
    /// `starting`, `idle`, `busy`, `unresponsive`, `restarting` or `stopping`.
    pub status: String,
    /// Its process, while that lives.
    pub pid: Option<i32>,
    /// How many live clients it has.
    pub clients: usize,
    /// How many requests wait for its replies.
    pub requests: usize,
    /// The group that it is shared within.
    pub group: Option<String>,
    /// It is one client's alone.
    pub isolated: bool,
    /// It is kept warm, and nobody has had it yet.
    pub reserve: bool,
    /// The most memory that it may use; none is unlimited.
    pub memory_limit: Option<u64>,
    /// What holds its limits: `cgroup v2`, `cgroup v1` or `rlimits`; none while it has no process, or no limits.
    #[serde(default)]
    pub held_by: Option<String>,
    /// What of its limits does not hold as it was asked for: `KEY: why`.
    #[serde(default)]
    pub lacks: Vec<String>,
    /// Of `stdin`, `control` and `heartbeat`, those that it has not bound.
    #[serde(default)]
    pub missing_channels: Vec<String>,
    /// When its process was started.
    pub started_at: Option<u64>,
    /// Where its output goes.
    #[schema(value_type = Option<String>)]
    pub log: Option<PathBuf>,
}

/// A client that has a kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
pub struct Client {
    /// The `session` of its messages.
    pub session: String,
    /// What people call it: what its messages say, else the user of its process.
    #[serde(default)]
    pub name: Option<String>,
    /// Its notebook, else its program.
    #[serde(default)]
    pub place: Option<String>,
    /// The user of its process, if that is on this machine.
    #[serde(default)]
    pub user: Option<String>,
    /// By which connection file it came: `published`, `kernel ID`, or the path of a host's.
    #[serde(default)]
    pub endpoint: String,
    /// For how many seconds a cell of its has been running.
    #[serde(default)]
    pub running_for: Option<u64>,
    /// How many of its cells wait.
    #[serde(default)]
    pub waiting: usize,
    /// How many other clients come before the first of those.
    #[serde(default)]
    pub before: usize,
    /// Its kernel.
    pub kernel: String,
    /// Whether it is here: it has a connection, or had one a moment ago.
    pub live: bool,
    /// Where it connects from.
    pub origins: Vec<String>,
    /// Since when it has this kernel; none if since before this `serve`, as with the next two.
    pub since: Option<u64>,
    /// What it asked for.
    pub asked: Option<String>,
    /// Why it got this kernel.
    pub reason: Option<String>,
}

/// A fleet.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The process of `serve`.
    pub pid: u32,
    /// Its version.
    pub version: String,
    /// When it was started.
    pub started_at: u64,
    /// The published connection file.
    #[schema(value_type = String)]
    pub connection_file: PathBuf,
    /// Where each channel is.
    pub addresses: BTreeMap<String, String>,
    /// How many kernels there are.
    pub kernels: usize,
    /// How many clients are here.
    pub clients: usize,
    /// How many tasks run in the process of `serve`: a few for each connection and each kernel, and none that outlives them.
    #[serde(default)]
    pub tasks: usize,
    /// What happened how often.
    pub counters: BTreeMap<String, u64>,
    /// What holds the limits of kernels, and which ones: `cgroup v2 (memory, processes, cpu)`, or `rlimits (why)`.
    #[serde(default)]
    pub held_by: String,
    /// The bounds in force: the table `[limits]` of the config.
    #[schema(value_type = Object)]
    pub limits: Map<String, Value>,
}

/// What is asked of a kernel.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// What a message's metadata would hold under `fleet`; nothing asks for a kernel of the default runtime.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub fleet: Map<String, Value>,
}

/// Who wants a restart.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// A name for the kernel's clients to see.
    pub by: Option<String>,
}

/// A kernel that was stopped.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Stopped {
    /// Its id.
    pub id: String,
    /// How many clients it had.
    pub clients: usize,
}

/// A connection file whose clients all land on one kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct KernelEndpoint {
    /// The kernel.
    pub kernel: String,
    /// The file.
    #[schema(value_type = String)]
    pub connection_file: PathBuf,
    /// How many clients the kernel has already.
    pub clients: usize,
    /// It takes no more: a new one is refused until one leaves.
    #[serde(default)]
    pub full: bool,
}

/// Where a client with certain wishes goes, and why.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// What the wishes come to: who names no kind of kernel means the default runtime.
    pub asked: String,
    /// What becomes of the client.
    pub outcome: Outcome,
    /// The kernel that it gets.
    pub kernel: Option<String>,
    /// The runtime that a kernel is launched from.
    pub runtime: Option<String>,
    /// Why.
    pub reason: String,
    /// The kernels that were considered.
    pub kernels: Vec<ConsideredKernel>,
    /// The runtimes that were considered.
    pub runtimes: Vec<ConsideredRuntime>,
}

/// What becomes of a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It gets a kernel that lives.
    Existing,
    /// A kernel is launched for it.
    Launched,
    /// It is refused.
    Refused,
}

/// A kernel that was considered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConsideredKernel {
    /// Its id.
    pub id: String,
    /// Its runtime.
    pub runtime: String,
    /// How many live clients it has.
    pub clients: usize,
    /// How many requests wait for its replies.
    pub requests: usize,
    /// What it lacks; nothing if it fits.
    pub lacks: Vec<String>,
}

/// A runtime that was considered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ConsideredRuntime {
    /// Its name.
    pub name: String,
    /// What it lacks; nothing if a kernel can be launched from it.
    pub lacks: Vec<String>,
}
