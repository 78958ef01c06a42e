//! What has been queued for a peer and is not known to have arrived there: it outlives the connection.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Buf, Bytes, BytesMut};

use super::receipts::{ASK_BEYOND, Receipts, Unacknowledged};

/// How much of a message that cannot be kept is: its envelope and headers.
const BEGINNING: usize = 16 << 10;

/// How many groups of messages are told apart of which it is not known, after they were let go, whether they have arrived.
const GROUPS: usize = 1024;

/// How much is kept for a peer whose connection has ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Keep {
    /// Bytes.
    pub bytes: usize,
    /// The age of a message.
    pub time: Duration,
    /// Whether there is a network between us and the peer, which may break in the middle of anything.
    pub is_remote: bool,
}

/// What could not be kept.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Missed {
    /// Messages.
    pub messages: u64,
    /// The first of them as it would have been sent, or its beginning.
    pub first: Bytes,
}

impl Missed {
    fn add(&mut self, messages: u64, first: impl FnOnce() -> Bytes) {
        if self.messages == 0 && messages > 0 {
            self.first = first();
        }
        self.messages += messages;
    }
}

/// The messages of one queue that have not arrived yet, by their places in the stream of all bytes.
#[derive(Debug)]
pub(super) struct Kept {
    keep: Keep,
    pub(super) receipts: Receipts,
    /// Oldest first.
    messages: VecDeque<Message>,
    /// What has been written of the stream, from `start` to what `receipts` tells.
    sent: VecDeque<Bytes>,
    start: u64,
    let_go: LetGo,
    /// What time it is to messages that are queued now.
    now: Instant,
    missed: Missed,
}

#[derive(Clone, Copy, Debug)]
struct Message {
    start: u64,
    end: u64,
    at: Instant,
}

/// Messages that took too much room before it was known whether they had arrived.
#[derive(Debug, Default)]
struct LetGo {
    /// Where each group ends, and how many there are in it.
    groups: VecDeque<(u64, u64)>,
    first: Bytes,
}

impl Kept {
    pub(super) fn new(keep: Keep, pings: bool, now: Instant) -> Self {
        Self {
            keep,
            receipts: Receipts::new(keep.is_remote, pings, now),
            messages: VecDeque::new(),
            sent: VecDeque::new(),
            start: 0,
            let_go: LetGo::default(),
            now,
            missed: Missed::default(),
        }
    }

    /// A message of so many bytes follows those that are known, or what else has been queued up to `start`.
    pub(super) fn queued(&mut self, start: u64, length: usize) {
        self.messages.push_back(Message { start, end: start + length as u64, at: self.now });
    }

    /// The stream goes on in these bytes, which the socket has taken.
    pub(super) fn wrote(&mut self, bytes: Bytes) {
        self.receipts.wrote(bytes.len());
        let written = self.receipts.written();
        if self.messages.is_empty() {
            self.start = written;
            return;
        }
        self.sent.push_back(bytes);
        self.receipts.mark(Instant::now());
        let most = (self.keep.bytes as u64).max(ASK_BEYOND);
        if written - self.start > most {
            self.make_room(written - most);
        }
    }

    /// Everything before this place in the stream has arrived.
    pub(super) fn settle(&mut self, place: u64) {
        while self.messages.front().is_some_and(|message| message.end <= place) {
            self.messages.pop_front();
        }
        self.let_go.groups.retain(|(end, _)| *end > place);
        self.discard();
    }

    /// What lies before this place takes too much room.
    fn make_room(&mut self, place: u64) {
        while let Some(message) = self.messages.front().filter(|message| message.end <= place) {
            self.let_go.add(message.end, || beginning(&self.sent, (message.end - message.start) as usize));
            self.messages.pop_front();
            self.discard();
        }
    }

    /// Gives up bytes that no message needs any more.
    fn discard(&mut self) {
        let written = self.receipts.written();
        let needed = self.messages.front().map_or(written, |message| message.start.min(written));
        while self.start < needed {
            let Some(chunk) = self.sent.front_mut() else { break };
            let surplus = (needed - self.start).min(chunk.len() as u64);
            self.start += surplus;
            if surplus == chunk.len() as u64 {
                self.sent.pop_front();
            } else {
                // The rest of the chunk would keep all its memory, but it is only one.
                chunk.advance(surplus as usize);
            }
        }
        if self.messages.is_empty() {
            // An idle connection holds no buffer.
            (self.messages, self.sent) = (VecDeque::new(), VecDeque::new());
            self.start = written;
        }
    }

    /// Whether the peer's task is to be told that it has to ask soon; says so once.
    pub(super) fn is_to_schedule(&mut self) -> bool {
        self.start < self.receipts.written() && self.receipts.is_to_schedule()
    }

    /// Whether the peer is to be asked at once, when what is queued is about to be written.
    pub(super) fn is_to_ask_at_once(&self) -> bool {
        self.messages.back().is_some_and(|last| self.receipts.is_to_ask_at_once(last.end))
    }

