//! From the connection file to the end of the code.

use std::{path::PathBuf, sync::Arc, time::Duration};

use serde_json::{Map, Value};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{Instant, sleep_until},
};

use super::{client::Client, error::ExecError, execution::Execution, terminal::Terminal};

/// How long a fleet may take to have a kernel ready: what other Jupyter clients grant as well.
const START: Duration = Duration::from_secs(60);

/// What to run, and where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The connection file of the fleet, or of any other kernel.
    pub connection_file: PathBuf,
    /// The routing metadata, to stand under `fleet` in the metadata of every message.
    pub fleet: Option<Map<String, Value>>,
    /// The code.
    pub code: String,
    /// How long to wait for its end, the kernel's start included; `None` is as long as the kernel lives.
    pub timeout: Option<Duration>,
}

/// How it ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The code ran to its end.
    Succeeded,
    /// It raised an error, which was shown, or was interrupted.
    Raised,
    /// The kernel gave it up unrun, because a cell before it failed.
    Aborted,
    /// The person left with Ctrl-C, before the kernel was ready or by insisting; the code may still run.
    Left,
}

/// Runs code in a kernel and shows what it prints, until both its reply and its end have come.
///
/// Ctrl-C interrupts the code; a second one leaves. A cell that runs out of time, or whose output can no longer be
/// written, is interrupted.
///
/// # Errors
/// No kernel could be reached, it went away, or time is up. What the code itself raises is an [`Outcome`].
pub async fn run(options: Options, terminal: Arc<dyn Terminal>) -> Result<Outcome, ExecError> {
    let mut interrupts = signal(SignalKind::interrupt()).map_err(ExecError::Signal)?;
    let begun = Instant::now();
    let ready = begun + options.timeout.map_or(START, |timeout| timeout.min(START));
    let client = tokio::select! {
        client = Client::connect(&options.connection_file, options.fleet, ready) => client?,
        _ = interrupts.recv() => return Ok(Outcome::Left),
    };
    let mut execution = Execution::start(client, &options.code, terminal)?;
    let time_is_up = async {
        let Some(timeout) = options.timeout else { return std::future::pending().await };
        sleep_until(begun + timeout).await;
        ExecError::TimedOut(timeout)
    };
    let ended = tokio::select! {
        ended = execution.follow(interrupts) => ended,
        error = time_is_up => Err(error),
    };
    if ended.is_err() {
        execution.stop().await;
    }
    ended
}
