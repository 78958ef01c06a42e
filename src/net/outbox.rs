//! What waits to leave on one connection.
//!
//! Whoever has a message writes it to the socket itself, from its own task: a hop costs no wake-up of a writer. Only
//! what the socket does not take at once stays here, and leaves when the connection's task finds the socket writable.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;
use smallvec::SmallVec;
use thiserror::Error;
use tokio::sync::Notify;

use super::{
    kept::{Keep, Missed},
    queue::{KeptMessages, Queue},
    receipts::Presence,
    run::WrittenRun,
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

/// Messages that have been signed for a peer and sent, and are not known to have arrived.
#[derive(Clone, Debug)]
pub struct Undelivered(KeptMessages);

impl Undelivered {
    /// Bytes of all messages.
    pub fn size(&self) -> usize {
        self.0.1.iter().sum()
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
        let mut queue = self.0.0.queue.lock();
        if queue.is_closed() {
            return Err(PushError::Closed);
        }
        if !queue.has_room(run.bytes.len(), self.0.0.limit) {
            return Err(PushError::Full);
        }
        queue.append_run(run);
        Ok(())
    }

    /// Whether the peer is there, though its connection has not ended.
    pub fn presence(&self) -> Presence {
        self.0.0.queue.lock().presence()
    }

    /// Ends the connection for good; returns what is not known to have arrived, if that was to be kept.
    pub fn take_undelivered(&self) -> Undelivered {
        let undelivered = Undelivered(self.0.0.queue.lock().take_kept());
        self.0.close();
        undelivered
    }

    /// Queues and writes what an earlier connection of the same peer has not delivered; gives it back if this one has ended.
    pub fn redeliver(&self, undelivered: Undelivered) -> Result<(), Undelivered> {
        {
            let mut queue = self.0.0.queue.lock();
            if queue.is_closed() {
                return Err(undelivered);
            }
            queue.append_kept(undelivered.0);
        }
        self.flush();
        Ok(())
    }

    /// Ends the connection, but for what is kept.
    pub fn end(&self) {
        self.0.end();
    }

    /// Whether nothing can be sent on this connection any more, nor on one in its place.
    pub fn is_closed(&self) -> bool {
        self.0.0.queue.lock().is_closed()
    }

    /// While there is no connection: gives up what has become too old, or is too much.
    pub fn give_up(&self) {
        self.0.0.queue.lock().give_up();
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
    /// What has been written may not have arrived.
    unconfirmed: Notify,
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
            unconfirmed: Notify::new(),
            limit,
        }
    }
}

impl Outbox {
    pub(super) fn new(socket: WriteHalf, limit: usize, time_to_live: Duration) -> Self {
        Self(Arc::new(Shared::new(Queue::new(socket), limit, time_to_live)))
    }

    pub(super) fn keep(&self, keep: Keep, pings: bool) {
        self.0.queue.lock().keep(keep, pings);
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
            return Err(PushError::Closed);
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

    /// Asks for a sign of life, and by it, which messages have arrived.
    pub(super) fn ask(&self) {
        self.0.queue.lock().ask(self.0.time_to_live);
        self.flush();
    }

    /// When the peer was last asked.
    pub(super) fn pinged(&self) -> Option<Instant> {
        self.0.queue.lock().pinged()
    }

    /// Returns when something has been written whose arrival is to be asked for in a while.
    pub(super) async fn is_to_ask(&self) {
        self.0.unconfirmed.notified().await;
    }

    /// Notes the answer to a PING.
    pub(super) fn answered(&self, context: Bytes) {
        self.0.queue.lock().answered(context);
        // What has been written since is asked for.
        self.flush();
    }

    pub(super) fn push_command(&self, command: &Command) {
        self.0.queue.lock().append_raw(|out| encode_command(command, out));
    }

    pub(super) fn push_bytes(&self, bytes: &[u8]) {
        self.0.queue.lock().append_raw(|out| out.extend_from_slice(bytes));
    }

    pub(super) fn flush(&self) {
        let mut queue = self.0.queue.lock();
        queue.ask_in_time(self.0.time_to_live);
        let written = queue.write();
        if queue.is_to_schedule() {
            self.0.unconfirmed.notify_one();
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

    /// Goes on with the connection of `newer`, which ends with this. `false` if that has ended by itself.
    pub(super) fn resume(
        &self,
        newer: &Self,
        notice: impl FnOnce(Missed) -> Option<SmallVec<[Bytes; 8]>>,
    ) -> bool {
        let resumed = {
            let mut newer = newer.0.queue.lock();
            self.0.queue.lock().resume(&mut newer, notice)
        };
        self.flush();
        resumed
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
