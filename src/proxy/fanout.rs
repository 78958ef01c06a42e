//! One kernel's iopub, spread over its subscribers: each message is signed once and written to each.

use std::{collections::BTreeSet, sync::Arc};

use bytes::Bytes;
use jupyter_protocol::ExecutionState;
use parking_lot::Mutex;
use smallvec::SmallVec;

use super::{broadcast::Broadcast, connection::Connection, profile::Profile};
use crate::{
    id::{ClientId, ConnectionId, KernelId},
    jupyter::{
        message::{Envelope, Signed},
        reply::Voice,
    },
    net::PushError,
    route::Hearing,
};

/// The connection files that a kernel's subscribers came by: one, as a rule.
pub(super) type Profiles = SmallVec<[Arc<Profile>; 1]>;

/// Whether a message answers a request of this client's: all that visitors of a kernel hear of it.
pub(super) type Answers<'a> = &'a dyn Fn(&ClientId) -> bool;

/// What is said to a kernel's own clients alone.
pub(super) const NOBODY_ASKED: Answers<'static> = &|_| false;

/// The topics that one iopub connection has subscribed to.
#[derive(Debug, Default)]
pub(super) struct Topics(Mutex<Vec<Bytes>>);

impl Topics {
    /// Adds a subscription unless there are too many; returns how many there are.
    pub(super) fn add(&self, topic: Bytes, most: usize) -> Option<usize> {
        let mut topics = self.0.lock();
        if topics.len() >= most {
            return None;
        }
        topics.push(Bytes::copy_from_slice(&topic));
        Some(topics.len())
    }

    /// Ends one subscription; returns how many are left.
    pub(super) fn remove(&self, topic: &Bytes) -> usize {
        let mut topics = self.0.lock();
        if let Some(index) = topics.iter().position(|known| known == topic) {
            topics.swap_remove(index);
        }
        topics.len()
    }

    /// Whether a message with this topic is wanted (RFC 29: a subscription is a prefix).
    pub(super) fn want(&self, topic: &[u8]) -> bool {
        self.0.lock().iter().any(|prefix| topic.starts_with(prefix))
    }

    fn first(&self) -> Option<Bytes> {
        self.0.lock().first().cloned()
    }
}

/// An iopub connection that hears this kernel.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    pub(super) connection: Arc<Connection>,
    pub(super) topics: Arc<Topics>,
    hearing: Hearing,
    /// Messages that it was too slow for, and has not been told of.
    lost: u64,
    /// What the first of them belonged to: frontends show a notice only under the request that it belongs to.
    lost_parent: Bytes,
    /// The latest status among what was lost: it follows the notice.
    last_status: Option<(Envelope, Signed)>,
}

/// Everyone who hears one kernel.
#[derive(Debug)]
pub(super) struct Fanout {
    subscribers: Vec<Subscriber>,
    topic: Bytes,
    /// What subscribers were last told. A cold start is hidden: a kernel that is starting for the first time takes
    /// requests, so to clients it is idle.
    state: ExecutionState,
}

impl Fanout {
    pub(super) fn new(kernel: &KernelId) -> Self {
        let topic = Bytes::from(format!("kernel.{kernel}.status"));
        Self { subscribers: Vec::new(), topic, state: ExecutionState::Idle }
    }

    /// A subscriber hears the kernel from now on, or more or less of it than before. Whoever comes to hear all of it is
    /// welcomed (JEP 65) and told the kernel's state.
    pub(super) fn join(
        &mut self,
        connection: Arc<Connection>,
        topics: Arc<Topics>,
        hearing: Hearing,
        voice: &Voice,
    ) {
        let known = self.subscribers.iter().position(|known| known.connection.id == connection.id);
        let mut subscriber = match known {
            Some(at) => self.subscribers.swap_remove(at),
            None => Subscriber::new(connection, topics),
        };
        let before = std::mem::replace(&mut subscriber.hearing, hearing);
        if subscriber.hearing == Hearing::Everything && before != Hearing::Everything {
            self.greet(&mut subscriber, voice);
        }
        self.subscribers.push(subscriber);
    }

    /// A subscriber's first subscription may come after it joined.
    pub(super) fn subscribed(&mut self, id: ConnectionId, voice: &Voice) {
        let at = self.subscribers.iter().position(|subscriber| subscriber.connection.id == id);
        if let Some(mut subscriber) = at.map(|at| self.subscribers.swap_remove(at)) {
            self.greet(&mut subscriber, voice);
            self.subscribers.push(subscriber);
        }
    }

    pub(super) fn leave(&mut self, id: ConnectionId) {
        self.subscribers.retain(|subscriber| subscriber.connection.id != id);
    }

    fn greet(&self, subscriber: &mut Subscriber, voice: &Voice) {
        let Some(topic) = subscriber.topics.first() else { return };
        let profile = subscriber.connection.profile.clone();
        let signer = &profile.signer;
        let welcome = signer.sign(voice.welcome(&topic));
        subscriber.push(&Envelope::topic(topic), &welcome);
        let status = signer.sign(voice.status(self.state.clone(), &Bytes::new()));
        subscriber.push(&Envelope::topic(self.topic.clone()), &status);
        subscriber.connection.outbox.flush();
    }

