//! One `execute_request`, from its sending to its reply and `idle`.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::{
    signal::unix::Signal,
    time::{Instant, sleep_until, timeout},
};

use super::{
    client::Client, error::ExecError, questions::Questions, run::Outcome, show::Show, terminal::Terminal,
};
use crate::{
    id::MsgId,
    jupyter::{
        header::{Header, Parent, peek_execution_state},
        message::Verified,
    },
};

/// How long the second of reply and `idle` may stay away once the first has come, and iopub is silent.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long an interrupt that is our last word may take to be heard.
const LAST_WORD: Duration = Duration::from_secs(1);

/// A request that the kernel has been sent.
pub(super) struct Execution {
    client: Client,
    id: MsgId,
    show: Show,
    questions: Questions,
    runs: bool,
    idle: bool,
    reply: Option<Value>,
    interrupted: bool,
    heard: Instant,
}

impl Execution {
    /// Sends the request.
    pub fn start(client: Client, code: &str, terminal: Arc<dyn Terminal>) -> Result<Self, ExecError> {
        let content = json!({
            "code": code,
            "silent": false,
            "store_history": true,
            "user_expressions": {},
            "allow_stdin": true,
            // There is nothing behind it, and some kernels would give up what others have queued.
            "stop_on_error": false,
        });
        let request = client.request("execute_request", content);
        let id = Header::of(&request).map_or_else(|_| MsgId::from(""), |header| MsgId::from(&*header.msg_id));
        client.shell.send(request)?;
        Ok(Self {
            client,
            id,
            show: Show::new(terminal.clone()),
            questions: Questions::new(terminal),
            runs: false,
            idle: false,
            reply: None,
            interrupted: false,
            heard: Instant::now(),
        })
    }

    /// Follows the request to its end. The first Ctrl-C interrupts it, the second ends this.
    pub async fn follow(&mut self, mut interrupts: Signal) -> Result<Outcome, ExecError> {
        while !(self.idle && self.reply.is_some()) {
            let patience = (self.idle || self.reply.is_some()).then(|| self.heard + PATIENCE);
            tokio::select! {
                biased;
                _ = interrupts.recv() => {
                    if self.interrupted {
                        return Ok(Outcome::Left);
                    }
                    self.interrupt()?;
                }
                messages = self.client.iopub.next() => self.published(messages?)?,
                messages = self.client.shell.next() => self.replied(messages?),
                messages = self.client.stdin.next() => self.asked(messages?),
                replies = self.client.control.next() => drop(replies?),
                (question, value) = self.questions.answer() => {
                    let content = json!({ "status": "ok", "value": value });
                    self.client.stdin.send(self.client.message("input_reply", content, &question))?;
                }
                // What was lost will not come: a lost `idle` costs nothing but this wait.
                () = reached(patience) => break,
            }
        }
        self.end()
    }

    /// Shows what only the reply says, and tells how it ended.
    fn end(&mut self) -> Result<Outcome, ExecError> {
        let reply = self.reply.take().ok_or(ExecError::NoReply)?;
        match reply.get("status").and_then(Value::as_str) {
            // Old kernels do not say it where it went well.
            Some("ok") | None => {
                self.show.payload(&reply).map_err(ExecError::Output)?;
                Ok(Outcome::Succeeded)
            }
            Some("aborted" | "abort") => Ok(Outcome::Aborted),
            _ => {
                self.show.error_of_reply(&reply).map_err(ExecError::Output)?;
                Ok(Outcome::Raised)
            }
        }
    }

    /// Interrupts the code as the last thing that is done, if it is running.
    pub async fn stop(&mut self) {
        if self.runs && !self.idle && self.interrupt().is_ok() {
            let heard = self.client.control.find(|reply| has_type(reply, "interrupt_reply"));
            let _ = timeout(LAST_WORD, heard).await;
        }
    }

    fn interrupt(&mut self) -> Result<(), ExecError> {
        self.interrupted = true;
        self.client.control.send(self.client.request("interrupt_request", json!({})))
    }

    fn published(&mut self, messages: Vec<Verified>) -> Result<(), ExecError> {
        self.heard = Instant::now();
        for message in messages.iter().filter(|message| answers(message, &self.id)) {
            self.runs = true;
            if let Some(state) = peek_execution_state(message) {
                self.idle |= state == "idle";
                continue;
            }
            let Ok(header) = Header::peek(message) else { continue };
            let content: Value = serde_json::from_slice(message.body().content()).unwrap_or_default();
            self.show.message(&header.msg_type, &content).map_err(ExecError::Output)?;
        }
        Ok(())
    }

    fn replied(&mut self, messages: Vec<Verified>) {
        let is_reply = |message: &&Verified| has_type(message, "execute_reply") && answers(message, &self.id);
        if let Some(reply) = messages.iter().find(is_reply) {
            self.heard = Instant::now();
            self.reply = Some(serde_json::from_slice(reply.body().content()).unwrap_or_default());
        }
    }

    fn asked(&mut self, messages: Vec<Verified>) {
        for message in messages.iter().filter(|message| has_type(message, "input_request")) {
            if answers(message, &self.id) {
                self.questions.ask(message);
            }
        }
    }
}

fn has_type(message: &Verified, msg_type: &str) -> bool {
    Header::peek(message).is_ok_and(|header| header.msg_type == msg_type)
}

fn answers(message: &Verified, request: &MsgId) -> bool {
    Parent::peek(message).is_ok_and(|parent| parent.msg_id == request.as_str())
}

async fn reached(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
