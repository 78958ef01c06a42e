//! A cgroup: its limits, what happened in it, and the end of all that runs in it.
use std::{
    fs, io,
    path::{Path, PathBuf},
};

use rustix::process::{Pid, Signal, kill_process};
use serde::{Deserialize, Serialize};

use super::{enforcement::Mechanism, limits::KernelLimits};
use crate::runtimes::Cores;

/// The time in which a share of the processor is given, in microseconds: the system's own default.
const PERIOD: u64 = 100_000;

/// Swap that a kernel of cgroup v1 may use on top of its memory, in bytes: the largest page of any machine. With none,
/// memory and swap together would be refused first, which Linux 6.18 does not count.
const SWAP: u64 = 64 << 10;

/// Cgroups within a kernel's cgroup that are followed down when it ends; a kernel that nests deeper keeps them.
pub(super) const DEPTH: usize = 8;

/// A cgroup's directory of each controller that there is; they are the same one in the unified hierarchy.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Group {
    /// Which files its directories have.
    pub(super) mechanism: Mechanism,
    /// Where memory is limited.
    pub(super) memory: Option<PathBuf>,
    /// Where processes are counted.
    pub(super) pids: Option<PathBuf>,
    /// Where processor time is limited.
    pub(super) cpu: Option<PathBuf>,
}

/// What has happened in a cgroup so far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counts {
    /// Processes that the system killed for want of memory.
    pub(super) killed: u64,
    /// How often more memory was wanted than the limit leaves.
    pub(super) memory_refused: u64,
    /// How often a process or thread was refused.
    pub(super) forks_refused: u64,
}

impl Group {
    /// The group of this name in this one.
    pub(super) fn child(&self, name: &str) -> Self {
        let join = |directory: &Option<PathBuf>| directory.as_ref().map(|directory| directory.join(name));
        Self {
            mechanism: self.mechanism,
            memory: join(&self.memory),
            pids: join(&self.pids),
            cpu: join(&self.cpu),
        }
    }

    /// Its directories, each once.
    pub(super) fn directories(&self) -> Vec<&Path> {
        let mut all: Vec<&Path> =
            [&self.memory, &self.pids, &self.cpu].into_iter().filter_map(Option::as_deref).collect();
        all.sort();
        all.dedup();
        all
    }

    /// The files to which a process writes itself to join.
    pub(super) fn procs_files(&self) -> Vec<PathBuf> {
        self.directories().into_iter().map(|directory| directory.join("cgroup.procs")).collect()
    }

    /// Makes the directories, if they are not there.
    pub(super) fn create(&self) -> io::Result<()> {
        self.directories().into_iter().try_for_each(|directory| {
            fs::create_dir_all(directory).map_err(|error| {
                io::Error::new(error.kind(), format!("cannot make {}: {error}", directory.display()))
            })
        })
    }

    /// Sets the limits that its controllers know. Returns what refused processor time, which only its parent may be
    /// short of; every other refusal is an error.
    pub(super) fn set(&self, limits: &KernelLimits) -> io::Result<Option<io::Error>> {
        if let (Some(directory), Some(limit)) = (&self.memory, limits.memory_limit) {
            self.set_memory(directory, limit.bytes())?;
        }
        if let Some(directory) = &self.pids {
            // Also without a limit: an earlier end of the kernel may have set it to nothing.
            let most = limits.process.max_processes.map_or("max".to_owned(), |most| most.to_string());
            write(directory, "pids.max", &most)?;
        }
        match (&self.cpu, limits.process.cpu_limit) {
            (Some(directory), Some(cores)) => Ok(self.set_cpu(directory, cores).err()),
            _ => Ok(None),
        }
    }

    fn set_memory(&self, directory: &Path, bytes: u64) -> io::Result<()> {
        if self.mechanism == Mechanism::CgroupV1 {
            write(directory, "memory.limit_in_bytes", &bytes.to_string())?;
            // The file exists only where the system counts swap.
            let with_swap = bytes.saturating_add(SWAP);
            let _ = write(directory, "memory.memsw.limit_in_bytes", &with_swap.to_string());
            return Ok(());
        }
        write(directory, "memory.max", &bytes.to_string())?;
        // Both are missing on some systems, without swap or before Linux 4.19.
        let _ = write(directory, "memory.swap.max", "0");
        let _ = write(directory, "memory.oom.group", "1");
        Ok(())
    }

