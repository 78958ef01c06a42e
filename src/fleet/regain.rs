//! Connections to a kernel under the routing ids of earlier `serve`s: where it answers what their clients asked.
//!
//! A ROUTER socket takes no notice of a routing id that comes back while it still knows the connection that had it, and
//! it may be long in seeing that one's end: behind requests that it has not read, or on a machine that is busy. So the
//! way is tried again, and all that were opened are kept.

use std::time::Duration;

use bytes::Bytes;
use tokio::{
    sync::mpsc,
    time::{Instant, sleep},
};

use crate::{
    channel::Channel,
    jupyter::connection_file::ConnectionFile,
    limits::Limits,
    net::{Dialler, Peer},
};

/// Pauses before each further try.
const AGAIN_AFTER: [Duration; 6] = [
    Duration::from_millis(100),
    Duration::from_millis(300),
    Duration::from_millis(600),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(10),
];

/// Connections to shell and stdin under earlier routing ids, as they are made.
pub type Regained = mpsc::UnboundedReceiver<(Channel, Peer)>;

/// Connects to shell and stdin under these routing ids, now and again for some time. Where that fails, those who wait
/// for replies are told so by others.
pub(super) async fn regain(identities: Vec<Bytes>, file: &ConnectionFile, limits: &Limits) -> Regained {
    let (found, regained) = mpsc::unbounded_channel();
    if identities.is_empty() {
        return regained;
    }
    let diallers = identities.into_iter().map(|identity| Dialler::new(file, identity, limits)).collect();
    let search = Search { diallers, patience: limits.handshake(), found };
    search.round().await;
    tokio::spawn(async move {
        for pause in AGAIN_AFTER {
            tokio::select! {
                () = sleep(pause) => search.round().await,
                // The kernel is gone, or its `serve`.
                () = search.found.closed() => return,
            }
        }
    });
    regained
}

struct Search {
    diallers: Vec<Dialler>,
    patience: Duration,
    found: mpsc::UnboundedSender<(Channel, Peer)>,
}

impl Search {
    async fn round(&self) {
        for dialler in &self.diallers {
            for channel in [Channel::Shell, Channel::Stdin] {
                if let Ok(peer) = dialler.dial(channel, Instant::now() + self.patience).await {
                    let _ = self.found.send((channel, peer));
                }
            }
        }
    }
}
