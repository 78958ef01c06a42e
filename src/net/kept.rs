//! What has been queued for a peer and is not known to have arrived there: it outlives the connection.
//!
//! A peer is asked by a PING, whose PONG says that everything before it has been read. One behind a network is asked whenever
//! something has been written; one on this machine now and then, for there is only a tunnel in between, if anything, and
//! of all else TCP tells how much has been got.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// How soon after something has been written to a peer on this machine its arrival is asked for.
pub(super) const ASK_AFTER: Duration = Duration::from_millis(500);

/// TCP acknowledges nothing at once if nothing goes the other way (RFC 1122, 4.2.3.2: within half a second; Linux takes 40 ms,
/// seldom 200): what was written so lately may have arrived.
const UNDER_WAY: Duration = Duration::from_millis(200);

/// Bytes after which it is asked for at once, so that no more than these and what is under way are kept.
const ASK_BEYOND: usize = 1 << 20;

/// A peer that has answered before and does not for so long is gone, whatever a tunnel in between has taken for it.
const GONE_AFTER: Duration = Duration::from_secs(5);

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

/// The messages of one queue that have not arrived yet, by their places in the stream of all bytes.
#[derive(Debug)]
pub(super) struct Kept {
    keep: Keep,
    /// Whether the peer knows PING.
    pings: bool,
    /// Oldest first.
    messages: VecDeque<Message>,
    /// What has been written of the stream, from `start` to `written`.
    sent: VecDeque<Bytes>,
    start: u64,
    written: u64,
    /// Raised with each connection, so that a PONG of an earlier one says nothing.
    life: u32,
    asked: Option<Question>,
    /// Whether the peer ever answered.
    answers: bool,
    /// The peer's task knows that it has to ask.
    scheduled: bool,
    confirmed: u64,
    /// When something was last written.
    wrote_at: Instant,
    /// What had been written at two times before, at least [`UNDER_WAY`] apart.
    marks: [(u64, Instant); 2],
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

#[derive(Clone, Copy, Debug)]
struct Question {
    position: u64,
    at: Instant,
}

impl Kept {
    pub(super) fn new(keep: Keep, pings: bool, now: Instant) -> Self {
        Self {
            keep,
            pings,
            messages: VecDeque::new(),
            sent: VecDeque::new(),
            start: 0,
            written: 0,
            life: 0,
            asked: None,
            answers: false,
            scheduled: false,
            confirmed: 0,
            wrote_at: now,
            marks: [(0, now); 2],
            now,
            missed: Missed::default(),
        }
    }

    /// How many bytes have been written.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// A message of so many bytes follows those that are known, or what else has been queued up to `start`.
    pub(super) fn queued(&mut self, start: u64, length: usize) {
        self.messages.push_back(Message { start, end: start + length as u64, at: self.now });
    }

    /// The stream goes on in these bytes, which the socket has taken.
    pub(super) fn wrote(&mut self, bytes: Bytes) {
        self.written += bytes.len() as u64;
        if self.messages.is_empty() {
            self.start = self.written;
        } else {
            self.sent.push_back(bytes);
            self.mark(Instant::now());
            if self.sent_bytes() > self.keep.bytes.max(ASK_BEYOND) {
                self.settle(self.written - self.keep.bytes as u64);
            }
        }
    }

    fn mark(&mut self, now: Instant) {
        self.wrote_at = now;
        let [_, later] = self.marks;
        if now.duration_since(later.1) >= UNDER_WAY {
            self.marks = [later, (self.written, now)];
        }
    }

    /// What was written so long ago that TCP would have told if it had arrived.
    fn is_due(&self, now: Instant) -> u64 {
        let known = self.marks.iter().copied().chain([(self.written, self.wrote_at)]);
        let due = known.rev().find(|(_, at)| now.duration_since(*at) >= UNDER_WAY);
        due.map_or(0, |(position, _)| position)
    }

    fn sent_bytes(&self) -> usize {
        usize::try_from(self.written - self.start).unwrap_or(usize::MAX)
    }

    /// Everything before this place in the stream has arrived.
    pub(super) fn settle(&mut self, position: u64) {
        while self.messages.front().is_some_and(|message| message.end <= position) {
            self.messages.pop_front();
        }
        let needed = self.messages.front().map_or(self.written, |message| message.start.min(self.written));
        self.discard(needed);
    }

    fn discard(&mut self, needed: u64) {
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
            self.start = self.written;
        }
    }

    // Asking.

