//! Questions of a kernel on stdin that its clients have not answered.
//!
//! A client may have several at a time: a cell and one of a subshell ask, or two threads of a cell. Some clients say which
//! question they answer in the parent header of their `input_reply`, by the question's own number or by that of the request
//! that asks. jupyter_client does not: its answers come in the order of the questions.

use super::Outstanding;
use crate::id::{ClientId, MsgId};

/// Open questions that are remembered. A kernel may ask without end.
const REMEMBERED: usize = 64;

/// The open questions of one kernel, the oldest first.
#[derive(Clone, Default, Debug)]
pub(super) struct Questions(Vec<Question>);

#[derive(Clone, Debug)]
struct Question {
    client: ClientId,
    /// The number of the request during which it was asked.
    request: MsgId,
    /// Its own number; empty if it was asked before this `serve`.
    number: MsgId,
}

impl Questions {
    /// A question is asked during a request of this client's.
    pub(super) fn ask(&mut self, client: &ClientId, request: &str, number: &str) {
        let is_known = |known: &Question| {
            known.client == *client && known.request.as_str() == request && known.number.as_str() == number
        };
        if !number.is_empty() && self.0.iter().any(is_known) {
            // It is asked again, for it has not reached its client.
            return;
        }
        if self.0.len() >= REMEMBERED {
            self.0.remove(0);
        }
        let (request, number) = (MsgId::from(request), MsgId::from(number));
        self.0.push(Question { client: client.clone(), request, number });
    }

    /// Whether the client has been asked, this very question or any.
    pub(super) fn is_open(&self, client: &ClientId, question: Option<&str>) -> bool {
        let mut open = self.0.iter().filter(|open| open.client == *client);
        match question {
            Some(question) => open.any(|open| open.is(question)),
            None => open.next().is_some(),
        }
    }

    /// The client answers the question that it names, else the oldest that it has been asked. `false`: there is none.
    pub(super) fn answer(&mut self, client: &ClientId, question: &str) -> bool {
        let position = |such: &dyn Fn(&Question) -> bool| {
            self.0.iter().position(|open| open.client == *client && such(open))
        };
        let answered = position(&|open| open.is(question)).or_else(|| position(&|_| true));
        answered.map(|answered| self.0.remove(answered)).is_some()
    }

    /// A request has ended, and nobody waits for its answers any more.
    pub(super) fn end<A>(&mut self, msg_id: &str, request: &Outstanding<A>) {
        self.0.retain(|open| open.client != request.client || open.request.as_str() != msg_id);
    }

    /// All requests have ended.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

impl Question {
    fn is(&self, named: &str) -> bool {
        !named.is_empty() && [&self.number, &self.request].into_iter().any(|number| number.as_str() == named)
    }
}