    /// Whether somebody hears only what answers its own messages.
    pub(super) fn has_visitors(&self) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.hearing != Hearing::Everything)
    }

    /// The connection files that those who hear everything came by, each once.
    pub(super) fn profiles(&self) -> Profiles {
        let mut profiles = Profiles::new();
        for subscriber in self.subscribers.iter().filter(|known| known.hearing == Hearing::Everything) {
            let profile = &subscriber.connection.profile;
            if !profiles.iter().any(|known| known.id == profile.id) {
                profiles.push(profile.clone());
            }
        }
        profiles
    }

    /// What the kernel last said of itself.
    pub(super) fn state(&self) -> &ExecutionState {
        &self.state
    }

    pub(super) fn set_state(&mut self, state: ExecutionState) {
        self.state = state;
    }

    /// The topic of the statuses that we send ourselves.
    pub(super) fn topic(&self) -> Envelope {
        Envelope::topic(self.topic.clone())
    }

    /// Queues a message for everyone who hears it and wants it, `answers` being whether it answers a visitor; returns for
    /// how many it was too much.
    pub(super) fn publish(
        &mut self,
        envelope: &Envelope,
        message: &mut Broadcast,
        answers: Answers<'_>,
    ) -> u64 {
        self.queue(envelope, message, |subscriber| subscriber.hears(answers))
    }

    /// The same for those of the kernel's own clients alone that are such.
    pub(super) fn publish_where(
        &mut self,
        envelope: &Envelope,
        message: &mut Broadcast,
        such: impl Fn(ConnectionId) -> bool,
    ) -> u64 {
        self.queue(envelope, message, |subscriber| {
            subscriber.hears(NOBODY_ASKED) && such(subscriber.connection.id)
        })
    }

    fn queue(
        &mut self,
        envelope: &Envelope,
        message: &mut Broadcast,
        such: impl Fn(&Subscriber) -> bool,
    ) -> u64 {
        let mut lost = 0;
        for subscriber in &mut self.subscribers {
            if such(subscriber)
                && subscriber.topics.want(envelope.first())
                && let Some(signed) = message.signed_for(&subscriber.connection.profile)
            {
                lost += u64::from(!subscriber.push(envelope, signed));
            }
        }
        lost
    }

    /// The same for a status, which even a slow subscriber gets, behind a notice of what it missed: a frontend that
    /// misses an `idle` waits for ever.
    pub(super) fn publish_status(
        &mut self,
        envelope: &Envelope,
        status: &mut Broadcast,
        answers: Answers<'_>,
        voice: &Voice,
    ) {
        let topic = self.topic();
        for subscriber in &mut self.subscribers {
            if !subscriber.hears(answers) || !subscriber.topics.want(envelope.first()) {
                continue;
            }
            let Some(status) = status.signed_for(&subscriber.connection.profile) else { continue };
            let told = subscriber.give_notice(&topic, voice);
            if !told || subscriber.connection.outbox.push_urgent(envelope, status) == Err(PushError::Full) {
                subscriber.lost += 1;
                subscriber.last_status = Some((envelope.clone(), status.clone()));
            }
        }
    }

    /// Writes what is queued.
    pub(super) fn flush(&self) {
        for subscriber in &self.subscribers {
            subscriber.connection.outbox.flush();
        }
    }

    /// Whether somebody has yet to be told that messages were lost.
    pub(super) fn owes_notices(&self) -> bool {
        self.subscribers.iter().any(|subscriber| subscriber.lost > 0)
    }

    /// Tells those who can take it how much they missed.
    pub(super) fn give_notices(&mut self, voice: &Voice) {
        let topic = self.topic();
        for subscriber in self.subscribers.iter_mut().filter(|subscriber| subscriber.lost > 0) {
            subscriber.give_notice(&topic, voice);
            subscriber.connection.outbox.flush();
        }
    }
}

impl Subscriber {
    fn new(connection: Arc<Connection>, topics: Arc<Topics>) -> Self {
        let hearing = Hearing::Visitors(BTreeSet::new());
        Self { connection, topics, hearing, lost: 0, lost_parent: Bytes::new(), last_status: None }
    }

    fn hears(&self, answers: Answers<'_>) -> bool {
        match &self.hearing {
            Hearing::Everything => true,
            Hearing::Visitors(visitors) => visitors.iter().any(answers),
        }
    }

    /// Tells the subscriber what it missed, if anything; `false` if it cannot even take that now.
    fn give_notice(&mut self, topic: &Envelope, voice: &Voice) -> bool {
        if self.lost > 0 {
            let text = format!(
                "[jupyter-fleet: {} messages were lost here: this client reads too slowly]",
                self.lost
            );
            let notice = self.connection.profile.signer.sign(voice.notice(&text, &self.lost_parent));
            if self.connection.outbox.push_urgent(topic, &notice) == Err(PushError::Full) {
                return false;
            }
            self.lost = 0;
            if let Some((envelope, status)) = self.last_status.take() {
                let _ = self.connection.outbox.push_urgent(&envelope, &status);
            }
        }
        true
    }

    /// Queues a message; `false` if the subscriber is too slow for it. After a loss, nothing is queued before the
    /// notice of it.
    fn push(&mut self, envelope: &Envelope, message: &Signed) -> bool {
        if self.lost > 0 {
            self.lost += 1;
            return false;
        }
        match self.connection.outbox.push(envelope, message) {
            Ok(()) | Err(PushError::Closed) => true,
            Err(PushError::Full) => {
                self.lost = 1;
                self.lost_parent = Bytes::copy_from_slice(message.body().parent_header());
                false
            }
        }
    }
}
