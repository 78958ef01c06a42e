//! What is written down of a kernel's process, so that it is known again: by people, and by the next `serve`.

use std::{
    io,
    path::PathBuf,
    time::{SystemTime, UNIX_EPOCH},
};

use procfs::process::Process;
use serde::{Deserialize, Serialize};

use super::confine::Enforcement;

/// A process that was started as a kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Which process of this machine.
    #[serde(flatten)]
    pub identity: ProcessIdentity,
    /// What was started.
    pub argv: Vec<String>,
    /// How to connect to it; a kernel that announces its ports writes the file itself.
    pub connection_file: PathBuf,
    /// Where its output goes.
    pub log: PathBuf,
    /// When it was started, in seconds since 1970-01-01 UTC.
    pub started_at: u64,
    /// How its limits are held.
    #[serde(default)]
    pub enforcement: Enforcement,
}

/// One process, told apart from all that had or will have its number.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct ProcessIdentity {
    /// Its number.
    pub pid: i32,
    /// When it began, in clock ticks since the machine booted: field 22 of proc_pid_stat(5).
    pub start_time: u64,
}

impl ProcessIdentity {
    /// The process that has this number now.
    ///
    /// # Errors
    /// It has ended.
    pub fn of(pid: i32) -> io::Result<Self> {
        let stat = Process::new(pid).and_then(|process| process.stat()).map_err(io::Error::other)?;
        Ok(Self { pid, start_time: stat.starttime })
    }

    /// Whether this very process still runs: its number may have been given to another one since.
    pub fn is_alive(&self) -> bool {
        let stat = Process::new(self.pid).and_then(|process| process.stat());
        stat.is_ok_and(|stat| stat.starttime == self.start_time && !matches!(stat.state, 'Z' | 'X' | 'x'))
    }
}

/// The time in seconds since 1970-01-01 UTC.
pub fn seconds_since_epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_not_taken_for_another_with_its_number() {
        let own = ProcessIdentity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        assert!(!ProcessIdentity { start_time: own.start_time + 1, ..own }.is_alive());
    }
}
