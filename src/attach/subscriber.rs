//! The host's iopub and heartbeat connections.

use std::sync::Arc;

use super::carrier::Carrier;
use crate::net::{Event, Peer, PeerError};

impl Carrier {
    /// Serves a subscriber until it ends.
    pub(super) async fn serve_subscriber(self: Arc<Self>, mut peer: Peer) -> Result<(), PeerError> {
        let outbox = peer.signed_outbox();
        self.publisher.add(outbox.clone());
        let ended = self.read_subscriptions(&mut peer).await;
        self.publisher.remove(&outbox);
        ended
    }

    async fn read_subscriptions(&self, peer: &mut Peer) -> Result<(), PeerError> {
        let (outbox, mut batch) = (peer.signed_outbox(), Vec::new());
        while peer.next(&mut batch).await? {
            for event in batch.drain(..) {
                match event {
                    Event::Subscribe(topic) => {
                        if !self.publisher.subscribe(&outbox, &topic, &self.limits) {
                            return Err(PeerError::TooManySubscriptions);
                        }
                    }
                    Event::Cancel(topic) => self.publisher.cancel(&outbox, &topic),
                    Event::Message(_) => {}
                }
            }
        }
        Ok(())
    }
}

/// Echoes. This says that we live; whether the kernel does, the fleet tells in the cells.
pub(super) async fn serve_heartbeat(mut peer: Peer) -> Result<(), PeerError> {
    let (outbox, mut batch) = (peer.echo_outbox(), Vec::new());
    while peer.next(&mut batch).await? {
        for event in batch.drain(..) {
            if let Event::Message(frames) = event
                && outbox.send(&frames).is_err()
            {
                return Ok(());
            }
        }
    }
    Ok(())
}
