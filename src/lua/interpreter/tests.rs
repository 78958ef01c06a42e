//! What a person sees of cells: results, output, input, displays, errors and interrupts.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{self, Sender};

use parking_lot::Mutex;
use serde_json::{Value, json};

use super::*;
use crate::kernel::{InputError, MimeBundle, Stdio};

mod errors;
mod input;
mod interrupts;
mod output;
mod results;

/// Notes what a cell does, and answers from a script.
#[derive(Default)]
struct Script {
    events: Mutex<Vec<Event>>,
    answers: Mutex<VecDeque<Result<String, InputError>>>,
    /// Told about every piece of output.
    watcher: Mutex<Option<Sender<String>>>,
}

#[derive(Debug, Clone, PartialEq)]
enum Event {
    Stdout(String),
    Stderr(String),
    Display(Value),
    Asked(String),
    AskedPassword(String),
}

impl Host for Script {
    fn stream(&self, stdio: Stdio, text: &str) {
        assert!(!text.is_empty());
        if let Some(watcher) = &*self.watcher.lock() {
            watcher.send(text.to_owned()).unwrap();
        }
        let mut events = self.events.lock();
        match (events.last_mut(), stdio) {
            (Some(Event::Stdout(sofar)), Stdio::Stdout) | (Some(Event::Stderr(sofar)), Stdio::Stderr) => {
                sofar.push_str(text);
            }
            (_, Stdio::Stdout) => events.push(Event::Stdout(text.to_owned())),
            (_, Stdio::Stderr) => events.push(Event::Stderr(text.to_owned())),
        }
    }

    fn display(&self, bundle: MimeBundle) {
        self.events.lock().push(Event::Display(Value::Object(bundle)));
    }

    fn input(&self, prompt: &str, password: bool) -> Result<String, InputError> {
        let asked = if password { Event::AskedPassword } else { Event::Asked };
        self.events.lock().push(asked(prompt.to_owned()));
        self.answers.lock().pop_front().unwrap_or(Err(InputError::NotAllowed))
    }
}

/// An interpreter with its script; cells are counted from 1.
struct Session {
    interpreter: Interpreter,
    host: Arc<Script>,
    cells: u32,
}

impl Session {
    fn new() -> Self {
        Self { interpreter: Interpreter::new().unwrap(), host: Arc::default(), cells: 0 }
    }

    fn answering(answers: &[&str]) -> Self {
        let session = Self::new();
        session.host.answers.lock().extend(answers.iter().map(|answer| Ok((*answer).to_owned())));
        session
    }

    fn run(&mut self, code: &str) -> Outcome {
        self.cells += 1;
        self.interpreter.execute(code, self.cells, self.host.clone())
    }

    /// The result of a cell that must succeed; empty if it has none.
    fn value(&mut self, code: &str) -> String {
        match self.run(code) {
            Outcome::Value(value) => value.unwrap_or_default(),
            other => panic!("{code}: {other:?}"),
        }
    }

    /// The message of a cell that must fail.
    fn error(&mut self, code: &str) -> String {
        match self.run(code) {
            Outcome::Error { ename, evalue, traceback } => {
                assert_eq!(
                    traceback.first().map(String::as_str),
                    format!("{ename}: {evalue}").lines().next()
                );
                evalue
            }
            other => panic!("{code}: {other:?}"),
        }
    }

    fn events(&self) -> Vec<Event> {
        std::mem::take(&mut *self.host.events.lock())
    }
}

fn stdout(text: &str) -> Event {
    Event::Stdout(text.to_owned())
}
