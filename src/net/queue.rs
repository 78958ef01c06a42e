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
    kept::{Keep, Kept, Missed},
    receipts::Presence,
    run::WrittenRun,
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
    line: Line,
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
    /// The largest message since the queue was last empty: it takes no room from the others.
    largest: usize,
    /// What has been taken of the reserve since then.
    reserve: usize,
    /// Bytes of PONGs since then.
    pongs: usize,
    /// For those whose messages outlive their connection.
    kept: Option<Box<Kept>>,
    /// When the peer was last asked for a sign of life.
    pinged: Option<Instant>,
}

/// Whole messages as they are sent, and the length of each.
pub(super) type KeptMessages = (VecDeque<Bytes>, Vec<usize>);

/// Where the bytes go.
#[derive(Debug)]
enum Line {
    Open(Arc<WriteHalf>),
    /// The connection has ended, and another one may take its place.
    Away,
    Closed,
}

impl Queue {
    pub(super) fn new(socket: WriteHalf) -> Self {
        Self { line: Line::Open(Arc::new(socket)), ..Self::closed() }
    }

    /// The queue of a connection that has ended.
    pub(super) fn closed() -> Self {
        Self {
            line: Line::Closed,
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            bytes: 0,
            largest: 0,
            reserve: 0,
            pongs: 0,
            kept: None,
            pinged: None,
        }
    }

    /// From now on, messages outlive the connection. `pings`: the peer knows PING.
    pub(super) fn keep(&mut self, keep: Keep, pings: bool) {
        self.kept = Some(Box::new(Kept::new(keep, pings, Instant::now())));
    }

