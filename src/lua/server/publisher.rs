//! iopub: who subscribed to what, and what became of those that do not keep up.

use std::{fmt, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

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

/// Writes to all that subscribed.
#[derive(Debug)]
pub(super) struct Publisher {
    id: KernelId,
    voice: Voice,
    signer: Signer,
    most_topics: usize,
    longest_topic: usize,
    subscribers: Mutex<Vec<Subscription>>,
}

/// One connection to iopub, as its own task holds it.
#[derive(Clone, Debug)]
pub(super) struct Subscriber {
    outbox: SignedOutbox,
    behind: Arc<Notify>,
}

#[derive(Debug)]
struct Subscription {
    subscriber: Subscriber,
    topics: Vec<Bytes>,
    missed: Option<Missed>,
}

/// What a subscriber did not get because it reads too slowly.
#[derive(Debug, Default)]
struct Missed {
    messages: u64,
    /// The request of the last of them.
    parent: Bytes,
    /// The last status is kept, and not counted: without it, a client would wait forever for the end of its cell.
    status: Option<(Envelope, Signed)>,
}

impl Subscriber {
    pub fn new(outbox: SignedOutbox) -> Self {
        Self { outbox, behind: Arc::default() }
    }

    /// Waits until something could not be delivered.
    pub async fn fell_behind(&self) {
        self.behind.notified().await;
    }
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

    pub fn add(&self, subscriber: Subscriber) {
        self.subscribers.lock().push(Subscription { subscriber, topics: Vec::new(), missed: None });
    }

    pub fn remove(&self, outbox: &SignedOutbox) {
        self.subscribers.lock().retain(|subscription| !subscription.subscriber.outbox.is(outbox));
    }

    /// Notes a subscription and says welcome (JEP 65). `false` if it is one too many, or too long.
    pub fn subscribe(&self, outbox: &SignedOutbox, topic: &Bytes) -> bool {
        let welcome = self.signer.sign(self.voice.welcome(topic));
        self.change(outbox, |subscription| {
            if subscription.topics.len() >= self.most_topics || topic.len() > self.longest_topic {
                return false;
            }
            subscription.topics.push(Bytes::copy_from_slice(topic));
            // The connection is new: there is room.
            let _ = subscription.subscriber.outbox.send(&Envelope::topic(topic.clone()), &welcome);
            true
        })
    }

    /// Forgets a subscription.
    pub fn cancel(&self, outbox: &SignedOutbox, topic: &Bytes) -> bool {
        self.change(outbox, |subscription| {
            if let Some(index) = subscription.topics.iter().position(|known| known == topic) {
                subscription.topics.swap_remove(index);
            }
            true
        })
    }

    /// Publishes a message under the topic `kernel.<id>.<kind>`, as ipykernel does.
    pub fn publish(&self, kind: &str, body: Body) {
        self.deliver(kind, body, false);
    }

    /// Publishes a `status`.
    pub fn publish_status(&self, body: Body) {
        self.deliver("status", body, true);
    }

    /// Says how much was missed. `false` if there is still no room.
    pub fn catch_up(&self, subscriber: &Subscriber) -> bool {
        self.change(&subscriber.outbox, |subscription| {
            let Some(missed) = &mut subscription.missed else { return true };
            let outbox = &subscription.subscriber.outbox;
            if missed.messages > 0 {
                let notice = self.signer.sign(self.voice.notice(&missed.to_string(), &missed.parent));
                if outbox.send(&self.topic("stream.stderr"), &notice) == Err(PushError::Full) {
                    return false;
                }
                missed.messages = 0;
            }
            if let Some((topic, status)) = &missed.status
                && outbox.send(topic, status) == Err(PushError::Full)
            {
                return false;
            }
            subscription.missed = None;
            true
        })
    }

    fn deliver(&self, kind: &str, body: Body, is_status: bool) {
        let (topic, parent) = (self.topic(kind), body.parent_header().clone());
        let message = self.signer.sign(body);
        for subscription in self.subscribers.lock().iter_mut().filter(|known| known.wants(&topic)) {
            let taken = match subscription.missed {
                // Nothing overtakes the notice.
                Some(_) => Err(PushError::Full),
                None => subscription.subscriber.outbox.send(&topic, &message),
            };
            if taken == Err(PushError::Full) {
                subscription.miss(&parent, is_status.then(|| (topic.clone(), message.clone())));
            }
        }
    }

    fn topic(&self, kind: &str) -> Envelope {
        Envelope::topic(format!("kernel.{}.{kind}", self.id).into())
    }

    /// Whatever is done with a subscriber that has left is done.
    fn change(&self, outbox: &SignedOutbox, change: impl FnOnce(&mut Subscription) -> bool) -> bool {
        let mut subscribers = self.subscribers.lock();
        subscribers.iter_mut().find(|known| known.subscriber.outbox.is(outbox)).is_none_or(change)
    }
}

impl Subscription {
    fn wants(&self, topic: &Envelope) -> bool {
        self.topics.iter().any(|prefix| topic.first().starts_with(prefix))
    }

    fn miss(&mut self, parent: &Bytes, status: Option<(Envelope, Signed)>) {
        let missed = self.missed.get_or_insert_default();
        missed.parent = parent.clone();
        let lost = match status {
            Some(status) => missed.status.replace(status).is_some(),
            None => true,
        };
        missed.messages += u64::from(lost);
        self.subscriber.behind.notify_one();
    }
}

impl fmt::Display for Missed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { messages, .. } = self;
        write!(f, "{messages} messages of this kernel were dropped: this client reads them too slowly")
    }
}
