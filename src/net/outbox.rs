//! What waits to leave on one connection.
//!
//! Whoever has a message writes it to the socket itself, from its own task: a hop costs no wake-up of a writer. Only
//! what the socket does not take at once stays here, and leaves when the connection's task finds the socket writable.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::{Buf, Bytes, BytesMut};
use parking_lot::Mutex;
use smallvec::SmallVec;
use thiserror::Error;
use tokio::sync::Notify;

use super::stream::WriteHalf;
use crate::{
    frames::Frames,
    jupyter::message::{Envelope, Signed},
    zmtp::{Command, encode_command, encode_header},
};

/// Frames from this size on are handed to the kernel where they lie; smaller ones are copied into one run of bytes.
const COPY_BELOW: usize = 8 << 10;

/// Bytes beyond the limit that are kept for messages that must not be lost: statuses, and notices of losses.
const RESERVE: usize = 1 << 20;

/// Most slices of one vectored write.
const SLICES: usize = 64;

/// The outbox of a signed channel: nothing but a [`Signed`] fits in.
#[derive(Clone, Debug)]
pub struct SignedOutbox(pub(super) Outbox);

/// The outbox of a heartbeat, which echoes frames as they come.
#[derive(Clone, Debug)]
pub struct EchoOutbox(pub(super) Outbox);

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
    /// Queues a message behind its receiver's envelope. It leaves with the next [`Self::flush`].
    pub fn push(&self, envelope: &Envelope, message: &Signed) -> Result<(), PushError> {
        self.0.push(envelope.frames().iter().chain(message.frames()))
    }

    /// Queues a message that must not be lost although the peer is slow: for it, a reserve is kept.
    pub fn push_urgent(&self, envelope: &Envelope, message: &Signed) -> Result<(), PushError> {
        self.0.push_within(self.0.0.limit + RESERVE, envelope.frames().iter().chain(message.frames()))
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

/// Outboxes that have something to write once a batch is done.
#[derive(Debug, Default)]
pub struct Flushes(SmallVec<[SignedOutbox; 4]>);

impl Flushes {
    /// One more, once.
    pub fn add(&mut self, outbox: SignedOutbox) {
        if !self.0.iter().any(|known| known.is(&outbox)) {
            self.0.push(outbox);
        }
    }

    /// Writes what all of them hold.
    pub fn flush(&mut self) {
        for outbox in self.0.drain(..) {
            outbox.flush();
        }
    }
}

impl EchoOutbox {
    /// Queues and writes frames.
    pub fn send(&self, frames: &Frames) -> Result<(), PushError> {
        self.0.push(frames.iter())?;
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
    limit: usize,
}

#[derive(Debug)]
struct Queue {
    /// `None` once the connection has ended.
    socket: Option<Arc<WriteHalf>>,
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
}

impl Outbox {
    pub(super) fn new(socket: WriteHalf, limit: usize) -> Self {
        let queue = Queue {
            socket: Some(Arc::new(socket)),
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            bytes: 0,
        };
        Self(Arc::new(Shared { queue: Mutex::new(queue), changed: Notify::new(), limit }))
    }

    fn push<'a>(&self, frames: impl Iterator<Item = &'a Bytes> + Clone) -> Result<(), PushError> {
        self.push_within(self.0.limit, frames)
    }

    fn push_within<'a>(
        &self,
        limit: usize,
        frames: impl Iterator<Item = &'a Bytes> + Clone,
    ) -> Result<(), PushError> {
        let size: usize = frames.clone().map(Bytes::len).sum();
        let mut queue = self.0.queue.lock();
        if queue.socket.is_none() {
            return Err(PushError::Closed);
        }
        // One message may always wait, however long: the limit on messages bounds it.
        if queue.bytes > 0 && queue.bytes + size > limit {
            return Err(PushError::Full);
        }
        queue.append(frames);
        Ok(())
    }

    pub(super) fn push_command(&self, command: &Command) {
        let mut queue = self.0.queue.lock();
        let before = queue.tail.len();
        encode_command(command, &mut queue.tail);
        queue.bytes += queue.tail.len() - before;
    }

    pub(super) fn push_bytes(&self, bytes: &[u8]) {
        let mut queue = self.0.queue.lock();
        queue.tail.extend_from_slice(bytes);
        queue.bytes += bytes.len();
    }

    pub(super) fn flush(&self) {
        let mut queue = self.0.queue.lock();
        match queue.write() {
            Ok(()) if queue.bytes == 0 => {}
            Ok(()) => self.0.changed.notify_one(),
            Err(_) => {
                queue.close();
                self.0.changed.notify_one();
            }
        }
    }

    /// Writes what the socket did not take at once, whenever it takes more; returns when the connection has ended.
    pub(super) async fn drain(&self) {
        loop {
            let backlog = {
                let queue = self.0.queue.lock();
                match &queue.socket {
                    None => return,
                    Some(socket) => (queue.bytes > 0).then(|| socket.clone()),
                }
            };
            match backlog {
                None => self.0.changed.notified().await,
                Some(socket) => match socket.writable().await {
                    Ok(()) => self.flush(),
                    Err(_) => return self.close(),
                },
            }
        }
    }

    pub(super) fn close(&self) {
        self.0.queue.lock().close();
        self.0.changed.notify_one();
    }
}

impl Queue {
    fn append<'a>(&mut self, frames: impl Iterator<Item = &'a Bytes>) {
        let mut frames = frames.peekable();
        while let Some(frame) = frames.next() {
            let before = self.tail.len();
            encode_header(frame.len(), frames.peek().is_some(), &mut self.tail);
            self.bytes += self.tail.len() - before + frame.len();
            if frame.len() < COPY_BELOW {
                self.tail.extend_from_slice(frame);
            } else {
                self.chunks.push_back(self.tail.split().freeze());
                self.chunks.push_back(frame.clone());
            }
        }
    }

    /// Writes until all is gone or the socket is full.
    fn write(&mut self) -> io::Result<()> {
        let Some(socket) = self.socket.clone() else { return Ok(()) };
        while self.bytes > 0 {
            let written = {
                let chunks = self.chunks.iter().map(|chunk| IoSlice::new(chunk));
                let slices: SmallVec<[IoSlice<'_>; SLICES]> =
                    chunks.chain([IoSlice::new(&self.tail)]).take(SLICES).collect();
                socket.try_write_vectored(&slices)
            };
            match written {
                Ok(written) => self.forget(written),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        // An idle connection holds no buffer.
        self.tail = BytesMut::new();
        Ok(())
    }

    fn forget(&mut self, mut written: usize) {
        self.bytes -= written;
        while let Some(chunk) = self.chunks.front_mut() {
            if chunk.len() > written {
                return chunk.advance(written);
            }
            written -= chunk.len();
            self.chunks.pop_front();
        }
        self.tail.advance(written);
    }

    fn close(&mut self) {
        self.socket = None;
        self.chunks = VecDeque::new();
        self.tail = BytesMut::new();
        self.bytes = 0;
    }
}
