//! The messages of one connection that the other host's TCP has not acknowledged yet, so that they can be sent again on
//! another connection.

use std::{collections::VecDeque, ops::Range};

use bytes::{Buf, Bytes};
use smallvec::SmallVec;

/// Bytes written after which TCP is asked again how many have been acknowledged: so many more than those are kept at most.
const CHECK_EVERY: u64 = 256 << 10;

/// A whole message as it is sent, in pieces that share memory with others.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Encoded {
    pub(super) chunks: SmallVec<[Bytes; 2]>,
    pub(super) size: usize,
}

/// What is queued and written on one connection, by its place in the stream of all bytes.
#[derive(Debug, Default)]
pub(super) struct Sent {
    /// Messages that are queued, or written and not acknowledged, oldest first. Bytes in between belong to the protocol.
    messages: VecDeque<Range<u64>>,
    /// The written bytes from `start` on.
    chunks: VecDeque<Bytes>,
    start: u64,
    written: u64,
    /// What had been written when TCP was last asked.
    checked: u64,
}

impl Encoded {
    fn push(&mut self, chunk: Bytes) {
        self.size += chunk.len();
        self.chunks.push(chunk);
    }
}

impl FromIterator<Bytes> for Encoded {
    fn from_iter<T: IntoIterator<Item = Bytes>>(chunks: T) -> Self {
        let mut encoded = Self::default();
        chunks.into_iter().for_each(|chunk| encoded.push(chunk));
        encoded
    }
}

impl Sent {
    /// How many bytes have been written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// A message of so many bytes has been queued, to be written from this place on.
    pub(super) fn queued(&mut self, start: u64, size: usize) {
        self.messages.push_back(start..start + size as u64);
    }

    /// The socket has taken these bytes.
    pub(super) fn wrote(&mut self, bytes: Bytes) {
        self.written += bytes.len() as u64;
        if self.messages.is_empty() {
            self.start = self.written;
        } else {
            self.chunks.push_back(bytes);
        }
    }

    /// Whether it is time to ask TCP how many bytes have been acknowledged.
    pub(super) fn is_to_check(&self) -> bool {
        self.written - self.checked >= CHECK_EVERY
    }

    /// Whether written bytes are still kept.
    pub(super) fn holds_any(&self) -> bool {
        self.start < self.written
    }

    /// TCP has delivered everything before this place.
    pub(super) fn delivered(&mut self, place: u64) {
        self.checked = self.written;
        while self.messages.front().is_some_and(|message| message.end <= place) {
            self.messages.pop_front();
        }
        let needed = self.messages.front().map_or(self.written, |message| message.start.min(self.written));
        self.discard(needed);
        if self.messages.is_empty() {
            // An idle connection holds no buffer.
            (self.messages, self.chunks) = (VecDeque::new(), VecDeque::new());
        }
    }

    fn discard(&mut self, needed: u64) {
        while self.start < needed {
            let Some(chunk) = self.chunks.front_mut() else { break };
            let surplus = (needed - self.start).min(chunk.len() as u64);
            self.start += surplus;
            if surplus == chunk.len() as u64 {
                self.chunks.pop_front();
            } else {
                // The rest of the chunk keeps all its memory, but it is only one.
                chunk.advance(surplus as usize);
            }
        }
        self.start = self.start.max(needed);
    }

    /// The connection has ended, and TCP has delivered everything before this place. Returns the messages that were not
    /// delivered whole; `queued` is what had not been written.
    pub(super) fn undelivered(mut self, place: u64, queued: VecDeque<Bytes>) -> Vec<Encoded> {
        self.delivered(place);
        let mut stream = Stream::new(self.chunks, self.start);
        stream.extend(queued);
        let undelivered = self.messages.into_iter().map(|message| {
            stream.skip_to(message.start);
            stream.take((message.end - message.start) as usize).collect()
        });
        undelivered.collect()
    }
}

