//! What llmspell's process does before it becomes llmspell.

use std::{ffi::OsString, io, os::unix::process::CommandExt, process::Command};

use rustix::process::{Pid, Signal, getppid, set_parent_process_death_signal};
use thiserror::Error;

/// Why a process did not become its program.
#[derive(Debug, Error)]
pub enum ChildError {
    /// Its parent ended before.
    #[error("the parent process has ended")]
    Orphaned,
    /// The system refused.
    #[error("cannot start {program:?}: {error}")]
    Exec {
        /// The program.
        program: OsString,
        /// What the system says.
        error: io::Error,
    },
}

/// Becomes a program that is killed when its parent ends, however the parent ends. Returns only if that cannot be.
pub fn become_child(parent: i32, argv: Vec<OsString>) -> ChildError {
    let mut words = argv.into_iter();
    let program = words.next().unwrap_or_default();
    if let Err(error) = set_parent_process_death_signal(Some(Signal::KILL)) {
        return ChildError::Exec { program, error: error.into() };
    }
    // A parent that ended before this sends no signal.
    if getppid() != Pid::from_raw(parent) {
        return ChildError::Orphaned;
    }
    let error = Command::new(&program).args(words).exec();
    ChildError::Exec { program, error }
}
