//! What is known of how much a peer has got of the bytes that were written to it.
//!
//! A peer is asked by a PING, whose PONG says that everything before it has been read. One behind a network is asked whenever
//! something has been written; one on this machine now and then, for there is only a tunnel in between, if anything, and
//! of all else TCP tells how much has been got.

use std::time::{Duration, Instant};

use bytes::{Buf, BufMut, Bytes, BytesMut};

/// How soon after something has been written to a peer on this machine its arrival is asked for.
pub(super) const ASK_AFTER: Duration = Duration::from_millis(500);

/// TCP acknowledges nothing at once if nothing goes the other way (RFC 1122, 4.2.3.2: within half a second; Linux takes 40 ms,
/// seldom 200): what was written so lately may have arrived.
const UNDER_WAY: Duration = Duration::from_millis(200);

/// Bytes after which it is asked for at once, whether or not earlier answers have come: no more than these, and what is on
/// its way, are not known to have been read.
pub(super) const ASK_BEYOND: u64 = 1 << 20;

/// A process of this machine that owes an answer for so long, while nothing moves, has been taken away from behind its tunnel.
const GONE_AFTER: Duration = Duration::from_secs(5);

/// A host to which bytes have been on their way for so long without one being acknowledged is not there any more...
const LOST_AFTER: Duration = Duration::from_secs(2);

/// ...and one for so long may not be.
const DOUBTED_AFTER: Duration = Duration::from_millis(300);

/// What TCP tells of a connection, in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Unacknowledged {
    /// Written, and not acknowledged by the other host.
    pub(super) all: u64,
    /// Of these, what has been sent: a host whose process does not read is sent nothing more.
    pub(super) sent: u64,
}

/// Whether a peer is there, though nothing has told that it is not.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Presence {
    /// As far as can be known.
    There,
    /// Nothing has moved for longer than it should.
    Doubtful,
    /// Nothing has moved for so long that it must be gone.
    Gone,
}

/// The places in the stream of all bytes up to which it has been written, asked about, and got.
#[derive(Debug)]
pub(super) struct Receipts {
    /// Whether there is a network between us and the peer.
    is_remote: bool,
    /// Whether the peer knows PING.
    pings: bool,
    written: u64,
    /// The last place that was asked about.
    asked: u64,
    /// Since when the peer has not answered.
    owes_since: Option<Instant>,
    /// Whether the peer ever answered.
    answers: bool,
    /// The peer's task knows that it has to ask.
    scheduled: bool,
    confirmed: u64,
    /// What TCP said was acknowledged, and when it first said so.
    acknowledged: (u64, Instant),
    /// When something was last written.
    wrote_at: Instant,
    /// What had been written at two times before, at least [`UNDER_WAY`] apart.
    marks: [(u64, Instant); 2],
}

impl Receipts {
    pub(super) fn new(is_remote: bool, pings: bool, now: Instant) -> Self {
        Self {
            is_remote,
            pings,
            written: 0,
            asked: 0,
            owes_since: None,
            answers: false,
            scheduled: false,
            confirmed: 0,
            acknowledged: (0, now),
            wrote_at: now,
            marks: [(0, now); 2],
        }
    }

    /// The receipts of the next connection of the same peer.
    pub(super) fn renew(&mut self, now: Instant) {
        *self = Self { answers: self.answers, ..Self::new(self.is_remote, self.pings, now) };
    }

    /// These are of the same peer as earlier ones.
    pub(super) fn follow(&mut self, earlier: &Self) {
        self.answers |= earlier.answers;
    }

    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// So many bytes more have been written.
    pub(super) fn wrote(&mut self, bytes: usize) {
        self.written += bytes as u64;
    }

    /// Some of what has been written is to be known of.
    pub(super) fn mark(&mut self, now: Instant) {
        self.wrote_at = now;
        let [_, later] = self.marks;
        if now.duration_since(later.1) >= UNDER_WAY {
            self.marks = [later, (self.written, now)];
        }
    }

    // Asking.

    /// Whether the peer's task is to be told that it has to ask soon for what has been written; says so once.
    pub(super) fn is_to_schedule(&mut self) -> bool {
        let asks = !self.scheduled && self.owes_since.is_none();
        self.scheduled |= asks;
        asks
    }

    /// Whether the peer is to be asked at once when it is about to be written messages up to this place.
    pub(super) fn is_to_ask_at_once(&self, end: u64) -> bool {
        let is_far = self.is_remote && self.pings && self.owes_since.is_none() && end > self.asked;
        is_far || end.saturating_sub(self.asked) > ASK_BEYOND
    }

    /// Whether it is to be noted what TCP tells: while another host owes an answer.
    pub(super) fn is_to_look(&self) -> bool {
        self.is_remote && self.owes_since.is_some()
    }

