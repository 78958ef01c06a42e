//! From a client to its kernel: the whole way on one page.
//!
//! 1. Frames are split and the signature is checked over the raw bytes; a stranger's third bad message ends it.
//! 2. The header tells whose message it is. A client's first message waits until its iopub connection is there.
//! 3. `route` decides. What the proxy itself is asked is answered; all else is signed with the kernel's key.
//! 4. It is written to the kernel's socket from here, once per batch of what was read.

use std::{sync::Arc, time::Instant};

use thiserror::Error;
use tracing::debug;

use super::{
    connection::{Connection, ReturnAddress},
    gate::{Gate, Held},
    sessions::Sessions,
};
use crate::{
    channel::Channel,
    frames::Frames,
    id::{ClientId, KernelId},
    jupyter::{
        content::{stops_on_error, without_stop_on_error},
        header::{Header, HeaderError, Heading, Parent, peek_fleet, peek_restart},
        message::{Body, MessageError, Unverified, Verified},
        signature::BadSignature,
    },
    metrics::Trouble,
    net::{Event, Flushes, Peer, PeerError},
    proxy::{
        Proxy,
        backend::{kernel::Kernel, link::Pushed},
        cells::queues::{Waiting, cell_name},
        reconnect::expected::has_broken,
    },
    route::{CellName, Decision, Outstanding, Request, RequestKind, Requirements, RequirementsError},
};

