//! The bytes that wait to leave on one connection, and how they are written.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    sync::Arc,
};

use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;

use super::stream::WriteHalf;
use crate::zmtp::encode_header;

/// Frames from this size on are handed to the kernel where they lie; smaller ones are copied into one run of bytes.
const COPY_BELOW: usize = 8 << 10;

/// Most slices of one vectored write.
const SLICES: usize = 64;

/// What waits, in order: whole chunks, then a tail that still grows.
#[derive(Debug)]
pub(super) struct Queue {
    /// `None` once the connection has ended.
    socket: Option<Arc<WriteHalf>>,
    chunks: VecDeque<Bytes>,
    tail: BytesMut,
    bytes: usize,
    /// The largest message since the queue was last empty: it takes no room from the others.
    largest: usize,
    /// What has been taken of the reserve since then.
    reserve: usize,
    /// Bytes of PONGs since then.
    pongs: usize,
}

impl Queue {
    pub(super) fn new(socket: WriteHalf) -> Self {
        Self { socket: Some(Arc::new(socket)), ..Self::closed() }
    }

    /// The queue of a connection that has ended.
    pub(super) fn closed() -> Self {
        Self {
            socket: None,
            chunks: VecDeque::new(),
            tail: BytesMut::new(),
            bytes: 0,
            largest: 0,
            reserve: 0,
            pongs: 0,
        }
    }

    pub(super) fn socket(&self) -> Option<&Arc<WriteHalf>> {
        self.socket.as_ref()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.socket.is_none()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    /// One message may always wait, however long (the limit on messages bounds it), and beside it as much as the limit.
    pub(super) fn has_room(&self, size: usize, limit: usize) -> bool {
        self.bytes == 0 || self.bytes + size <= limit + self.largest
    }

    pub(super) fn len(&self) -> usize {
        self.bytes
    }

    pub(super) fn take_reserve(&mut self, size: usize, reserve: usize) -> bool {
        let fits = self.reserve + size <= reserve;
        self.reserve += if fits { size } else { 0 };
        fits
    }

    /// Appends a message of `size` bytes.
    pub(super) fn append<'a>(&mut self, size: usize, frames: impl Iterator<Item = &'a Bytes>) {
        self.largest = self.largest.max(size);
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

    /// Appends whole messages that others send too, the largest being of so many bytes.
    pub(super) fn append_run(&mut self, largest: usize, run: Bytes) {
        self.largest = self.largest.max(largest);
        self.bytes += run.len();
        if !self.tail.is_empty() {
            self.chunks.push_back(self.tail.split().freeze());
        }
        self.chunks.push_back(run);
    }

    /// Appends bytes of the protocol itself.
    pub(super) fn append_raw(&mut self, write: impl FnOnce(&mut BytesMut)) {
        if self.is_closed() {
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
        (self.largest, self.reserve, self.pongs) = (0, 0, 0);
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

    pub(super) fn close(&mut self) {
        self.socket = None;
        self.chunks = VecDeque::new();
        self.tail = BytesMut::new();
        self.bytes = 0;
    }
}