    /// A PONG has come.
    pub(super) fn answered(&mut self, context: Bytes) {
        if let Some(place) = self.receipts.answered(context, Instant::now()) {
            self.settle(place);
        }
    }

    // The connection's end.

    /// The connection has ended with so many bytes that the other host has not got. Returns the messages that are not
    /// known to have arrived, whole, `queued` being what had not been written; from now on, the queue begins with them.
    pub(super) fn part(
        &mut self,
        unacknowledged: Unacknowledged,
        queued: VecDeque<Bytes>,
        now: Instant,
    ) -> VecDeque<Bytes> {
        let arrived = self.receipts.arrived(unacknowledged, now);
        self.settle(arrived);
        let LetGo { groups, first } = std::mem::take(&mut self.let_go);
        self.missed.add(groups.iter().map(|(_, messages)| messages).sum(), || first);
        let mut stream = std::mem::take(&mut self.sent);
        stream.extend(queued);
        let mut stream = Stream { chunks: stream, at: self.start };
        let mut kept = VecDeque::new();
        let mut place = 0;
        for message in &mut self.messages {
            stream.copy(message.start, message.end, &mut kept);
            let length = message.end - message.start;
            *message = Message { start: place, end: place + length, at: now };
            place += length;
        }
        self.start = 0;
        self.receipts.renew(now);
        kept
    }

    /// What time it is, for a queue without a connection.
    pub(super) fn now_is(&mut self, now: Instant) {
        self.now = now;
    }

    /// The length of the oldest message, if there are more than may be kept: it is given up, `chunks` being what is queued.
    pub(super) fn give_up(&mut self, bytes: usize, chunks: &VecDeque<Bytes>) -> Option<usize> {
        let oldest = *self.messages.front()?;
        let is_old = self.now.duration_since(oldest.at) > self.keep.time;
        if bytes <= self.keep.bytes && !is_old {
            return None;
        }
        let length = usize::try_from(oldest.end - oldest.start).unwrap_or(usize::MAX);
        self.missed.add(1, || beginning(chunks, length));
        self.start = oldest.end;
        self.receipts.wrote(length);
        self.messages.pop_front();
        Some(length)
    }

    /// There is a connection again. Returns what could not be kept, and the lengths of the messages that were: they are
    /// to be queued anew.
    pub(super) fn resume(&mut self) -> (Missed, Vec<usize>) {
        let lengths = self.messages.drain(..).map(|message| (message.end - message.start) as usize).collect();
        (std::mem::take(&mut self.missed), lengths)
    }
}

impl LetGo {
    fn add(&mut self, end: u64, first: impl FnOnce() -> Bytes) {
        if self.groups.is_empty() {
            self.first = first();
        }
        let is_full = self.groups.len() >= GROUPS;
        match self.groups.back_mut() {
            Some(last) if is_full => *last = (end, last.1 + 1),
            _ => self.groups.push_back((end, 1)),
        }
    }
}

/// What a message begins with that is the first of these chunks.
fn beginning(chunks: &VecDeque<Bytes>, length: usize) -> Bytes {
    let mut beginning = BytesMut::new();
    for chunk in chunks {
        let room = length.min(BEGINNING) - beginning.len();
        beginning.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }
    beginning.freeze()
}

/// Bytes from a place on.
struct Stream {
    chunks: VecDeque<Bytes>,
    at: u64,
}

impl Stream {
    /// Moves what lies between two places to `out`, sharing its memory; what came before is dropped.
    fn copy(&mut self, from: u64, to: u64, out: &mut VecDeque<Bytes>) {
        self.take(from - self.at, |_| {});
        self.take(to - from, |bytes| out.push_back(bytes));
    }

