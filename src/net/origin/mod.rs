//! Where a connection comes from: user and process of a local peer, else its address.
//!
//! A Unix socket tells by itself. For TCP on one machine, [`sockets`] asks the system for user and inode of the peer's
//! end, and [`holders`] looks for the process that holds that inode. All questions that wait while one search runs are
//! answered by the next one, so a burst of a thousand connections costs a few searches.

mod holders;
mod sock_diag;
mod sockets;
mod table;
mod user_names;

pub use user_names::UserNames;

use std::{collections::HashMap, net::SocketAddr};

use tokio::sync::{mpsc, oneshot};

use self::{holders::Holders, sockets::Sockets};
use super::stream::Ends;
use crate::id::Origin;

/// Most questions that one search answers.
const BATCH: usize = 4096;

/// The peer's end of a TCP connection as the system lists its sockets: its address, and ours.
type Pair = (SocketAddr, SocketAddr);

/// A socket that is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Owned {
    /// The user who made it.
    uid: u32,
    /// By which descriptors name it.
    inode: u64,
}

/// Answers where connections come from.
#[derive(Clone, Debug)]
pub struct Origins(mpsc::Sender<(Pair, oneshot::Sender<Origin>)>);

impl Origins {
    /// Starts the task that answers; it ends with the last clone.
    pub fn start() -> Self {
        let (ask, mut questions) = mpsc::channel::<(Pair, oneshot::Sender<Origin>)>(BATCH);
        tokio::spawn(async move {
            let mut batch = Vec::new();
            let mut search = Search::default();
            while questions.recv_many(&mut batch, BATCH).await > 0 {
                let pairs: Vec<Pair> = batch.iter().map(|(pair, _)| *pair).collect();
                let searched = tokio::task::spawn_blocking(move || {
                    let found = search.run(&pairs);
                    (search, found)
                });
                let found;
                (search, found) = searched.await.unwrap_or_default();
                for (pair, answer) in batch.drain(..) {
                    let _ = answer.send(found.get(&pair).copied().unwrap_or(Origin::Unknown));
                }
            }
        });
        Self(ask)
    }

    /// The origin of a connection's other end. Takes a few tenths of a millisecond for local TCP, none otherwise.
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

/// What one search leaves for the next.
#[derive(Debug, Default)]
struct Search {
    sockets: Sockets,
    holders: Holders,
}

impl Search {
    fn run(&mut self, pairs: &[Pair]) -> HashMap<Pair, Origin> {
        let owned = self.sockets.find(pairs);
        let pids = self.holders.find(owned.values().map(|owned| owned.inode).collect());
        let origin = |Owned { uid, inode }: Owned| match pids.get(&inode) {
            Some(&pid) => Origin::Process { uid, pid },
            None => Origin::User { uid },
        };
        owned.into_iter().map(|(pair, owned)| (pair, origin(owned))).collect()
    }
}

#[cfg(test)]
mod tests;
