//! Why code could not be run.

use std::{io, path::PathBuf, time::Duration};

use thiserror::Error;

use crate::{
    channel::Channel,
    jupyter::connection_file::ConnectionFileError,
    net::{DialError, PeerError},
    runtimes::FileError,
};

/// Why code could not be run, or not to its end.
#[derive(Debug, Error)]
pub enum ExecError {
    /// The connection file is not there.
    #[error("{} does not exist: start a fleet with `jupyter-fleet serve`, or name another file", .0.display())]
    NoFile(PathBuf),
    /// The connection file cannot be read or used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The connection file is one that must not be used.
    #[error("the connection file {} {cause}", path.display())]
    Unsafe {
        /// The file.
        path: PathBuf,
        /// Why not.
        cause: ConnectionFileError,
    },
    /// Nobody listens where the file says.
    #[error(
        "the fleet of {} is not running ({cause}): start one with `jupyter-fleet serve`, or name another file",
        path.display()
    )]
    Unreachable {
        /// The file.
        path: PathBuf,
        /// What was tried.
        cause: DialError,
    },
    /// Somebody listens, but nothing comes back.
    #[error(
        "{} has answered no {missing} for {} s: the kernel may be busy or unable to start, or the file's key may not \
         be that of the running fleet; see the log of `jupyter-fleet serve`",
        path.display(), waited.as_secs_f32().round()
    )]
    Silent {
        /// The file.
        path: PathBuf,
        /// What was waited for.
        missing: &'static str,
        /// For how long.
        waited: Duration,
    },
    /// The fleet has no kernel for what was asked.
    #[error("{0}")]
    Refused(String),
    /// The kernel closed a channel.
    #[error("the kernel closed its {0} channel before the code had ended")]
    Closed(Channel),
    /// A channel broke.
    #[error("the {0} channel to the kernel broke: {1}")]
    Broken(Channel, PeerError),
    /// The kernel said that it is done, but sent no reply.
    #[error("the kernel is idle again but has not replied to the request")]
    NoReply,
    /// The code took longer than was allowed.
    #[error("timed out: the code has not ended within {} s; it was interrupted if it was running", .0.as_secs_f32())]
    TimedOut(Duration),
    /// What the code prints cannot be shown.
    #[error("the output cannot be written: {0}")]
    Output(io::Error),
    /// The system gives no signals.
    #[error("Ctrl-C cannot be watched for: {0}")]
    Signal(io::Error),
}
