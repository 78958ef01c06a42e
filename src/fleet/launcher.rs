//! What a kernel's process does before it becomes the kernel's program.
//!
//! A limit must hold before the first instruction of what it limits, and between fork and exec only a program of our own
//! can set it without unsafe code. So every kernel is started by `jupyter-fleet start-kernel`, which keeps its process
//! id through exec.
use std::{
    ffi::OsString,
    fs, io,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
    str::FromStr,
};

use rustix::process::{Resource, Rlimit, setpriority_process, setrlimit, setsid};
use thiserror::Error;

use super::reconcile::PROCESS_VARIABLE;

/// How a kernel's process is to be set up, and what it is to become.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Start {
    /// Files to which it writes itself, to join its cgroups.
    pub groups: Vec<PathBuf>,
    /// The most memory that each process may allocate by itself, in bytes: `RLIMIT_DATA`. (`RLIMIT_AS` would count
    /// what engines such as V8 only reserve.)
    pub memory: Option<u64>,
    /// The most open files of each process: `RLIMIT_NOFILE`.
    pub open_files: Option<OpenFiles>,
    /// Its niceness.
    pub nice: Option<i32>,
    /// The program and its arguments.
    pub argv: Vec<OsString>,
}

/// The soft and the hard limit on open files; written `1024:4096`, or one number for both. `None` is `unlimited`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct OpenFiles {
    /// What holds.
    pub soft: Option<u64>,
    /// To what a process may raise it.
    pub hard: Option<u64>,
}

/// Why a process did not become a kernel.
#[derive(Debug, Error)]
pub enum StartError {
    /// It cannot be set up as it should be.
    #[error("cannot start the kernel: {action}: {error}")]
    Prepare {
        /// What failed.
        action: String,
        /// What the system says.
        error: io::Error,
    },
    /// The program cannot be run.
    #[error("cannot start {program:?}: {error}")]
    Exec {
        /// The program.
        program: OsString,
        /// What the system says.
        error: io::Error,
    },
}

impl Start {
    /// The arguments of `jupyter-fleet` that mean this.
    pub fn arguments(&self) -> Vec<OsString> {
        let mut arguments = vec![OsString::from("start-kernel")];
        for group in &self.groups {
            arguments.extend(["--cgroup".into(), group.clone().into_os_string()]);
        }
        let options = [
            ("--memory", self.memory.map(|bytes| bytes.to_string())),
            ("--open-files", self.open_files.map(|files| files.to_string())),
            ("--nice", self.nice.map(|nice| nice.to_string())),
        ];
        for (option, value) in options {
            arguments.extend(value.map(|value| format!("{option}={value}").into()));
        }
        arguments.push("--".into());
        arguments.extend(self.argv.iter().cloned());
        arguments
    }

    /// Becomes the program, in a session of its own, within its limits. Returns only if that cannot be.
    pub fn exec(self) -> StartError {
        if let Err(error) = self.prepare() {
            return error;
        }
        let mut words = self.argv.into_iter();
        let program = words.next().unwrap_or_default();
        let pid = std::process::id().to_string();
        let error = Command::new(&program).args(words).env(PROCESS_VARIABLE, pid).exec();
        StartError::Exec { program, error }
    }

    fn prepare(&self) -> Result<(), StartError> {
        // Signals to the process group reach the kernel and what it starts; those of a terminal do not.
        did("begin a session", setsid())?;
        for group in &self.groups {
            did(&format!("join {}", group.display()), join(group))?;
        }
        if let Some(bytes) = self.memory {
            let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
            did(&format!("limit memory to {bytes}"), setrlimit(Resource::Data, limit))?;
        }
        if let Some(OpenFiles { soft, hard }) = self.open_files {
            let limit = Rlimit { current: soft, maximum: hard };
            did("limit open files", setrlimit(Resource::Nofile, limit))?;
        }
        if let Some(nice) = self.nice {
            did(&format!("set the niceness {nice}"), setpriority_process(None, nice))?;
        }
        Ok(())
    }
}

/// Writes this process to a cgroup's file of processes; 0 is whoever writes it, in every pid namespace.
fn join(procs_file: &Path) -> io::Result<()> {
    fs::OpenOptions::new()
        .write(true)
        .open(procs_file)
        .and_then(|mut file| io::Write::write_all(&mut file, b"0"))
}

fn did<T, E: Into<io::Error>>(action: &str, result: Result<T, E>) -> Result<T, StartError> {
    result.map_err(|error| StartError::Prepare { action: action.to_owned(), error: error.into() })
}

impl StartError {
    /// What shells say of a program that is missing (127) or cannot be run (126), and env(1) of a failure of its own.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Prepare { .. } => 125,
            Self::Exec { error, .. } if error.kind() == io::ErrorKind::NotFound => 127,
            Self::Exec { .. } => 126,
        }
    }
}

impl From<Rlimit> for OpenFiles {
    fn from(limit: Rlimit) -> Self {
        Self { soft: limit.current, hard: limit.maximum }
    }
}

impl std::fmt::Display for OpenFiles {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |limit| limit.to_string());
        write!(formatter, "{}:{}", text(self.soft), text(self.hard))
    }
}

impl FromStr for OpenFiles {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let limit = |text: &str| if text == "unlimited" { Ok(None) } else { text.parse().map(Some) };
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        Ok(Self { soft: limit(soft)?, hard: limit(hard)? })
    }
}
