//! One session in a process of its own, which hears nobody else's kernel.

use std::{
    io::{self, BufRead, Write},
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use jupyter_fleet::runtimes::read_connection_file;
use serde_json::json;

use crate::{
    common::{
        code::Code,
        process::{Process, end_with_parent},
        raw::Peer,
        session::{PATIENCE, Session, heard_kernel},
    },
    crowd::{ANSWERED, other_sockets},
};

/// What a player answers when its time is over, before its times in microseconds.
const TOOK: &str = "took ";

/// The other end of a player's stdin and stdout.
pub struct Player(Process);

impl Player {
    /// Starts a player whose first cell is this, and does not wait for it. The directory is to hold its log.
    pub fn start(file: &Path, directory: &Path, name: &str, cell: &str) -> Result<Self> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("player").arg(file).args([name, cell]);
        Ok(Self(Process::spawn(&mut command, directory.join(format!("{name}.log")))?))
    }

    /// Waits for the reply to its first cell.
    pub fn wait_until_answered(&self) -> Result<()> {
        self.0.hear(ANSWERED, PATIENCE).map(drop)
    }

    /// Has it ask, again and again, for so long.
    pub fn go(&mut self, time: Duration) -> Result<()> {
        self.0.tell(&time.as_millis().to_string())
    }

    /// Waits until its time is over; returns how long each of its requests took, in microseconds.
    pub fn times(&self) -> Result<Vec<f64>> {
        let times = self.0.hear(TOOK, PATIENCE)?;
        times.split_whitespace().map(|time| Ok(time.parse()?)).collect()
    }
}

/// Plays a player until its stdin ends.
pub fn play(connection_file: &Path, name: &str, cell: &str, out: &mut dyn Write) -> Result<()> {
    end_with_parent()?;
    let file = read_connection_file(connection_file)?;
    let mut session = Session::open(&file, name, &json!({ "group": name }))?;
    let _others = other_sockets(&file, name)?;
    let mut iopub = Peer::subscribe(&file)?;
    session.execute_text(cell)?;
    session.reply()?;
    writeln!(out, "{ANSWERED}")?;
    for line in io::stdin().lock().lines() {
        let time = Duration::from_millis(line?.parse().context("so many milliseconds")?);
        let (start, mut times) = (Instant::now(), Vec::new());
        while start.elapsed() < time {
            let start = Instant::now();
            session.execute(Code::Echo)?;
            heard_kernel(&session.reply()?)?;
            session.idle(&mut iopub)?;
            times.push(start.elapsed().as_micros().to_string());
        }
        writeln!(out, "{TOOK}{}", times.join(" "))?;
    }
    Ok(())
}
