//! What waits to leave on one connection.
//!
//! Whoever has a message writes it to the socket itself, from its own task: a hop costs no wake-up of a writer. Only
//! what the socket does not take at once stays here, and leaves when the connection's task finds the socket writable.

use std::{
    io,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;
use thiserror::Error;
use tokio::sync::Notify;

use super::{
    queue::{Progress, Queue},
    retained::{Missed, Retention},
    run::WrittenRun,
    sent::Encoded,
    stream::WriteHalf,
};
use crate::{
    frames::Frames,
    jupyter::message::{Envelope, Signed},
    zmtp::{Command, encode_command},
};

/// Bytes beyond the limit that are kept for messages that must not be lost: statuses, and notices of losses.
const RESERVE: usize = 1 << 20;

/// Bytes of PONGs that may wait. A peer that asks for more without reading any is none to keep.
const MOST_PONGS: usize = 64 << 10;

/// The outbox of a signed channel: nothing but a [`Signed`] fits in.
#[derive(Clone, Debug)]
pub struct SignedOutbox(pub(super) Outbox);

/// The outbox of a heartbeat, which echoes frames as they come.
#[derive(Clone, Debug)]
pub struct EchoOutbox(pub(super) Outbox);

/// Messages that were signed for a peer and not delivered before its connection ended.
#[derive(Clone, Debug)]
pub struct Undelivered(Vec<Encoded>);

impl Undelivered {
    /// Bytes of all messages.
    pub fn size(&self) -> usize {
        self.0.iter().map(|message| message.size).sum()
    }
}

/// Why a message was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum PushError {
    /// The peer reads too slowly: its queue is full.
    #[error("the peer does not read what it is sent")]
    Full,
    /// The connection has ended.
    #[error("the connection has ended")]
    Closed,
}

impl SignedOutbox {
    /// The outbox of a connection that has ended.
    pub fn closed() -> Self {
        Self(Outbox(Arc::new(Shared::new(Queue::closed(), 0, Duration::ZERO))))
    }

    /// Queues a message behind its receiver's envelope. It leaves with the next [`Self::flush`].
    pub fn push(&self, envelope: &Envelope, message: &Signed) -> Result<(), PushError> {
        self.0.push(Room::Usual, envelope.frames().iter().chain(message.frames()))
    }

    /// Queues all messages of a run, or none of them.
    pub fn push_run(&self, run: &WrittenRun) -> Result<(), PushError> {
        self.0.push_run(run)
    }

    /// Ends the connection for good; returns what was not delivered, if that was to be retained.
    pub fn take_undelivered(&self) -> Undelivered {
        let taken = self.0.0.queue.lock().take_undelivered();
        self.0.close();
        Undelivered(taken.map(|(_, messages)| messages).unwrap_or_default())
    }

    /// Queues and writes what an earlier connection of the same peer has not delivered; gives it back if this one has ended.
    pub fn redeliver(&self, undelivered: Undelivered) -> Result<(), Undelivered> {
        {
            let mut queue = self.0.0.queue.lock();
            if queue.is_closed() {
                return Err(undelivered);
            }
            queue.append_encoded(undelivered.0);
        }
        self.flush();
        Ok(())
    }

    /// The connection of this outbox has ended: what it retains goes to `newer`, behind a message in place of what it did
    /// not retain, and so does what is queued here from now on. `false` if either has ended for good.
    pub fn hand_over(&self, newer: &Self, notice: impl FnOnce(Missed) -> Option<(Envelope, Signed)>) -> bool {
        let frames = |missed| -> Option<SmallVec<[Bytes; 8]>> {
            let (envelope, signed) = notice(missed)?;
            Some(envelope.frames().iter().chain(signed.frames()).cloned().collect())
        };
        self.0.hand_over(&newer.0, frames)
    }

    /// Asks the peer for [`Event::Answered`](super::Event::Answered) with this context, of 16 bytes at most. `false`: it
    /// cannot be asked, or is gone.
    pub fn ask(&self, context: Bytes) -> bool {
        self.0.ask(context)
    }

    /// Returns when nothing waits any more, or nothing ever will.
    pub async fn emptied(&self) {
        self.0.emptied().await;
    }

    /// Drops what is retained for too long.
    pub fn expire(&self) {
        self.0.0.queue.lock().expire();
    }

    /// Ends the connection, but for what is retained.
    pub fn end(&self) {
        self.0.end();
    }

