//! From the fleet to the host: the whole way on one page.
//!
//! A message is verified with the fleet's key. A reply comes back under the envelope that its request went up with, which
//! names the connection; a question on stdin names the request that it belongs to. What answers our own session goes no
//! further.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jupyter_protocol::{ExecutionState, Status};
use tracing::{debug, warn};

use super::{carrier::Carrier, connection::Connection};
use crate::{
    channel::Channel,
    jupyter::{
        header::{Header, Parent},
        message::{Envelope, Unverified, Verified},
        signature::Signer,
    },
    net::{Event, Flushes, Peer, PeerError, PushError},
};

/// How often subscribers that were too slow are tried to be told what they missed.
const AGAIN: Duration = Duration::from_millis(100);

impl Carrier {
    /// Carries what comes on one channel until it is closed, after what has come early.
    pub(super) async fn serve_fleet(
        self: Arc<Self>,
        channel: Channel,
        mut peer: Peer,
        signer: Signer,
        early: Vec<Event>,
    ) {
        let ended = match channel {
            Channel::IoPub => self.publish_all(&mut peer, &signer).await,
            _ => self.deliver_all(channel, &mut peer, &signer, early).await,
        };
        match ended {
            Ok(()) => debug!(%channel, "the fleet closed the connection"),
            Err(error) => debug!(%channel, %error, "the connection to the fleet ended"),
        }
    }

    async fn deliver_all(
        self: &Arc<Self>,
        channel: Channel,
        peer: &mut Peer,
        signer: &Signer,
        mut batch: Vec<Event>,
    ) -> Result<(), PeerError> {
        let mut flushes = Flushes::default();
        loop {
            let mut parting = false;
            for message in batch.drain(..).filter_map(|event| verify(signer, event)) {
                parting |= match channel {
                    Channel::Stdin => self.ask(message, &mut flushes),
                    _ => self.deliver(channel, message, &mut flushes),
                };
            }
            flushes.flush();
            if parting {
                self.end_soon();
            }
            if !peer.next(&mut batch).await? {
                return Ok(());
            }
        }
    }

    /// Hands a reply to whoever asked. `true` if the host is done with us.
    fn deliver(&self, channel: Channel, message: Verified, flushes: &mut Flushes) -> bool {
        let Ok(parent) = Parent::peek(&message) else { return false };
        if parent.session == self.voice.session() {
            match &*parent.msg_type {
                "comm_info_request" => self.probed.notify_waiters(),
                "connect_request" => self.receipted(message.envelope()),
                _ => {}
            }
            return false;
        }
        let parting = parent.msg_type == "shutdown_request";
        if parting {
            self.tell_refused(&message);
        }
        let asked = {
            let mut in_flight = self.in_flight.lock();
            if in_flight.is_settled(&parent.msg_id, &parent.session) {
                debug!(%channel, "a reply to what has been answered in the fleet's place");
                return parting;
            }
            in_flight.answered(&parent.msg_id, &parent.session)
        };
        let addressed = {
            let mut connections = self.connections.lock();
            let addressed = connections.addressed(channel, message.envelope());
            if addressed.is_none() && connections.keep(channel, message.clone()) {
                debug!(%channel, "a reply waits for its client to come back");
                return parting;
            }
            addressed.or_else(|| asked.map(|asked| (asked.connection, asked.envelope)))
        };
        let Some((connection, envelope)) = addressed else {
            debug!(%channel, "a reply that nobody waits for any more");
            return parting;
        };
        self.pass(&connection, &envelope, message, flushes);
        parting
    }

    /// Hands a question to the stdin connection of whoever asked for what the kernel runs. Always `false`: it ends nothing.
    fn ask(&self, message: Verified, flushes: &mut Flushes) -> bool {
        let Ok(parent) = Parent::peek(&message) else { return false };
        let asked = self.in_flight.lock().asked(&parent.msg_id, &parent.session).cloned();
        let connections = self.connections.lock();
        let stdin = match &asked {
            Some(asked) => connections.newest(Channel::Stdin, &asked.connection.identity),
            None => None,
        };
        // A cell that an earlier process was asked to run, or a client without an identity.
        let Some(stdin) = stdin.or_else(|| connections.only(Channel::Stdin)) else {
            drop(connections);
            let text = "[jupyter-fleet: the kernel asks for input, but this client has no stdin channel: interrupt it]";
            if let Some(asked) = asked {
                self.publisher.say(self.voice.notice(text, &asked.header));
            }
            return false;
        };
        drop(connections);
        self.pass(&stdin, &Envelope::default(), message, flushes);
        false
    }

    pub(super) fn pass(
        &self,
        connection: &Connection,
        envelope: &Envelope,
        message: Verified,
        flushes: &mut Flushes,
    ) {
        match connection.outbox.push(envelope, &self.signer.sign(message.into_body())) {
            Ok(()) => flushes.add(connection.outbox.clone()),
            Err(PushError::Closed) => debug!("the host's client left before its reply came"),
            Err(PushError::Full) => {
                // A reply that cannot be delivered must not be lost in silence: the client sees its connection end.
                warn!(channel = %connection.channel, "a client of the host's reads too slowly: its connection is ended");
                connection.outbox.close();
            }
        }
    }

    async fn publish_all(&self, peer: &mut Peer, signer: &Signer) -> Result<(), PeerError> {
        let mut batch = Vec::new();
        loop {
            if self.publisher.owes_notices() {
                match tokio::time::timeout(AGAIN, peer.next(&mut batch)).await {
                    Err(_) => self.publisher.give_notices(),
                    Ok(more) => {
                        if !more? {
                            return Ok(());
                        }
                    }
                }
            } else if !peer.next(&mut batch).await? {
                return Ok(());
            }
            for message in batch.drain(..).filter_map(|event| verify(signer, event)) {
                self.publish(message);
            }
            self.publisher.flush();
        }
    }

    fn publish(&self, message: Verified) {
        // The fleet's welcome has the topic that it was subscribed to, the empty one: each of the host's subscribers gets
        // a welcome of its own.
        if message.envelope().first().is_empty()
            && Header::peek(&message).is_ok_and(|header| header.msg_type == "iopub_welcome")
        {
            return;
        }
        if let Ok(parent) = Parent::peek(&message) {
            if parent.session == self.voice.session() {
                return;
            }
            let is_idle = || is_status(&message, ExecutionState::Idle);
            self.in_flight.lock().heard(&parent.msg_id, &parent.session, is_idle);
        }
        // Who asked for a restart knows of it, and JupyterLab takes this status for a restart by the server: it would connect
        // a second time, in the middle of the host's own restart.
        if self.parting.load(Ordering::Relaxed) && is_status(&message, ExecutionState::Restarting) {
            return;
        }
        let (envelope, body) = message.into_parts();
        self.publisher.publish(&envelope, &self.signer.sign(body));
    }
}

/// Whether a message says that the kernel is in this state (messaging spec, "Kernel status").
fn is_status(message: &Verified, state: ExecutionState) -> bool {
    Header::peek(message).is_ok_and(|header| header.msg_type == "status")
        && serde_json::from_slice::<Status>(message.body().content())
            .is_ok_and(|status| status.execution_state == state)
}

fn verify(signer: &Signer, event: Event) -> Option<Verified> {
    let Event::Message(frames) = event else { return None };
    let message = Unverified::split(frames).map_err(|error| warn!("the fleet sent {error}")).ok()?;
    signer.verify(message).map_err(|error| warn!("the fleet sent {error}")).ok()
}
