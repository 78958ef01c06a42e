//! One connection of each channel, from its first message to its end.

use std::sync::Arc;

use tracing::{debug, warn};

use super::{
    control,
    request::{Request, Sender},
    running::Kernel,
    worker::Queue,
};
use crate::{
    channel::Channel,
    id::Origin,
    jupyter::message::{Unverified, Verified},
    net::{Event, Incoming, Peer, PeerError, echo},
};

/// Serves a connection to its end.
pub(super) async fn serve(incoming: Incoming, kernel: Arc<Kernel>, queue: Queue) {
    let channel = incoming.channel();
    let (mut peer, origin) = match incoming.admit().await {
        Ok(admitted) => admitted,
        Err(error) => return debug!(%channel, %error, "a connection was not admitted"),
    };
    let ended = match channel {
        Channel::Shell => shell(Messages::new(kernel, peer, origin), queue).await,
        Channel::Control => control(Messages::new(kernel, peer, origin)).await,
        Channel::Stdin => stdin(Messages::new(kernel, peer, origin)).await,
        Channel::IoPub => kernel.publisher.serve(&mut peer).await,
        Channel::Heartbeat => echo(&mut peer).await,
    };
    if let Err(error) = ended {
        debug!(%channel, %origin, %error, "a connection ended");
    }
}

/// Hands requests over to the language's thread, in order. What arrived together stays together.
async fn shell(mut messages: Messages, queue: Queue) -> Result<(), PeerError> {
    while let Some(batch) = messages.next().await? {
        let requests = batch.into_iter().filter_map(|message| Request::read(message, &messages.sender));
        if queue.send(requests.collect()).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Answers requests at once, whatever runs.
async fn control(mut messages: Messages) -> Result<(), PeerError> {
    while let Some(batch) = messages.next().await? {
        for request in batch.into_iter().filter_map(|message| Request::read(message, &messages.sender)) {
            control::answer(&messages.kernel, &request);
        }
    }
    Ok(())
}

/// Brings answers to the cell that asked.
async fn stdin(mut messages: Messages) -> Result<(), PeerError> {
    let (kernel, outbox) = (messages.kernel.clone(), messages.sender.outbox.clone());
    kernel.stdin.connect(messages.sender.clone());
    let ended = loop {
        match messages.next().await {
            Ok(Some(batch)) => batch.iter().for_each(|message| kernel.stdin.answer(&outbox, message)),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    kernel.stdin.disconnect(&outbox);
    ended
}

/// The verified messages of one connection.
struct Messages {
    kernel: Arc<Kernel>,
    peer: Peer,
    sender: Sender,
    bad_messages: u32,
    batch: Vec<Event>,
}

impl Messages {
    fn new(kernel: Arc<Kernel>, peer: Peer, origin: Origin) -> Self {
        let identity = peer.remote().identity.clone();
        let sender = Sender { identity, origin, outbox: peer.signed_outbox() };
        Self { kernel, peer, sender, bad_messages: 0, batch: Vec::new() }
    }

    /// What arrived together, verified; `None` once the peer has closed the connection.
    async fn next(&mut self) -> Result<Option<Vec<Verified>>, PeerError> {
        if !self.peer.next(&mut self.batch).await? {
            return Ok(None);
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
                        return Err(PeerError::Misbehaved(self.bad_messages));
                    }
                }
            }
        }
        Ok(Some(messages))
    }
}
