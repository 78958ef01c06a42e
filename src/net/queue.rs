//! The bytes that wait to leave on one connection, and how they are written.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

use super::{
    retained::{Missed, Retained, Retention},
    run::WrittenRun,
    sent::{Encoded, Sent, Stream},
    stream::WriteHalf,
};
use crate::zmtp::{Command, encode_command, encode_header};

/// Frames from this size on are handed to the kernel where they lie; smaller ones are copied into one run of bytes.
const COPY_BELOW: usize = 8 << 10;

/// Most slices of one vectored write.
const SLICES: usize = 64;

/// What waits, in order: whole chunks, then a tail that still grows.
#[derive(Debug)]
pub(super) struct Queue {
    line: Sink,
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
    /// The largest message since the queue was last empty: it takes no room from the others.
    largest: usize,
    /// What has been taken of the reserve since then.
    reserve: usize,
    /// Bytes of PONGs since then.
    pongs: usize,
    /// For connections whose messages outlive them.
    retention: Option<Box<Outliving>>,
    /// Whether the peer knows PING.
    pings: bool,
    /// When the peer was last sent a PING.
    pinged: Option<Instant>,
    /// A PING is due some time after the last write, and the connection's task has been told.
    ping_scheduled: bool,
}

/// What is needed of a connection so that its messages outlive it.
#[derive(Debug)]
struct Outliving {
    retention: Retention,
    sent: Sent,
}

/// How far a connection has come, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Progress {
    acknowledged: u64,
    /// Sent, and not acknowledged by the other host.
    in_flight: u64,
}

/// Where the bytes go.
#[derive(Debug)]
enum Sink {
    Open(Arc<WriteHalf>),
    /// The connection has ended: messages are retained for the next one.
    Lost(Retained),
    Closed,
}

impl Progress {
    /// Whether the other host has acknowledged nothing since then, although something is under way to it.
    pub(super) fn is_silent_since(self, earlier: Self) -> bool {
        self.in_flight > 0 && self.acknowledged == earlier.acknowledged
    }
}

impl Queue {
    pub(super) fn new(socket: WriteHalf) -> Self {
        Self { line: Sink::Open(Arc::new(socket)), ..Self::closed() }
    }

    /// The queue of a connection that has ended.
    pub(super) fn closed() -> Self {
        Self {
            line: Sink::Closed,
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            bytes: 0,
            largest: 0,
            reserve: 0,
            pongs: 0,
            retention: None,
            pings: false,
            pinged: None,
            ping_scheduled: false,
        }
    }

    /// The peer knows PING.
    pub(super) fn knows_ping(&mut self) {
        self.pings = true;
    }

    /// From now on, messages outlive the connection.
    pub(super) fn retain(&mut self, retention: Retention) {
        self.retention = Some(Box::new(Outliving { retention, sent: Sent::default() }));
    }

    pub(super) fn socket(&self) -> Option<&Arc<WriteHalf>> {
        match &self.line {
            Sink::Open(socket) => Some(socket),
            Sink::Lost(_) | Sink::Closed => None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.line, Sink::Closed)
    }

