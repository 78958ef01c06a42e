//! How many files a process may have open: each session is five to `serve`.

use std::fs;

use anyhow::Result;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files of a session.
const FILES: usize = 5;

/// Files that `serve` needs for itself.
const OWN: usize = 200;

/// How many sessions one process may have. Lets this process, and those that it starts, open as many files as they may;
/// only who may change the system's resource limits (`CAP_SYS_RESOURCE`) can go beyond what it was given.
pub fn most_sessions() -> Result<usize> {
    let system = fs::read_to_string("/proc/sys/fs/nr_open")?.trim().parse()?;
    let given = getrlimit(Resource::Nofile).maximum;
    let limit = |files| Rlimit { current: files, maximum: files };
    let is_raised = setrlimit(Resource::Nofile, limit(Some(system))).is_ok();
    if !is_raised {
        setrlimit(Resource::Nofile, limit(given))?;
    }
    let files = if is_raised { system } else { given.unwrap_or(system) };
    Ok(usize::try_from(files)?.saturating_sub(OWN) / FILES)
}
