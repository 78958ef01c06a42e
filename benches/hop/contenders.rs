//! What is compared: each contender is a process between the client and a kernel of its own.

use std::{env, fmt, path::Path, process::Command};

use anyhow::{Context, Result, ensure};
use jupyter_fleet::{
    jupyter::{address::Transport, connection_file::ConnectionFile, scheme::SecretKey},
    runtimes::write_connection_file,
};
use tempfile::TempDir;

use crate::{
    client::Client,
    common::{parts, process::Process, report::DIRECT},
};

/// The contenders, in the order of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The client straight at the kernel: what the others are compared with.
    Direct,
    /// Bytes passed on by one thread: the least that any hop can be.
    Relay,
    ZmqProxy,
    ZeromqPump,
    /// `jupyter-fleet serve`, TCP on both sides.
    Fleet,
    /// The same, by the connection file of a host that has started `jupyter-fleet attach`.
    Attached,
    /// `jupyter-fleet serve`, with Unix sockets to the kernel.
    FleetIpc,
}

impl Kind {
    pub const ALL: [Self; 7] = [
        Self::Direct,
        Self::Relay,
        Self::ZmqProxy,
        Self::ZeromqPump,
        Self::Fleet,
        Self::Attached,
        Self::FleetIpc,
    ];
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Direct => DIRECT,
            Self::Relay => "bare relay",
            Self::ZmqProxy => "zmq_proxy",
            Self::ZeromqPump => "zeromq pump",
            Self::Fleet => "jupyter-fleet",
            Self::Attached => "jupyter-fleet, by attach",
            Self::FleetIpc => "jupyter-fleet, ipc to the kernel",
        })
    }
}

/// A contender that runs, with a client at its front. Fields are dropped in this order.
pub struct Contender {
    pub client: Client,
    between: Vec<Process>,
    kernel: Option<Process>,
    kind: Kind,
    _directory: TempDir,
}

impl Contender {
    /// Starts all processes and connects.
    pub fn start(kind: Kind) -> Result<Self> {
        let directory = TempDir::new()?;
        let (file, kernel, between) = match kind {
            Kind::Direct => {
                let (file, kernel) = parts::start_kernel(directory.path(), "kernel")?;
                (file, Some(kernel), Vec::new())
            }
            Kind::Relay => start_pump("relay", directory.path())?,
            Kind::ZmqProxy => start_pump("zmq-proxy", directory.path())?,
            Kind::ZeromqPump => start_pump("zeromq-pump", directory.path())?,
            Kind::Fleet => start_fleet(Transport::Tcp, directory.path())?,
            Kind::Attached => start_attached(directory.path())?,
            Kind::FleetIpc => start_fleet(Transport::Ipc, directory.path())?,
        };
        let client = Client::connect(&file).with_context(|| format!("connecting to {kind}"))?;
        Ok(Self { client, between, kernel, kind, _directory: directory })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// CPU seconds of what is between client and kernel; `None` if nothing is.
    pub fn cpu_seconds(&self) -> Result<Option<f64>> {
        if self.between.is_empty() {
            return Ok(None);
        }
        self.between.iter().map(Process::cpu_seconds).sum::<Result<f64>>().map(Some)
    }

    /// Does something with the contender, and tells what its processes said where that fails.
    pub fn watch<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        act(self).with_context(|| {
            let said: String = self.between.iter().chain(&self.kernel).map(Process::stderr).collect();
            format!("measuring {}, whose processes said:\n{said}", self.kind)
        })
    }
}

type Started = (ConnectionFile, Option<Process>, Vec<Process>);

/// Starts one of this program's own pumps. It signs nothing, so both sides have one key.
fn start_pump(part: &str, directory: &Path) -> Result<Started> {
    let (kernel_file, kernel) = parts::start_kernel(directory, "kernel")?;
    let file = parts::free_connection_file(kernel_file.key.clone().context("a kernel without a key")?)?;
    let path = directory.join("published.json");
    write_connection_file(&path, &file)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg(part).arg(path).arg(directory.join("kernel.json"));
    let pump = Process::start(&mut command, "ready", directory.join("pump.log"))?;
    Ok((file, Some(kernel), vec![pump]))
}

/// Starts `jupyter-fleet serve`; it starts its kernel itself.
fn start_fleet(transport: Transport, directory: &Path) -> Result<Started> {
    let (file, fleet) = parts::start_fleet(directory, &parts::synthetic_config(transport)?)?;
    ensure!(file.transport() == Transport::Tcp, "the fleet listens on {}", file.transport());
    Ok((file, None, vec![fleet]))
}

/// Starts `jupyter-fleet serve`, and `jupyter-fleet attach` with a connection file of this program's own.
fn start_attached(directory: &Path) -> Result<Started> {
    let (_, _, mut between) = start_fleet(Transport::Tcp, directory)?;
    let file = parts::free_connection_file(SecretKey::random()?)?;
    let path = directory.join("kernel-host.json");
    write_connection_file(&path, &file)?;
    let mut command = Command::new(parts::PROGRAM);
    command.arg("attach").arg("-f").arg(path).env("HOME", directory).env("JUPYTER_RUNTIME_DIR", directory);
    between.insert(0, Process::spawn(&mut command, directory.join("attach.log"))?);
    Ok((file, None, between))
}
