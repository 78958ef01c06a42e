//! iopub: each message is signed once and written to all who subscribed to its topic.

use std::pin::pin;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{
    super::{
        outbox::SignedOutbox,
        peer::{Event, Peer},
        peer_error::PeerError,
    },
    subscriber::{Lost, SubscriberOutbox},
};
use crate::{
    jupyter::{
        message::{Body, Envelope, Signed},
        reply::MessageBuilder,
        signature::Signer,
    },
    limits::Limits,
};

/// Writes to all subscribers. A subscriber that does not keep up loses messages, is told how many, and slows nobody.
#[derive(Debug)]
pub struct Publisher {
    builder: MessageBuilder,
    signer: Signer,
    /// Under which topic subscribers are told what they lost.
    notices: Bytes,
    most_topics: usize,
    longest_topic: usize,
    subscribers: Mutex<Vec<Subscriber>>,
    /// A connection has subscribed to something, or is gone.
    changed: Notify,
}

#[derive(Debug)]
struct Subscriber {
    outbox: SubscriberOutbox,
    topics: Vec<Bytes>,
}

impl Publisher {
    /// A publisher without subscribers. Notices of lost messages go out under the topic `notices`.
    pub fn new(builder: MessageBuilder, signer: Signer, notices: Bytes, limits: &Limits) -> Self {
        Self {
            builder,
            signer,
            notices,
            most_topics: limits.subscriptions,
            longest_topic: limits.topic_bytes,
            subscribers: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Serves a connection to iopub until it ends: notes what it subscribes to. What is published is written by whoever
    /// publishes it.
    ///
    /// # Errors
    /// The connection broke, or has too many or too long subscriptions.
    pub async fn serve(&self, peer: &mut Peer) -> Result<(), PeerError> {
        let outbox = peer.signed_outbox();
        let subscriber = Subscriber { outbox: SubscriberOutbox::new(outbox.clone()), topics: Vec::new() };
        self.subscribers.lock().push(subscriber);
        let _removes = Removes { publisher: self, outbox: &outbox };
        let mut batch = Vec::new();
        while peer.next(&mut batch).await? {
            for event in batch.drain(..) {
                match event {
                    Event::Subscribe(topic) if !self.subscribe(&outbox, &topic) => {
                        return Err(PeerError::TooManySubscriptions);
                    }
                    Event::Cancel(topic) => self.cancel(&outbox, &topic),
                    Event::Subscribe(_) | Event::Message(_) | Event::Answered(_) => {}
                }
            }
        }
        Ok(())
    }

    /// Returns once each connection has subscribed to something. libzmq subscribes again, after a connection broke, no sooner than
    /// its program next looks at the socket.
    pub async fn all_subscribed(&self) {
        loop {
            let mut changed = pin!(self.changed.notified());
            changed.as_mut().enable();
            if self.subscribers.lock().iter().all(|subscriber| !subscriber.topics.is_empty()) {
                return;
            }
            changed.await;
        }
    }

    /// What the connection with this outbox has subscribed to, while it is served.
    pub fn topics_of(&self, outbox: &SignedOutbox) -> Vec<Bytes> {
        let subscribers = self.subscribers.lock();
        let its = subscribers.iter().find(|subscriber| subscriber.outbox.is(outbox));
        its.map(|subscriber| subscriber.topics.clone()).unwrap_or_default()
    }

    /// Publishes a message of our own.
    pub fn publish(&self, topic: Bytes, body: Body) {
        let (topic, message) = (Envelope::topic(topic), self.signer.sign(body));
        for subscriber in self.subscribers.lock().iter_mut().filter(|subscriber| subscriber.wants(&topic)) {
            if subscriber.outbox.is_notice_due() {
                subscriber.outbox.give_notice(|lost| self.notice(lost));
            }
            subscriber.outbox.push(&topic, &message);
            subscriber.outbox.flush();
        }
    }

    /// Publishes a `status`: a subscriber that does not keep up gets it as well, behind a notice of what it lost.
    pub fn publish_status(&self, topic: Bytes, body: Body) {
        let (topic, message) = (Envelope::topic(topic), self.signer.sign(body));
        for subscriber in self.subscribers.lock().iter_mut().filter(|subscriber| subscriber.wants(&topic)) {
            subscriber.outbox.push_status(&topic, &message, |lost| self.notice(lost));
            subscriber.outbox.flush();
        }
    }

    fn notice(&self, lost: &Lost) -> (Envelope, Signed) {
        let messages = lost.messages;
        let text =
            format!("{messages} messages of this kernel were dropped: this client reads them too slowly");
        (Envelope::topic(self.notices.clone()), self.signer.sign(self.builder.notice(&text, &lost.parent)))
    }

    /// Notes a subscription and says welcome (JEP 65). `false` if it is one too many, or too long.
    fn subscribe(&self, outbox: &SignedOutbox, topic: &Bytes) -> bool {
        let mut subscribers = self.subscribers.lock();
        let known = subscribers.iter_mut().find(|subscriber| subscriber.outbox.is(outbox));
        let Some(subscriber) = known else { return false };
        if subscriber.topics.len() >= self.most_topics || topic.len() > self.longest_topic {
            return false;
        }
        let topic = Bytes::copy_from_slice(topic);
        subscriber.topics.push(topic.clone());
        self.changed.notify_waiters();
        let welcome = self.signer.sign(self.builder.welcome(&topic));
        outbox.send(&Envelope::topic(topic), &welcome).is_ok()
    }

    /// Forgets a subscription.
    fn cancel(&self, outbox: &SignedOutbox, topic: &Bytes) {
        let mut subscribers = self.subscribers.lock();
        if let Some(subscriber) = subscribers.iter_mut().find(|subscriber| subscriber.outbox.is(outbox))
            && let Some(index) = subscriber.topics.iter().position(|known| known == topic)
        {
            subscriber.topics.swap_remove(index);
        }
    }
}

impl Subscriber {
    /// RFC 29: a subscription is a prefix.
    fn wants(&self, topic: &Envelope) -> bool {
        self.topics.iter().any(|prefix| topic.first().starts_with(prefix))
    }
}

/// Removes a subscriber when its connection has ended, or its task has been dropped.
struct Removes<'a> {
    publisher: &'a Publisher,
    outbox: &'a SignedOutbox,
}

impl Drop for Removes<'_> {
    fn drop(&mut self) {
        self.publisher.subscribers.lock().retain(|subscriber| !subscriber.outbox.is(self.outbox));
        self.publisher.changed.notify_waiters();
    }
}
