//! From a kernel to its clients: the whole way on one page.
//!
//! 1. Frames are split and verified with the kernel's key, for a kernel runs users' code and is a stranger too.
//! 2. The parent header tells which request is answered: `route` knows who asked. What nobody asked for goes nowhere.
//! 3. It is signed with the client's key and written to the connection that the request came on.

use std::{fmt::Display, sync::Arc, time::Duration};

use jupyter_protocol::ExecutionState;
use tokio::{task::JoinSet, time::sleep};
use tracing::{Instrument, debug};

use super::kernel::Kernel;
use crate::{
    channel::Channel,
    fleet::{OptionalChannels, Redialler, Regained},
    id::{ClientId, MsgId},
    jupyter::{
        content::has_failed,
        header::{Header, Parent, peek_execution_state},
        message::{Unverified, Verified},
        signature::Signer,
    },
    metrics::Trouble,
    net::{Event, Flushes, Peer, PeerError},
    proxy::{
        Proxy,
        frontend::endpoint::Endpoint,
        iopub::{broadcast::Broadcast, fanout::Endpoints},
    },
    route::CellName,
};

/// How long replies to an earlier `serve` may take to be read after the kernel has come past them.
const LAST_REPLIES: Duration = Duration::from_millis(200);

/// The longest state that is remembered as a kernel's, and told to those who come later: states are words.
const LONGEST_STATE: usize = 64;

/// The longest session of a kernel's in which the fleet speaks for it: they are hexadecimal numbers.
const LONGEST_SESSION: usize = 256;

/// Where messages of a kernel come from: one channel of one of its processes.
#[derive(Clone)]
pub(crate) struct Source {
    pub(crate) kernel: Arc<Kernel>,
    pub(crate) channel: Channel,
    pub(crate) process: u64,
    pub(crate) life: u64,
    pub(crate) signer: Signer,
    /// It is a connection with the routing id of an earlier `serve`, whose end means nothing.
    pub(crate) is_past: bool,
}

impl Source {
    /// Whether the process has been given up, though it may still talk: its clients wait for the next one.
    fn is_stale(&self) -> bool {
        self.kernel.link.life() != self.life
    }
}

impl Proxy {
    /// Carries replies from one signed channel of a kernel until it is closed. Returns whether the kernel broke no rule.
    pub(crate) async fn serve_replies(self: Arc<Self>, source: Source, mut peer: Peer) -> bool {
        let mut batch = Vec::new();
        let mut flushes = Flushes::default();
        let ended = loop {
            match peer.next(&mut batch).await {
                Ok(true) => {}
                ended => break ended,
            }
            let receiver = Some(&*self.published);
            for message in batch.drain(..).filter_map(|event| self.verify(&source, event, receiver)) {
                match source.channel {
                    Channel::Stdin => self.ask_for_input(&source.kernel, message),
                    _ => self.carry_reply(&source.kernel, message, &mut flushes),
                }
            }
            flushes.flush();
            self.journal.write();
        };
        let has_left = has_left(&ended);
        if !source.is_past {
            self.channel_ended(&source, ended);
        }
        has_left
    }

    /// The same for a channel that a kernel may lack. One that is closed may come back.
    pub(crate) async fn serve_optional(self: Arc<Self>, source: Source, peer: Peer, redialler: Redialler) {
        let has_left = match source.channel {
            Channel::Heartbeat => self.serve_echoes(source.kernel.clone(), peer).await,
            _ => self.serve_replies(source.clone(), peer).await,
        };
        if has_left && !source.is_stale() {
            source.kernel.link.detach(source.life, source.channel);
            redialler.dial_again(source.channel);
        }
    }

    /// The same for those that a kernel binds late, or again.
    pub(crate) async fn serve_late(self: Arc<Self>, source: Source, mut optional: OptionalChannels) {
        let mut readers = JoinSet::new();
        while let Some((channel, peer)) = optional.next().await {
            source.kernel.link.attach(source.life, channel, &peer);
            let source = Source { channel, ..source.clone() };
            let served = self.clone().serve_optional(source, peer, optional.redialler());
            readers.spawn(served.in_current_span());
            while readers.try_join_next().is_some() {}
        }
    }

    /// The same for all connections under routing ids of earlier `serve`s, as they are made.
    pub(crate) async fn serve_regained(self: Arc<Self>, source: Source, mut past: Regained) {
        let mut readers = JoinSet::new();
        while let Some((channel, peer)) = past.recv().await {
            let source = Source { channel, ..source.clone() };
            let served = self.clone().serve_replies(source, peer);
            readers.spawn(served.in_current_span());
        }
        while readers.join_next().await.is_some() {}
    }

