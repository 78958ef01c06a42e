//! The host's iopub: each message is signed once and written to every subscriber that wants it.

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    jupyter::{
        header::Header,
        message::{Body, Envelope, Signed},
        reply::Voice,
        signature::Signer,
    },
    limits::Limits,
    net::{PushError, SignedOutbox},
};

/// Under which topic we say something ourselves.
const TOPIC: Bytes = Bytes::from_static(b"kernel.fleet.status");

/// Writes to all that subscribed. One that does not keep up loses messages, is told how many, and slows nobody.
#[derive(Debug)]
pub(super) struct Publisher {
    voice: Voice,
    signer: Signer,
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    outbox: SignedOutbox,
    topics: Vec<Bytes>,
    lost: Option<Lost>,
}

/// What a subscriber was too slow for, and has not been told of.
#[derive(Debug)]
struct Lost {
    messages: u64,
    /// What the first of them belonged to: frontends show a notice only under the request that it belongs to.
    parent: Bytes,
    /// The latest status among them, which follows the notice: a frontend that misses an `idle` waits for ever.
    status: Option<(Envelope, Signed)>,
}

impl Publisher {
    pub(super) fn new(voice: Voice, signer: Signer) -> Self {
        Self { voice, signer, subscribers: Mutex::default() }
    }

    /// A connection that has subscribed to nothing yet.
    pub(super) fn add(&self, outbox: SignedOutbox) {
        self.subscribers.lock().push(Subscriber { outbox, topics: Vec::new(), lost: None });
    }

    pub(super) fn remove(&self, outbox: &SignedOutbox) {
        self.subscribers.lock().retain(|subscriber| !subscriber.outbox.is(outbox));
    }

    /// Notes a subscription; with the first, says welcome (JEP 65). `false` if it is one too many, or too long.
    pub(super) fn subscribe(&self, outbox: &SignedOutbox, topic: &Bytes, limits: &Limits) -> bool {
        let mut subscribers = self.subscribers.lock();
        let known = subscribers.iter_mut().find(|subscriber| subscriber.outbox.is(outbox));
        let Some(subscriber) = known else { return false };
        if subscriber.topics.len() >= limits.subscriptions || topic.len() > limits.topic_bytes {
            return false;
        }
        let topic = Bytes::copy_from_slice(topic);
        subscriber.topics.push(topic.clone());
        if subscriber.topics.len() == 1 {
            let welcome = self.signer.sign(self.voice.welcome(&topic));
            let _ = subscriber.outbox.send(&Envelope::topic(topic), &welcome);
        }
        true
    }

    /// Ends a subscription.
    pub(super) fn cancel(&self, outbox: &SignedOutbox, topic: &Bytes) {
        let mut subscribers = self.subscribers.lock();
        if let Some(subscriber) = subscribers.iter_mut().find(|subscriber| subscriber.outbox.is(outbox))
            && let Some(index) = subscriber.topics.iter().position(|known| known == topic)
        {
            subscriber.topics.swap_remove(index);
        }
    }

    /// Queues a message; it leaves with the next [`Self::flush`].
    pub(super) fn publish(&self, envelope: &Envelope, message: &Signed) {
        for subscriber in self.subscribers.lock().iter_mut() {
            if !subscriber.wants(envelope.first()) {
                continue;
            }
            if subscriber.lost.is_some() || subscriber.outbox.push(envelope, message) == Err(PushError::Full)
            {
                subscriber.lose(envelope, message);
                if is_status(message) {
                    self.give_notice(subscriber);
                }
            }
        }
    }

    /// Says something of our own.
    pub(super) fn say(&self, body: Body) {
        self.publish(&Envelope::topic(TOPIC), &self.signer.sign(body));
        self.flush();
    }

    /// Writes what is queued.
    pub(super) fn flush(&self) {
        for subscriber in self.subscribers.lock().iter() {
            subscriber.outbox.flush();
        }
    }

    /// Whether somebody has yet to be told that messages were lost.
    pub(super) fn owes_notices(&self) -> bool {
        self.subscribers.lock().iter().any(|subscriber| subscriber.lost.is_some())
    }

    /// Tells those who can take it how much they missed.
    pub(super) fn give_notices(&self) {
        for subscriber in self.subscribers.lock().iter_mut() {
            self.give_notice(subscriber);
            subscriber.outbox.flush();
        }
    }

    fn give_notice(&self, subscriber: &mut Subscriber) {
        let Some(Lost { messages, parent, status }) = &subscriber.lost else { return };
        // A status that follows is not lost.
        let messages = messages - u64::from(status.is_some());
        if messages > 0 {
            let text =
                format!("[jupyter-fleet: {messages} messages were lost here: this client reads too slowly]");
            let notice = self.signer.sign(self.voice.notice(&text, parent));
            if subscriber.outbox.push_urgent(&Envelope::topic(TOPIC), &notice) == Err(PushError::Full) {
                return;
            }
        }
        if let Some((envelope, status)) = status
            && subscriber.outbox.push_urgent(envelope, status) == Err(PushError::Full)
        {
            // Only the status is still due.
            if let Some(lost) = &mut subscriber.lost {
                lost.messages = 1;
            }
            return;
        }
        subscriber.lost = None;
    }
}

impl Subscriber {
    /// RFC 29: a subscription is a prefix.
    fn wants(&self, topic: &[u8]) -> bool {
        self.topics.iter().any(|prefix| topic.starts_with(prefix))
    }

    fn lose(&mut self, envelope: &Envelope, message: &Signed) {
        let first = || Lost {
            messages: 0,
            parent: Bytes::copy_from_slice(message.body().parent_header()),
            status: None,
        };
        let lost = self.lost.get_or_insert_with(first);
        lost.messages += 1;
        if is_status(message) {
            lost.status = Some((envelope.detached(), message.clone()));
        }
    }
}

fn is_status(message: &Signed) -> bool {
    Header::of(message.body()).is_ok_and(|header| header.msg_type == "status")
}
