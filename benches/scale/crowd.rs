//! Sessions as Jupyter's clients have them, five sockets each, by the hundred in one process.

use std::{env, io::Write, path::Path, process::Command, thread, time::Instant};

use anyhow::{Context, Result};
use jupyter_fleet::{
    channel::Channel, jupyter::connection_file::ConnectionFile, runtimes::read_connection_file,
};
use serde_json::json;

use crate::common::{
    process::{Process, end_with_parent},
    raw::Peer,
    session::{PATIENCE, Session},
};

/// What the process says once all cells have been answered, and once all listen.
pub const ANSWERED: &str = "answered";
pub const THERE: &str = "there";

/// A cell that every kernel of the bench's fleets can execute: nothing.
const CELL: &str = "";

/// Starts a process with so many sessions, and does not wait for it. The directory is to hold its log.
pub fn start(file: &Path, directory: &Path, first: usize, sessions: usize) -> Result<Process> {
    let mut command = Command::new(env::current_exe()?);
    command.arg("crowd").arg(file).args([first.to_string(), sessions.to_string()]);
    Process::spawn(&mut command, directory.join(format!("crowd-{first}.log")))
}

/// The sockets of a session that it only has, beside shell and iopub.
pub fn other_sockets(file: &ConnectionFile, name: &str) -> Result<[Peer; 3]> {
    Ok([
        Peer::connect(file, Channel::Control, "DEALER", name)?,
        Peer::connect(file, Channel::Stdin, "DEALER", name)?,
        Peer::connect(file, Channel::Heartbeat, "REQ", "")?,
    ])
}

/// Plays the sessions. All ask before any listens, for each listener of a process hears what concerns any of its
/// sessions.
pub fn play(connection_file: &Path, first: usize, sessions: usize, out: &mut dyn Write) -> Result<()> {
    end_with_parent()?;
    let file = read_connection_file(connection_file)?;
    let names = (first..first + sessions).map(|number| format!("idle-{number}"));
    let mut crowd = names
        .map(|name| Ok((Session::open(&file, &name, &json!({}))?, other_sockets(&file, &name)?)))
        .collect::<Result<Vec<_>>>()?;
    crowd.iter_mut().try_for_each(|(session, _)| session.execute_text(CELL))?;
    crowd.iter_mut().try_for_each(|(session, _)| session.reply().map(drop))?;
    writeln!(out, "{ANSWERED}")?;
    let mut listeners =
        (0..sessions).map(|_| Peer::connect(&file, Channel::IoPub, "SUB", "")).collect::<Result<Vec<_>>>()?;
    listeners.iter_mut().try_for_each(Peer::subscribe_to_all)?;
    for listener in &mut listeners {
        listener.receive(Instant::now() + PATIENCE).context("waiting to be welcomed on iopub")?;
    }
    writeln!(out, "{THERE}")?;
    out.flush()?;
    loop {
        thread::park();
    }
}
