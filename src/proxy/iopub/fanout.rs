//! One kernel's iopub, spread over its subscribers: each message is signed once and written to each.

use std::sync::Arc;

use bytes::Bytes;
use jupyter_protocol::ExecutionState;
use smallvec::SmallVec;

use super::{batch::Shared, broadcast::Broadcast, subscriber::Subscriber, topics::Topics};
use crate::{
    id::{ClientId, ConnectionId, KernelId},
    jupyter::{message::Envelope, reply::MessageBuilder},
    proxy::frontend::{connection::Connection, endpoint::Endpoint},
    route::Hearing,
};

/// The connection files that a kernel's subscribers came by: one, as a rule.
pub(crate) type Endpoints = SmallVec<[Arc<Endpoint>; 1]>;

/// Whether a message answers a request of this client's: all that visitors of a kernel hear of it.
pub(crate) type Answers<'a> = &'a dyn Fn(&ClientId) -> bool;

/// What is said to a kernel's own clients alone.
pub(crate) const NOBODY_ASKED: Answers<'static> = &|_| false;

/// Everyone who hears one kernel.
#[derive(Debug)]
pub(crate) struct Fanout {
    subscribers: Vec<Subscriber>,
    topic: Bytes,
    /// What subscribers were last told. A cold start is hidden: a kernel that is starting for the first time takes
    /// requests, so to clients it is idle.
    state: ExecutionState,
    shared: Shared,
    /// For how many messages it was too much since the last flush.
    lost: u64,
    /// What the fleet says for the kernel has the session of what the kernel says. JupyterLab takes a message of another session
    /// than the one after it for an earlier process's, and leaves out what it says of the kernel's status and comms.
    voice: MessageBuilder,
}

impl Fanout {
    pub(crate) fn new(kernel: &KernelId, voice: MessageBuilder) -> Self {
        let topic = Bytes::from(format!("kernel.{kernel}.status"));
        Self {
            subscribers: Vec::new(),
            topic,
            state: ExecutionState::Idle,
            shared: Shared::default(),
            lost: 0,
            voice,
        }
    }

    /// The kernel has said something in this session.
    pub(crate) fn speaks_in(&mut self, session: &str) {
        self.voice.take_session(session);
    }

    /// Who says something for the kernel.
    pub(crate) fn voice(&self) -> &MessageBuilder {
        &self.voice
    }

    /// A subscriber hears the kernel from now on, or more or less of it than before. Whoever comes to hear all of it is
    /// welcomed (JEP 65) and told the kernel's state.
    pub(crate) fn join(&mut self, connection: Arc<Connection>, topics: Arc<Topics>, hearing: Hearing) {
        self.write_run();
        let known = self.subscribers.iter().position(|known| known.connection.id == connection.id);
        let mut subscriber = match known {
            Some(at) => self.subscribers.swap_remove(at),
            None => Subscriber::new(connection, topics),
        };
        let before = std::mem::replace(&mut subscriber.hearing, hearing);
        subscriber.shares_run = false;
        if subscriber.hearing == Hearing::Everything && before != Hearing::Everything {
            self.greet(&mut subscriber);
        }
        self.subscribers.push(subscriber);
    }

    /// A connection takes over from a lost one: it goes on where that is now.
    pub(crate) fn replace(&mut self, lost: ConnectionId, by: &Arc<Connection>, topics: &Arc<Topics>) {
        self.write_run();
        self.subscribers.retain(|subscriber| subscriber.connection.id != by.id);
        let at = self.subscribers.iter().position(|subscriber| subscriber.connection.id == lost);
        let Some(mut subscriber) = at.map(|at| self.subscribers.swap_remove(at)) else { return };
        (subscriber.connection, subscriber.topics) = (by.clone(), topics.clone());
        subscriber.shares_run = false;
        if subscriber.hearing == Hearing::Everything {
            self.greet(&mut subscriber);
        }
        subscriber.connection.outbox.flush();
        self.subscribers.push(subscriber);
    }

    pub(crate) fn leave(&mut self, id: ConnectionId) {
        self.write_run();
        self.subscribers.retain(|subscriber| subscriber.connection.id != id);
    }

    fn greet(&self, subscriber: &mut Subscriber) {
        let Some(topic) = subscriber.topics.first() else { return };
        let endpoint = subscriber.connection.endpoint.clone();
        let signer = &endpoint.signer;
        let welcome = signer.sign(self.voice.welcome(&topic));
        subscriber.push(&Envelope::topic(topic), &welcome);
        let status = signer.sign(self.voice.status(self.state.clone(), &Bytes::new()));
        subscriber.push(&Envelope::topic(self.topic.clone()), &status);
        subscriber.connection.outbox.flush();
    }

