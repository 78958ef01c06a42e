//! iopub: who subscribed to what, and what becomes of those that do not keep up.

use std::time::{Duration, Instant};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    id::KernelId,
    jupyter::{
        message::{Body, Envelope, Signed},
        reply::Voice,
        signature::Signer,
    },
    limits::Limits,
    net::{PushError, SignedOutbox},
};

/// How long a subscriber that fell behind is left alone: without a pause, each message that it just has room for would
/// bring a notice of one that it had no room for.
const PAUSE: Duration = Duration::from_millis(50);

/// Writes to all that subscribed.
#[derive(Debug)]
pub(super) struct Publisher {
    id: KernelId,
    voice: Voice,
    signer: Signer,
    most_topics: usize,
    longest_topic: usize,
    subscribers: Mutex<Vec<Subscriber>>,
}

#[derive(Debug)]
struct Subscriber {
    outbox: SignedOutbox,
    topics: Vec<Bytes>,
    missed: Option<Missed>,
}

/// What a subscriber did not get because it reads too slowly, and has not been told of.
#[derive(Debug)]
struct Missed {
    messages: u64,
    since: Instant,
    /// The parent of the first of them: frontends show a notice only under the request that it belongs to.
    parent: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Importance {
    /// May be dropped, with a notice.
    Output,
    /// A client that misses the end of its cell waits for ever.
    Status,
}

impl Publisher {
    pub fn new(voice: Voice, signer: Signer, limits: &Limits) -> Self {
        Self {
            id: KernelId::random(),
            voice,
            signer,
            most_topics: limits.subscriptions,
            longest_topic: limits.topic_bytes,
            subscribers: Mutex::default(),
        }
    }

    pub fn add(&self, outbox: SignedOutbox) {
        self.subscribers.lock().push(Subscriber { outbox, topics: Vec::new(), missed: None });
    }

    pub fn remove(&self, outbox: &SignedOutbox) {
        self.subscribers.lock().retain(|subscriber| !subscriber.outbox.is(outbox));
    }

    /// Notes a subscription and says welcome (JEP 65). `false` if it is one too many, or too long.
    pub fn subscribe(&self, outbox: &SignedOutbox, topic: &Bytes) -> bool {
        let welcome = self.signer.sign(self.voice.welcome(topic));
        let mut subscribers = self.subscribers.lock();
        let known = subscribers.iter_mut().find(|subscriber| subscriber.outbox.is(outbox));
        let Some(subscriber) = known else { return false };
        if subscriber.topics.len() >= self.most_topics || topic.len() > self.longest_topic {
            return false;
        }
        let topic = Bytes::copy_from_slice(topic);
        subscriber.topics.push(topic.clone());
        subscriber.outbox.send(&Envelope::topic(topic), &welcome).is_ok()
    }

    /// Forgets a subscription.
    pub fn cancel(&self, outbox: &SignedOutbox, topic: &Bytes) {
        let mut subscribers = self.subscribers.lock();
        if let Some(subscriber) = subscribers.iter_mut().find(|subscriber| subscriber.outbox.is(outbox))
            && let Some(index) = subscriber.topics.iter().position(|known| known == topic)
        {
            subscriber.topics.swap_remove(index);
        }
    }

    /// Publishes a message under the topic `kernel.<id>.<kind>`, as ipykernel does.
    pub fn publish(&self, kind: &str, body: Body) {
        self.deliver(Importance::Output, kind, body);
    }

    /// Publishes a `status`.
    pub fn publish_status(&self, body: Body) {
        self.deliver(Importance::Status, "status", body);
    }

    fn deliver(&self, importance: Importance, kind: &str, body: Body) {
        let topic = self.topic(kind);
        let message = self.signer.sign(body);
        for subscriber in self.subscribers.lock().iter_mut().filter(|subscriber| subscriber.wants(&topic)) {
            if subscriber.needs_notice(importance) {
                self.give_notice(subscriber, importance);
            }
            subscriber.deliver(importance, &topic, &message);
        }
    }

    fn give_notice(&self, subscriber: &mut Subscriber, importance: Importance) {
        let Some(Missed { messages, parent, .. }) = &subscriber.missed else { return };
        let text =
            format!("{messages} messages of this kernel were dropped: this client reads them too slowly");
        let notice = self.signer.sign(self.voice.notice(&text, parent));
        if subscriber.push(importance, &self.topic("stream.stderr"), &notice) != Err(PushError::Full) {
            subscriber.missed = None;
        }
    }

    fn topic(&self, kind: &str) -> Envelope {
        Envelope::topic(format!("kernel.{}.{kind}", self.id).into())
    }
}

impl Subscriber {
    fn wants(&self, topic: &Envelope) -> bool {
        self.topics.iter().any(|prefix| topic.first().starts_with(prefix))
    }

    fn needs_notice(&self, importance: Importance) -> bool {
        let missed = self.missed.as_ref();
        missed.is_some_and(|missed| importance == Importance::Status || missed.since.elapsed() >= PAUSE)
    }

    /// Writes a message, unless there is no room, or one before it is missing that nobody was told of.
    fn deliver(&mut self, importance: Importance, topic: &Envelope, message: &Signed) {
        if self.missed.is_none() && self.push(importance, topic, message) != Err(PushError::Full) {
            return self.outbox.flush();
        }
        let parent = message.body().parent_header();
        let first = || Missed { messages: 0, since: Instant::now(), parent: parent.clone() };
        self.missed.get_or_insert_with(first).messages += 1;
    }

    fn push(&self, importance: Importance, topic: &Envelope, message: &Signed) -> Result<(), PushError> {
        match importance {
            Importance::Output => self.outbox.push(topic, message),
            Importance::Status => self.outbox.push_urgent(topic, message),
        }
    }
}