    /// Hands a reply to whoever asked.
    fn carry_reply(self: &Arc<Self>, kernel: &Arc<Kernel>, message: Verified, flushes: &mut Flushes) {
        let Ok(parent) = Parent::peek(&message) else {
            return self.trouble_with(
                kernel,
                Trouble::KernelMalformed,
                &"on shell or control: a reply without a parent",
            );
        };
        let asked = self.table.lock().answered(&kernel.id, &parent.msg_id, &parent.session);
        let Some(asked) = asked else { return self.deliver_to_nobody(kernel, &parent, &message, flushes) };
        self.metrics.replies.increment();
        if asked.is_cell() {
            kernel.counts(message.body().content());
        }
        let cell = asked
            .is_cell()
            .then(|| CellName { msg_id: MsgId::from(&*parent.msg_id), session: asked.session.clone() });
        let aborts = cell.is_some() && asked.address.stops_on_error && has_failed(message.body().content());
        self.deliver(&asked.client, &asked.address, message.into_body(), flushes);
        if let Some(name) = cell {
            self.cell_is_answered(kernel, &name, aborts.then_some(&asked.client), flushes);
            if self.cell_order.is_used() {
                if aborts {
                    self.abort_waiting(&asked.client);
                }
                self.next_in_order(&asked.client);
            }
        }
        if kernel.first_use() {
            self.fill_pools();
        }
    }

    /// A reply to a request of our own, else to none.
    fn deliver_to_nobody(
        self: &Arc<Self>,
        kernel: &Arc<Kernel>,
        parent: &Parent<'_>,
        message: &Verified,
        flushes: &mut Flushes,
    ) {
        if Header::peek(message).is_ok_and(|header| header.msg_type == "kernel_info_reply") {
            self.learn_of(kernel, message.body().content());
        }
        if let Some(cell) = kernel.probed(&parent.msg_id) {
            self.cell_is_overtaken(kernel, cell);
        }
        if kernel.was_asked_who(&parent.msg_id) {
            let (proxy, kernel) = (self.clone(), kernel.clone());
            tokio::spawn(async move {
                // What it said before that came on another connection, and may still have to be read.
                sleep(LAST_REPLIES).await;
                proxy.past_is_over(&kernel);
            });
        } else if parent.session != self.builder.session() && !self.ends_running_cell(kernel, parent, flushes)
        {
            self.stray(kernel, "a reply that nobody waits for");
        }
    }

    /// Publishes what a kernel says on iopub until it is closed.
    pub(crate) async fn serve_iopub(self: Arc<Self>, source: Source, mut peer: Peer) {
        let kernel = &source.kernel;
        let mut batch = Vec::new();
        let ended = loop {
            let owes = kernel.fanout().owes_notices();
            match next_or_notice(&mut peer, &mut batch, owes).await {
                Some(Ok(true)) => {}
                Some(ended) => break ended,
                None => self.give_notices(kernel),
            }
            let (endpoints, visited) = {
                let fanout = kernel.fanout();
                (fanout.endpoints(), fanout.has_visitors())
            };
            let receiver = endpoints.first().map(|endpoint| &**endpoint);
            for message in batch.drain(..).filter_map(|event| self.verify(&source, event, receiver)) {
                self.publish(&source, message, &endpoints, visited);
            }
            let lost = kernel.fanout().flush();
            self.note_loss(kernel, lost);
        };
        self.channel_ended(&source, ended);
    }

    fn publish(self: &Arc<Self>, source: &Source, message: Verified, endpoints: &Endpoints, visited: bool) {
        let kernel = &source.kernel;
        let Ok(header) = Header::peek(&message) else {
            return self.trouble_with(
                kernel,
                Trouble::KernelMalformed,
                &"on iopub: a message without a header",
            );
        };
        let state = match &*header.msg_type {
            "status" => peek_execution_state(&message)
                .filter(|state| state.len() <= LONGEST_STATE)
                .map(|state| execution_state(&state)),
            // Other clients quit on it; the one who asked has been answered.
            "shutdown_reply" => return,
            _ => None,
        };
        let mut ends_cell = false;
        if let Some(state) = &state {
            if header.session.len() <= LONGEST_SESSION {
                kernel.fanout().speaks_in(&header.session);
            }
            ends_cell =
                Parent::peek(&message).is_ok_and(|parent| kernel.cell_queues.running(&parent).is_some());
            if !self.heard_status(source, &message, state) {
                return;
            }
        }
        kernel.speaks();
        self.metrics.published.increment();
        if let opens @ ("comm_open" | "comm_close") = &*header.msg_type {
            self.comm_of(&kernel.id, &self.asker(kernel, &message), opens == "comm_open", &message);
        }
        let asker = visited.then(|| self.asker(kernel, &message));
        let answers =
            |client: &ClientId| asker.as_deref().is_some_and(|session| self.speaks_for(client, session));
        let (envelope, body) = message.into_parts();
        let mut message = Broadcast::new(body);
        for endpoint in endpoints {
            // Before the fanout is locked: a large message takes its time. Whoever joins meanwhile is seen to below.
            message.signed_for(endpoint);
        }
        let runs_on = state == Some(ExecutionState::Idle) && !ends_cell && kernel.cell_queues.are_busy();
        let mut fanout = kernel.fanout();
        match state {
            Some(state) => {
                fanout.set_state(state);
                fanout.publish_status(&envelope, &mut message, &answers);
                if runs_on {
                    // It is done with a request on control, or in a subshell. Frontends show whatever came last.
                    fanout.publish_busy();
                }
            }
            None => fanout.publish(&envelope, &mut message, &answers),
        }
    }

