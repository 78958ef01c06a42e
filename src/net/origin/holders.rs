//! Which process holds a socket: a search through `/proc/PID/fd` (proc_pid_fd(5)).
//!
//! Several processes may hold it. Of a client and a child that it has just forked and that still shares its sockets, the
//! client is meant: the oldest of those that hold it. Clients are young, or have come before, so the search begins with
//! those; from the one found it goes up to the parents that hold the socket as well. A process that was there long before
//! the connection has not inherited it, so nobody older can be meant; for any other, all who are older are looked at.

use std::{
    collections::{HashMap, HashSet},
    ffi::{CStr, CString},
    fs, iter,
    mem::MaybeUninit,
    os::fd::BorrowedFd,
    time::Duration,
};

use procfs::process::Process;
use rustix::{
    fs::{CWD, Dir, Mode, OFlags, openat, readlinkat_raw},
    time::{ClockId, clock_gettime},
};

/// Processes that are looked at first: those that held the latest sockets.
const RECENT: usize = 4;

/// How long before the search a process must have started to be known not to have inherited what is searched for:
/// connections are accepted within milliseconds of their beginning, unless this process is held up.
const SETTLED: Duration = Duration::from_secs(2);

/// Most parents that one search goes up.
const HIGHEST: usize = 64;

/// Longest target of a descriptor that is read, in bytes: `socket:[` and an inode.
const LONGEST_TARGET: usize = 64;

type Inodes = HashSet<u64>;

/// Finds the processes that hold sockets.
#[derive(Debug, Default)]
pub(super) struct Holders {
    /// The last ones found, the latest first.
    recent: Vec<i32>,
}

/// A process, older before younger.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Holder {
    /// Ticks of the clock since the system started.
    started: u64,
    pid: i32,
}

impl Holders {
    /// That has found a process before.
    #[cfg(test)]
    pub(super) fn that_found(pid: i32) -> Self {
        Self { recent: vec![pid] }
    }

    /// The process that each of these sockets belongs to, where one can be seen.
    pub(super) fn find(&mut self, mut wanted: Inodes) -> HashMap<u64, i32> {
        let mut found: HashMap<u64, Holder> = HashMap::with_capacity(wanted.len());
        let long_ago = long_ago();
        let recent = self.recent.clone();
        let others = iter::once_with(youngest_first).flatten().filter(|pid| !recent.contains(pid));
        for pid in recent.iter().copied().chain(others) {
            if wanted.is_empty() {
                break;
            }
            for (holder, inode) in owners(pid, held(pid, &wanted)) {
                let oldest = found.entry(inode).or_insert(holder);
                *oldest = holder.min(*oldest);
                if holder.started < long_ago {
                    wanted.remove(&inode);
                }
            }
        }
        let found: HashMap<u64, i32> = found.into_iter().map(|(inode, holder)| (inode, holder.pid)).collect();
        for pid in found.values() {
            self.came_from(*pid);
        }
        found
    }

    fn came_from(&mut self, pid: i32) {
        self.recent.retain(|known| *known != pid);
        self.recent.insert(0, pid);
        self.recent.truncate(RECENT);
    }
}

/// Processes that started before this cannot have inherited a socket that has only just come.
fn long_ago() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or_default().saturating_sub(SETTLED.as_secs());
    seconds * procfs::ticks_per_second()
}

/// Numbers are given in rising order, until they begin anew; that only makes the search take longer.
fn youngest_first() -> Vec<i32> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut pids: Vec<i32> = names.filter_map(|name| name.to_str()?.parse().ok()).collect();
    pids.sort_unstable_by(|one, other| other.cmp(one));
    pids
}

/// From a process that holds these sockets up to the last parent that holds each of them, too.
fn owners(mut pid: i32, mut inodes: Inodes) -> Vec<(Holder, u64)> {
    let mut owners = Vec::new();
    for _ in 0..HIGHEST {
        if inodes.is_empty() {
            break;
        }
        let stat = Process::new(pid).and_then(|process| process.stat());
        // One that has just ended is older than nobody.
        let (parent, started) = stat.map_or((0, u64::MAX), |stat| (stat.ppid, stat.starttime));
        let above = held(parent, &inodes);
        owners.extend(inodes.difference(&above).map(|inode| (Holder { started, pid }, *inode)));
        (pid, inodes) = (parent, above);
    }
    owners
}

/// Which of these sockets a process holds; none where it may not be looked at.
fn held(pid: i32, wanted: &Inodes) -> Inodes {
    let mut held = Inodes::new();
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let opened = openat(CWD, format!("/proc/{pid}/fd"), flags, Mode::empty()).and_then(Dir::new);
    let Ok(mut directory) = opened else { return held };
    let names: Vec<CString> =
        directory.by_ref().flatten().map(|descriptor| descriptor.file_name().to_owned()).collect();
    let Ok(directory) = directory.fd() else { return held };
    // The latest descriptor has the highest number, as a rule.
    for name in names.iter().rev() {
        if held.len() == wanted.len() {
            break;
        }
        held.extend(socket(directory, name).filter(|inode| wanted.contains(inode)));
    }
    held
}

/// The inode of the socket that a descriptor names, if it is one.
fn socket(directory: BorrowedFd<'_>, name: &CStr) -> Option<u64> {
    let mut target = [MaybeUninit::uninit(); LONGEST_TARGET];
    let (target, _) = readlinkat_raw(directory, name, &mut target).ok()?;
    let inode = target.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(inode).ok()?.parse().ok()
}
