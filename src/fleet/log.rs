//! What a kernel printed: its last lines, for errors that tell of its end; and its length, which is bounded.

use std::{
    collections::VecDeque,
    fs::{File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

/// Lines of a kernel's output that an error shows.
const LOG_LINES: usize = 10;

/// Bytes at the end of a log among which those lines are looked for.
const LOG_TAIL: usize = 8 << 10;

/// Shortens a log that has more than `most` bytes: its end moves to `NAME.log.1`, in place of what is there. The kernel goes
/// on writing to the same file, for it may outlive us and knows no other; what it writes meanwhile may be lost.
///
/// # Errors
/// The files cannot be read or written.
pub fn rotate(log: &Path, most: u64) -> io::Result<()> {
    let mut file = match OpenOptions::new().read(true).write(true).open(log) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    let length = file.metadata()?.len();
    if length <= most {
        return Ok(());
    }
    file.seek(SeekFrom::Start(length - most))?;
    let mut kept = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(kept(log))?;
    io::copy(&mut (&file).take(most), &mut kept)?;
    file.set_len(0)
}

/// Where the end of a log is kept that was shortened.
pub(super) fn kept(log: &Path) -> PathBuf {
    let mut name = log.as_os_str().to_owned();
    name.push(".1");
    PathBuf::from(name)
}

/// The last lines of a kernel's output, some of which may have been moved away when its log was shortened.
pub(super) fn log_tail(log: &Path) -> String {
    let mut text = end(log).unwrap_or_default();
    if text.len() < LOG_TAIL && text.iter().filter(|byte| **byte == b'\n').count() < LOG_LINES {
        let before = end(&kept(log)).unwrap_or_default();
        text.splice(..0, before);
    }
    let text = String::from_utf8_lossy(&text);
    let mut lines: VecDeque<&str> = text.lines().rev().take(LOG_LINES).collect();
    lines.make_contiguous().reverse();
    Vec::from(lines).join("\n")
}

fn end(file: &Path) -> io::Result<Vec<u8>> {
    let most = LOG_TAIL as u64;
    let mut file = File::open(file)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
    let mut bytes = Vec::new();
    file.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::{fs, io::Write};

    use super::*;

    #[test]
    fn the_last_lines_may_have_been_moved_away() {
        let home = tempfile::TempDir::new().unwrap();
        let log = home.path().join("kernel.log");
        assert_eq!(log_tail(&log), "");
        fs::write(kept(&log), "1\n2\nthr").unwrap();
        fs::write(&log, "ee\n4\n").unwrap();
        assert_eq!(log_tail(&log), "1\n2\nthree\n4");
        fs::write(&log, "new\n".repeat(LOG_LINES)).unwrap();
        assert_eq!(log_tail(&log), ["new"; LOG_LINES].join("\n"));
    }

    #[test]
    fn a_long_log_is_shortened_under_the_writers_hands() {
        let home = tempfile::TempDir::new().unwrap();
        let log = home.path().join("kernel.log");
        let mut writer = OpenOptions::new().create(true).append(true).open(&log).unwrap();
        writer.write_all(b"old and new").unwrap();
        rotate(&log, 100).unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"old and new");
        rotate(&log, 3).unwrap();
        assert_eq!((fs::read(&log).unwrap(), fs::read(kept(&log)).unwrap()), (b"".to_vec(), b"new".to_vec()));
        writer.write_all(b"later").unwrap();
        assert_eq!(fs::read(&log).unwrap(), b"later", "no hole");
        rotate(&home.path().join("none.log"), 3).unwrap();
    }
}
