//! What the code asks, and the person's answers.

use std::{sync::Arc, thread};

use bytes::Bytes;
use serde::Deserialize;
use tokio::sync::oneshot;

use super::terminal::Terminal;
use crate::jupyter::message::Verified;

/// What jupyter_client sends for the end of the input: Ctrl-D.
const END_OF_INPUT: &str = "\u{4}";

/// The question that waits for the person.
pub(super) struct Questions {
    terminal: Arc<dyn Terminal>,
    /// The header of the latest question.
    parent: Bytes,
    line: Option<oneshot::Receiver<Option<String>>>,
}

/// What is read of an `input_request`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct InputRequest {
    prompt: String,
    password: bool,
}

impl Questions {
    pub fn new(terminal: Arc<dyn Terminal>) -> Self {
        Self { terminal, parent: Bytes::new(), line: None }
    }

    /// Asks. Where the line of an earlier question has not come yet, it is the answer to this one.
    pub fn ask(&mut self, request: &Verified) {
        self.parent = request.body().header().clone();
        let InputRequest { prompt, password } =
            serde_json::from_slice(request.body().content()).unwrap_or_default();
        if self.line.is_some() {
            let _ = self.terminal.print_error(&prompt);
            return;
        }
        let (answer, line) = oneshot::channel();
        let terminal = self.terminal.clone();
        // A thread of its own, not one of the runtime's: reading cannot be stopped, and must not keep the process.
        thread::spawn(move || answer.send(terminal.read_line(&prompt, password)));
        self.line = Some(line);
    }

    /// The answer, and the header of the question; never, while nothing is asked.
    pub async fn answer(&mut self) -> (Bytes, String) {
        let Some(line) = &mut self.line else { return std::future::pending().await };
        let line = line.await.ok().flatten().unwrap_or_else(|| END_OF_INPUT.to_owned());
        self.line = None;
        (self.parent.clone(), line)
    }
}

impl Drop for Questions {
    fn drop(&mut self) {
        if self.line.is_some() {
            self.terminal.stop_reading();
        }
    }
}
