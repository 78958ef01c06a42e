//! The table of this machine's TCP sockets (`/proc/net/tcp`, proc_pid_net(5)): slow to read, and readable nearly everywhere.

use std::collections::{HashMap, HashSet};

use super::{Owned, Pair, plain};

/// How often a socket is looked for before it counts as gone: the table changes while it is read, and a read may miss
/// a line.
const SEARCHES: usize = 3;

/// Those sockets that are open.
pub(super) fn find(pairs: &[Pair]) -> HashMap<Pair, Owned> {
    let mut missing: HashSet<Pair> = pairs.iter().copied().collect();
    let mut found = HashMap::with_capacity(pairs.len());
    for _ in 0..SEARCHES {
        if missing.is_empty() {
            break;
        }
        // IPv6 sockets may hold IPv4 connections, so both tables are read.
        for entry in [procfs::net::tcp(), procfs::net::tcp6()].into_iter().flatten().flatten() {
            let pair = (plain(entry.local_address), plain(entry.remote_address));
            if entry.inode != 0 && missing.remove(&pair) {
                found.insert(pair, Owned { uid: entry.uid, inode: entry.inode });
            }
        }
    }
    found
}