    fn take(&mut self, mut length: u64, mut out: impl FnMut(Bytes)) {
        while length > 0 {
            let Some(chunk) = self.chunks.front_mut() else { return };
            let part = chunk.split_to(usize::try_from(length).unwrap_or(usize::MAX).min(chunk.len()));
            if chunk.is_empty() {
                self.chunks.pop_front();
            }
            length -= part.len() as u64;
            self.at += part.len() as u64;
            if !part.is_empty() {
                out(part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const KEEP: Keep = Keep { bytes: 1 << 20, time: Duration::from_secs(60), is_remote: false };
    /// When everything that was written has been for long.
    const LATER: Duration = Duration::from_secs(1);

    /// A stream of messages of these lengths, each of which is told from the others by its bytes, with a command after some.
    fn stream(lengths: &[(usize, usize)]) -> (Vec<Bytes>, Bytes, Kept) {
        let mut kept = Kept::new(KEEP, true, Instant::now());
        let (mut messages, mut bytes) = (Vec::new(), BytesMut::new());
        for (index, (length, command)) in lengths.iter().enumerate() {
            let message = Bytes::from(vec![index as u8; *length]);
            kept.queued(bytes.len() as u64, *length);
            bytes.extend_from_slice(&message);
            bytes.extend_from_slice(&vec![0xFF; *command]);
            messages.push(message);
        }
        (messages, bytes.freeze(), kept)
    }

    fn concat(chunks: &VecDeque<Bytes>) -> Vec<u8> {
        chunks.iter().flat_map(|chunk| chunk.to_vec()).collect()
    }

    proptest! {
        /// Whatever was written and has arrived when a connection ends: the messages that have not wholly arrived are kept,
        /// each whole, in order, and nothing else.
        #[test]
        fn what_has_not_arrived_is_kept_whole_and_in_order(
            lengths in prop::collection::vec((1..40_usize, 0..3_usize), 0..30),
            written in 0..2000_usize,
            arrived in 0..2000_usize,
            step in 1..50_usize,
            pong_at in 0..2000_usize,
        ) {
            let (messages, stream, mut kept) = stream(&lengths);
            let written = written.min(stream.len());
            let arrived = arrived.min(written);
            let now = Instant::now();
            let (sent, queued) = (stream.slice(..written), stream.slice(written..));
            for at in (0..sent.len()).step_by(step) {
                kept.wrote(sent.slice(at..sent.len().min(at + step)));
                if at >= pong_at.min(arrived) && at <= arrived {
                    let question = kept.receipts.ask(at as u64, now).unwrap();
                    kept.answered(question);
                }
            }
            let unacknowledged = Unacknowledged { all: (written - arrived) as u64, sent: 0 };
            let chunks = kept.part(unacknowledged, VecDeque::from([queued]), now + LATER);
            let mut end = 0;
            let missing = messages.iter().zip(&lengths).filter(|(message, (_, command))| {
                let is_missing = end + message.len() > arrived;
                end += message.len() + command;
                is_missing
            });
            let missing: Vec<u8> = missing.flat_map(|(message, _)| message.to_vec()).collect();
            prop_assert_eq!(concat(&chunks), missing);
            let (missed, lengths) = kept.resume();
            prop_assert_eq!(missed.messages, 0);
            prop_assert_eq!(lengths.iter().sum::<usize>(), concat(&chunks).len());
        }

        /// What arrived is not kept in memory: no more than one message and the chunk that it began in.
        #[test]
        fn what_has_arrived_is_let_go(lengths in prop::collection::vec((1..40_usize, 0..3_usize), 1..30)) {
            let (_, stream, mut kept) = stream(&lengths);
            kept.wrote(stream.clone());
            let question = kept.receipts.ask(stream.len() as u64, Instant::now()).unwrap();
            kept.answered(question);
            prop_assert!(kept.messages.is_empty() && kept.sent.is_empty());
        }
    }

    #[test]
    fn what_was_let_go_for_room_and_has_not_arrived_is_counted() {
        let keep = Keep { is_remote: true, bytes: 1 << 20, ..KEEP };
        let mut kept = Kept::new(keep, true, Instant::now());
        let messages = [1, 2, 3, 4, 5].map(|number| Bytes::from(vec![number; 1 << 19]));
        for (index, message) in messages.iter().enumerate() {
            kept.queued((index << 19) as u64, message.len());
            kept.wrote(message.clone());
        }
        let question = kept.receipts.ask(1 << 19, Instant::now()).unwrap();
        kept.answered(question);
        let rest = kept.part(Unacknowledged::default(), VecDeque::new(), Instant::now());
        assert_eq!(concat(&rest), [messages[3].clone(), messages[4].clone()].concat());
        let (missed, lengths) = kept.resume();
        assert_eq!((missed.messages, lengths), (2, vec![1 << 19; 2]));
        assert_eq!(missed.first.len(), BEGINNING);
    }

    #[test]
    fn what_was_let_go_without_an_end_takes_no_room() {
        let mut let_go = LetGo::default();
        for end in 1..=5_000 {
            let_go.add(end, Bytes::new);
        }
        assert!(let_go.groups.len() <= GROUPS);
        assert_eq!(let_go.groups.iter().map(|(_, messages)| messages).sum::<u64>(), 5_000);
        assert_eq!(let_go.groups.back().unwrap().0, 5_000);
    }

    #[test]
    fn the_oldest_are_given_up_for_their_age_and_for_room() {
        let (_, stream, mut kept) = stream(&[(10, 0), (10, 0)]);
        let start = Instant::now();
        let queued = kept.part(Unacknowledged::default(), VecDeque::from([stream.clone()]), start);
        assert_eq!(concat(&queued).len(), 20);
        assert_eq!(kept.give_up(20, &queued), None);
        assert_eq!(kept.give_up(KEEP.bytes + 1, &queued), Some(10));
        kept.now_is(start + KEEP.time + Duration::from_secs(1));
        assert_eq!(kept.give_up(10, &VecDeque::new()), Some(10));
        assert_eq!(kept.give_up(0, &VecDeque::new()), None);
        let missed = Missed { messages: 2, first: stream.slice(..10) };
        assert_eq!(kept.resume(), (missed, Vec::new()));
    }
}