    /// Whether nothing but TCP tells what has arrived.
    pub(super) fn trusts_tcp(&self) -> bool {
        !self.answers
    }

    /// Notes what TCP tells; returns what has been acknowledged.
    pub(super) fn look(&mut self, unacknowledged: Unacknowledged, now: Instant) -> u64 {
        let acknowledged = self.written.saturating_sub(unacknowledged.all);
        if acknowledged != self.acknowledged.0 {
            self.acknowledged = (acknowledged, now);
        }
        acknowledged
    }

    /// The context of a PING behind this place, if the peer can be asked.
    pub(super) fn ask(&mut self, place: u64, now: Instant) -> Option<Bytes> {
        self.scheduled = false;
        self.asked = place;
        if !self.pings {
            return None;
        }
        self.owes_since.get_or_insert(now);
        let mut context = BytesMut::with_capacity(8);
        context.put_u64(place);
        Some(context.freeze())
    }

    /// A PONG has come. Returns up to where everything has arrived; `None` if it answers nothing.
    pub(super) fn answered(&mut self, mut context: Bytes, now: Instant) -> Option<u64> {
        if context.len() != 8 {
            return None;
        }
        let place = context.get_u64();
        if self.owes_since.is_none() || !(self.confirmed..=self.asked).contains(&place) {
            return None;
        }
        self.answers = true;
        self.confirmed = place;
        self.owes_since = (place < self.asked).then_some(now);
        Some(place)
    }

    // The connection's end.

    /// Whether the peer is there while its connection has not ended: else it owes an answer, and nothing moves.
    ///
    /// One that only reads slowly, or not at all for a while, is there: its host has all that it was sent.
    pub(super) fn presence(&mut self, unacknowledged: Unacknowledged, now: Instant) -> Presence {
        self.look(unacknowledged, now);
        let Some(since) = self.owes_since.filter(|_| self.answers) else { return Presence::There };
        let is_stuck = !self.is_remote || unacknowledged.sent > 0;
        let moved_at = if unacknowledged.all == 0 { since } else { since.max(self.acknowledged.1) };
        let still = now.duration_since(moved_at);
        let (doubted_after, gone_after) =
            if self.is_remote { (DOUBTED_AFTER, LOST_AFTER) } else { (GONE_AFTER, GONE_AFTER) };
        match still {
            _ if !is_stuck || still < doubted_after => Presence::There,
            _ if still < gone_after => Presence::Doubtful,
            _ => Presence::Gone,
        }
    }

    /// Up to where the stream has arrived, as far as can be known.
    pub(super) fn arrived(&mut self, unacknowledged: Unacknowledged, now: Instant) -> u64 {
        if self.answers && (self.is_remote || self.presence(unacknowledged, now) == Presence::Gone) {
            return self.confirmed;
        }
        let acknowledged = self.written.saturating_sub(unacknowledged.all);
        // Processes of this machine end a connection on purpose, as a rule, and have got all that was under way.
        let has_rest = !self.is_remote && acknowledged >= self.is_due(now);
        if has_rest { self.written } else { acknowledged }
    }

