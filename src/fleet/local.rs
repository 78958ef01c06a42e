//! Kernels as processes of this machine.

use std::{
    collections::VecDeque,
    fs::OpenOptions,
    io,
    net::{IpAddr, Ipv4Addr, TcpListener},
    num::NonZeroU16,
    os::unix::{fs::OpenOptionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::Stdio,
    sync::Arc,
};

use parking_lot::Mutex;
use rustix::process::{Pid, Rlimit, kill_process, kill_process_group};
use tokio::process::Child;

use super::{
    adopt::Adopted,
    command::{KernelCommand, announced_name, this_program},
    confine::{Confined, Confinement, Exceeded, KernelLimits},
    provision::{
        Boxed, ConnectionInfo, Exit, LaunchError, LaunchOrder, Launched, Process, Provisioner, Signal,
    },
    reconcile::{FLEET_VARIABLE, KERNEL_VARIABLE, RUNTIME_VARIABLE},
    record::{ProcessIdentity, ProcessRecord, seconds_since_epoch},
};
use crate::{
    id::KernelId,
    jupyter::{
        address::Transport,
        connection_file::{ConnectionFile, Location, Ports},
        scheme::SecretKey,
    },
    runtimes::{ConnectionMode, FileError, read_connection_file, write_connection_file},
};

/// Ports handed out lately, which the next kernels do not get: theirs may not have bound them yet.
const REMEMBERED_PORTS: usize = 1000;

/// Launches kernels as processes of this machine, each the leader of a session of its own, within its limits.
#[derive(Debug)]
pub struct Local {
    settings: LocalSettings,
    recent_ports: Mutex<VecDeque<u16>>,
}

/// What launching kernels here takes.
#[derive(Debug)]
pub struct LocalSettings {
    /// The fleet's directory, which is private: kernels' connection files, sockets and logs live there.
    pub directory: PathBuf,
    /// The fleet's id, by which what kernels started is known.
    pub fleet: String,
    /// This program's file, which launches kernels and is one: the running one, if the file is gone.
    pub program: PathBuf,
    /// A variable of our own environment that holds a key, to be kept from kernels.
    pub hidden: Option<String>,
    /// The limit on open files that kernels get, if it is not ours, which was raised: programs that use select() break
    /// above 1,024.
    pub open_files: Option<Rlimit>,
    /// What holds their limits.
    pub confinement: Arc<Confinement>,
}

impl Local {
    /// A provisioner with these settings.
    pub fn new(settings: LocalSettings) -> Self {
        Self { settings, recent_ports: Mutex::default() }
    }

    fn start(&self, order: &LaunchOrder) -> Result<Launched, LaunchError> {
        let file = self.settings.directory.join(format!("kernel-{}.json", order.kernel));
        let log = self.settings.directory.join(format!("kernel-{}.log", order.kernel));
        let given = self.connection(order).map_err(LaunchError::Prepare)?;
        let connection = match order.runtime.connection {
            ConnectionMode::Given => {
                write_connection_file(&file, &given)?;
                ConnectionInfo::Given(Box::new(given.clone()))
            }
            ConnectionMode::Announced => {
                remove_stale(&file)?;
                ConnectionInfo::Announced(file.clone())
            }
        };
        let program = this_program(&self.settings.program);
        let command = KernelCommand::of(order, &program, &file, given.ports().shell.get())
            .map_err(LaunchError::Prepare)?;
        command.find_program()?;
        let argv = command.words();
        let limits = KernelLimits::of(order);
        let confinement = &self.settings.confinement;
        let confined = confinement.confine(&order.kernel, &limits).map_err(LaunchError::Prepare)?;
        let mut command = command.launcher(&program, confinement, &confined, self.settings.open_files);
        if let Some(variable) = &self.settings.hidden {
            command.env_remove(variable);
        }
        let output = open_log(&log).map_err(LaunchError::Prepare)?;
        let errors = output.try_clone().map_err(LaunchError::Prepare)?;
        let child = command
            .env(KERNEL_VARIABLE, order.kernel.as_str())
            .env(RUNTIME_VARIABLE, order.runtime.name.as_str())
            .env(FLEET_VARIABLE, &self.settings.fleet)
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .spawn()
            .map_err(|error| LaunchError::Spawn { argv: argv.clone(), error })?;
        let group = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        let pid = group.map_or(0, |group| group.as_raw_nonzero().get());
        let identity = ProcessIdentity::of(pid).unwrap_or(ProcessIdentity { pid, start_time: 0 });
        let started_at = seconds_since_epoch();
        let enforcement = confined.enforcement().clone();
        let record = ProcessRecord { identity, argv, connection_file: file, log, started_at, enforcement };
        Ok(Launched { process: Box::new(LocalProcess { child, group, confined }), connection, record })
    }

    /// Key and ports for a kernel that takes them. A path too long for a Unix socket makes it TCP.
    fn connection(&self, order: &LaunchOrder) -> io::Result<ConnectionFile> {
        let key = Some(SecretKey::random().map_err(io::Error::other)?);
        let name = order.runtime.name.to_string();
        let ipc = (order.runtime.transport == Transport::Ipc)
            .then(|| {
                ConnectionFile::new(
                    ipc_address(&self.settings.directory, &order.kernel),
                    ipc_ports(),
                    key.clone(),
                )
            })
            .and_then(Result::ok);
        let mut file = match ipc {
            Some(file) => file,
            None => {
                ConnectionFile::new(Location::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST)), self.free_ports()?, key)
                    .map_err(io::Error::other)?
            }
        };
        file.kernel_name = Some(name);
        Ok(file)
    }

    /// Five ports that are free now and that no other kernel was given lately.
    fn free_ports(&self) -> io::Result<Ports> {
        let mut recent = self.recent_ports.lock();
        let mut held = Vec::new();
        let mut next = || -> io::Result<NonZeroU16> {
            for _ in 0..REMEMBERED_PORTS {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
                let port = listener.local_addr()?.port();
                held.push(listener);
                if let Some(free) = NonZeroU16::new(port).filter(|_| !recent.contains(&port)) {
                    recent.push_back(port);
                    return Ok(free);
                }
            }
            Err(io::Error::other("no free TCP port was found"))
        };
        let ports =
            Ports { shell: next()?, iopub: next()?, stdin: next()?, control: next()?, heartbeat: next()? };
        while recent.len() > REMEMBERED_PORTS {
            recent.pop_front();
        }
        Ok(ports)
    }
}

