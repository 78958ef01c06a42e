//! The sockets of a kernel that it may lack, or bind late: stdin, control and heartbeat.
//!
//! Jupyter's clients connect to them without waiting for an answer, so kernels work for them that have none. A kernel is up
//! once shell and iopub answer; the others are used from the moment at which they are there.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::mpsc,
    time::{Instant, sleep, timeout},
};
use tracing::debug;

use crate::{
    channel::Channel,
    net::{Dialler, Peer},
};

/// How long a kernel that answers on shell may take to bind the others before it counts as one that lacks them.
const GRACE: Duration = Duration::from_millis(300);

/// For how long a socket is tried that is missing.
const TRIES: Duration = Duration::from_secs(30);

/// Pause before a socket is tried that has closed a connection.
const AGAIN_AFTER: Duration = Duration::from_millis(500);

/// The sockets that a kernel may lack.
const CHANNELS: [Channel; 3] = [Channel::Stdin, Channel::Control, Channel::Heartbeat];

/// Connections to the sockets that a kernel may lack, as they are made.
#[derive(Debug)]
pub struct OptionalChannels {
    /// Those that have been made, and are not in use yet.
    pub connected: Vec<(Channel, Peer)>,
    found: mpsc::UnboundedReceiver<(Channel, Peer)>,
    redialler: Redialler,
}

/// Connects again to single sockets of a kernel.
#[derive(Clone, Debug)]
pub struct Redialler {
    dialler: Arc<Dialler>,
    found: mpsc::UnboundedSender<(Channel, Peer)>,
}

impl OptionalChannels {
    /// Begins to connect to all of them, for some time after the kernel has to answer.
    pub(super) fn dial(dialler: Dialler, deadline: Instant) -> Self {
        let (sender, found) = mpsc::unbounded_channel();
        let redialler = Redialler { dialler: Arc::new(dialler), found: sender };
        for channel in CHANNELS {
            redialler.dial_until(channel, Duration::ZERO, deadline + TRIES);
        }
        Self { connected: Vec::new(), found, redialler }
    }

    /// Waits a little for those that are not there yet, of a kernel that is up.
    pub(super) async fn wait_for_all(&mut self) {
        let all = async {
            while self.connected.len() < CHANNELS.len() {
                self.connected.extend(self.found.recv().await);
            }
        };
        if timeout(GRACE, all).await.is_err() {
            debug!(connected = self.connected.len(), "a kernel lacks channels, or is late with them");
        }
    }

    /// The next connection. Ends only with the kernel.
    pub async fn next(&mut self) -> Option<(Channel, Peer)> {
        match self.connected.pop() {
            Some(connected) => Some(connected),
            None => self.found.recv().await,
        }
    }

    /// Connects again to those whose connections break.
    pub fn redialler(&self) -> Redialler {
        self.redialler.clone()
    }
}

impl Redialler {
    /// Tries to connect to a socket whose connection has ended.
    pub fn dial_again(&self, channel: Channel) {
        self.dial_until(channel, AGAIN_AFTER, Instant::now() + TRIES);
    }

    fn dial_until(&self, channel: Channel, pause: Duration, deadline: Instant) {
        let Self { dialler, found } = self.clone();
        tokio::spawn(async move {
            let dialled = async {
                sleep(pause).await;
                dialler.dial(channel, deadline).await
            };
            tokio::select! {
                peer = dialled => match peer {
                    // The kernel may be gone meanwhile.
                    Ok(peer) => drop(found.send((channel, peer))),
                    Err(error) => debug!(%channel, %error, "a kernel lacks a channel"),
                },
                // Nobody waits for it any more.
                () = found.closed() => {}
            }
        });
    }
}
