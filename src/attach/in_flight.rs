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
        };
        self.next += 1;
        self.count += 1;
        self.requests.entry(header.msg_id.as_ref().into()).or_default().push(request.clone());
        request
    }

    /// The request that a message of the fleet belongs to.
    pub(super) fn asked(&self, msg_id: &str, session: &str) -> Option<&Request> {
        self.requests.get(msg_id)?.iter().find(|request| &*request.session == session)
    }

    /// The same when its reply has come: it is in flight no more.
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