    /// Whether the peer's task is to be told that it has to ask soon; says so once.
    pub(super) fn is_to_schedule(&mut self) -> bool {
        let asks = !self.scheduled && self.is_unasked() && self.start < self.written;
        self.scheduled |= asks;
        asks
    }

    /// Whether the peer is to be asked at once, when so many bytes are about to be written: it is far, or has got a lot.
    pub(super) fn is_to_ask_at_once(&self, queued: usize) -> bool {
        let unconfirmed = self.sent_bytes() + queued;
        let most = if self.keep.is_remote { 0 } else { ASK_BEYOND };
        self.is_unasked() && !self.messages.is_empty() && unconfirmed > most
    }

    fn is_unasked(&self) -> bool {
        self.asked.is_none()
    }

    /// The context of a PING that asks for all that has been queued up to here, which it follows.
    pub(super) fn ask(&mut self, position: u64, now: Instant) -> Bytes {
        self.scheduled = false;
        self.asked = Some(Question { position, at: now });
        let mut context = BytesMut::with_capacity(12);
        context.put_u32(self.life);
        context.put_u64(position);
        context.freeze()
    }

    /// A PONG has come.
    pub(super) fn answered(&mut self, mut context: Bytes) {
        if context.len() != 12 || context.get_u32() != self.life {
            return;
        }
        let position = context.get_u64();
        if self.asked.is_some_and(|asked| asked.position == position) {
            self.asked = None;
            self.answers = true;
            self.confirmed = position;
            self.settle(position);
        }
    }

    /// Whether the peer can be asked; else, what TCP says has to do.
    pub(super) fn can_ask(&self) -> bool {
        self.pings
    }

    /// So many bytes have not been acknowledged by the other host, which must do for a peer that cannot be asked.
    pub(super) fn rely_on(&mut self, unacknowledged: u64) {
        self.scheduled = false;
        self.settle(self.written.saturating_sub(unacknowledged));
    }

    /// Whether the peer owes an answer for so long that it must be gone.
    pub(super) fn seems_gone(&self, now: Instant) -> bool {
        self.answers && self.asked.is_some_and(|asked| now.duration_since(asked.at) >= GONE_AFTER)
    }

    // The connection's end.

    /// Up to where the stream has arrived, as far as can be known.
    fn arrived(&self, unacknowledged: u64, now: Instant) -> u64 {
        if self.answers && (self.keep.is_remote || self.seems_gone(now)) {
            return self.confirmed;
        }
        let acknowledged = self.written.saturating_sub(unacknowledged);
        // Processes of this machine end a connection on purpose, as a rule, and have got all that was under way.
        let has_rest = !self.keep.is_remote && acknowledged >= self.is_due(now);
        if has_rest { self.written } else { acknowledged }
    }

    /// The connection has ended with so many bytes that the other host has not got. Returns the messages that are not
    /// known to have arrived, whole, `queued` being what had not been written; from now on, the queue begins with them.
    pub(super) fn part(
        &mut self,
        unacknowledged: u64,
        queued: VecDeque<Bytes>,
        now: Instant,
    ) -> VecDeque<Bytes> {
        self.settle(self.arrived(unacknowledged, now));
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
        (self.start, self.written, self.confirmed) = (0, 0, 0);
        self.marks = [(0, now); 2];
        (self.asked, self.answers, self.scheduled) = (None, false, false);
        self.life += 1;
        kept
    }

    /// What time it is, for a queue without a connection.
    pub(super) fn now_is(&mut self, now: Instant) {
        self.now = now;
    }