impl Provisioner for Local {
    fn launch<'a>(&'a self, order: &'a LaunchOrder) -> Boxed<'a, Result<Launched, LaunchError>> {
        Box::pin(async move { self.start(order) })
    }

    fn adopt<'a>(&'a self, order: &'a LaunchOrder, record: &'a ProcessRecord) -> Boxed<'a, Option<Launched>> {
        Box::pin(async move {
            let confined = Confined::again(record.enforcement.clone());
            let Ok(process) = Adopted::new(record.identity, confined) else {
                // It is gone; what it started may not be.
                Confined::again(record.enforcement.clone()).clear_or_warn().await;
                return None;
            };
            let connection = match order.runtime.connection {
                ConnectionMode::Given => read_connection_file(&record.connection_file)
                    .map(|file| ConnectionInfo::Given(Box::new(file)))
                    // It may be readable later; the kernel lives, and is not to suffer for that.
                    .unwrap_or_else(|_| ConnectionInfo::Announced(record.connection_file.clone())),
                ConnectionMode::Announced => ConnectionInfo::Announced(record.connection_file.clone()),
            };
            Some(Launched { process: Box::new(process), connection, record: record.clone() })
        })
    }

    fn clean_up(&self, order: &LaunchOrder, keep_log: bool) {
        let suffixes = [".json", "-ipc-1", "-ipc-2", "-ipc-3", "-ipc-4", "-ipc-5"];
        let logs = [".log", ".log.1"].into_iter().filter(|_| !keep_log);
        let names = suffixes.into_iter().chain(logs).map(|suffix| format!("kernel-{}{suffix}", order.kernel));
        for name in names.chain([announced_name(&order.kernel)]) {
            // Most kernels have only some of these files.
            let _ = std::fs::remove_file(self.settings.directory.join(name));
        }
    }
}

#[derive(Debug)]
struct LocalProcess {
    child: Child,
    /// The process group; it may outlive its leader.
    group: Option<Pid>,
    confined: Confined,
}

impl Process for LocalProcess {
    fn pid(&self) -> Option<i32> {
        self.child.id().and_then(|pid| i32::try_from(pid).ok())
    }

    fn wait(&mut self) -> Boxed<'_, Exit> {
        Box::pin(async move {
            match self.child.wait().await {
                Ok(status) => match (status.code(), status.signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => Exit::Unknown,
                },
                Err(_) => Exit::Unknown,
            }
        })
    }

    fn signal(&self, signal: Signal) {
        if signal == Signal::Kill {
            self.confined.kill();
        }
        let Some(group) = self.group else { return };
        // The process has this number until it has been waited for. Its group is there once the launcher has made it.
        if kill_process_group(group, signal.number()).is_err() && self.pid().is_some() {
            let _ = kill_process(group, signal.number());
        }
    }

    fn look(&self) {
        self.confined.look();
    }

    fn exceeded(&self, exit: &Exit) -> Option<Exceeded> {
        self.confined.exceeded(exit)
    }

    fn clear(&self) -> Boxed<'_, ()> {
        Box::pin(self.confined.clear_or_warn())
    }
}

fn ipc_address(directory: &Path, kernel: &KernelId) -> Location {
    Location::Ipc(directory.join(format!("kernel-{kernel}-ipc")).to_string_lossy().into_owned())
}

/// An ipc "port" is a suffix of the socket's path; Jupyter counts from one.
fn ipc_ports() -> Ports {
    let [shell, iopub, stdin, control, heartbeat] =
        [1, 2, 3, 4, 5].map(|number| NonZeroU16::MIN.saturating_add(number - 1));
    Ports { shell, iopub, stdin, control, heartbeat }
}

fn open_log(path: &Path) -> io::Result<std::fs::File> {
    OpenOptions::new().create(true).append(true).mode(0o600).open(path)
}

fn remove_stale(path: &Path) -> Result<(), LaunchError> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(FileError::Io { action: "remove", path: path.to_owned(), cause: error }.into())
        }
        _ => Ok(()),
    }
}
