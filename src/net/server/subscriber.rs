//! One subscriber's outbox: a subscriber that reads too slowly loses messages, and is told how many.

use std::time::{Duration, Instant};

use bytes::Bytes;

use super::super::outbox::{PushError, SignedOutbox};
use crate::jupyter::message::{Envelope, Signed};

/// How long a subscriber that fell behind is left alone: without a pause, each message that it just has room for would
/// bring a notice of one that it had no room for.
const PAUSE: Duration = Duration::from_millis(50);

/// The outbox of a subscriber, and what the subscriber lost because it reads too slowly.
#[derive(Debug)]
pub struct SubscriberOutbox {
    outbox: SignedOutbox,
    lost: Option<Lost>,
}

/// What a subscriber lost, and has not been told of.
#[derive(Debug)]
pub struct Lost {
    /// How many messages.
    pub messages: u64,
    /// The parent header of the first of them: frontends show a notice only under the request that it belongs to.
    pub parent: Bytes,
    since: Instant,
    /// The latest status among them. It follows the notice: a frontend that misses an `idle` waits for ever.
    status: Option<(Envelope, Signed)>,
}

impl SubscriberOutbox {
    /// The outbox of a subscriber that has lost nothing.
    pub fn new(outbox: SignedOutbox) -> Self {
        Self { outbox, lost: None }
    }

    /// Whether this is the outbox of that connection.
    pub fn is(&self, outbox: &SignedOutbox) -> bool {
        self.outbox.is(outbox)
    }

    /// Whether it lost something and it is time to tell it.
    pub fn is_notice_due(&self) -> bool {
        self.lost.as_ref().is_some_and(|lost| lost.since.elapsed() >= PAUSE)
    }

    /// Queues a message. After a loss, nothing is queued before the notice of it.
    pub fn push(&mut self, envelope: &Envelope, message: &Signed) {
        if self.lost.is_some() || self.outbox.push(envelope, message) == Err(PushError::Full) {
            self.lose(message).messages += 1;
        }
    }

    /// Queues a status, for which there is a reserve, behind the notice of what was lost before.
    pub fn push_status(
        &mut self,
        envelope: &Envelope,
        status: &Signed,
        notice: impl FnOnce(&Lost) -> (Envelope, Signed),
    ) {
        self.give_notice(notice);
        if self.lost.is_some() || self.outbox.push_urgent(envelope, status) == Err(PushError::Full) {
            self.lose(status).status = Some((envelope.detached(), status.clone()));
        }
    }

    /// Tells the subscriber what it lost, if anything, once there is room.
    pub fn give_notice(&mut self, notice: impl FnOnce(&Lost) -> (Envelope, Signed)) {
        let Some(lost) = &mut self.lost else { return };
        if lost.messages > 0 {
            let (envelope, notice) = notice(lost);
            if self.outbox.push_urgent(&envelope, &notice) == Err(PushError::Full) {
                return;
            }
            lost.messages = 0;
        }
        if let Some((envelope, status)) = &lost.status
            && self.outbox.push_urgent(envelope, status) == Err(PushError::Full)
        {
            return;
        }
        self.lost = None;
    }

    /// Writes what is queued.
    pub fn flush(&self) {
        self.outbox.flush();
    }

    fn lose(&mut self, message: &Signed) -> &mut Lost {
        self.lost.get_or_insert_with(|| Lost {
            messages: 0,
            parent: Bytes::copy_from_slice(message.body().parent_header()),
            since: Instant::now(),
            status: None,
        })
    }
}