    fn is_lost(&self) -> bool {
        matches!(self.line, Sink::Lost(_))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// One message may always wait, however long (the limit on messages bounds it), and beside it as much as the limit.
    pub(super) fn has_room(&self, size: usize, limit: usize) -> bool {
        // Of what is retained, the oldest make room.
        self.bytes == 0 || self.bytes + size <= limit + self.largest || self.is_lost()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn take_reserve(&mut self, size: usize, reserve: usize) -> bool {
        if self.is_lost() {
            return true;
        }
        let fits = self.reserve + size <= reserve;
        self.reserve += if fits { size } else { 0 };
        fits
    }

    /// Appends a message of `size` bytes.
    pub(super) fn append<'a>(&mut self, size: usize, frames: impl Iterator<Item = &'a Bytes>) {
        let queued = self.bytes;
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
        self.appended(queued, size, [self.bytes - queued]);
    }

    /// Appends whole messages that others send too.
    pub(super) fn append_run(&mut self, run: &WrittenRun) {
        let queued = self.bytes;
        self.append_chunk(run.bytes.clone());
        self.appended(queued, run.largest, run.lengths());
    }

    /// Appends messages that another connection did not deliver.
    pub(super) fn append_encoded(&mut self, messages: Vec<Encoded>) {
        for message in messages {
            let queued = self.bytes;
            message.chunks.into_iter().for_each(|chunk| self.append_chunk(chunk));
            self.appended(queued, 0, [message.size]);
        }
    }

    fn append_chunk(&mut self, chunk: Bytes) {
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
        self.bytes += chunk.len();
        self.chunks.push_back(chunk);
    }

    /// Messages of these lengths, the largest of which takes no room from others, have been appended to so many bytes.
    fn appended(&mut self, queued: usize, largest: usize, lengths: impl IntoIterator<Item = usize>) {
        if let Sink::Lost(retained) = &mut self.line {
            let mut stream = Stream::new(std::mem::take(&mut self.chunks), 0);
            stream.extend([self.tail.split().freeze()]);
            self.bytes = 0;
            let now = Instant::now();
            for length in lengths {
                retained.push(stream.take(length).collect(), now);
            }
            return;
        }
        self.largest = self.largest.max(largest);
        let Some(outliving) = &mut self.retention else { return };
        let mut start = outliving.sent.written() + queued as u64;
        for length in lengths {
            outliving.sent.queued(start, length);
            start += length as u64;
        }
    }

    /// Appends bytes of the protocol itself, which mean nothing to another connection.
    pub(super) fn append_raw(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.socket().is_none() {
            return;
        }
        let before = self.tail.len();
        write(&mut self.tail);
        self.bytes += self.tail.len() - before;
    }

    /// Appends a PONG unless too many of them wait.
    pub(super) fn append_pong(&mut self, most: usize, write: impl FnOnce(&mut BytesMut)) -> Option<()> {
        let before = self.bytes;
        self.append_raw(write);
        self.pongs += self.bytes - before;
        (self.pongs <= most).then_some(())
    }

    /// Writes until all is gone or the socket is full.
    pub(super) fn write(&mut self) -> io::Result<()> {
        let Some(socket) = self.socket().cloned() else { return Ok(()) };
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
        (self.largest, self.reserve, self.pongs) = (0, 0, 0);
        Ok(())
    }

    /// So many bytes have been written.
    fn forget(&mut self, mut written: usize) {
        self.bytes -= written;
        while written > 0 {
            let Some(chunk) = self.chunks.front_mut() else {
                match &mut self.retention {
                    Some(outliving) => outliving.sent.wrote(self.tail.split_to(written).freeze()),
                    None => self.tail.advance(written),
                }
                break;
            };
            let part = chunk.split_to(written.min(chunk.len()));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            written -= part.len();
            if let Some(outliving) = &mut self.retention {
                outliving.sent.wrote(part);
            }
        }
        while self.chunks.front().is_some_and(Bytes::is_empty) {
            self.chunks.pop_front();
        }
        if self.retention.as_ref().is_some_and(|outliving| outliving.sent.is_to_check()) {
            self.check_delivered();
        }
    }

    /// Forgets the messages that TCP has delivered.
    fn check_delivered(&mut self) {
        let (Sink::Open(socket), Some(outliving)) = (&self.line, &mut self.retention) else { return };
        let place = outliving.delivered(socket);
        outliving.sent.delivered(place);
    }

    /// Ends without ending the socket. `false` if it has ended before, or if something waits.
    pub(super) fn release_socket(&mut self) -> bool {
        if self.bytes > 0 || self.socket().is_none() {
            return false;
        }
        if let Sink::Open(socket) = std::mem::replace(self, Self::closed()).line
            && let Some(socket) = Arc::into_inner(socket)
        {
            socket.forget();
            return true;
        }
        false
    }

    /// Ends for good.
    pub(super) fn close(&mut self) {
        *self = Self::closed();
    }

    // Messages that outlive their connection.

    /// The connection has ended. Its undelivered messages are retained for the next one, if they are to be.
    pub(super) fn end(&mut self) {
        let ended = std::mem::replace(self, Self::closed());
        match (ended.line, ended.retention) {
            (Sink::Open(socket), Some(outliving)) => {
                let place = outliving.delivered(&socket);
                let mut queued = ended.chunks;
                queued.push_back(ended.tail.freeze());
                let Outliving { retention, sent, .. } = *outliving;
                let undelivered = sent.undelivered(place, queued);
                self.line = Sink::Lost(Retained::new(retention, undelivered, Instant::now()));
            }
            (Sink::Lost(retained), _) => self.line = Sink::Lost(retained),
            _ => {}
        }
    }

    /// Drops what is retained for too long.
    pub(super) fn expire(&mut self) {
        if let Sink::Lost(retained) = &mut self.line {
            retained.expire(Instant::now());
        }
    }

    /// Ends for good; returns what was not delivered and could not be retained, and what was retained. `None` if the queue
    /// was closed.
    pub(super) fn take_undelivered(&mut self) -> Option<(Missed, Vec<Encoded>)> {
        self.end();
        match std::mem::replace(self, Self::closed()).line {
            Sink::Lost(retained) => Some(retained.take()),
            Sink::Open(_) | Sink::Closed => None,
        }
    }

    // Signs of life.

    /// Whether the connection's task has to send a PING in a while, for something has been written; says so once.
    pub(super) fn is_to_schedule_ping(&mut self) -> bool {
        let (Sink::Open(_), Some(outliving), false) = (&self.line, &self.retention, self.ping_scheduled)
        else {
            return false;
        };
        self.ping_scheduled = outliving.sent.holds_any();
        self.ping_scheduled
    }

    /// Sends a PING to a peer that knows it, else returns `false`; and forgets what has been delivered.
    pub(super) fn ping(&mut self, time_to_live: Duration, context: Bytes) -> bool {
        self.check_delivered();
        self.ping_scheduled = false;
        if self.socket().is_none() || !self.pings {
            return false;
        }
        self.pinged = Some(Instant::now());
        let tenths = u16::try_from(time_to_live.as_millis() / 100).unwrap_or(u16::MAX);
        self.append_raw(|out| encode_command(&Command::Ping(tenths, context), out));
        true
    }

    /// When the peer was last sent a PING.
    pub(super) fn pinged(&self) -> Option<Instant> {
        self.pinged
    }

    /// How far the connection has come, if it has not ended.
    pub(super) fn progress(&self) -> Option<Progress> {
        let (Sink::Open(socket), Some(outliving)) = (&self.line, &self.retention) else { return None };
        let unacknowledged = socket.unacknowledged();
        let acknowledged = outliving.sent.written().saturating_sub(unacknowledged.all);
        Some(Progress { acknowledged, in_flight: unacknowledged.all.saturating_sub(unacknowledged.unsent) })
    }

    /// Whether the connection has ended, and messages are retained for the next one.
    pub(super) fn is_retaining(&self) -> bool {
        matches!(self.line, Sink::Lost(_))
    }

    #[cfg(test)]
    pub(super) fn retained_bytes(&self) -> usize {
        if let Sink::Lost(retained) = &self.line { retained.bytes() } else { 0 }
    }
}

impl Outliving {
    /// Up to where TCP has delivered what was written.
    fn delivered(&self, socket: &WriteHalf) -> u64 {
        let unacknowledged = socket.unacknowledged();
        let missing = if self.retention.is_remote { unacknowledged.all } else { unacknowledged.unsent };
        self.sent.written().saturating_sub(missing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_silent_that_acknowledges_nothing_of_what_is_under_way() {
        let progress = |acknowledged, in_flight| Progress { acknowledged, in_flight };
        let before = progress(10, 5);
        assert!(progress(10, 5).is_silent_since(before));
        assert!(progress(10, 20).is_silent_since(before), "more has been sent since");
        assert!(progress(10, 5).is_silent_since(progress(10, 0)));
        assert!(!progress(11, 5).is_silent_since(before));
        assert!(!progress(10, 0).is_silent_since(progress(10, 0)), "it has no room, and says so");
    }
}
