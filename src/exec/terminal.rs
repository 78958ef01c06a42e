//! Where output goes and answers come from.

use std::io::{self, BufRead, IsTerminal, Write};

use parking_lot::Mutex;
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// The person's side: two streams to write to, and lines to read.
pub trait Terminal: Send + Sync + 'static {
    /// Writes to standard output.
    fn print(&self, text: &str) -> io::Result<()>;

    /// Writes to standard error.
    fn print_error(&self, text: &str) -> io::Result<()>;

    /// Begins the line anew, where that is possible: what `clear_output` asks for.
    fn clear_line(&self) -> io::Result<()>;

    /// Whether standard error shows colours; otherwise tracebacks come without.
    fn shows_colors(&self) -> bool;

    /// Shows a prompt and waits for a line, which comes without its end; `None` at the end of the input. A hidden one
    /// is not shown while it is typed. Called on a thread of its own, and perhaps never finished.
    fn read_line(&self, prompt: &str, hidden: bool) -> Option<String>;

    /// Nobody waits for the line any more: whatever reading it changed is put back.
    fn stop_reading(&self);
}

/// The terminal, pipes or files of this process.
#[derive(Debug, Default)]
pub struct ProcessTerminal {
    /// The settings to put back after a hidden line. They live here and not with the reader: it may still be blocked
    /// when the process ends.
    shown: Mutex<Option<Termios>>,
}

impl Terminal for ProcessTerminal {
    fn print(&self, text: &str) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(text.as_bytes())?;
        stdout.flush()
    }

    fn print_error(&self, text: &str) -> io::Result<()> {
        io::stderr().lock().write_all(text.as_bytes())
    }

    fn clear_line(&self) -> io::Result<()> {
        if io::stdout().is_terminal() { self.print("\r\x1b[K") } else { Ok(()) }
    }

    fn shows_colors(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// The prompt goes to standard error, so that standard output holds only what the code prints.
    fn read_line(&self, prompt: &str, hidden: bool) -> Option<String> {
        self.print_error(prompt).ok()?;
        if hidden {
            self.hide();
        }
        let mut line = Vec::new();
        let read = io::stdin().lock().read_until(b'\n', &mut line);
        self.stop_reading();
        if read.ok()? == 0 {
            return None;
        }
        let line = String::from_utf8_lossy(&line);
        Some(line.trim_end_matches(['\n', '\r']).to_owned())
    }

    fn stop_reading(&self) {
        if let Some(shown) = self.shown.lock().take() {
            let _ = tcsetattr(io::stdin(), OptionalActions::Now, &shown);
        }
    }
}

impl ProcessTerminal {
    /// Where the input is no terminal, nothing shows it.
    fn hide(&self) {
        let mut shown = self.shown.lock();
        if let Ok(settings) = tcgetattr(io::stdin()) {
            let mut hidden = settings.clone();
            hidden.local_modes.remove(LocalModes::ECHO);
            hidden.local_modes.insert(LocalModes::ECHONL);
            if tcsetattr(io::stdin(), OptionalActions::Now, &hidden).is_ok() {
                *shown = Some(settings);
            }
        }
    }
}
