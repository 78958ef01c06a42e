//! The requests that the host waits for: who asked, and where the answer goes.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use smallvec::SmallVec;

use super::connection::Connection;
use crate::jupyter::{header::Header, message::Envelope};

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
    /// Something has come on iopub that belongs to it: the kernel runs it.
    is_heard: bool,
}

/// All of them, by `msg_id`: two sessions may use the same, but hardly do.
#[derive(Debug)]
pub(super) struct InFlight {
    requests: HashMap<Box<str>, SmallVec<[Request; 1]>>,
    count: usize,
    most: usize,
    next: u64,
}

impl Request {
    /// Requests are numbered in the order in which they come.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// What kind of request it is.
    pub(super) fn msg_type(&self) -> String {
        let header = serde_json::from_slice::<Header<'_>>(&self.header);
        header.map_or_else(|_| String::new(), |header| header.msg_type.into_owned())
    }
}

impl InFlight {
    /// A table of at most so many.
    pub(super) fn new(most: usize) -> Self {
        Self { requests: HashMap::new(), count: 0, most, next: 0 }
    }

    /// Notes a request. Where there are too many, the oldest is forgotten: its reply still finds the way by its
    /// envelope.
    pub(super) fn note(
        &mut self,
        connection: &Arc<Connection>,
        envelope: &Envelope,
        header: &Header<'_>,
        bytes: &Bytes,
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
            is_heard: false,
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

    /// Something that belongs to this request came on iopub.
    pub(super) fn heard(&mut self, msg_id: &str, session: &str) {
        let same = self.requests.get_mut(msg_id).map(SmallVec::as_mut_slice).unwrap_or_default();
        if let Some(request) = same.iter_mut().find(|request| &*request.session == session) {
            request.is_heard = true;
        }
    }

    /// The requests before this number of which nothing has been heard; `None` while the kernel runs another one.
    pub(super) fn unheard_before(&self, number: u64) -> Option<Vec<Request>> {
        let mut all = self.all();
        if all.iter().any(|request| request.is_heard) {
            return None;
        }
        all.retain(|request| request.number < number);
        Some(all)
    }

    /// Whether a cell is among them.
    pub(super) fn runs_cells(&self) -> bool {
        self.requests.values().flatten().any(|request| request.msg_type() == "execute_request")
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

    /// All of them, in the order in which they came.
    pub(super) fn all(&self) -> Vec<Request> {
        let mut all: Vec<Request> = self.requests.values().flatten().cloned().collect();
        all.sort_by_key(|request| request.number);
        all
    }

    /// The same, and none is in flight any more.
    pub(super) fn take_all(&mut self) -> Vec<Request> {
        let all = self.all();
        self.requests.clear();
        self.count = 0;
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
pub(super) mod tests {
    use super::*;
    use crate::{attach::connection::Connections, channel::Channel, net::SignedOutbox};

    fn note(table: &mut InFlight, msg_id: &str, session: &str) -> Request {
        let connection =
            Connections::starting_at(1).insert(Channel::Shell, Bytes::new(), SignedOutbox::closed());
        let text = format!(r#"{{"msg_id":"{msg_id}","msg_type":"execute_request","session":"{session}"}}"#);
        let bytes = Bytes::from(text.clone());
        table.note(&connection, &Envelope::default(), &serde_json::from_str(&text).unwrap(), &bytes)
    }

    /// A request with this header.
    pub fn request(header: &str) -> Request {
        let connection =
            Connections::starting_at(1).insert(Channel::Shell, Bytes::new(), SignedOutbox::closed());
        let (envelope, session) = (Envelope::default(), "".into());
        Request {
            connection,
            envelope,
            header: header.to_owned().into(),
            session,
            number: 0,
            is_heard: false,
        }
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
    fn all_are_taken_in_the_order_in_which_they_came() {
        let mut table = InFlight::new(100);
        for number in 0..50 {
            note(&mut table, &number.to_string(), "s");
        }
        let numbers: Vec<_> = table.take_all().iter().map(Request::number).collect();
        assert_eq!(numbers, (0..50).collect::<Vec<_>>());
        assert!(table.all().is_empty());
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
        table.heard("runs", "s");
        assert!(table.unheard_before(before).is_none());
        table.answered("runs", "s");
        let doubtful = table.unheard_before(before).unwrap();
        assert_eq!(doubtful.iter().map(Request::number).collect::<Vec<_>>(), [1]);
    }
}