    /// Whether nothing can be sent on this connection any more, nor on one in its place.
    pub fn is_closed(&self) -> bool {
        self.0.0.queue.lock().is_closed()
    }

    /// Whether the connection has ended, and messages are retained for the one in its place.
    pub fn is_retaining(&self) -> bool {
        self.0.0.queue.lock().is_retaining()
    }

    /// Queues a message that must not be lost although the peer is slow: for it, a reserve is kept.
    pub fn push_urgent(&self, envelope: &Envelope, message: &Signed) -> Result<(), PushError> {
        self.0.push(Room::Reserve, envelope.frames().iter().chain(message.frames()))
    }

    /// Queues a message that has been counted against another limit already.
    pub fn push_counted(&self, envelope: &Envelope, message: &Signed) -> Result<(), PushError> {
        self.0.push(Room::Any, envelope.frames().iter().chain(message.frames()))
    }

    /// Whether a message of that many bytes would be taken now.
    pub fn has_room(&self, size: usize) -> bool {
        self.0.0.queue.lock().has_room(size, self.0.0.limit)
    }

    /// Writes as much as the socket takes.
    pub fn flush(&self) {
        self.0.flush();
    }

    /// Queues and writes one message.
    pub fn send(&self, envelope: &Envelope, message: &Signed) -> Result<(), PushError> {
        self.push(envelope, message)?;
        self.flush();
        Ok(())
    }

    /// Whether both are the outbox of one connection.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0.0, &other.0.0)
    }

    /// Ends the connection.
    pub fn close(&self) {
        self.0.close();
    }
}

impl EchoOutbox {
    /// Queues and writes frames.
    pub fn send(&self, frames: &Frames) -> Result<(), PushError> {
        self.0.push(Room::Usual, frames.iter())?;
        self.0.flush();
        Ok(())
    }
}

#[derive(Clone, Debug)]
pub(super) struct Outbox(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    changed: Notify,
    /// Nothing is left.
    emptied: Notify,
    /// Something has been written that a PING has to follow.
    ping_due: Notify,
    /// Where messages go since another connection took over.
    replaced: OnceLock<Outbox>,
    limit: usize,
    /// How long a peer may hear nothing after a PING before it may give the connection up; zero for always.
    time_to_live: Duration,
}

/// Which room a message may take.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Room {
    Usual,
    Reserve,
    Any,
}

impl Shared {
    fn new(queue: Queue, limit: usize, time_to_live: Duration) -> Self {
        Self {
            time_to_live,
            queue: Mutex::new(queue),
            changed: Notify::new(),
            emptied: Notify::new(),
            ping_due: Notify::new(),
            replaced: OnceLock::new(),
            limit,
        }
    }
}

impl Outbox {
    pub(super) fn new(socket: WriteHalf, limit: usize, time_to_live: Duration) -> Self {
        Self(Arc::new(Shared::new(Queue::new(socket), limit, time_to_live)))
    }

    /// The peer knows PING.
    pub(super) fn knows_ping(&self) {
        self.0.queue.lock().knows_ping();
    }

    pub(super) fn retain(&self, retention: Retention) {
        self.0.queue.lock().retain(retention);
    }

    /// Whether so much waits that those who write should wait as well.
    pub(super) fn is_filling(&self) -> bool {
        let queue = self.0.queue.lock();
        queue.socket().is_some() && queue.len() > self.0.limit / 4
    }

    /// Returns when nothing waits any more, or nothing ever will.
    pub(super) async fn emptied(&self) {
        loop {
            let mut emptied = std::pin::pin!(self.0.emptied.notified());
            emptied.as_mut().enable();
            {
                let queue = self.0.queue.lock();
                if queue.socket().is_none() || queue.is_empty() {
                    return;
                }
            }
            emptied.await;
        }
    }

