//! Heartbeats: a client's ping goes to its kernel, and the echo back. Unsigned, so matched by origin like iopub.

use std::sync::Arc;

use bytes::Bytes;

use crate::{
    channel::Channel,
    frames::Frames,
    id::{EndpointId, Origin},
    net::{EchoOutbox, Event, Peer, PeerError},
    proxy::{
        Proxy,
        backend::{kernel::Kernel, link::Asker, replies::has_left},
    },
};

impl Proxy {
    /// Serves a client's heartbeat connection. While its kernel is starting, or it has none yet, the proxy echoes.
    pub(crate) async fn serve_heartbeat(
        &self,
        mut peer: Peer,
        endpoint: EndpointId,
        origin: Origin,
    ) -> Result<(), PeerError> {
        let outbox = peer.echo_outbox();
        let mut batch = Vec::new();
        while peer.next(&mut batch).await? {
            for event in batch.drain(..) {
                if let Event::Message(frames) = event {
                    self.ping(endpoint, origin, frames, &outbox);
                }
            }
        }
        Ok(())
    }

    fn ping(&self, endpoint: EndpointId, origin: Origin, frames: Frames, asker: &EchoOutbox) {
        let bound = self.table.lock().kernel_at(endpoint, origin);
        let kernel = bound.and_then(|id| self.kernel(&id));
        let enveloped = with_delimiter(&frames);
        if kernel.is_some_and(|kernel| kernel.link.ping(&enveloped, Asker::Client(asker.clone()))) {
            return;
        }
        // A peer that does not read its echoes misses them, as with any kernel.
        let _ = asker.send(&frames);
    }

    /// Carries echoes back until the kernel closes its heartbeat. A kernel echoes in the order of the pings. Returns whether
    /// it broke no rule.
    pub(crate) async fn serve_echoes(self: Arc<Self>, kernel: Arc<Kernel>, mut peer: Peer) -> bool {
        let mut batch = Vec::new();
        let ended = loop {
            match peer.next(&mut batch).await {
                Ok(true) => {}
                ended => break ended,
            }
            for event in batch.drain(..) {
                let Event::Message(frames) = event else { continue };
                if let Some(Asker::Client(asker)) = kernel.link.echoed() {
                    let _ = asker.send(&frames);
                }
            }
        };
        tracing::debug!(kernel = %kernel.id, channel = %Channel::Heartbeat, "a kernel's channel ended");
        has_left(&ended)
    }
}

/// What a REQ socket would send: a REP socket at the kernel drops anything else.
fn with_delimiter(frames: &Frames) -> Frames {
    match frames.first() {
        Some(first) if first.is_empty() => frames.clone(),
        _ => std::iter::once(Bytes::new()).chain(frames.iter().cloned()).collect(),
    }
}
