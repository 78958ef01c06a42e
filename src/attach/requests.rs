//! From the host to the fleet: the whole way on one page.
//!
//! A message is verified with the host's key, a request is noted as in flight, and it is signed with the fleet's key and
//! written to the fleet's socket by the task that read it.

use std::sync::{Arc, atomic::Ordering};

use memchr::memmem;
use sha2::{Digest, Sha256};
use thiserror::Error;
use tracing::{debug, warn};

use super::{carrier::Carrier, connection::Connection, in_flight::Request, upstream::Sent};
use crate::{
    channel::Channel,
    frames::Frames,
    jupyter::{
        header::{Header, HeaderError, peek_restart},
        message::{Body, Envelope, MessageError, Unverified, Verified},
        reply::{Failure, connect_content},
        signature::{BadSignature, Signer},
    },
    net::{Event, Flushes, Peer, PeerError},
};

/// Why a message of the host's goes nowhere.
#[derive(Debug, Error)]
enum Refused {
    #[error(transparent)]
    Malformed(#[from] MessageError),
    #[error(transparent)]
    BadlySigned(#[from] BadSignature),
    #[error(transparent)]
    Unreadable(#[from] HeaderError),
}

impl Carrier {
    /// Serves one connection of the host on shell, control or stdin until it ends.
    pub(super) async fn serve_requests(self: Arc<Self>, channel: Channel, mut peer: Peer) {
        let (connection, claimed) = {
            let mut connections = self.connections.lock();
            let connection = connections.add(channel, &peer);
            let claimed = connections.claim(&connection);
            (connection, claimed)
        };
        let mut flushes = Flushes::default();
        for (envelope, reply) in claimed {
            self.pass(&connection, &envelope, reply, &mut flushes);
        }
        flushes.flush();
        if let Err(error) = self.read_requests(&mut peer, &connection).await {
            debug!(%channel, %error, "a connection of the host ended");
        }
        self.connections.lock().remove(&connection);
    }

    async fn read_requests(
        self: &Arc<Self>,
        peer: &mut Peer,
        connection: &Arc<Connection>,
    ) -> Result<(), PeerError> {
        let (mut batch, mut flushes, mut bad) = (Vec::new(), Flushes::default(), 0);
        while peer.next(&mut batch).await? {
            for event in batch.drain(..) {
                let Event::Message(frames) = event else { continue };
                if let Err(reason) = self.receive(connection, frames, &mut flushes) {
                    warn!(channel = %connection.channel, %reason, "a message was refused");
                    bad += 1;
                    if bad >= self.limits.bad_messages {
                        return Err(PeerError::Misbehaved(bad));
                    }
                }
            }
            flushes.settle(self.limits.kernel_reads()).await;
        }
        Ok(())
    }

    fn receive(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        frames: Frames,
        flushes: &mut Flushes,
    ) -> Result<(), Refused> {
        let message = self.signer.verify(Unverified::split(frames)?)?;
        if !self.replays.lock().is_new(fingerprint(&message, &self.signer)) {
            debug!(channel = %connection.channel, "a message that has come before (its signature is known)");
            return Ok(());
        }
        let header = Header::peek(&message)?;
        if self.leaving.load(Ordering::Relaxed) {
            debug!(msg_type = %header.msg_type, "a message after the host's shutdown_request");
            return Ok(());
        }
        let envelope = connection.upward(message.envelope());
        if !header.msg_type.ends_with("_request") {
            // Nobody answers it, so nobody misses it if there is no room.
            self.send_up(connection.channel, envelope, message.into_body(), flushes);
            return Ok(());
        }
        let elsewhere = header.is_cell() && may_go_elsewhere(message.body());
        let bytes = message.body().header();
        let request = self.in_flight.lock().note(connection, message.envelope(), &header, bytes, elsewhere);
        match &*header.msg_type {
            "connect_request" => {
                let ports =
                    self.voice.say_raw("connect_reply", connect_content(&self.ports), &request.header);
                self.take(&request);
                self.reply(&request, ports);
                return Ok(());
            }
            "interrupt_request" => {
                let (channel, body) = (connection.channel, message.into_body());
                if let Some((envelope, body)) = self.hold_back(channel, &request, envelope, body) {
                    self.send_up(channel, envelope, body, flushes);
                }
                return Ok(());
            }
            "shutdown_request" => {
                self.leaving.store(!peek_restart(&message), Ordering::Relaxed);
                self.part_when_answered(&request);
                self.send_last(connection.channel, envelope, message.into_body());
                return Ok(());
            }
            _ => {}
        }
        if !self.send_up(connection.channel, envelope, message.into_body(), flushes) {
            self.take(&request);
            let text = "too much already waits for the fleet: try again when it has done some of it";
            self.fail(&request, &Failure::new("TooManyRequests", text));
        }
        Ok(())
    }

    /// `false` if there is no room.
    fn send_up(&self, channel: Channel, envelope: Envelope, body: Body, flushes: &mut Flushes) -> bool {
        let sent = self.upstream.lock().send(channel, envelope, body, self.limits.held_bytes);
        match sent {
            Sent::Queued(outbox) => flushes.add(outbox),
            Sent::Held => self.wanted.notify_one(),
            Sent::Full => return false,
        }
        true
    }

    /// A request is in flight no more: we answer it ourselves. `false` if it was answered already.
    pub(super) fn take(&self, request: &Request) -> bool {
        let Ok(header) = Header::of_bytes(&request.header) else { return false };
        self.in_flight.lock().settle(&header.msg_id, &header.session).is_some()
    }
}

/// Whether the fleet may run a cell on another kernel than the host's own, as far as can be told from here.
fn may_go_elsewhere(body: &Body) -> bool {
    memmem::find(body.content(), b"%fleet").is_some() || memmem::find(body.metadata(), b"fleet").is_some()
}

/// What tells a message from one that has come before. The fleet signs what a host without a key does not, so that it
/// knows those again as well.
fn fingerprint(message: &Verified, signer: &Signer) -> u128 {
    if signer.is_signing() {
        return message.fingerprint();
    }
    let body = message.body();
    let mut hash = Sha256::new();
    for part in [body.header(), body.parent_header(), body.metadata(), body.content()] {
        hash.update(part);
    }
    u128::from_ne_bytes(hash.finalize().first_chunk().copied().unwrap_or_default())
}
