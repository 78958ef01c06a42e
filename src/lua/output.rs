//! Gathers the small writes of a cell into fewer, larger pieces for the [`Host`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::kernel::{Host, Stdio};

/// Text up to this size waits for more, in bytes.
const PIECE: usize = 16 * 1024;
/// Text waits no longer than this while Lua code runs or writes.
const PATIENCE: Duration = Duration::from_millis(50);

/// The output of the running cell. Clones are equal. Between cells there is no host, and text is dropped.
#[derive(Clone, Default)]
pub(super) struct Output(Arc<Mutex<Option<Cell>>>);

struct Cell {
    host: Arc<dyn Host>,
    stdio: Stdio,
    pending: Vec<u8>,
    flushed: Instant,
}

impl Output {
    pub fn begin_cell(&self, host: Arc<dyn Host>) {
        *self.0.lock() =
            Some(Cell { host, stdio: Stdio::Stdout, pending: Vec::new(), flushed: Instant::now() });
    }

    pub fn end_cell(&self) {
        self.flush();
        *self.0.lock() = None;
    }

    pub fn write(&self, stdio: Stdio, text: &[u8]) {
        if let Some(cell) = self.0.lock().as_mut() {
            cell.write(stdio, text);
        }
    }

    /// Hands over all that was written.
    pub fn flush(&self) {
        if let Some(cell) = self.0.lock().as_mut() {
            cell.flush_all();
        }
    }

    /// Hands over what has waited long enough.
    pub fn flush_if_stale(&self) {
        if let Some(cell) = self.0.lock().as_mut() {
            cell.flush_if_stale();
        }
    }

    /// The host, with everything written before already handed over: for a display or a question.
    pub fn flushed_host(&self) -> Option<Arc<dyn Host>> {
        self.flush();
        self.0.lock().as_ref().map(|cell| Arc::clone(&cell.host))
    }
}

impl Cell {
    fn write(&mut self, stdio: Stdio, text: &[u8]) {
        if stdio != self.stdio {
            self.flush_all();
            self.stdio = stdio;
        }
        self.pending.extend_from_slice(text);
        if self.pending.len() >= PIECE {
            self.flush_whole_characters();
        }
        self.flush_if_stale();
    }

    fn flush_if_stale(&mut self) {
        if !self.pending.is_empty() && self.flushed.elapsed() >= PATIENCE {
            self.flush_whole_characters();
        }
    }

    /// A character may be written in several pieces: its first bytes stay for the next flush.
    fn flush_whole_characters(&mut self) {
        let rest = self.pending.split_off(self.pending.len() - unfinished_character(&self.pending));
        self.flush_all();
        self.pending = rest;
    }

    fn flush_all(&mut self) {
        self.flushed = Instant::now();
        let pending = std::mem::take(&mut self.pending);
        if !pending.is_empty() {
            self.host.stream(self.stdio, &String::from_utf8_lossy(&pending));
        }
    }
}

/// The number of bytes at the end that begin a character without finishing it: 0 to 3.
fn unfinished_character(bytes: &[u8]) -> usize {
    let tail = bytes.get(bytes.len().saturating_sub(3)..).unwrap_or_default();
    tail.iter()
        .rev()
        .position(|byte| byte & 0b1100_0000 != 0b1000_0000)
        .map(|from_end| from_end + 1)
        .filter(|length| {
            let start = tail.get(tail.len() - length..).unwrap_or_default();
            matches!(std::str::from_utf8(start), Err(error) if error.error_len().is_none())
        })
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{InputError, MimeBundle};

    #[derive(Default)]
    struct Recorder(Mutex<Vec<(Stdio, String)>>);

    impl Host for Recorder {
        fn stream(&self, stdio: Stdio, text: &str) {
            self.0.lock().push((stdio, text.to_owned()));
        }
        fn display(&self, _: MimeBundle) {}
        fn input(&self, _: &str, _: bool) -> Result<String, InputError> {
            Err(InputError::NotAllowed)
        }
    }

    fn recorded() -> (Output, Arc<Recorder>) {
        let host = Arc::new(Recorder::default());
        let output = Output::default();
        output.begin_cell(host.clone());
        (output, host)
    }

    #[test]
    fn the_two_streams_stay_in_order() {
        let (output, host) = recorded();
        output.write(Stdio::Stdout, b"a");
        output.write(Stdio::Stderr, b"b");
        output.write(Stdio::Stdout, b"c");
        output.end_cell();
        let expected = [(Stdio::Stdout, "a"), (Stdio::Stderr, "b"), (Stdio::Stdout, "c")];
        assert_eq!(*host.0.lock(), expected.map(|(stdio, text)| (stdio, text.to_owned())));
    }

    #[test]
    fn a_character_is_never_torn_between_two_pieces() {
        let (output, host) = recorded();
        let text = "é€😀".repeat(PIECE);
        for byte in text.as_bytes() {
            output.write(Stdio::Stdout, &[*byte]);
        }
        output.end_cell();
        let pieces = host.0.lock();
        assert!(pieces.len() > 1);
        assert_eq!(pieces.iter().map(|(_, piece)| piece.as_str()).collect::<String>(), text);
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_as_such_and_do_not_wait() {
        assert_eq!(unfinished_character(b"a\xff"), 0);
        assert_eq!(unfinished_character(b"\x80\x80\x80\x80"), 0);
        assert_eq!(unfinished_character(b"a\xf0\x9f\x98"), 3);
        assert_eq!(unfinished_character("é".as_bytes()), 0);
        assert_eq!(unfinished_character(b"\xc3"), 1);
    }

    #[test]
    fn text_between_cells_is_dropped() {
        let (output, host) = recorded();
        output.end_cell();
        output.write(Stdio::Stdout, b"late");
        output.flush();
        assert!(host.0.lock().is_empty());
    }
}
