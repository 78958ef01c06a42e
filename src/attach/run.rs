//! A stub from its start to its end.

use std::{ffi::OsString, path::PathBuf, time::Duration};

use rustix::process::{Pid, getppid};
use serde_json::{Map, Value};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::sleep,
};
use tracing::{info, warn};

use super::{error::AttachError, fleet::Ended, room::Room, search::Search};
use crate::{
    limits::Limits,
    net::Server,
    runtimes::{Directories, FileError, read_connection_file},
};

/// How often it is looked whether the host still lives.
const LOOK: Duration = Duration::from_secs(1);

/// Whom to stand for, and at which fleet.
#[derive(Clone, Debug)]
pub struct Options {
    /// The connection file that the host wrote, with its whole path.
    pub connection_file: PathBuf,
    /// Jupyter's directories, where the fleet is found.
    pub directories: Directories,
    /// The kernel that is asked for, as the object that stands under `fleet` in routing metadata.
    pub wishes: Map<String, Value>,
    /// Where the host started this process: beside its notebook.
    pub directory: Option<PathBuf>,
    /// What the host added to the kernelspec's arguments.
    pub arguments: Vec<String>,
    /// The environment that the host gave to this process.
    pub environment: Vec<(OsString, OsString)>,
    /// How long a fleet that went away is waited for before what it was asked fails.
    pub patience: Duration,
    /// This program, if it may start a fleet where none runs.
    pub starter: Option<PathBuf>,
    /// The process id of the host, if it told one.
    pub host: Option<i32>,
}

/// Stands for the kernel of the host that wrote the connection file until the host shuts it down, or SIGTERM. SIGINT interrupts
/// the kernel.
///
/// # Errors
/// The host's connection file cannot be served.
pub async fn run(options: Options) -> Result<(), AttachError> {
    let path = &options.connection_file;
    let file = read_connection_file(path)?;
    file.signing_key().map_err(|cause| FileError::ConnectionFile { path: path.clone(), cause })?;
    let watch = |kind| signal(kind).map_err(AttachError::Signal);
    let mut interrupt = watch(SignalKind::interrupt())?;
    let mut terminate = watch(SignalKind::terminate())?;
    let mut hang_up = watch(SignalKind::hangup())?;
    let server = Server::bind_again(file.location(), file.ports()).await?;
    if !options.arguments.is_empty() {
        info!(arguments = ?options.arguments, "arguments of the host go to a kernel that is launched for it, and are else ignored");
    }
    let host = options.host;
    let room = Room::new(&file, path, Limits::default());
    let search = Search::new(options, room.clone());
    let interrupts = async {
        while interrupt.recv().await.is_some() {
            room.interrupts.notify_one();
        }
    };
    tokio::select! {
        () = stand_in(search, &server) => {}
        () = room.ended() => info!("the host has shut its kernel down"),
        () = interrupts => {}
        _ = terminate.recv() => {}
        _ = hang_up.recv() => {}
        () = parent_ended(host) => info!("the host has ended"),
    }
    room.flush().await;
    Ok(())
}

/// Has the fleet serve the sockets whenever there is one.
async fn stand_in(mut search: Search, server: &Server) {
    loop {
        let fleet = search.find(server).await;
        match fleet.follow(search.room()).await {
            Ended::ByHost => return info!("the host has shut its kernel down"),
            Ended::FleetLost(why) => {
                warn!(why, "the fleet went away");
                search.fleet_lost();
            }
        }
    }
}

/// The host started this process, or something that did; a process whose parent has ended gets another one.
async fn parent_ended(host: Option<i32>) {
    let Some(host) = host else { return std::future::pending().await };
    let first = getppid();
    let was_late = first == Some(Pid::INIT) && host != 1;
    while !was_late && getppid() == first {
        sleep(LOOK).await;
    }
}
