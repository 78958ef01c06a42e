//! Where a connection comes from: user and process of a local peer, else its address.
//!
//! A Unix socket tells by itself. For TCP on one machine, the kernel's table of sockets (`/proc/net/tcp`) tells user
//! and inode of the peer's end, and `/proc/PID/fd` who holds that inode. All questions that wait while one search
//! runs are answered by the next one, so a burst of a thousand connections costs a few searches.

use std::{
    collections::{HashMap, HashSet},
    net::SocketAddr,
};

use procfs::{net::TcpNetEntry, process::FDTarget};
use tokio::sync::{mpsc, oneshot};

use super::stream::Ends;
use crate::id::Origin;

/// Most questions that one search answers.
const BATCH: usize = 4096;

/// How often a connection is looked for before it counts as gone.
const SEARCHES: usize = 3;

/// The peer's end of a TCP connection as the table of sockets lists it: its address, and ours.
type Pair = (SocketAddr, SocketAddr);

/// Answers where connections come from.
#[derive(Clone, Debug)]
pub struct Origins(mpsc::Sender<(Pair, oneshot::Sender<Origin>)>);

impl Origins {
    /// Starts the task that answers; it ends with the last clone.
    pub fn start() -> Self {
        let (ask, mut questions) = mpsc::channel::<(Pair, oneshot::Sender<Origin>)>(BATCH);
        tokio::spawn(async move {
            let mut batch = Vec::new();
            while questions.recv_many(&mut batch, BATCH).await > 0 {
                let pairs: Vec<Pair> = batch.iter().map(|(pair, _)| *pair).collect();
                let found = tokio::task::spawn_blocking(move || search(&pairs)).await.unwrap_or_default();
                for (pair, answer) in batch.drain(..) {
                    let _ = answer.send(found.get(&pair).copied().unwrap_or(Origin::Unknown));
                }
            }
        });
        Self(ask)
    }

    /// The origin of a connection's other end. Takes some milliseconds for local TCP, none otherwise.
    pub async fn of(&self, ends: Ends) -> Origin {
        match ends {
            Ends::Ipc { uid, pid: Some(pid) } => Origin::Process { uid, pid },
            Ends::Ipc { uid, pid: None } => Origin::User { uid },
            Ends::Tcp { local, peer } => self.of_pair((plain(peer), plain(local))).await,
        }
    }

    async fn of_pair(&self, pair: Pair) -> Origin {
        let (peer, local) = pair;
        if !peer.ip().is_loopback() && peer.ip() != local.ip() {
            return Origin::Address(peer.ip());
        }
        let (answer, answered) = oneshot::channel();
        if self.0.send((pair, answer)).await.is_err() {
            return Origin::Unknown;
        }
        answered.await.unwrap_or(Origin::Unknown)
    }
}

/// An IPv4 address as such, also where the socket is IPv6.
fn plain(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// Searches again for what was not found: the table of sockets changes while it is read, and a read may miss a line.
fn search(pairs: &[Pair]) -> HashMap<Pair, Origin> {
    let mut found = HashMap::with_capacity(pairs.len());
    for _ in 0..SEARCHES {
        let missing: Vec<Pair> = pairs.iter().filter(|pair| !found.contains_key(*pair)).copied().collect();
        if missing.is_empty() {
            break;
        }
        found.extend(search_once(&missing));
    }
    found
}

fn search_once(pairs: &[Pair]) -> HashMap<Pair, Origin> {
    let wanted: HashSet<&Pair> = pairs.iter().collect();
    let mut found = HashMap::with_capacity(pairs.len());
    let mut inodes = HashMap::with_capacity(pairs.len());
    for entry in sockets() {
        let pair = (plain(entry.local_address), plain(entry.remote_address));
        if entry.inode != 0 && wanted.contains(&pair) {
            found.insert(pair, Origin::User { uid: entry.uid });
            inodes.insert(entry.inode, (pair, entry.uid));
        }
    }
    for (pid, inode) in holders() {
        if inodes.is_empty() {
            break;
        }
        if let Some((pair, uid)) = inodes.remove(&inode) {
            found.insert(pair, Origin::Process { uid, pid });
        }
    }
    found
}

/// The table of this machine's TCP sockets. IPv6 sockets may hold IPv4 connections, so both tables are read.
fn sockets() -> impl Iterator<Item = TcpNetEntry> {
    let tables = [procfs::net::tcp(), procfs::net::tcp6()];
    tables.into_iter().flatten().flatten()
}

/// All sockets that processes hold, youngest process last: of a client and a child that it has just forked and that
/// still shares its sockets, the client is meant.
fn holders() -> impl Iterator<Item = (i32, u64)> {
    let mut processes: Vec<_> =
        procfs::process::all_processes().into_iter().flatten().filter_map(Result::ok).collect();
    processes.sort_by_key(|process| process.stat().map(|stat| stat.starttime).unwrap_or(u64::MAX));
    processes.into_iter().flat_map(|process| {
        let pid = process.pid();
        let descriptors = process.fd().into_iter().flatten().filter_map(Result::ok);
        descriptors.filter_map(move |descriptor| match descriptor.target {
            FDTarget::Socket(inode) => Some((pid, inode)),
            _ => None,
        })
    })
}