/// Why a client's message goes nowhere.
#[derive(Debug, Error)]
enum Unusable {
    #[error(transparent)]
    Malformed(#[from] MessageError),
    #[error(transparent)]
    BadlySigned(#[from] BadSignature),
    #[error("a message that has come before (its signature is known)")]
    Replayed,
    #[error(transparent)]
    Unreadable(#[from] HeaderError),
}

impl Proxy {
    /// Serves a shell, control or stdin connection until it ends.
    pub(crate) async fn serve_requests(
        self: Arc<Self>,
        mut peer: Peer,
        connection: &Arc<Connection>,
    ) -> Result<(), PeerError> {
        let mut known = Sessions::new();
        if !connection.identity.is_empty() {
            peer.retain(self.retention(connection));
        }
        self.end_silent_predecessors(connection).await;
        self.welcome_back(connection, &mut known);
        let ended = self.read_requests(&mut peer, connection, &mut known).await;
        self.unregister(connection);
        if has_broken(&ended) {
            self.expect_back(connection, &known);
        } else {
            // What its requests are answered goes to where the client is next.
            connection.outbox.close();
        }
        self.clients_left(connection, known);
        ended
    }

    /// The connection of these clients has ended. They are still there if another one has come in its place before.
    fn clients_left(&self, connection: &Connection, known: Sessions) {
        let mut clients = connection.heir_of.end();
        clients.extend(known.into_iter().map(|(client, _)| client));
        let newer = self.replacement_of(connection).filter(|newer| newer.origin == connection.origin);
        if newer.is_some_and(|newer| newer.heir_of.add(&clients)) {
            return;
        }
        for client in clients {
            self.client_left(connection, &client);
        }
    }

    async fn read_requests(
        self: &Arc<Self>,
        peer: &mut Peer,
        connection: &Arc<Connection>,
        known: &mut Sessions,
    ) -> Result<(), PeerError> {
        let mut bad = 0;
        let mut batch = Vec::new();
        let mut flushes = Flushes::default();
        while peer.next(&mut batch).await? {
            for event in batch.drain(..) {
                let frames = match event {
                    Event::Message(frames) => frames,
                    Event::Answered(context) => {
                        connection.has_answered(&context);
                        continue;
                    }
                    Event::Subscribe(_) | Event::Cancel(_) => continue,
                };
                match self.receive(connection, known, frames, &mut flushes) {
                    Ok(()) if connection.shows_key() => {
                        peer.trust();
                        self.welcome_back(connection, known);
                    }
                    Ok(()) => {}
                    Err(reason) => {
                        let Connection { channel, origin, .. } = **connection;
                        self.trouble_from(
                            channel,
                            origin,
                            reason.trouble(),
                            "a message was refused",
                            &reason,
                        );
                        bad += u32::from(reason.is_bad());
                        if bad >= self.limits.bad_messages {
                            return Err(PeerError::Misbehaved(bad));
                        }
                    }
                }
            }
            // What is not noted must not go out: nobody would know that it waits.
            self.journal.write();
            flushes.flush_and_wait(self.limits.kernel_reads()).await;
        }
        Ok(())
    }

    fn receive(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        known: &mut Sessions,
        frames: Frames,
        flushes: &mut Flushes,
    ) -> Result<(), Unusable> {
        let unverified = Unverified::split(frames)?;
        let signer = &connection.endpoint.signer;
        let message = signer.verify(unverified)?;
        if signer.is_signing() && !self.replays.lock().is_new(message.fingerprint()) {
            return Err(Unusable::Replayed);
        }
        let header = match Header::peek(&message) {
            Ok(header) => header,
            Err(error) => {
                self.answer_unreadable(connection, known, &message, &error);
                return Err(error.into());
            }
        };
        if let Some(host) = &connection.endpoint.host {
            if host.leaves() {
                return Ok(());
            }
            if header.msg_type == "shutdown_request" {
                host.parts(peek_restart(&message));
            }
        }
        let (client, gate) = match self.recognise(connection, known, &header.session) {
            Ok(client) => client,
            Err(client) => {
                let address = ReturnAddress::of_message(connection.clone(), &message);
                self.refuse_session(&client, &header.msg_type, &address);
                return Ok(());
            }
        };
        let stops_on_error = header.is_cell() && stops_on_error(message.body().content());
        let entry = self.note(connection, client, &header, &message, stops_on_error);
        let heading = header.heading();
        let held = Held { connection: connection.clone(), message, heading, entry, stops_on_error };
        if let Some(held) = gate.pass(held, self.limits.held_bytes) {
            self.route((client, gate), held, flushes);
        }
        Ok(())
    }

    /// Sends a message on its way. Cells and questions about code may be meant for the fleet.
    pub(crate) fn route(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Arc<Gate>),
        mut held: Held,
        flushes: &mut Flushes,
    ) {
        if self.is_stopping() {
            // The connection ends in a moment, and nothing may be launched any more.
            return;
        }
        if *held.heading.msg_type == *"interrupt_request" {
            let address = held.address();
            if self.cancels_waiting(client) {
                return self.tell_own(client, &address, self.interrupt_reply(&address.header));
            }
            match self.hesitate((client, gate), held) {
                Some(meant) => held = meant,
                None => return,
            }
            return self.pass((client, gate), held, None, flushes);
        }
        if held.connection.channel != Channel::Shell {
            return self.pass((client, gate), held, None, flushes);
        }
        match &*held.heading.msg_type.clone() {
            "execute_request" => self.route_cell((client, gate), held, flushes),
            "complete_request" | "inspect_request" | "is_complete_request" => {
                self.route_question((client, gate), held, flushes)
            }
            "comm_msg" | "comm_close" => {
                let elsewhere = self.comm_elsewhere(client, &held.message);
                if *held.heading.msg_type == *"comm_close" {
                    self.comms.closed(client, &held.message);
                }
                self.pass((client, gate), held, elsewhere.map(Requirements::of_kernel), flushes);
            }
            _ => self.pass((client, gate), held, None, flushes),
        }
    }

    /// Decides on a message and carries the decision out. One with wishes of its own goes where they are met.
    pub(crate) fn pass(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Gate),
        held: Held,
        mut elsewhere: Option<Requirements>,
        flushes: &mut Flushes,
    ) {
        let address = held.address();
        let Held { connection, message, heading, .. } = held;
        let kind = RequestKind::of(&heading.msg_type, || peek_restart(&message));
        gate.remember(&heading.msg_type, &address.header);
        let parent = Parent::peek(&message).unwrap_or_default();
        let request = Request {
            shell_session: (connection.channel == Channel::Shell).then_some(heading.session.as_str()),
            answers: &parent.msg_id,
            ..connection.request(client, kind)
        };
        let (decision, forward) = self.with_table(|table, now| {
            let before = (table.kernel_of(client).cloned(), table.visited_by(client).len());
            let decision = match elsewhere.take() {
                Some(wishes) => table.visit(&request, wishes, KernelId::random, now),
                None => table.decide(&request, || wishes(&message), KernelId::random, now),
            };
            if !heading.is_cell() {
                table.stands_by(client, peek_fleet(&message).ok().flatten().as_deref());
            }
            if (table.kernel_of(client).cloned(), table.visited_by(client).len()) != before {
                self.note_binding(table, &connection, client);
            }
            if let Decision::Launch(id, launch) | Decision::KnownInfo(id, Some(launch)) = &decision {
                self.launch(id, launch, Some(&connection.endpoint));
            }
            let forward = self.destination(&decision).map(|kernel| {
                if table.kernel_of(client) != Some(&kernel.id) {
                    self.journal.sent(address.entry, &kernel.id);
                }
                let size = message.body().size();
                // An answer to the kernel has no reply of its own.
                let tracked = kind == RequestKind::InputReply
                    || (!kernel.link.is_overfull(connection.channel, size, self.limits.held_bytes)
                        && !kernel.cell_queues.are_overfull(size, self.limits.outbox_bytes)
                        && table.track(
                            &kernel.id,
                            heading.msg_id.as_str(),
                            outstanding(client, &heading, &address),
                        ));
                (kernel.link.life(), tracked, kernel)
            });
            (decision, forward)
        });
        debug!(session = %client.session, msg_type = &*heading.msg_type, ?kind, "{}", decision);
        if let Decision::Interrupt(id) = &decision {
            self.tell_interrupted(id, client, &self.who_asked(&address));
        }
        match forward {
            Some((life, true, kernel)) => {
                let cell = cell_name(&heading);
                self.forward(&kernel, (life, cell), client, message, &address, flushes);
            }
            Some((_, false, kernel)) => self.refuse_more(&kernel, client, &heading.msg_type, &address),
            None => self.answer(decision, client, &heading.msg_type, address),
        }
    }

    /// The kernel that the message itself goes to.
    fn destination(&self, decision: &Decision) -> Option<Arc<Kernel>> {
        match decision {
            Decision::Forward(id) | Decision::Launch(id, _) => self.kernel(id),
            Decision::Interrupt(id) => self.kernel(id).filter(|kernel| kernel.is_interrupted_by_message()),
            _ => None,
        }
    }

    fn forward(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        (life, cell): (u64, Option<CellName>),
        client: &ClientId,
        message: Verified,
        address: &ReturnAddress,
        flushes: &mut Flushes,
    ) {
        self.metrics.requests.increment();
        let channel = address.connection.channel;
        let pushed = if channel == Channel::Shell {
            let (client, address) = (client.clone(), address.clone());
            self.send_in_turn(
                kernel,
                Waiting {
                    client,
                    cell,
                    body: for_the_kernel(message, &address),
                    address,
                    life,
                    since: Instant::now(),
                },
            )
        } else {
            kernel.link.push(channel, message.into_body(), life)
        };
        match pushed {
            Pushed::Queued(outbox) => flushes.add(outbox),
            Pushed::Held | Pushed::Dropped => {}
            Pushed::Full => self.take_back(kernel, client, address),
            Pushed::NoChannel => {
                let text = format!("the answer did not reach {}: it has no {channel} channel", kernel.name());
                let asked = self.gates.get(client).and_then(|gate| gate.last_request()).unwrap_or_default();
                self.send_to_client(client, [self.builder.notice(&text, &asked)]);
            }
        }
    }
}

impl Unusable {
    /// Whether only a peer that is broken or hostile sends that. Kernels put up with the rest.
    fn is_bad(&self) -> bool {
        !matches!(self, Self::Unreadable(HeaderError::NoType))
    }