    /// The length of the oldest message, if there are more than may be kept: it is given up, `beginning` being what it
    /// begins with.
    pub(super) fn give_up(&mut self, bytes: usize, beginning: impl FnOnce(usize) -> Bytes) -> Option<usize> {
        let oldest = self.messages.front()?;
        let is_old = self.now.duration_since(oldest.at) > self.keep.time;
        if bytes <= self.keep.bytes && !is_old {
            return None;
        }
        let length = usize::try_from(oldest.end - oldest.start).unwrap_or(usize::MAX);
        if self.missed.messages == 0 {
            self.missed.first = beginning(length);
        }
        self.missed.messages += 1;
        self.written = oldest.end;
        self.start = self.written;
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
                    let question = kept.ask(at as u64, now);
                    kept.answered(question);
                }
            }
            let unacknowledged = (written - arrived) as u64;
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
            let question = kept.ask(stream.len() as u64, Instant::now());
            kept.answered(question);
            prop_assert!(kept.messages.is_empty() && kept.sent.is_empty());
        }
    }

    #[test]
    fn a_peer_that_owes_an_answer_has_not_got_what_a_tunnel_took_for_it() {
        let (_, stream, mut kept) = stream(&[(10, 0), (10, 0), (10, 0)]);
        let start = Instant::now();
        kept.wrote(stream.slice(..10));
        let question = kept.ask(10, start);
        kept.answered(question);
        kept.wrote(stream.slice(10..20));
        kept.ask(20, start);
        assert!(!kept.seems_gone(start));
        assert!(kept.seems_gone(start + GONE_AFTER));
        let kept = kept.part(0, VecDeque::from([stream.slice(20..)]), start + GONE_AFTER);
        assert_eq!(concat(&kept), stream.slice(10..));
    }

    #[test]
    fn a_peer_that_never_answers_has_got_what_its_host_has() {
        let (_, stream, mut kept) = stream(&[(10, 0), (10, 0)]);
        let start = Instant::now();
        kept.wrote(stream.clone());
        kept.ask(20, start);
        let kept = kept.part(3, VecDeque::new(), start + GONE_AFTER);
        assert_eq!(concat(&kept), stream.slice(10..));
    }

    #[test]
    fn what_was_under_way_to_a_process_of_this_machine_has_arrived_and_what_stood_in_the_way_has_not() {
        let start = Instant::now();
        let (_, stream, mut kept) = self::stream(&[(10, 0), (10, 0)]);
        kept.wrote(stream.clone());
        assert!(kept.part(20, VecDeque::new(), kept.wrote_at).is_empty());
        let (_, stream, mut kept) = self::stream(&[(10, 0), (10, 0)]);
        kept.wrote(stream.slice(..10));
        kept.mark(start + LATER);
        kept.wrote(stream.slice(10..));
        kept.mark(start + 2 * LATER);
        let kept = kept.part(20, VecDeque::new(), start + 2 * LATER);
        assert_eq!(concat(&kept), stream);
    }

    #[test]
    fn what_a_remote_peer_has_not_answered_for_has_not_arrived_and_it_is_asked_at_once() {
        let (_, stream, mut kept) = stream(&[(10, 0), (10, 0)]);
        kept.keep.is_remote = true;
        assert!(kept.is_to_ask_at_once(10));
        kept.wrote(stream.slice(..10));
        let question = kept.ask(10, Instant::now());
        assert!(!kept.is_to_ask_at_once(10), "it has been asked");
        kept.answered(question);
        kept.wrote(stream.slice(10..));
        assert!(kept.is_to_ask_at_once(0));
        let kept = kept.part(0, VecDeque::new(), Instant::now());
        assert_eq!(concat(&kept), stream.slice(10..));
    }

    #[test]
    fn of_a_remote_peer_that_was_never_asked_before_tcp_tells_what_has_arrived() {
        let (_, stream, mut kept) = stream(&[(10, 0), (10, 0)]);
        kept.keep.is_remote = true;
        kept.wrote(stream.clone());
        kept.ask(20, Instant::now());
        let kept = kept.part(10, VecDeque::new(), Instant::now());
        assert_eq!(concat(&kept), stream.slice(10..));
    }

    #[test]
    fn an_answer_to_another_connection_says_nothing() {
        let (_, stream, mut kept) = stream(&[(10, 0)]);
        kept.wrote(stream);
        let question = kept.ask(10, Instant::now());
        kept.part(10, VecDeque::new(), Instant::now() + LATER);
        kept.answered(question);
        assert_eq!(kept.messages.len(), 1);
    }

    #[test]
    fn the_oldest_are_given_up_for_their_age_and_for_room() {
        let (_, stream, mut kept) = stream(&[(10, 0), (10, 0)]);
        let start = Instant::now();
        let queued = kept.part(0, VecDeque::from([stream]), start);
        assert_eq!(concat(&queued).len(), 20);
        assert_eq!(kept.give_up(20, |_| Bytes::new()), None);
        assert_eq!(kept.give_up(KEEP.bytes + 1, |_| Bytes::from_static(b"first")), Some(10));
        kept.now_is(start + KEEP.time + Duration::from_secs(1));
        assert_eq!(kept.give_up(10, |_| Bytes::from_static(b"second")), Some(10));
        assert_eq!(kept.give_up(0, |_| Bytes::new()), None);
        let missed = Missed { messages: 2, first: Bytes::from_static(b"first") };
        assert_eq!(kept.resume(), (missed, Vec::new()));
    }
}