    /// What was written so long ago that TCP would have told if it had arrived.
    fn is_due(&self, now: Instant) -> u64 {
        let known = self.marks.iter().copied().chain([(self.written, self.wrote_at)]);
        let due = known.rev().find(|(_, at)| now.duration_since(*at) >= UNDER_WAY);
        due.map_or(0, |(place, _)| place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Unacknowledged = Unacknowledged { all: 0, sent: 0 };
    const SECOND: Duration = Duration::from_secs(1);

    /// Something has been written to a peer, which has answered a PING and then owes an answer to another one.
    fn owing(is_remote: bool, start: Instant) -> Receipts {
        let mut receipts = Receipts::new(is_remote, true, start);
        receipts.wrote(10);
        let question = receipts.ask(10, start).unwrap();
        assert_eq!(receipts.answered(question, start), Some(10));
        receipts.wrote(10);
        receipts.mark(start);
        receipts.ask(20, start);
        receipts
    }

    #[test]
    fn a_process_that_owes_an_answer_has_not_got_what_a_tunnel_took_for_it() {
        let start = Instant::now();
        let mut receipts = owing(false, start);
        assert_eq!(receipts.presence(NOTHING, start + SECOND), Presence::There);
        assert_eq!(receipts.presence(NOTHING, start + GONE_AFTER), Presence::Gone);
        assert_eq!(receipts.arrived(NOTHING, start + GONE_AFTER), 10);
    }

    #[test]
    fn a_host_is_gone_that_acknowledges_nothing_of_what_it_is_sent() {
        let start = Instant::now();
        let mut receipts = owing(true, start);
        let lost = Unacknowledged { all: 10, sent: 10 };
        assert_eq!(receipts.presence(lost, start), Presence::There, "it has just been sent");
        assert_eq!(receipts.presence(lost, start + SECOND), Presence::Doubtful);
        assert_eq!(receipts.presence(lost, start + LOST_AFTER), Presence::Gone);
    }

    #[test]
    fn one_that_reads_slowly_or_not_for_a_while_is_there() {
        let start = Instant::now();
        for is_remote in [false, true] {
            let mut receipts = owing(is_remote, start);
            for seconds in 0..10_u32 {
                let left = Unacknowledged { all: 10 - u64::from(seconds), sent: 4 };
                assert_eq!(receipts.presence(left, start + SECOND * seconds), Presence::There, "{seconds} s");
            }
        }
        let mut stopped = owing(true, start);
        let unread = Unacknowledged { all: 10, sent: 0 };
        assert_eq!(
            stopped.presence(unread, start + SECOND * 60),
            Presence::There,
            "its host says that there is no room"
        );
        assert_eq!(
            owing(true, start).presence(NOTHING, start + SECOND * 60),
            Presence::There,
            "its host has everything"
        );
    }

    #[test]
    fn asking_again_puts_no_answer_off() {
        let start = Instant::now();
        let mut receipts = owing(false, start);
        receipts.ask(20, start + GONE_AFTER - SECOND);
        assert_eq!(receipts.presence(NOTHING, start + GONE_AFTER), Presence::Gone);
    }

    #[test]
    fn an_answer_to_an_earlier_question_counts_as_far_as_it_goes() {
        let start = Instant::now();
        let mut receipts = Receipts::new(true, true, start);
        receipts.wrote(30);
        let questions = [10, 20, 30].map(|place| receipts.ask(place, start).unwrap());
        let [first, second, third] = questions;
        assert_eq!(receipts.answered(second.clone(), start + SECOND), Some(20));
        assert_eq!(receipts.owes_since, Some(start + SECOND));
        assert_eq!(receipts.answered(first, start), None, "more has been confirmed");
        assert_eq!(receipts.answered(third.clone(), start), Some(30));
        assert_eq!(receipts.owes_since, None);
        assert_eq!(receipts.answered(third, start), None, "nothing is owed");
    }

    #[test]
    fn an_answer_to_another_connection_says_nothing() {
        let start = Instant::now();
        let mut receipts = Receipts::new(false, true, start);
        receipts.wrote(10);
        let question = receipts.ask(10, start).unwrap();
        receipts.renew(start);
        assert_eq!(receipts.answered(question, start), None);
    }

    #[test]
    fn a_mebibyte_is_asked_about_whether_or_not_an_answer_is_owed() {
        let start = Instant::now();
        let (mut near, mut far) = (owing(false, start), owing(true, start));
        assert!(!near.is_to_ask_at_once(1000) && !far.is_to_ask_at_once(1000));
        assert!(near.is_to_ask_at_once(30 + ASK_BEYOND) && far.is_to_ask_at_once(30 + ASK_BEYOND));
        let answer =
            |receipts: &mut Receipts| receipts.answered(Bytes::copy_from_slice(&20_u64.to_be_bytes()), start);
        assert_eq!((answer(&mut near), answer(&mut far)), (Some(20), Some(20)));
        assert!(!near.is_to_ask_at_once(1000));
        assert!(far.is_to_ask_at_once(1000));
        assert!(!far.is_to_ask_at_once(20), "it has answered for that");
    }

    #[test]
    fn what_was_under_way_to_a_process_of_this_machine_has_arrived_and_what_stood_in_the_way_has_not() {
        let start = Instant::now();
        let unread = Unacknowledged { all: 20, sent: 0 };
        let mut receipts = Receipts::new(false, true, start);
        receipts.wrote(20);
        receipts.mark(start);
        assert_eq!(receipts.arrived(unread, start), 20);
        let mut receipts = Receipts::new(false, true, start);
        receipts.wrote(10);
        receipts.mark(start + SECOND);
        receipts.wrote(10);
        receipts.mark(start + SECOND * 2);
        assert_eq!(receipts.arrived(unread, start + SECOND * 2), 0);
    }

    #[test]
    fn of_a_remote_peer_that_has_never_answered_tcp_tells_what_has_arrived() {
        let start = Instant::now();
        let mut receipts = Receipts::new(true, true, start);
        receipts.wrote(20);
        receipts.ask(20, start);
        assert_eq!(receipts.arrived(Unacknowledged { all: 10, sent: 10 }, start), 10);
    }

    #[test]
    fn one_that_has_answered_on_an_earlier_connection_does_on_the_next() {
        let start = Instant::now();
        let mut receipts = owing(true, start);
        receipts.renew(start);
        receipts.wrote(20);
        receipts.ask(20, start);
        assert_eq!(receipts.arrived(NOTHING, start), 0, "a relay may have taken it");
    }
}
