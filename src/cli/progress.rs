//! What a person sees while a command waits: a spinner on a terminal, a line elsewhere.

use std::{
    io::{self, IsTerminal, Write},
    time::Duration,
};

use indicatif::{ProgressBar, ProgressStyle};

/// How often the spinner turns.
const TURN: Duration = Duration::from_millis(100);

/// A wait that is shown on standard error until it is dropped.
pub(super) struct Progress(Option<ProgressBar>);

impl Progress {
    pub(super) fn start(what: &str) -> Self {
        if !io::stderr().is_terminal() {
            say(what);
            return Self(None);
        }
        let bar = ProgressBar::new_spinner().with_message(what.to_owned());
        bar.set_style(
            ProgressStyle::with_template("{spinner} {msg} ({elapsed})")
                .unwrap_or_else(|_| ProgressStyle::default_spinner()),
        );
        bar.enable_steady_tick(TURN);
        Self(Some(bar))
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// A line beside the output: standard output holds nothing but what was asked for.
pub(super) fn say(text: &str) {
    // Whoever closed standard error does not want to read it.
    let _ = writeln!(io::stderr(), "{text}");
}
