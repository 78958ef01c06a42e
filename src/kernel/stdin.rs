//! stdin: the cell's questions to the frontend that runs it, and the answers.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};
use serde::Deserialize;
use serde_json::json;

use super::{
    host::InputError,
    interrupt::InterruptHandle,
    request::{Request, Sender},
};
use crate::{
    jupyter::{
        header::{Header, Parent},
        message::{Body, Verified},
        reply::MessageBuilder,
        signature::Signer,
    },
    net::SignedOutbox,
};

/// How long a frontend that asks for a cell may take to connect its stdin as well.
const CONNECTING: Duration = Duration::from_secs(5);

/// The connections to stdin, and the question that the running cell waits with.
#[derive(Debug)]
pub(super) struct Stdin {
    state: Mutex<State>,
    changed: Condvar,
    interrupt: InterruptHandle,
}

#[derive(Debug, Default)]
struct State {
    connections: Vec<Sender>,
    question: Option<Question>,
}

#[derive(Debug)]
struct Question {
    asked: SignedOutbox,
    /// What an answer may name as its parent: the question, or the request that led to it. Many frontends name none.
    parents: [String; 2],
    answer: Option<Result<String, InputError>>,
}

/// What is read of an `input_reply`.
#[derive(Deserialize)]
struct InputReply {
    value: String,
}

impl Stdin {
    pub fn new(interrupt: InterruptHandle) -> Self {
        Self { state: Mutex::default(), changed: Condvar::new(), interrupt }
    }

    /// Asks the frontend that sent `request` and blocks until it answers, leaves, or the cell is interrupted.
    pub fn ask(
        &self,
        request: &Request,
        prompt: &str,
        password: bool,
        (builder, signer): (&MessageBuilder, &Signer),
    ) -> Result<String, InputError> {
        let asked = self.connection_of(request)?.outbox;
        let content = json!({ "prompt": prompt, "password": password });
        let body = builder.say_raw("input_request", content, &request.header);
        let parents = [msg_id(&body), request.msg_id.clone()];
        let mut state = self.state.lock();
        state.question = Some(Question { asked: asked.clone(), parents, answer: None });
        if asked.send(&request.envelope, &signer.sign(body)).is_err() {
            return Err(InputError::Failed("the frontend has closed its stdin connection".to_owned()));
        }
        loop {
            if let Some(answer) = state.question.as_mut().and_then(|question| question.answer.take()) {
                state.question = None;
                return answer;
            }
            if self.interrupt.is_interrupted() {
                state.question = None;
                return Err(InputError::Interrupted);
            }
            self.changed.wait(&mut state);
        }
    }

    /// The stdin connection with the identity of the request's own: clients connect both at the same time, so it may
    /// still be on its way.
    fn connection_of(&self, request: &Request) -> Result<Sender, InputError> {
        let deadline = Instant::now() + CONNECTING;
        let mut state = self.state.lock();
        loop {
            if self.interrupt.is_interrupted() {
                return Err(InputError::Interrupted);
            }
            if let Some(found) = state.connections.iter().rfind(|known| known.is_same_client(&request.sender))
            {
                return Ok(found.clone());
            }
            if self.changed.wait_until(&mut state, deadline).timed_out() {
                return Err(InputError::Failed(
                    "the frontend has no stdin connection with the identity of its shell connection"
                        .to_owned(),
                ));
            }
        }
    }

    /// The interrupt that the handle shows may concern a waiting question.
    pub fn interrupted(&self) {
        // Taking the lock makes sure that whoever saw no interrupt is already waiting.
        drop(self.state.lock());
        self.changed.notify_all();
    }

    pub fn connect(&self, connection: Sender) {
        self.state.lock().connections.push(connection);
        self.changed.notify_all();
    }

    pub fn disconnect(&self, outbox: &SignedOutbox) {
        let mut state = self.state.lock();
        state.connections.retain(|known| !known.outbox.is(outbox));
        if let Some(question) = state.question.as_mut().filter(|question| question.asked.is(outbox)) {
            let left = InputError::Failed("the frontend closed its stdin connection".to_owned());
            question.answer.get_or_insert(Err(left));
        }
        self.changed.notify_all();
    }

    /// Takes an answer from the connection that was asked. Answers to older questions are dropped.
    pub fn answer(&self, outbox: &SignedOutbox, message: &Verified) {
        let is_reply = Header::peek(message).is_ok_and(|header| header.msg_type == "input_reply");
        let Ok(reply) = serde_json::from_slice::<InputReply>(message.body().content()) else { return };
        let parent = Parent::peek(message).map(|parent| parent.msg_id.into_owned()).unwrap_or_default();
        let mut state = self.state.lock();
        let question = state.question.as_mut().filter(|question| {
            is_reply && question.asked.is(outbox) && (parent.is_empty() || question.parents.contains(&parent))
        });
        if let Some(question) = question {
            question.answer.get_or_insert(Ok(reply.value));
            self.changed.notify_all();
        }
    }
}

impl Sender {
    /// Same identity, and not a stranger who made it up.
    fn is_same_client(&self, other: &Self) -> bool {
        let (one, two) = (&self.origin, &other.origin);
        self.identity == other.identity && !self.identity.is_empty() && (one == two || one.same_owner(two))
    }
}

fn msg_id(body: &Body) -> String {
    Header::of(body).map(|header| header.msg_id.into_owned()).unwrap_or_default()
}
