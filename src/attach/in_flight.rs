//! The requests that the host waits for: who asked, and where the answer goes.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use smallvec::SmallVec;

use super::connection::Connection;
use crate::{
    channel::Channel,
    jupyter::{header::Header, message::Envelope},
};

/// One request that has no reply yet.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) connection: Arc<Connection>,
    /// The host's own envelope.
    pub(super) envelope: Envelope,
    /// The request's header, JSON: the parent of what we say ourselves.
    pub(super) header: Bytes,
    session: Box<str>,
    number: u64,
    /// It may go to another kernel than the host's own.
    goes_elsewhere: bool,
    /// What iopub has told of it.
    progress: Progress,
    /// The line that it was sent on has ended, and the fleet may not have read it.
    is_unread: bool,
}

/// What iopub has told of a request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Progress {
    Unheard,
    Runs,
    /// Its `idle` has come: only the reply is due.
    HasRun,
}

/// All of them, by `msg_id`: two sessions may use the same, but hardly do.
#[derive(Debug)]
pub(super) struct InFlight {
    requests: HashMap<Box<str>, SmallVec<[Request; 1]>>,
    count: usize,
    most: usize,
    next: u64,
    /// The latest that we have answered in the fleet's place: `msg_id` and session.
    settled: VecDeque<(Box<str>, Box<str>)>,
}

/// How many of those that we have answered ourselves are remembered: the fleet may answer them once more.
const SETTLED: usize = 1_000;

impl Request {
    /// Requests are numbered in the order in which they come.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Whether it has run, so that only its reply is due.
    pub(super) fn has_run(&self) -> bool {
        self.progress == Progress::HasRun
    }

    /// What kind of request it is.
    pub(super) fn msg_type(&self) -> String {
        let header = Header::of_bytes(&self.header);
        header.map_or_else(|_| String::new(), |header| header.msg_type.into_owned())
    }
}

impl InFlight {
    /// A table of at most so many.
    pub(super) fn new(most: usize) -> Self {
        Self { requests: HashMap::new(), count: 0, most, next: 0, settled: VecDeque::new() }
    }

    /// Notes a request. Where there are too many, the oldest is forgotten: its reply still finds the way by its
    /// envelope.
    pub(super) fn note(
        &mut self,
        connection: &Arc<Connection>,
        envelope: &Envelope,
        header: &Header<'_>,
        bytes: &Bytes,
        goes_elsewhere: bool,
    ) -> Request {
        if self.count >= self.most {
            self.forget_oldest();
        }
        let request = Request {
            connection: connection.clone(),
            envelope: envelope.detached(),
            header: Bytes::copy_from_slice(bytes),
            session: header.session.as_ref().into(),
            number: self.next,
            goes_elsewhere,
            progress: Progress::Unheard,
            is_unread: false,
        };
        self.next += 1;
        self.count += 1;
        self.requests.entry(header.msg_id.as_ref().into()).or_default().push(request.clone());
        request
    }

    /// The request that a message of the fleet's belongs to.
    pub(super) fn asked(&self, msg_id: &str, session: &str) -> Option<&Request> {
        self.requests.get(msg_id)?.iter().find(|request| &*request.session == session)
    }

    /// Something that belongs to this request came on iopub; where it is the `idle`, the request has run.
    pub(super) fn heard(&mut self, msg_id: &str, session: &str, is_idle: impl FnOnce() -> bool) {
        let same = self.requests.get_mut(msg_id).map(SmallVec::as_mut_slice).unwrap_or_default();
        if let Some(request) = same.iter_mut().find(|request| &*request.session == session) {
            request.progress = match request.progress {
                Progress::HasRun => Progress::HasRun,
                _ if is_idle() => Progress::HasRun,
                _ => Progress::Runs,
            };
        }
    }

    /// A line has ended on which the fleet had read what came on shell before this number; `is_held` are those that
    /// were not sent at all.
    pub(super) fn line_ended(&mut self, read: u64, is_held: impl Fn(&Request) -> bool) {
        for request in self.requests.values_mut().flatten() {
            let is_read = request.connection.channel == Channel::Shell && request.number < read;
            request.is_unread |= !is_read && !is_held(request);
        }
    }

    /// The requests before this number that may have got lost with a line: the fleet had not read them, or they have
    /// run and have no reply. `None` while the kernel runs another one.
    ///
    /// What the fleet has read and nothing was heard of may have got lost as well, unless it waits for another kernel, or
    /// for its turn after one that does.
    pub(super) fn doubtful_before(&self, number: u64) -> Option<Vec<Request>> {
        let mut all = self.all();
        if all.iter().any(|request| request.progress == Progress::Runs) {
            return None;
        }
        let some_elsewhere = all.iter().any(|request| request.goes_elsewhere);
        all.retain(|request| {
            request.number < number && (request.is_unread || request.has_run() || !some_elsewhere)
        });
        Some(all)
    }

    /// Whether a request from this number on is in flight on shell.
    pub(super) fn has_since(&self, number: u64) -> bool {
        let is_since =
            |request: &Request| request.number >= number && request.connection.channel == Channel::Shell;
        self.requests.values().flatten().any(is_since)
    }

    /// Whether a cell is among them.
    pub(super) fn runs_cells(&self) -> bool {
        self.requests.values().flatten().any(|request| request.msg_type() == "execute_request")
    }

    /// Whether nothing is in flight.
    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The number that the next request will have.
    pub(super) fn next_number(&self) -> u64 {
        self.next
    }

    /// A request's reply has come: it is in flight no more.
    pub(super) fn answered(&mut self, msg_id: &str, session: &str) -> Option<Request> {
        let same = self.requests.get_mut(msg_id)?;
        let index = same.iter().position(|request| &*request.session == session)?;
        let request = same.remove(index);
        if same.is_empty() {
            self.requests.remove(msg_id);
        }
        self.count -= 1;
        Some(request)
    }