    fn push<'a>(&self, room: Room, frames: impl Iterator<Item = &'a Bytes> + Clone) -> Result<(), PushError> {
        let size: usize = frames.clone().map(Bytes::len).sum();
        let mut queue = self.0.queue.lock();
        if queue.is_closed() {
            drop(queue);
            return self.newer()?.push(room, frames);
        }
        let taken = match room {
            Room::Any => true,
            Room::Usual => queue.has_room(size, self.0.limit),
            Room::Reserve => queue.take_reserve(size, RESERVE),
        };
        if !taken {
            return Err(PushError::Full);
        }
        queue.append(size, frames);
        Ok(())
    }

    fn push_run(&self, run: &WrittenRun) -> Result<(), PushError> {
        let mut queue = self.0.queue.lock();
        if queue.is_closed() {
            drop(queue);
            return self.newer()?.push_run(run);
        }
        if !queue.has_room(run.bytes.len(), self.0.limit) {
            return Err(PushError::Full);
        }
        queue.append_run(run);
        Ok(())
    }

    /// The outbox that took over when this one's connection had ended.
    fn newer(&self) -> Result<&Self, PushError> {
        self.0.replaced.get().ok_or(PushError::Closed)
    }

    /// Answers a PING.
    pub(super) fn push_pong(&self, context: Bytes) -> Result<(), PushError> {
        let mut queue = self.0.queue.lock();
        if queue.is_closed() {
            return Err(PushError::Closed);
        }
        queue
            .append_pong(MOST_PONGS, |out| encode_command(&Command::Pong(context), out))
            .ok_or(PushError::Full)
    }

    /// Asks for a sign of life.
    pub(super) fn ping(&self) {
        self.ask(Bytes::new());
    }

    /// The same; the answer has this context. `false`: the peer cannot be asked.
    fn ask(&self, context: Bytes) -> bool {
        let asked = self.0.queue.lock().ping(self.0.time_to_live, context);
        self.flush();
        asked
    }

    /// When the peer was last asked.
    pub(super) fn pinged(&self) -> Option<Instant> {
        self.0.queue.lock().pinged()
    }

    /// Returns when something has been written that a PING has to follow in a while.
    pub(super) async fn ping_is_due(&self) {
        self.0.ping_due.notified().await;
    }

    pub(super) fn progress(&self) -> Option<Progress> {
        self.0.queue.lock().progress()
    }

    pub(super) fn push_command(&self, command: &Command) {
        self.0.queue.lock().append_raw(|out| encode_command(command, out));
    }

    pub(super) fn push_bytes(&self, bytes: &[u8]) {
        self.0.queue.lock().append_raw(|out| out.extend_from_slice(bytes));
    }

    pub(super) fn flush(&self) {
        let mut queue = self.0.queue.lock();
        let written = queue.write();
        if queue.is_to_schedule_ping() {
            self.0.ping_due.notify_one();
        }
        match written {
            Ok(()) if queue.is_empty() => self.0.emptied.notify_waiters(),
            Ok(()) => self.0.changed.notify_one(),
            Err(_) => {
                queue.end();
                self.0.changed.notify_one();
                self.0.emptied.notify_waiters();
            }
        }
        drop(queue);
        if let Some(newer) = self.0.replaced.get() {
            newer.flush();
        }
    }

    /// Writes what the socket did not take at once, whenever it takes more; returns when the connection has ended.
    pub(super) async fn drain(&self) {
        loop {
            let backlog = {
                let queue = self.0.queue.lock();
                match queue.socket() {
                    None => return,
                    Some(socket) => (!queue.is_empty()).then(|| socket.clone()),
                }
            };
            let Some(socket) = backlog else {
                self.0.changed.notified().await;
                continue;
            };
            let writable: io::Result<()> = tokio::select! {
                writable = socket.writable() => writable,
                () = self.0.changed.notified() => continue,
            };
            match writable {
                Ok(()) => self.flush(),
                Err(_) => return self.end(),
            }
        }
    }

    fn hand_over(&self, newer: &Self, notice: impl FnOnce(Missed) -> Option<SmallVec<[Bytes; 8]>>) -> bool {
        {
            let (mut queue, mut newer_queue) = (self.0.queue.lock(), newer.0.queue.lock());
            if newer_queue.is_closed() {
                return false;
            }
            queue.expire();
            let Some((missed, messages)) = queue.take_undelivered() else { return false };
            if missed.messages > 0
                && let Some(frames) = notice(missed)
            {
                newer_queue.append(0, frames.iter());
            }
            newer_queue.append_encoded(messages);
            let _ = self.0.replaced.set(newer.clone());
        }
        newer.0.changed.notify_one();
        true
    }

    /// The connection has ended.
    pub(super) fn end(&self) {
        self.0.queue.lock().end();
        self.0.changed.notify_one();
        self.0.emptied.notify_waiters();
    }

    /// Ends without ending the socket. `false` if it has ended before, or if something waits.
    pub(super) fn release_socket(&self) -> bool {
        self.0.queue.lock().release_socket()
    }

    pub(super) fn close(&self) {
        self.0.queue.lock().close();
        self.0.changed.notify_one();
        self.0.emptied.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