    fn trouble(&self) -> Trouble {
        match self {
            Self::Malformed(_) | Self::Unreadable(_) => Trouble::Malformed,
            Self::BadlySigned(_) => Trouble::BadlySigned,
            Self::Replayed => Trouble::Replayed,
        }
    }
}

/// What a kernel is sent of a message. When a cell fails, kernels abort all that they have, whoever sent it. So they are told
/// not to, and the proxy aborts what the client of that cell has waiting.
fn for_the_kernel(message: Verified, address: &ReturnAddress) -> Body {
    let content = address.stops_on_error.then(|| without_stop_on_error(message.body().content()));
    match content.flatten() {
        Some(content) => message.with_content(content).into_body(),
        None => message.into_body(),
    }
}

fn outstanding(client: &ClientId, heading: &Heading, address: &ReturnAddress) -> Outstanding<ReturnAddress> {
    Outstanding {
        client: client.clone(),
        session: heading.session.clone(),
        msg_type: heading.msg_type.clone(),
        channel: address.connection.channel,
        address: address.clone(),
        awaits_input: false,
        is_done: false,
    }
}

fn wishes(message: &Verified) -> Result<Option<Requirements>, RequirementsError> {
    let fleet = peek_fleet(message).map_err(|error| RequirementsError::unreadable(&error))?;
    fleet.as_deref().map(Requirements::parse).transpose()
}