    pub(super) fn socket(&self) -> Option<&Arc<WriteHalf>> {
        match &self.line {
            Line::Open(socket) => Some(socket),
            Line::Away | Line::Closed => None,
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        matches!(self.line, Line::Closed)
    }

    /// Whether what is queued waits for another connection.
    pub(super) fn is_away(&self) -> bool {
        matches!(self.line, Line::Away)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// One message may always wait, however long (the limit on messages bounds it), and beside it as much as the limit.
    pub(super) fn has_room(&self, size: usize, limit: usize) -> bool {
        // Without a connection, the oldest make room.
        self.bytes == 0 || self.bytes + size <= limit + self.largest || self.is_away()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn take_reserve(&mut self, size: usize, reserve: usize) -> bool {
        if self.is_away() {
            return true;
        }
        let fits = self.reserve + size <= reserve;
        self.reserve += if fits { size } else { 0 };
        fits
    }

    /// Appends a message of `size` bytes.
    pub(super) fn append<'a>(&mut self, size: usize, frames: impl Iterator<Item = &'a Bytes>) {
        self.largest = self.largest.max(size);
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
        self.appended(queued, [self.bytes - queued]);
    }

    /// Appends whole messages that others send too.
    pub(super) fn append_run(&mut self, run: &WrittenRun) {
        self.largest = self.largest.max(run.largest);
        let queued = self.bytes;
        self.bytes += run.bytes.len();
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
        self.chunks.push_back(run.bytes.clone());
        self.appended(queued, run.lengths());
    }

    /// Messages of these lengths have been appended to so many bytes.
    fn appended(&mut self, queued: usize, lengths: impl IntoIterator<Item = usize>) {
        let is_away = self.is_away();
        let Some(kept) = &mut self.kept else { return };
        if is_away {
            kept.now_is(Instant::now());
        }
        let mut start = kept.receipts.written() + queued as u64;
        for length in lengths {
            kept.queued(start, length);
            start += length as u64;
        }
        if is_away {
            self.give_up();
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
                match &mut self.kept {
                    Some(kept) => kept.wrote(self.tail.split_to(written).freeze()),
                    None => self.tail.advance(written),
                }
                return;
            };
            let part = chunk.split_to(written.min(chunk.len()));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            written -= part.len();
            if let Some(kept) = &mut self.kept {
                kept.wrote(part);
            }
        }
        while self.chunks.front().is_some_and(Bytes::is_empty) {
            self.chunks.pop_front();
        }
    }

    /// Ends without ending the socket. `false` if it has ended before, or if something waits.
    pub(super) fn release_socket(&mut self) -> bool {
        if self.bytes > 0 || self.socket().is_none() {
            return false;
        }
        if let Line::Open(socket) = std::mem::replace(self, Self::closed()).line
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

    /// The connection has ended; what its peer has not got waits for another one, if it is to be kept.
    pub(super) fn end(&mut self) {
        let Some(kept) = &mut self.kept else { return self.close() };
        let Line::Open(socket) = &self.line else { return };
        let mut queued = std::mem::take(&mut self.chunks);
        queued.push_back(self.tail.split().freeze());
        self.chunks = kept.part(socket.unacknowledged(), queued, Instant::now());
        self.bytes = self.chunks.iter().map(Bytes::len).sum();
        (self.largest, self.reserve, self.pongs) = (0, 0, 0);
        self.line = Line::Away;
    }

    /// Gives up what is too much or too old for a queue without a connection, the oldest first.
    pub(super) fn give_up(&mut self) {
        if !self.is_away() {
            return;
        }
        let Some(kept) = &mut self.kept else { return };
        kept.now_is(Instant::now());
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
        while let Some(mut length) = kept.give_up(self.bytes, &self.chunks) {
            self.bytes -= length;
            while let Some(chunk) = self.chunks.front_mut() {
                if chunk.len() > length {
                    chunk.advance(length);
                    break;
                }
                length -= chunk.len();
                self.chunks.pop_front();
            }
        }
    }

    /// Whether the peer is there while nothing has told otherwise.
    pub(super) fn presence(&mut self) -> Presence {
        let (Line::Open(socket), Some(kept)) = (&self.line, &mut self.kept) else { return Presence::There };
        kept.receipts.presence(socket.unacknowledged(), Instant::now())
    }

    /// Goes on where `newer`, which ends with this, had come to: with what it still had to write, then a message in the
    /// place of what could not be kept, then what was kept. `false` if there is no connection any more.
    pub(super) fn resume(
        &mut self,
        newer: &mut Self,
        notice: impl FnOnce(Missed) -> Option<SmallVec<[Bytes; 8]>>,
    ) -> bool {
        if !matches!((&self.line, &newer.line), (Line::Away, Line::Open(_))) {
            return false;
        }
        self.give_up();
        let Some(mut kept) = self.kept.take() else { return false };
        let (missed, lengths) = kept.resume();
        let waiting = std::mem::take(&mut self.chunks);
        // It is the newer connection's stream that goes on.
        *self = std::mem::replace(newer, Self::closed());
        match &mut self.kept {
            Some(stream) => stream.receipts.follow(&kept.receipts),
            None => self.kept = Some(kept),
        }
        if missed.messages > 0
            && let Some(frames) = notice(missed)
        {
            self.append(0, frames.iter());
        }
        self.append_kept((waiting, lengths));
        true
    }

    /// Ends for good; returns what has not arrived.
    pub(super) fn take_kept(&mut self) -> KeptMessages {
        self.end();
        let mut ended = std::mem::replace(self, Self::closed());
        let lengths = ended.kept.as_mut().map(|kept| kept.resume().1).unwrap_or_default();
        (ended.chunks, lengths)
    }

    /// Appends what another queue has kept.
    pub(super) fn append_kept(&mut self, (chunks, lengths): KeptMessages) {
        self.chunks.push_back(self.tail.split().freeze());
        self.chunks.extend(chunks);
        let queued = self.bytes;
        self.bytes += lengths.iter().sum::<usize>();
        self.appended(queued, lengths);
    }

    /// Notes a PONG.
    pub(super) fn answered(&mut self, context: Bytes) {
        if let Some(kept) = &mut self.kept {
            kept.answered(context);
        }
    }

    /// Whether the connection's task has to ask soon what has arrived; says so once.
    pub(super) fn is_to_schedule(&mut self) -> bool {
        self.socket().is_some() && self.kept.as_mut().is_some_and(|kept| kept.is_to_schedule())
    }

    /// Asks what has arrived if that cannot wait, before more is written.
    pub(super) fn ask_in_time(&mut self, time_to_live: Duration) {
        let (Line::Open(socket), Some(kept)) = (&self.line, &mut self.kept) else { return };
        if kept.receipts.is_to_look() {
            kept.receipts.look(socket.unacknowledged(), Instant::now());
        }
        if kept.is_to_ask_at_once() {
            self.ask(time_to_live);
        }
    }

    /// Asks for a sign of life, and by it what has arrived: the peer by a PING, else TCP.
    pub(super) fn ask(&mut self, time_to_live: Duration) {
        let Line::Open(socket) = &self.line else { return };
        let (queued, now) = (self.bytes as u64, Instant::now());
        let context = match &mut self.kept {
            None => Some(Bytes::new()),
            Some(kept) => {
                if kept.receipts.trusts_tcp() {
                    let acknowledged = kept.receipts.look(socket.unacknowledged(), now);
                    kept.settle(acknowledged);
                }
                kept.receipts.ask(kept.receipts.written() + queued, now)
            }
        };
        let Some(context) = context else { return };
        self.pinged = Some(now);
        let tenths = u16::try_from(time_to_live.as_millis() / 100).unwrap_or(u16::MAX);
        self.append_raw(|out| encode_command(&Command::Ping(tenths, context), out));
    }

    /// When the peer was last asked for a sign of life.
    pub(super) fn pinged(&self) -> Option<Instant> {
        self.pinged
    }
}
