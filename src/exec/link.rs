//! One channel to the kernel.

use tokio::time::Instant;
use tracing::warn;

use super::error::ExecError;
use crate::{
    channel::Channel,
    jupyter::{
        message::{Body, Envelope, Unverified, Verified},
        signature::Signer,
    },
    net::{DialError, Dialler, Event, Peer},
};

/// A channel: bodies in, verified messages out.
pub(super) struct Link {
    channel: Channel,
    peer: Peer,
    signer: Signer,
    batch: Vec<Event>,
}

impl Link {
    /// Connects to a channel.
    pub async fn dial(
        channel: Channel,
        dialler: &Dialler,
        signer: &Signer,
        deadline: Instant,
    ) -> Result<Self, DialError> {
        let peer = dialler.dial(channel, deadline).await?;
        Ok(Self { channel, peer, signer: signer.clone(), batch: Vec::new() })
    }

    /// Signs and sends a message.
    pub fn send(&self, body: Body) -> Result<(), ExecError> {
        let sent = self.peer.signed_outbox().send(&Envelope::default(), &self.signer.sign(body));
        sent.map_err(|_| ExecError::Closed(self.channel))
    }

    /// What has arrived, verified. Cancelling loses nothing.
    pub async fn next(&mut self) -> Result<Vec<Verified>, ExecError> {
        match self.peer.next(&mut self.batch).await {
            Ok(true) => Ok(self.batch.drain(..).filter_map(|event| verify(&self.signer, event)).collect()),
            Ok(false) => Err(ExecError::Closed(self.channel)),
            Err(error) => Err(ExecError::Broken(self.channel, error)),
        }
    }

    /// Waits for a message that is wanted, and passes over others.
    pub async fn find(&mut self, wanted: impl Fn(&Verified) -> bool) -> Result<Verified, ExecError> {
        loop {
            if let Some(found) = self.next().await?.into_iter().find(&wanted) {
                return Ok(found);
            }
        }
    }
}

fn verify(signer: &Signer, event: Event) -> Option<Verified> {
    let Event::Message(frames) = event else { return None };
    let message = Unverified::split(frames).map_err(|error| warn!("{error}")).ok()?;
    signer.verify(message).map_err(|error| warn!("{error}")).ok()
}
