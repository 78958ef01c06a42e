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
};

use thiserror::Error;
use tokio_util::sync::CancellationToken;

use crate::{
    fleet::{LaunchedFor, ProcessIdentity, Variables},
    id::SessionId,
    jupyter::connection_file::ConnectionFileError,
    route::Requirements,
    runtimes::FileError,
};

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

impl Host {
    pub(crate) fn new(request: &HostRequest, client: SessionId) -> Self {
        let launched_for = LaunchedFor::new(request.arguments.clone(), Some(request.environment.clone()));
        let directory = request.directory.clone();
        let is_here = directory
            .as_ref()
            .is_none_or(|directory| std::env::current_dir().is_ok_and(|here| here == *directory));
        Self {
            takes_warm_kernels: is_here && is_like_our_own(&request.environment),
            directory,
            stub: Some(request.stub),
            process: request.process,
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

    /// The processes that an earlier `serve` knew.
    pub(crate) fn with_processes(
        self,
        stub: Option<ProcessIdentity>,
        process: Option<ProcessIdentity>,
    ) -> Self {
        Self { stub, process, ..self }
    }

    /// It has sent a `shutdown_request`.
    pub(crate) fn parts(&self, restart: bool) {
        self.parts.store(true, Ordering::Relaxed);
        self.leaves.store(!restart, Ordering::Relaxed);
    }

    /// Whether it has sent a `shutdown_request`.
    pub(crate) fn has_parted(&self) -> bool {
        self.parts.load(Ordering::Relaxed)
    }

    /// Its `shutdown_request` has been answered, and what is said on iopub has been.
    pub(crate) fn ends(&self) {
        self.has_ended.cancel();
    }

    /// Whether it has ended in order.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.is_cancelled()
    }

    /// Returns once it has ended in order.
    pub(crate) async fn ended(&self) {
        self.has_ended.cancelled().await;
    }

    /// Whether nothing that it says is served any more.
    pub(crate) fn leaves(&self) -> bool {
        self.leaves.load(Ordering::Relaxed)
    }
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
