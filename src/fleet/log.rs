//! What a kernel printed last, for errors that tell of its end.

use std::{
    collections::VecDeque,
    fs::File,
    io::{self, Read, Seek, SeekFrom},
    path::Path,
};

/// Lines of a kernel's output that an error shows.
const LOG_LINES: usize = 10;

/// Bytes at the end of a log among which those lines are looked for.
const LOG_TAIL: u64 = 8 << 10;

/// The last lines of a kernel's output.
pub(super) fn log_tail(log: &Path) -> String {
    let read = || -> io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let mut lines: VecDeque<&str> = text.lines().rev().take(LOG_LINES).collect();
    lines.make_contiguous().reverse();
    Vec::from(lines).join("\n")
}
