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
};

use parking_lot::Mutex;
use rustix::process::{Pid, Resource, Rlimit, kill_process_group};
use tokio::process::{Child, Command};

use super::{
    adopt::Adopted,
    provision::{Boxed, Connection, Exit, LaunchError, LaunchOrder, Launched, Process, Provisioner, Signal},
    record::{ProcessIdentity, ProcessRecord, seconds_since_epoch},
};
use crate::{
    id::KernelId,
    jupyter::{
        connection_file::{Address, ConnectionFile, Ports},
        endpoint::Transport,
        scheme::SecretKey,
    },
    runtimes::{
        CommandValues, ConnectionMode, FileError, Launch, read_connection_file, write_connection_file,
    },
};

/// Ports handed out lately, which the next kernels do not get: theirs may not have bound them yet.
const REMEMBERED_PORTS: usize = 1000;

/// Launches kernels as processes of this machine, each the leader of a process group of its own.
#[derive(Debug)]
pub struct Local {
    directory: PathBuf,
    /// A variable of our own environment that holds a key.
    hidden: Option<String>,
    /// The limit on open files that kernels get, if it is not ours.
    open_files: Option<Rlimit>,
    recent_ports: Mutex<VecDeque<u16>>,
}

impl Local {
    /// A provisioner whose kernels' connection files, sockets and logs live in `directory`, which is private.
    /// The environment variable `hidden` is kept from them, and they get the limit `open_files` where it is given.
    pub fn new(directory: PathBuf, hidden: Option<String>, open_files: Option<Rlimit>) -> Self {
        Self { directory, hidden, open_files, recent_ports: Mutex::default() }
    }

    fn start(&self, order: &LaunchOrder) -> Result<Launched, LaunchError> {
        let file = self.directory.join(format!("kernel-{}.json", order.kernel));
        let log = self.directory.join(format!("kernel-{}.log", order.kernel));
        let given = self.connection(order).map_err(LaunchError::Prepare)?;
        let connection = match order.runtime.connection {
            ConnectionMode::Given => {
                write_connection_file(&file, &given)?;
                Connection::Given(Box::new(given.clone()))
            }
            ConnectionMode::Announced => {
                remove_stale(&file)?;
                Connection::Announced(file.clone())
            }
        };
        let mut command = command(order, &file, given.ports().shell).map_err(LaunchError::Prepare)?;
        let argv: Vec<String> = std::iter::once(command.as_std().get_program())
            .chain(command.as_std().get_args())
            .map(|word| word.to_string_lossy().into_owned())
            .collect();
        if let Some(variable) = &self.hidden {
            command.env_remove(variable);
        }
        let output = open_log(&log).map_err(LaunchError::Prepare)?;
        let errors = output.try_clone().map_err(LaunchError::Prepare)?;
        let child = command
            .env("JUPYTER_FLEET_KERNEL", order.kernel.as_str())
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(errors)
            .process_group(0)
            .spawn()
            .map_err(|error| LaunchError::Spawn { argv: argv.clone(), error })?;
        let group = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let (Some(pid), Some(limit)) = (group, self.open_files) {
            // Ours was raised; programs that use select() break above 1,024.
            let _ = rustix::process::prlimit(Some(pid), Resource::Nofile, limit);
        }
        let pid = group.map_or(0, |group| group.as_raw_nonzero().get());
        let identity = ProcessIdentity::of(pid).unwrap_or(ProcessIdentity { pid, start_time: 0 });
        let started_at = seconds_since_epoch();
        let record = ProcessRecord { identity, argv, connection_file: file, log, started_at };
        Ok(Launched { process: Box::new(LocalProcess { child, group }), connection, record })
    }

    /// Key and ports for a kernel that takes them. A path too long for a Unix socket makes it TCP.
    fn connection(&self, order: &LaunchOrder) -> io::Result<ConnectionFile> {
        let key = Some(SecretKey::random().map_err(io::Error::other)?);
        let name = order.runtime.name.to_string();
        let ipc = (order.runtime.transport == Transport::Ipc)
            .then(|| {
                ConnectionFile::new(ipc_address(&self.directory, &order.kernel), ipc_ports(), key.clone())
            })
            .and_then(Result::ok);
        let mut file = match ipc {
            Some(file) => file,
            None => {
                ConnectionFile::new(Address::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST)), self.free_ports()?, key)
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
            let process = Adopted::new(record.identity).ok()?;
            let connection = match order.runtime.connection {
                ConnectionMode::Given => {
                    Connection::Given(Box::new(read_connection_file(&record.connection_file).ok()?))
                }
                ConnectionMode::Announced => Connection::Announced(record.connection_file.clone()),
            };
            Some(Launched { process: Box::new(process), connection, record: record.clone() })
        })
    }

    fn clean_up(&self, order: &LaunchOrder, keep_log: bool) {
        let suffixes = [".json", "-ipc-1", "-ipc-2", "-ipc-3", "-ipc-4", "-ipc-5"];
        let logs = [".log", ".log.1"].into_iter().filter(|_| !keep_log);
        for suffix in suffixes.into_iter().chain(logs) {
            // Most kernels have only some of these files.
            let _ = std::fs::remove_file(self.directory.join(format!("kernel-{}{suffix}", order.kernel)));
        }
    }
}

#[derive(Debug)]
struct LocalProcess {
    child: Child,
    /// The process group; it may outlive its leader.
    group: Option<Pid>,
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
        // The only error is that nobody is left to signal.
        let _ = self.group.map(|group| kill_process_group(group, signal.number()));
    }
}

fn command(order: &LaunchOrder, file: &Path, port: NonZeroU16) -> io::Result<Command> {
    match &order.runtime.launch {
        Launch::BuiltinLua => {
            let mut command = Command::new(this_program()?);
            command.arg("lua-kernel").arg("-f").arg(file);
            Ok(command)
        }
        Launch::Argv { argv, env, cwd } => {
            let connection_file = file.to_string_lossy();
            let values =
                CommandValues { connection_file: &connection_file, port, kernel_id: order.kernel.as_str() };
            let mut words = values.fill(argv).into_iter();
            let program = words.next().ok_or_else(|| io::Error::other("the runtime's argv is empty"))?;
            let mut command = Command::new(program);
            command.args(words).envs(env);
            if let Some(cwd) = cwd {
                command.current_dir(cwd);
            }
            Ok(command)
        }
    }
}

/// This program, also after an upgrade has put another file in its place.
fn this_program() -> io::Result<PathBuf> {
    let path = std::env::current_exe()?;
    Ok(if path.exists() { path } else { PathBuf::from("/proc/self/exe") })
}

fn ipc_address(directory: &Path, kernel: &KernelId) -> Address {
    Address::Ipc(directory.join(format!("kernel-{kernel}-ipc")).to_string_lossy().into_owned())
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