/// Bytes from a place on.
pub(super) struct Stream {
    chunks: VecDeque<Bytes>,
    at: u64,
}

impl Stream {
    pub(super) fn new(chunks: VecDeque<Bytes>, at: u64) -> Self {
        Self { chunks, at }
    }

    pub(super) fn extend(&mut self, chunks: impl IntoIterator<Item = Bytes>) {
        self.chunks.extend(chunks);
    }

    fn skip_to(&mut self, place: u64) {
        self.take(place.saturating_sub(self.at) as usize).for_each(drop);
    }

    /// Takes the next so many bytes, sharing their memory.
    pub(super) fn take(&mut self, mut length: usize) -> impl Iterator<Item = Bytes> {
        std::iter::from_fn(move || {
            while self.chunks.front().is_some_and(Bytes::is_empty) {
                self.chunks.pop_front();
            }
            let chunk = self.chunks.front_mut().filter(|_| length > 0)?;
            let part = chunk.split_to(length.min(chunk.len()));
            length -= part.len();
            self.at += part.len() as u64;
            Some(part)
        })
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;
    use proptest::prelude::*;

    use super::*;

    /// A stream of messages of these lengths, each of which is told from the others by its bytes, with a command after some.
    fn stream(lengths: &[(usize, usize)]) -> (Vec<Bytes>, Bytes, Sent) {
        let mut sent = Sent::default();
        let (mut messages, mut bytes) = (Vec::new(), BytesMut::new());
        for (index, (length, command)) in lengths.iter().enumerate() {
            let message = Bytes::from(vec![index as u8; *length]);
            sent.queued(bytes.len() as u64, *length);
            bytes.extend_from_slice(&message);
            bytes.extend_from_slice(&vec![0xFF; *command]);
            messages.push(message);
        }
        (messages, bytes.freeze(), sent)
    }

    proptest! {
        /// Whatever was written and delivered when a connection ends: the messages that were not delivered whole are
        /// returned, each whole, in order, and nothing else.
        #[test]
        fn what_was_not_delivered_is_returned_whole_and_in_order(
            lengths in prop::collection::vec((1..40_usize, 0..3_usize), 0..30),
            written in 0..2000_usize,
            delivered in 0..2000_usize,
            step in 1..50_usize,
            checked_at in 0..2000_usize,
        ) {
            let (messages, stream, mut sent) = stream(&lengths);
            let written = written.min(stream.len());
            let delivered = delivered.min(written);
            for at in (0..written).step_by(step) {
                sent.wrote(stream.slice(at..written.min(at + step)));
                sent.delivered(checked_at.min(delivered).min(at) as u64);
            }
            let returned = sent.undelivered(delivered as u64, VecDeque::from([stream.slice(written..)]));
            let mut end = 0;
            let expected = messages.iter().zip(&lengths).filter(|(message, (_, command))| {
                let is_undelivered = end + message.len() > delivered;
                end += message.len() + command;
                is_undelivered
            });
            let expected: Vec<Vec<u8>> = expected.map(|(message, _)| message.to_vec()).collect();
            let sizes: Vec<usize> = returned.iter().map(|message| message.size).collect();
            let returned: Vec<Vec<u8>> = returned.iter().map(|message| message.chunks.concat()).collect();
            prop_assert_eq!(sizes, returned.iter().map(Vec::len).collect::<Vec<_>>());
            prop_assert_eq!(returned, expected);
        }

        #[test]
        fn what_was_delivered_takes_no_memory(lengths in prop::collection::vec((1..40_usize, 0..3_usize), 1..30)) {
            let (_, stream, mut sent) = stream(&lengths);
            sent.wrote(stream.clone());
            prop_assert!(sent.holds_any());
            sent.delivered(stream.len() as u64);
            prop_assert!(sent.messages.is_empty() && sent.chunks.is_empty() && !sent.holds_any());
        }
    }
}