    fn set_cpu(&self, directory: &Path, cores: Cores) -> io::Result<()> {
        let quota = u64::from(cores.thousandths()) * PERIOD / 1000;
        if self.mechanism == Mechanism::CgroupV1 {
            write(directory, "cpu.cfs_period_us", &PERIOD.to_string())?;
            return write(directory, "cpu.cfs_quota_us", &quota.to_string());
        }
        write(directory, "cpu.max", &format!("{quota} {PERIOD}"))
    }

    /// What has happened in it so far. What cannot be read counts as nothing.
    pub(super) fn counts(&self) -> Counts {
        let read = |directory: &Option<PathBuf>, file: &str| {
            let path = directory.as_ref().map(|directory| directory.join(file));
            path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default()
        };
        let number = |file| read(&self.memory, file).trim().parse().unwrap_or(0_u64);
        let (killed, memory_refused) = if self.mechanism == Mechanism::CgroupV1 {
            (count(&read(&self.memory, "memory.oom_control"), "oom_kill"), number("memory.failcnt"))
        } else {
            let events = read(&self.memory, "memory.events");
            (count(&events, "oom_kill"), count(&events, "oom"))
        };
        Counts { killed, memory_refused, forks_refused: count(&read(&self.pids, "pids.events"), "max") }
    }

    /// Kills all that runs in it.
    pub(super) fn kill(&self) {
        for directory in self.directories() {
            for directory in with_subgroups(directory, DEPTH) {
                kill_in(&directory);
            }
        }
    }

    /// Removes the directories.
    ///
    /// # Errors
    /// Something still runs in it.
    pub(super) fn remove(&self) -> io::Result<()> {
        for directory in self.directories() {
            for directory in with_subgroups(directory, DEPTH) {
                match fs::remove_dir(&directory) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Removes the groups in it that nothing runs in.
    pub(super) fn sweep(&self) {
        for directory in self.directories() {
            for child in subgroups(directory) {
                // A group that something runs in cannot be removed.
                let _ = fs::remove_dir(child);
            }
        }
    }
}

/// The number behind the key, of a file of lines `key number`; 0 without.
fn count(text: &str, key: &str) -> u64 {
    let found = text.lines().filter_map(|line| line.split_once(' ')).find(|(found, _)| *found == key);
    found.and_then(|(_, number)| number.trim().parse().ok()).unwrap_or(0)
}

/// Kills what runs in this one cgroup: at once where the system does that (Linux 5.14), else one by one, with no new
/// process meanwhile.
fn kill_in(directory: &Path) {
    if directory.join("cgroup.kill").exists() && write(directory, "cgroup.kill", "1").is_ok() {
        return;
    }
    if directory.join("pids.max").exists() {
        let _ = write(directory, "pids.max", "0");
    }
    let processes = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    let own = rustix::process::getpid();
    for pid in processes.lines().filter_map(|line| line.parse().ok()).filter_map(Pid::from_raw) {
        if pid != own {
            // The only error is that it has ended.
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

/// The directory and those in it, the innermost first.
pub(super) fn with_subgroups(directory: &Path, depth: usize) -> Vec<PathBuf> {
    let below = if depth == 0 { Vec::new() } else { subgroups(directory) };
    let mut all: Vec<PathBuf> = below.iter().flat_map(|child| with_subgroups(child, depth - 1)).collect();
    all.push(directory.to_owned());
    all
}

pub(super) fn subgroups(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let directories = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    directories.map(|entry| entry.path()).collect()
}

/// Writes one of a cgroup's files; its path is part of an error.
pub(super) fn write(directory: &Path, file: &str, value: &str) -> io::Result<()> {
    let path = directory.join(file);
    fs::write(&path, value).map_err(|error| {
        io::Error::new(error.kind(), format!("cannot write {value:?} to {}: {error}", path.display()))
    })
}

#[cfg(test)]
mod tests;
