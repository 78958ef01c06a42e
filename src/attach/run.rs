//! An attachment from its start to its end.

use std::{path::PathBuf, time::Duration};

use rustix::process::{Pid, getppid};
use serde_json::{Map, Value};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tracing::info;

use super::{carrier::Carrier, doors::Doors, error::AttachError};
use crate::runtimes::read_connection_file;

/// How often it is looked whether the host still lives.
const LOOK: Duration = Duration::from_secs(1);

/// What to attach, and to what.
#[derive(Clone, Debug)]
pub struct Options {
    /// The connection file that the host wrote.
    pub connection_file: PathBuf,
    /// The fleet's connection file. It need not exist yet.
    pub fleet_file: PathBuf,
    /// The kernel that is asked for, as the object that stands under `fleet` in routing metadata.
    pub wishes: Map<String, Value>,
    /// Where the host started this process: beside its notebook.
    pub directory: Option<PathBuf>,
    /// How long a fleet that went away is waited for before what it was asked fails.
    pub patience: Duration,
    /// This program, if it may start a fleet where none runs.
    pub starter: Option<PathBuf>,
    /// The process id of the host, if this process is to end with the one that started it.
    pub host: Option<u32>,
}

/// Serves the host's connection file until the host asks for the end, or SIGTERM. SIGINT interrupts the kernel.
///
/// # Errors
/// The host's connection file cannot be served.
pub async fn run(options: Options) -> Result<(), AttachError> {
    let file = read_connection_file(&options.connection_file)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(AttachError::Signal)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(AttachError::Signal)?;
    let host = options.host;
    let carrier = Carrier::new(options, &file)?;
    let doors = Doors::bind(&file).await?;

    let interrupts = async {
        while interrupt.recv().await.is_some() {
            carrier.interrupt();
        }
    };
    tokio::select! {
        () = doors.serve(&carrier) => {}
        () = carrier.clone().stay_connected() => {}
        () = interrupts => {}
        () = carrier.ended.cancelled() => {}
        _ = terminate.recv() => {}
        () = parent_ended(host) => info!("the host has ended"),
    }
    Ok(())
}

/// The host started this process, or something that did; whose parent has ended gets another one.
async fn parent_ended(host: Option<u32>) {
    let Some(host) = host else { return std::future::pending().await };
    let first = getppid();
    let was_late = first == Some(Pid::INIT) && host != 1;
    while !was_late && getppid() == first {
        sleep(LOOK).await;
    }
}
