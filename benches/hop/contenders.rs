//! What is compared: each contender is a process between the client and a kernel of its own.

use std::{
    env, fmt, fs,
    net::{IpAddr, Ipv4Addr, TcpListener},
    num::NonZeroU16,
    os::unix::process::CommandExt,
    path::Path,
    process::Command,
};

use anyhow::{Context, Result, ensure};
use jupyter_fleet::{
    channel::Channel,
    jupyter::{
        connection_file::{Address, ConnectionFile, Ports},
        endpoint::Transport,
        scheme::SecretKey,
    },
    runtimes::{read_connection_file, write_connection_file},
};
use tempfile::TempDir;

use crate::{client::Client, process::Process};

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
    /// `jupyter-fleet serve`, with Unix sockets to the kernel.
    FleetIpc,
}

impl Kind {
    pub const ALL: [Self; 6] =
        [Self::Direct, Self::Relay, Self::ZmqProxy, Self::ZeromqPump, Self::Fleet, Self::FleetIpc];
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Direct => "direct",
            Self::Relay => "bare relay",
            Self::ZmqProxy => "zmq_proxy",
            Self::ZeromqPump => "zeromq pump",
            Self::Fleet => "jupyter-fleet",
            Self::FleetIpc => "jupyter-fleet, ipc to the kernel",
        })
    }
}

/// A contender that runs, with a client at its front. Fields are dropped in this order.
pub struct Contender {
    pub client: Client,
    between: Option<Process>,
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
                let (file, kernel) = start_kernel(directory.path())?;
                (file, Some(kernel), None)
            }
            Kind::Relay => start_pump("relay", directory.path())?,
            Kind::ZmqProxy => start_pump("zmq-proxy", directory.path())?,
            Kind::ZeromqPump => start_pump("zeromq-pump", directory.path())?,
            Kind::Fleet => start_fleet(Transport::Tcp, directory.path())?,
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
        self.between.as_ref().map(Process::cpu_seconds).transpose()
    }

    /// Does something with the contender, and tells what its processes said where that fails.
    pub fn watch<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        act(self).with_context(|| {
            let processes = [&self.between, &self.kernel];
            let said: String = processes.into_iter().flatten().map(Process::stderr).collect();
            format!("measuring {}, whose processes said:\n{said}", self.kind)
        })
    }
}

type Started = (ConnectionFile, Option<Process>, Option<Process>);

fn start_kernel(directory: &Path) -> Result<(ConnectionFile, Process)> {
    let file = connection_file(SecretKey::random()?)?;
    let path = directory.join("kernel.json");
    write_connection_file(&path, &file)?;
    let mut command = Command::new(env::current_exe()?);
    let process =
        Process::start(command.arg("kernel").arg("-f").arg(path), "ready", directory.join("kernel.log"))?;
    Ok((file, process))
}

/// Starts one of this program's own pumps. It signs nothing, so both sides have one key.
fn start_pump(part: &str, directory: &Path) -> Result<Started> {
    let (kernel_file, kernel) = start_kernel(directory)?;
    let file = connection_file(kernel_file.key.clone().context("a kernel without a key")?)?;
    let path = directory.join("published.json");
    write_connection_file(&path, &file)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg(part).arg(path).arg(directory.join("kernel.json"));
    let pump = Process::start(&mut command, "ready", directory.join("pump.log"))?;
    Ok((file, Some(kernel), Some(pump)))
}

/// Starts `jupyter-fleet serve` in a runtime directory of its own; it starts its kernel itself.
fn start_fleet(transport: Transport, directory: &Path) -> Result<Started> {
    let exe = env::current_exe()?;
    let config = directory.join("fleet.toml");
    fs::write(
        &config,
        format!(
            "default_runtime = 'synthetic'\n[runtimes.synthetic]\n\
             argv = ['{}', 'kernel', '-f', '{{connection_file}}']\nlanguage = 'none'\ntransport = '{transport}'\n",
            exe.display()
        ),
    )?;
    let mut command = Command::new(exe);
    command.arg("fleet").arg(config).env("HOME", directory).env("JUPYTER_RUNTIME_DIR", directory);
    let fleet = Process::start(&mut command, "Connect with", directory.join("fleet.log"))?;
    let file = read_connection_file(&directory.join("kernel-fleet.json"))?;
    ensure!(file.transport() == Transport::Tcp, "the fleet listens on {}", file.transport());
    Ok((file, None, Some(fleet)))
}

/// Turns this process into `jupyter-fleet serve`.
pub fn become_fleet(config: &Path) -> Result<()> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jupyter-fleet"));
    let cause = command.args(["serve", "--transport", "tcp", "--config"]).arg(config).exec();
    Err(cause).context("cannot start jupyter-fleet")
}

/// A connection file with five ports that are free now.
fn connection_file(key: SecretKey) -> Result<ConnectionFile> {
    let listeners = Channel::ALL.map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut listeners = listeners.into_iter();
    let mut next = || -> Result<NonZeroU16> {
        let listener = listeners.next().context("five ports are enough")??;
        NonZeroU16::new(listener.local_addr()?.port()).context("the system gave no port")
    };
    let ports =
        Ports { shell: next()?, iopub: next()?, stdin: next()?, control: next()?, heartbeat: next()? };
    Ok(ConnectionFile::new(Address::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST)), ports, Some(key))?)
}
