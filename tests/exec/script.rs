//! A terminal that answers from a script and notes what it is shown.
use std::{
    collections::VecDeque,
    io,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};

use jupyter_fleet::exec::{ExecError, Options, Outcome, Terminal, run};
use serde_json::{Map, Value};

#[derive(Default)]
pub struct Script {
    pub output: Mutex<String>,
    pub errors: Mutex<String>,
    /// What was asked, and whether the answer was to be hidden.
    pub asked: Mutex<Vec<(String, bool)>>,
    answers: Mutex<VecDeque<String>>,
}

impl Script {
    pub fn answering(answers: &[&str]) -> Arc<Self> {
        let answers = answers.iter().map(|answer| (*answer).to_owned()).collect();
        Arc::new(Self { answers: Mutex::new(answers), ..Self::default() })
    }

    pub fn output(&self) -> String {
        self.output.lock().unwrap().clone()
    }

    pub fn errors(&self) -> String {
        self.errors.lock().unwrap().clone()
    }
}

impl Terminal for Script {
    fn print(&self, text: &str) -> io::Result<()> {
        self.output.lock().unwrap().push_str(text);
        Ok(())
    }

    fn print_error(&self, text: &str) -> io::Result<()> {
        self.errors.lock().unwrap().push_str(text);
        Ok(())
    }

    fn clear_line(&self) -> io::Result<()> {
        Ok(())
    }

    fn shows_colors(&self) -> bool {
        false
    }

    fn read_line(&self, prompt: &str, hidden: bool) -> Option<String> {
        self.asked.lock().unwrap().push((prompt.to_owned(), hidden));
        self.answers.lock().unwrap().pop_front()
    }

    fn stop_reading(&self) {}
}

/// Runs code against the kernel of a connection file.
pub fn exec(
    path: &Path,
    code: &str,
    timeout: Option<Duration>,
    terminal: &Arc<Script>,
) -> Result<Outcome, ExecError> {
    exec_in(path, None, code, timeout, terminal)
}

/// The same with routing metadata.
pub fn exec_in(
    path: &Path,
    fleet: Option<Map<String, Value>>,
    code: &str,
    timeout: Option<Duration>,
    terminal: &Arc<Script>,
) -> Result<Outcome, ExecError> {
    let options = Options { connection_file: path.to_owned(), fleet, code: code.to_owned(), timeout };
    tokio::runtime::Runtime::new().unwrap().block_on(run(options, terminal.clone()))
}
