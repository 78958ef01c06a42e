//! One connection of each channel, from its first message to its end.

use std::sync::Arc;

use tracing::{debug, warn};

use super::{
    control,
    kernel::Kernel,
    request::{Request, Sender},
    worker::Queue,
};
use crate::{
    channel::Channel,
    id::Origin,
    jupyter::message::{Unverified, Verified},
    net::{Event, Peer},
};

/// Serves a connection of `channel` to its end.
pub(super) async fn serve(channel: Channel, kernel: Arc<Kernel>, queue: Queue, peer: Peer, origin: Origin) {
    match channel {
        Channel::Shell => shell(Incoming::new(kernel, peer, origin), queue).await,
        Channel::Control => control(Incoming::new(kernel, peer, origin)).await,
        Channel::Stdin => stdin(Incoming::new(kernel, peer, origin)).await,
        Channel::IoPub => iopub(&kernel, peer).await,
        Channel::Heartbeat => heartbeat(peer).await,
    }
}

/// Hands requests over to the interpreter's thread, in order. What arrived together stays together.
async fn shell(mut incoming: Incoming, queue: Queue) {
    while let Some(messages) = incoming.next().await {
        let requests = messages.into_iter().filter_map(|message| Request::read(message, &incoming.sender));
        if queue.send(requests.collect()).await.is_err() {
            return;
        }
    }
}

/// Answers requests at once, whatever runs.
async fn control(mut incoming: Incoming) {
    while let Some(messages) = incoming.next().await {
        for request in messages.into_iter().filter_map(|message| Request::read(message, &incoming.sender)) {
            control::answer(&incoming.kernel, &request);
        }
    }
}

/// Brings answers to the cell that asked.
async fn stdin(mut incoming: Incoming) {
    let (kernel, outbox) = (incoming.kernel.clone(), incoming.sender.outbox.clone());
    kernel.stdin.connect(incoming.sender.clone());
    while let Some(messages) = incoming.next().await {
        for message in messages {
            kernel.stdin.answer(&outbox, &message);
        }
    }
    kernel.stdin.disconnect(&outbox);
}

/// Notes subscriptions; what is published is written by who publishes.
async fn iopub(kernel: &Kernel, mut peer: Peer) {
    let (outbox, mut batch) = (peer.signed_outbox(), Vec::new());
    kernel.publisher.add(outbox.clone());
    while peer.next(&mut batch).await.unwrap_or(false) {
        for event in batch.drain(..) {
            match event {
                Event::Subscribe(topic) if !kernel.publisher.subscribe(&outbox, &topic) => {
                    warn!("a connection to iopub with too many or too long subscriptions is ended");
                    outbox.close();
                }
                Event::Cancel(topic) => kernel.publisher.cancel(&outbox, &topic),
                Event::Subscribe(_) | Event::Message(_) => {}
            }
        }
    }
    kernel.publisher.remove(&outbox);
}

/// Echoes.
async fn heartbeat(mut peer: Peer) {
    let (outbox, mut batch) = (peer.echo_outbox(), Vec::new());
    while peer.next(&mut batch).await.unwrap_or(false) {
        for event in batch.drain(..) {
            if let Event::Message(frames) = event
                && outbox.send(&frames).is_err()
            {
                return;
            }
        }
    }
}

/// The verified messages of one connection.
struct Incoming {
    kernel: Arc<Kernel>,
    peer: Peer,
    sender: Sender,
    bad_messages: u32,
    batch: Vec<Event>,
}

impl Incoming {
    fn new(kernel: Arc<Kernel>, peer: Peer, origin: Origin) -> Self {
        let identity = peer.remote().identity.clone();
        let sender = Sender { identity, origin, outbox: peer.signed_outbox() };
        Self { kernel, peer, sender, bad_messages: 0, batch: Vec::new() }
    }

    /// What arrived together, verified; `None` once the connection has ended, or has sent too much that is wrong.
    async fn next(&mut self) -> Option<Vec<Verified>> {
        let more = self.peer.next(&mut self.batch).await;
        let more =
            more.inspect_err(|error| debug!(origin = %self.sender.origin, %error, "a connection ended"));
        if !more.unwrap_or(false) {
            return None;
        }
        let mut messages = Vec::with_capacity(self.batch.len());
        for event in std::mem::take(&mut self.batch) {
            let Event::Message(frames) = event else { continue };
            let split = Unverified::split(frames).map_err(|error| error.to_string());
            match split.and_then(|m| self.kernel.signer.verify(m).map_err(|error| error.to_string())) {
                Ok(message) => {
                    self.peer.trust();
                    messages.push(message);
                }
                Err(error) => {
                    warn!(origin = %self.sender.origin, "{error}");
                    self.bad_messages += 1;
                    if self.bad_messages >= self.kernel.most_bad_messages {
                        return None;
                    }
                }
            }
        }
        Some(messages)
    }
}
