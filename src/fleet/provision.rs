//! What launches kernels somewhere: on this machine now, in containers later.

use std::{fmt, future::Future, path::PathBuf, pin::Pin, sync::Arc, time::Duration};

use thiserror::Error;

use super::{confine::Exceeded, launched_for::LaunchedFor, record::ProcessRecord};
use crate::{
    byte_size::ByteSize,
    id::KernelId,
    jupyter::connection_file::ConnectionFile,
    runtimes::{FileError, Runtime},
};

/// A future that a trait object returns.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Launches kernels (Jupyter's word: kernel provisioner).
pub trait Provisioner: fmt::Debug + Send + Sync {
    /// Starts one kernel's process. Whether it comes up is seen at its sockets, not here.
    fn launch<'a>(&'a self, order: &'a LaunchOrder) -> Boxed<'a, Result<Launched, LaunchError>>;
    /// Takes over a process that an earlier `serve` started; `None` if it is there no more.
    fn adopt<'a>(&'a self, order: &'a LaunchOrder, record: &'a ProcessRecord) -> Boxed<'a, Option<Launched>>;
    /// Removes what a kernel that is gone for good has left behind; its log only if nobody needs to look at it.
    fn clean_up(&self, order: &LaunchOrder, keep_log: bool);
}

/// Which kernel is to be launched.
#[derive(Clone, Debug)]
pub struct LaunchOrder {
    /// Its id, kept over restarts.
    pub kernel: KernelId,
    /// From what.
    pub runtime: Arc<Runtime>,
    /// The most memory that it may use: what the client asked for, else the runtime's own limit.
    pub memory_limit: Option<ByteSize>,
    /// For which program, if one asked for it by a kernelspec.
    pub launched_for: Option<Arc<LaunchedFor>>,
}

/// A process that has been started.
#[derive(Debug)]
pub struct Launched {
    /// The process.
    pub process: Box<dyn Process>,
    /// How to connect to it.
    pub connection: ConnectionInfo,
    /// What was started, where, when.
    pub record: ProcessRecord,
}

/// How to connect to a kernel.
#[derive(Debug)]
pub enum ConnectionInfo {
    /// The kernel was given these key and ports.
    Given(Box<ConnectionFile>),
    /// The kernel will write this file, with key and ports of its own choice.
    Announced(PathBuf),
}

/// A kernel's process, and all that it started.
pub trait Process: fmt::Debug + Send {
    /// Its process id, while it runs.
    fn pid(&self) -> Option<i32>;
    /// Waits for its end. May be called again.
    fn wait(&mut self) -> Boxed<'_, Exit>;
    /// Sends a signal to the process and its children.
    fn signal(&self, signal: Signal);
    /// Which of the kernel's limits ended the process that ended like this.
    fn exceeded(&self, _exit: &Exit) -> Option<Exceeded> {
        None
    }
    /// Notes what has happened within its limits so far: what ends it is told from what happened long before. To be called
    /// each second or so; it reads a few small files.
    fn look(&self) {}
    /// Ends all that the process has left behind, also what has left its process group; bounded.
    fn clear(&self) -> Boxed<'_, ()> {
        Box::pin(std::future::ready(()))
    }
}

/// The signals that a kernel's life needs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// SIGINT
    Interrupt,
    /// SIGTERM
    Terminate,
    /// SIGKILL
    Kill,
}

impl Signal {
    /// The system's number for it.
    pub(super) fn number(self) -> rustix::process::Signal {
        match self {
            Self::Interrupt => rustix::process::Signal::INT,
            Self::Terminate => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
        }
    }
}

/// How a process ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Exit {
    /// With a code.
    Code(i32),
    /// By a signal.
    Signal(i32),
    /// Nobody can tell.
    Unknown,
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(f, "exit code {code}"),
            Self::Signal(number) => match signal_name(*number) {
                Some(name) => write!(f, "signal {number} ({name})"),
                None => write!(f, "signal {number}"),
            },
            Self::Unknown => write!(f, "an exit status that only the serve that had started it could see"),
        }
    }
}

/// The names of those signals that end processes in practice (signal(7)).
fn signal_name(number: i32) -> Option<&'static str> {
    use rustix::process::Signal;
    Some(match Signal::from_named_raw(number)? {
        Signal::HUP => "SIGHUP",
        Signal::INT => "SIGINT",
        Signal::QUIT => "SIGQUIT",
        Signal::ILL => "SIGILL",
        Signal::TRAP => "SIGTRAP",
        Signal::ABORT => "SIGABRT",
        Signal::BUS => "SIGBUS",
        Signal::FPE => "SIGFPE",
        Signal::KILL => "SIGKILL",
        Signal::SEGV => "SIGSEGV",
        Signal::PIPE => "SIGPIPE",
        Signal::TERM => "SIGTERM",
        Signal::XCPU => "SIGXCPU",
        Signal::XFSZ => "SIGXFSZ",
        Signal::SYS => "SIGSYS",
        _ => return None,
    })
}

/// Why a kernel did not come up.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The program cannot be started at all.
    #[error("cannot start {argv:?}: {error}")]
    Spawn {
        /// What was to be started.
        argv: Vec<String>,
        /// What the system says.
        error: std::io::Error,
    },
    /// Its files cannot be made.
    #[error(transparent)]
    File(#[from] FileError),
    /// Something else that a launch needs is not to be had.
    #[error("cannot prepare the launch: {0}")]
    Prepare(std::io::Error),
    /// It ended before it answered.
    #[error("{argv:?} ended with {exit} before it answered as a kernel{}{}", limit(.exceeded.as_ref()), last_lines(.log_tail))]
    Exited {
        /// What was started.
        argv: Vec<String>,
        /// How it ended.
        exit: Exit,
        /// The limit that had to do with it.
        exceeded: Option<Exceeded>,
        /// The last lines of its output.
        log_tail: String,
    },
    /// It did not answer in time.
    #[error(
        "{argv:?} did not answer as a kernel within {waited:?} (the last step: {step}){}", last_lines(.log_tail)
    )]
    Silent {
        /// What was started.
        argv: Vec<String>,
        /// The launch deadline.
        waited: Duration,
        /// What was waited for.
        step: String,
        /// The last lines of its output.
        log_tail: String,
    },
    /// It was told to stop before it was up.
    #[error("the kernel was stopped before it was up")]
    Cancelled,
}

fn limit(exceeded: Option<&Exceeded>) -> String {
    match exceeded {
        Some(memory @ Exceeded::Memory { .. }) => format!("; it was killed: {memory}"),
        Some(processes @ Exceeded::Processes { .. }) => format!("; {processes}"),
        None => String::new(),
    }
}

fn last_lines(log_tail: &str) -> String {
    match log_tail.trim() {
        "" => "; it printed nothing".to_owned(),
        tail => format!("; its last output:\n{tail}"),
    }
}