    /// Whether somebody hears only what answers its own messages.
    pub(crate) fn has_visitors(&self) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.hearing != Hearing::Everything)
    }

    /// The connection files that those who hear everything came by, each once.
    pub(crate) fn endpoints(&self) -> Endpoints {
        let mut endpoints = Endpoints::new();
        for subscriber in self.subscribers.iter().filter(|known| known.hearing == Hearing::Everything) {
            let endpoint = &subscriber.connection.endpoint;
            if !endpoints.iter().any(|known| known.id == endpoint.id) {
                endpoints.push(endpoint.clone());
            }
        }
        endpoints
    }

    /// What the kernel last said of itself.
    pub(crate) fn state(&self) -> &ExecutionState {
        &self.state
    }

    pub(crate) fn set_state(&mut self, state: ExecutionState) {
        self.state = state;
    }

    /// The topic of the statuses that we send ourselves.
    pub(crate) fn topic(&self) -> Envelope {
        Envelope::topic(self.topic.clone())
    }

    /// Queues a message for everyone who hears it and wants it, `answers` being whether it answers a visitor.
    pub(crate) fn publish(&mut self, envelope: &Envelope, message: &mut Broadcast, answers: Answers<'_>) {
        let shared = self.shared.add(&mut self.subscribers, envelope, message);
        if !shared {
            self.write_run();
        }
        let such = |subscriber: &Subscriber| !(shared && subscriber.shares_run) && subscriber.hears(answers);
        self.queue(envelope, message, such);
    }

    /// The same for those of the kernel's own clients alone that are such.
    pub(crate) fn publish_where(
        &mut self,
        envelope: &Envelope,
        message: &mut Broadcast,
        such: impl Fn(&Connection) -> bool,
    ) {
        self.write_run();
        let such = |subscriber: &Subscriber| subscriber.hears(NOBODY_ASKED) && such(&subscriber.connection);
        self.queue(envelope, message, such);
    }

    fn queue(&mut self, envelope: &Envelope, message: &mut Broadcast, such: impl Fn(&Subscriber) -> bool) {
        for subscriber in &mut self.subscribers {
            if such(subscriber)
                && subscriber.topics.want(envelope.first())
                && let Some(signed) = message.signed_for(&subscriber.connection.endpoint)
            {
                self.lost += u64::from(!subscriber.push(envelope, signed));
            }
        }
    }

    /// The same for a status, which even a slow subscriber gets, behind a notice of what it missed: a frontend that
    /// misses an `idle` waits for ever.
    pub(crate) fn publish_status(
        &mut self,
        envelope: &Envelope,
        status: &mut Broadcast,
        answers: Answers<'_>,
    ) {
        self.write_run();
        let topic = self.topic();
        for subscriber in &mut self.subscribers {
            if subscriber.hears(answers)
                && subscriber.topics.want(envelope.first())
                && let Some(status) = status.signed_for(&subscriber.connection.endpoint)
            {
                subscriber.push_status(&topic, envelope, status, &self.voice);
            }
        }
    }

    /// Says that the kernel is busy, for whatever reason.
    pub(crate) fn publish_busy(&mut self) {
        self.state = ExecutionState::Busy;
        let topic = self.topic();
        let mut status = Broadcast::new(self.voice.status(ExecutionState::Busy, &Bytes::new()));
        self.publish_status(&topic, &mut status, NOBODY_ASKED);
    }

    /// Writes what is queued, at the end of a batch; returns for how many messages it has been too much since the last time.
    #[must_use]
    pub(crate) fn flush(&mut self) -> u64 {
        self.write_run();
        self.shared.forget();
        for subscriber in &self.subscribers {
            subscriber.connection.outbox.flush();
        }
        std::mem::take(&mut self.lost)
    }

    /// Queues the run that is being written, so that something else can follow it.
    fn write_run(&mut self) {
        self.lost += self.shared.write_to(&mut self.subscribers);
    }

    /// Whether somebody has yet to be told that messages were lost.
    pub(crate) fn owes_notices(&self) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.lost > 0)
    }

    /// Tells those who can take it how much they missed.
    pub(crate) fn give_notices(&mut self) {
        self.write_run();
        let topic = self.topic();
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.lost > 0) {
            subscriber.give_notice(&topic, &self.voice);
            subscriber.connection.outbox.flush();
        }
    }
}
