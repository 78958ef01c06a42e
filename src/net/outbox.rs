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
use tokio::{sync::Notify, time::timeout};

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

    /// The same; where much is left, waits for it to leave, but no longer than `patience`: whoever fills an outbox faster
    /// than its peer reads has to wait, as it would if it wrote to that peer itself.
    pub async fn settle(&mut self, patience: Duration) {
        for outbox in self.0.drain(..) {
            outbox.flush();
            if outbox.0.is_filling() {
                // Else those who wait for room are told that there is none.
                let _ = timeout(patience, outbox.0.emptied()).await;
            }
        }
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
    fn is_filling(&self) -> bool {
        let queue = self.0.queue.lock();
        queue.socket().is_some() && queue.len() > self.0.limit / 4
    }

    /// Returns when nothing waits any more, or nothing ever will.
    async fn emptied(&self) {
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

    pub(super) fn close(&self) {
        self.0.queue.lock().close();
        self.0.changed.notify_one();
        self.0.emptied.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use tokio::net::TcpListener;

    use super::*;
    use crate::{net::stream::Stream, zmtp::leading_frames};

    const KEEP: Keep = Keep { bytes: 100_000, time: Duration::from_secs(60), is_remote: false };

    /// Our end of a connection, and the peer's socket.
    async fn connection() -> (Outbox, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().await.unwrap();
        let (_, write) = Stream::tcp(ours).unwrap().split();
        (Outbox::new(write, 1 << 20, Duration::ZERO), peer)
    }

    fn push(outbox: &Outbox, number: u32, length: usize) {
        let frames = [Bytes::from(number.to_be_bytes().to_vec()), Bytes::from(vec![7; length])];
        outbox.push(Room::Usual, frames.iter()).unwrap();
        outbox.flush();
    }

    /// The numbers of the messages that arrive, up to the last, each of which must be whole.
    fn numbers(peer: &mut std::net::TcpStream, last: u32) -> Vec<u32> {
        peer.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        let (mut bytes, mut numbers, mut chunk) = (Vec::new(), Vec::new(), [0; 4096]);
        while numbers.last() != Some(&last) {
            let read = peer.read(&mut chunk).unwrap();
            assert!(read > 0, "the connection ended after {numbers:?}");
            bytes.extend_from_slice(&chunk[..read]);
            let arrived = Bytes::copy_from_slice(&bytes);
            let frames: Vec<Bytes> =
                leading_frames(&arrived).filter(|frame| !frame.starts_with(b"\x04PING")).collect();
            let whole = frames.chunks_exact(2).filter(|pair| pair[1].iter().all(|byte| *byte == 7));
            numbers = whole.map(|pair| u32::from_be_bytes(pair[0][..].try_into().unwrap())).collect();
        }
        numbers
    }

    fn notice(missed: Missed) -> Option<SmallVec<[Bytes; 8]>> {
        let number = 1_000_000 + u32::try_from(missed.messages).unwrap();
        Some([Bytes::from(number.to_be_bytes().to_vec()), Bytes::from(vec![7; 1])].into_iter().collect())
    }

    #[tokio::test]
    async fn what_a_broken_connection_did_not_deliver_leaves_on_the_next_once_and_in_order() {
        let (outbox, mut peer) = connection().await;
        outbox.keep(KEEP, true);
        for number in 0..10 {
            push(&outbox, number, 100);
        }
        assert_eq!(numbers(&mut peer, 9), (0..10).collect::<Vec<_>>());
        drop(peer);
        outbox.end();
        for number in 10..20 {
            push(&outbox, number, 20_000 / (number as usize));
        }
        let (newer, mut peer) = connection().await;
        newer.push_bytes(b"");
        assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
        push(&outbox, 20, 3);
        assert_eq!(numbers(&mut peer, 20), (10..=20).collect::<Vec<_>>());
        assert!(newer.0.queue.lock().is_closed());
    }

    #[tokio::test]
    async fn what_the_other_host_has_not_acknowledged_is_sent_again_from_its_first_byte() {
        let (outbox, mut peer) = connection().await;
        outbox.keep(Keep { bytes: 64 << 20, ..KEEP }, true);
        // More than the two sockets hold, and nobody reads.
        for number in 0..200 {
            push(&outbox, number, 100_000);
            if number == 10 {
                assert_eq!(numbers(&mut peer, 10), (0..=10).collect::<Vec<_>>());
            }
            if outbox.0.queue.lock().len() > 500_000 {
                break;
            }
        }
        let has_written = 200_u32;
        let waits = outbox.0.queue.lock().len();
        assert!(waits > 500_000, "the socket took everything");
        // What was written a moment ago might be under way: how long ago it was is what this is about.
        tokio::time::sleep(Duration::from_millis(250)).await;
        outbox.end();
        push(&outbox, has_written, 10);
        let (newer, mut other) = connection().await;
        assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
        let drain = {
            let outbox = outbox.clone();
            tokio::spawn(async move { outbox.drain().await })
        };
        let again = tokio::task::spawn_blocking(move || numbers(&mut other, has_written)).await.unwrap();
        let first = again[0];
        assert!(first > 10, "what was read comes again: {first}");
        assert!(again[..again.len() - 1].windows(2).all(|pair| pair[1] == pair[0] + 1), "{again:?}");
        drain.abort();
        drop(peer);
    }

    #[tokio::test]
    async fn the_beginning_of_what_could_not_be_kept_is_replaced_by_a_notice() {
        let (outbox, peer) = connection().await;
        outbox.keep(KEEP, true);
        drop(peer);
        outbox.end();
        for number in 0..30 {
            push(&outbox, number, 10_000);
        }
        assert!(outbox.0.queue.lock().len() <= KEEP.bytes, "memory is bounded");
        let (newer, mut peer) = connection().await;
        assert!(outbox.resume(&newer, notice));
        let drain = {
            let outbox = outbox.clone();
            tokio::spawn(async move { outbox.drain().await })
        };
        let arrived = tokio::task::spawn_blocking(move || numbers(&mut peer, 29)).await.unwrap();
        assert_eq!(arrived[0] as usize, 1_000_000 + 30 - (arrived.len() - 1));
        assert_eq!(arrived[1..], (30 - (arrived.len() as u32 - 1)..30).collect::<Vec<_>>());
        drain.abort();
    }

    #[tokio::test]
    async fn half_a_message_that_was_being_written_on_the_next_connection_is_finished_first() {
        let (outbox, peer) = connection().await;
        outbox.keep(KEEP, true);
        drop(peer);
        outbox.end();
        push(&outbox, 5, 10);
        let (newer, mut peer) = connection().await;
        newer.0.queue.lock().append_raw(|out| out.extend_from_slice(&[1, 4, 0, 0, 0, 4, 0, 1, 7]));
        assert!(outbox.resume(&newer, |_| None));
        assert_eq!(numbers(&mut peer, 5), [4, 5]);
    }

    #[tokio::test]
    async fn a_sign_of_life_that_is_asked_for_on_an_ended_connection_is_not_given_on_the_next() {
        let (outbox, peer) = connection().await;
        outbox.keep(KEEP, true);
        drop(peer);
        outbox.end();
        push(&outbox, 1, 10);
        outbox.push_pong(Bytes::from_static(b"still there?")).unwrap();
        outbox.ask();
        push(&outbox, 2, 10);
        let (newer, mut peer) = connection().await;
        assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
        push(&outbox, 3, 10);
        assert_eq!(numbers(&mut peer, 3), [1, 2, 3]);
        assert_eq!(outbox.0.queue.lock().len(), 0);
    }

    #[tokio::test]
    async fn what_the_connection_in_its_place_had_been_given_before_outlives_that_as_well() {
        let (outbox, peer) = connection().await;
        outbox.keep(Keep { is_remote: true, ..KEEP }, true);
        drop(peer);
        outbox.end();
        push(&outbox, 2, 10);
        let (newer, mut peer) = connection().await;
        newer.keep(Keep { is_remote: true, ..KEEP }, true);
        newer.ask();
        newer.answered(Bytes::copy_from_slice(&0_u64.to_be_bytes()));
        push(&newer, 1, 10);
        assert!(outbox.resume(&newer, |_| panic!("nothing is missing")));
        push(&outbox, 3, 10);
        assert_eq!(numbers(&mut peer, 3), [1, 2, 3]);
        drop(peer);
        outbox.end();
        let (newest, mut peer) = connection().await;
        assert!(outbox.resume(&newest, |_| panic!("nothing is missing")));
        assert_eq!(numbers(&mut peer, 3), [1, 2, 3], "it has not said that it has got them");
    }

    #[tokio::test]
    async fn what_had_to_be_said_while_there_was_no_connection_takes_no_room_from_what_comes_later() {
        let (outbox, peer) = connection().await;
        outbox.keep(KEEP, true);
        drop(peer);
        outbox.end();
        let frames = [Bytes::from(vec![7; 100_000])];
        for _ in 0..2 * RESERVE / 100_000 {
            outbox.push(Room::Reserve, frames.iter()).unwrap();
        }
        let (newer, _peer) = connection().await;
        assert!(outbox.resume(&newer, |_| None));
        assert_eq!(outbox.push(Room::Reserve, frames.iter()), Ok(()));
    }

    #[tokio::test]
    async fn a_reply_of_any_size_is_owed() {
        let (outbox, peer) = connection().await;
        let outbox = SignedOutbox(outbox);
        outbox.0.keep(KEEP, true);
        drop(peer);
        let frames = [Bytes::from(vec![7; 10 * KEEP.bytes])];
        outbox.0.end();
        outbox.0.0.queue.lock().append(frames[0].len(), frames.iter());
        assert!(outbox.take_undelivered().size() < frames[0].len(), "given up while there was no connection");
        let (outbox, _peer) = connection().await;
        let outbox = SignedOutbox(outbox);
        outbox.0.keep(KEEP, true);
        outbox.0.push(Room::Usual, frames.iter()).unwrap();
        assert!(outbox.take_undelivered().size() > frames[0].len());
    }

    #[tokio::test]
    async fn without_keeping_the_end_is_the_end() {
        let (outbox, mut peer) = connection().await;
        peer.write_all(b"x").unwrap();
        outbox.end();
        let frames = [Bytes::from_static(b"x")];
        assert_eq!(outbox.push(Room::Usual, frames.iter()), Err(PushError::Closed));
    }
}