    /// The session of the request that a message answers. A kernel that does not name it is asked about by the request.
    fn asker(&self, kernel: &Kernel, message: &Verified) -> String {
        let Ok(parent) = Parent::peek(message) else { return String::new() };
        if !parent.session.is_empty() {
            return parent.session.into_owned();
        }
        let of_request = || self.table.lock().asker(&kernel.id, &parent.msg_id);
        kernel
            .unnamed_asker(&parent.msg_id, of_request)
            .map_or_else(String::new, |session| session.to_string())
    }

    /// `false`: it concerns no client that the kernel is busy with what we have asked it ourselves, to end for example.
    fn heard_status(self: &Arc<Self>, source: &Source, message: &Verified, state: &ExecutionState) -> bool {
        let Ok(parent) = Parent::peek(message) else { return true };
        source.kernel.tells_state(source.life, &parent, state);
        if *state == ExecutionState::Idle {
            self.table.lock().finished(&source.kernel.id, &parent.msg_id, &parent.session);
            self.message_is_done(&source.kernel, &parent);
        }
        *state != ExecutionState::Busy || parent.session != self.builder.session()
    }

    fn give_notices(&self, kernel: &Kernel) {
        kernel.fanout().give_notices();
    }

    /// Checks a message, and makes the signature of whoever it is most likely for while at it.
    fn verify(&self, source: &Source, event: Event, receiver: Option<&Endpoint>) -> Option<Verified> {
        let Event::Message(frames) = event else { return None };
        if source.is_stale() {
            return None;
        }
        let verify = |message| match receiver {
            Some(receiver) => source.signer.verify_for(&receiver.signer, message),
            None => source.signer.verify(message),
        };
        let message = match Unverified::split(frames) {
            Ok(message) => message,
            Err(reason) => {
                self.refuse_of(source, Trouble::KernelMalformed, &reason);
                return None;
            }
        };
        verify(message).map_err(|reason| self.refuse_of(source, Trouble::KernelBadlySigned, &reason)).ok()
    }

    fn refuse_of(&self, source: &Source, trouble: Trouble, reason: &dyn Display) {
        self.trouble_with(&source.kernel, trouble, &format_args!("on {}, {reason}", source.channel));
    }

    pub(crate) fn stray(&self, kernel: &Kernel, what: &str) {
        self.trouble_with(kernel, Trouble::Stray, &format_args!("it sent {what}"));
    }

    /// A kernel that closes shell or iopub, or breaks the rules of any channel, is dying, or of no use any more: its supervisor finds out which.
    fn channel_ended(&self, source: &Source, ended: Result<bool, PeerError>) {
        let Source { kernel, channel, process, .. } = source;
        let has_left = has_left(&ended);
        let why = match ended {
            Ok(_) => format!("it closed its {channel} channel"),
            Err(error) => format!("{channel}: {error}"),
        };
        debug!(kernel = %kernel.id, why, "a kernel's channel ended");
        if !has_left || matches!(channel, Channel::Shell | Channel::IoPub) {
            kernel.handle.lost(*process, why);
        }
    }
}

/// Whether a connection's peer broke no rule until its end.
pub(crate) fn has_left(ended: &Result<bool, PeerError>) -> bool {
    ended.as_ref().map_or_else(PeerError::has_left, |_| true)
}

/// The next batch, or `None` when it is time to try again to tell slow subscribers what they missed.
async fn next_or_notice(
    peer: &mut Peer,
    batch: &mut Vec<Event>,
    owes_notices: bool,
) -> Option<Result<bool, PeerError>> {
    const AGAIN: std::time::Duration = std::time::Duration::from_millis(100);
    if !owes_notices {
        return Some(peer.next(batch).await);
    }
    tokio::time::timeout(AGAIN, peer.next(batch)).await.ok()
}

fn execution_state(text: &str) -> ExecutionState {
    match text {
        "busy" => ExecutionState::Busy,
        "idle" => ExecutionState::Idle,
        "starting" => ExecutionState::Starting,
        other => ExecutionState::Other(other.to_owned()),
    }
}