    /// We answer a request ourselves: it is in flight no more, and another answer is one too many.
    pub(super) fn settle(&mut self, msg_id: &str, session: &str) -> Option<Request> {
        let request = self.answered(msg_id, session)?;
        if self.settled.len() >= SETTLED {
            self.settled.pop_front();
        }
        self.settled.push_back((msg_id.into(), session.into()));
        Some(request)
    }

    /// Whether we have answered this request ourselves.
    pub(super) fn is_settled(&self, msg_id: &str, session: &str) -> bool {
        self.settled.iter().any(|(known, by)| &**known == msg_id && &**by == session)
    }

    /// All of them, in the order in which they came.
    pub(super) fn all(&self) -> Vec<Request> {
        let mut all: Vec<Request> = self.requests.values().flatten().cloned().collect();
        all.sort_by_key(|request| request.number);
        all
    }

    fn forget_oldest(&mut self) {
        let first = |requests: &SmallVec<[Request; 1]>| requests.first().map(|request| request.number);
        let oldest = self.requests.iter().min_by_key(|(_, requests)| first(requests));
        let Some(msg_id) = oldest.map(|(msg_id, _)| msg_id.clone()) else { return };
        if let Some(same) = self.requests.get_mut(&msg_id) {
            same.remove(0);
            self.count -= 1;
            if same.is_empty() {
                self.requests.remove(&msg_id);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{attach::connection::Connections, net::SignedOutbox};

    fn note(table: &mut InFlight, msg_id: &str, session: &str) -> Request {
        note_as(table, msg_id, session, false)
    }

    fn note_as(table: &mut InFlight, msg_id: &str, session: &str, goes_elsewhere: bool) -> Request {
        let connection =
            Connections::starting_at(1).insert(Channel::Shell, Bytes::new(), SignedOutbox::closed());
        let text = format!(r#"{{"msg_id":"{msg_id}","msg_type":"execute_request","session":"{session}"}}"#);
        let bytes = Bytes::from(text.clone());
        table.note(
            &connection,
            &Envelope::default(),
            &Header::of_bytes(text.as_bytes()).unwrap(),
            &bytes,
            goes_elsewhere,
        )
    }

    #[test]
    fn a_request_is_answered_once_and_by_its_own_session() {
        let mut table = InFlight::new(10);
        note(&mut table, "1", "a");
        note(&mut table, "1", "b");
        assert!(table.answered("1", "c").is_none());
        assert_eq!(table.answered("1", "b").unwrap().number(), 1);
        assert!(table.answered("1", "b").is_none());
        assert_eq!(table.asked("1", "a").unwrap().msg_type(), "execute_request");
    }

    #[test]
    fn all_are_given_in_the_order_in_which_they_came() {
        let mut table = InFlight::new(100);
        for number in 0..50 {
            note(&mut table, &number.to_string(), "s");
        }
        let numbers: Vec<_> = table.all().iter().map(Request::number).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
    }

    #[test]
    fn the_oldest_is_forgotten_where_there_are_too_many() {
        let mut table = InFlight::new(2);
        for msg_id in ["1", "2", "3"] {
            note(&mut table, msg_id, "s");
        }
        assert!(table.asked("1", "s").is_none());
        assert_eq!(table.all().len(), 2);
    }

    #[test]
    fn what_runs_keeps_the_others_from_being_doubted() {
        let mut table = InFlight::new(10);
        note(&mut table, "runs", "s");
        note(&mut table, "waits", "s");
        let before = table.next_number();
        note(&mut table, "new", "s");
        table.heard("runs", "s", || false);
        assert!(table.doubtful_before(before).is_none());
        table.answered("runs", "s");
        assert_eq!(doubtful(&table, before), [1]);
    }

    #[test]
    fn what_has_run_and_has_no_reply_is_doubtful() {
        let mut table = InFlight::new(10);
        note(&mut table, "1", "s");
        table.heard("1", "s", || false);
        table.heard("1", "s", || true);
        table.heard("1", "s", || false);
        assert_eq!(doubtful(&table, 1), [0]);
        assert!(table.all()[0].has_run());
    }

    #[test]
    fn what_the_fleet_has_read_may_wait_elsewhere_and_what_it_has_not_read_may_be_lost() {
        let mut table = InFlight::new(10);
        note_as(&mut table, "visits", "s", true);
        note(&mut table, "waits", "s");
        note(&mut table, "unread", "s");
        note(&mut table, "held", "s");
        table.line_ended(2, |request| request.number() == 3);
        assert_eq!(doubtful(&table, 4), [2]);
        table.answered("visits", "s");
        assert_eq!(doubtful(&table, 4), [1, 2, 3], "nothing is elsewhere");
    }

    #[test]
    fn what_was_answered_here_is_remembered_for_a_while() {
        let mut table = InFlight::new(SETTLED * 2);
        note(&mut table, "theirs", "s");
        table.answered("theirs", "s");
        note(&mut table, "ours", "s");
        assert!(table.settle("ours", "s").is_some() && table.settle("ours", "s").is_none());
        assert!(table.is_settled("ours", "s") && !table.is_settled("ours", "t"));
        assert!(!table.is_settled("theirs", "s"));
        for number in 0..SETTLED {
            note(&mut table, &number.to_string(), "s");
            table.settle(&number.to_string(), "s");
        }
        assert!(!table.is_settled("ours", "s"));
        assert_eq!(table.settled.len(), SETTLED);
    }

    fn doubtful(table: &InFlight, before: u64) -> Vec<u64> {
        table.doubtful_before(before).unwrap().iter().map(Request::number).collect()
    }
}
