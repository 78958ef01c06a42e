//! The end of a file that grows, and what is added to it; also where it is cut off, as logs are.

use std::{
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Bytes that are read at once, from behind, to find the beginning of the last lines.
const BLOCK: u64 = 64 << 10;

/// A file and how far it has been read.
#[derive(Debug)]
pub(super) struct Tail {
    path: PathBuf,
    file: File,
    position: u64,
}

impl Tail {
    /// Opens a file at its last lines, or at its beginning.
    pub(super) fn open(path: &Path, lines: Option<usize>) -> io::Result<Self> {
        let mut file = File::open(path)?;
        let position = lines.map_or(Ok(0), |lines| start_of_last(lines, &mut file))?;
        Ok(Self { path: path.to_owned(), file, position })
    }

    /// Copies what has been added. A file that is shorter than before was cut off: it begins anew. One that was
    /// replaced is read to its end, then the new one. One that was removed stays what it is.
    pub(super) fn copy_new(&mut self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        self.copy(out)?;
        let Ok(found) = fs::metadata(&self.path) else { return Ok(()) };
        let open = self.file.metadata()?;
        if (found.dev(), found.ino()) != (open.dev(), open.ino()) {
            *self = Self::open(&self.path, None)?;
            self.copy(out)?;
        }
        Ok(())
    }

    fn copy(&mut self, out: &mut (impl Write + ?Sized)) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        if length < self.position {
            self.position = 0;
        }
        self.file.seek(SeekFrom::Start(self.position))?;
        // No further than its length now: what is written all the time would be read without end.
        self.position += io::copy(&mut (&self.file).take(length - self.position), out)?;
        Ok(())
    }
}

/// Where the last lines of a file begin.
fn start_of_last(lines: usize, file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if lines == 0 {
        return Ok(length);
    }
    let mut end = length;
    let mut breaks = lines;
    while end > 0 {
        let start = end.saturating_sub(BLOCK);
        file.seek(SeekFrom::Start(start))?;
        let mut block = Vec::new();
        (&*file).take(end - start).read_to_end(&mut block)?;
        for (index, byte) in block.iter().enumerate().rev() {
            let behind = start + index as u64 + 1;
            // The line break that ends the file begins no line.
            if *byte != b'\n' || behind == length {
                continue;
            }
            breaks -= 1;
            if breaks == 0 {
                return Ok(behind);
            }
        }
        end = start;
    }
    Ok(0)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    struct Log {
        directory: TempDir,
        path: PathBuf,
    }

    impl Log {
        fn new(text: &str) -> Self {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("log");
            fs::write(&path, text).unwrap();
            Self { directory, path }
        }

        fn append(&self, text: &str) {
            let mut file = fs::OpenOptions::new().append(true).open(&self.path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        }

        fn tail(&self, lines: Option<usize>) -> Tail {
            Tail::open(&self.path, lines).unwrap()
        }
    }

    fn next(tail: &mut Tail) -> String {
        let mut out = Vec::new();
        tail.copy_new(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_last_lines() {
        for (text, lines, expected) in [
            ("a\nb\nc\n", 2, "b\nc\n"),
            ("a\nb\nc", 2, "b\nc"),
            ("a\nb\n", 9, "a\nb\n"),
            ("a\nb\n", 0, ""),
            ("a\n\n", 1, "\n"),
            ("", 3, ""),
        ] {
            assert_eq!(next(&mut Log::new(text).tail(Some(lines))), expected, "{lines} of {text:?}");
        }
    }

    #[test]
    fn the_last_lines_of_a_file_of_several_blocks() {
        let long = "x".repeat(usize::try_from(BLOCK).unwrap() * 2);
        let text = format!("{long}\n{long}\nend\n");
        let log = Log::new(&text);
        assert_eq!(next(&mut log.tail(Some(1))), "end\n");
        assert_eq!(next(&mut log.tail(Some(2))), format!("{long}\nend\n"));
        assert_eq!(next(&mut log.tail(Some(3))), text);
    }

    #[test]
    fn what_is_added_follows_also_after_the_file_was_cut_off() {
        let log = Log::new("one\n");
        let mut tail = log.tail(None);
        assert_eq!(next(&mut tail), "one\n");
        log.append("two\n");
        assert_eq!(next(&mut tail), "two\n");
        assert_eq!(next(&mut tail), "");
        fs::OpenOptions::new().write(true).open(&log.path).unwrap().set_len(0).unwrap();
        log.append("3\n");
        assert_eq!(next(&mut tail), "3\n");
    }

    #[test]
    fn a_file_that_was_replaced_is_read_to_its_end_and_then_the_new_one() {
        let log = Log::new("one\n");
        let mut tail = log.tail(None);
        assert_eq!(next(&mut tail), "one\n");
        log.append("last\n");
        fs::rename(&log.path, log.directory.path().join("log.1")).unwrap();
        fs::write(&log.path, "first\n").unwrap();
        assert_eq!(next(&mut tail), "last\nfirst\n");
        fs::remove_file(&log.path).unwrap();
        assert_eq!(next(&mut tail), "");
    }
}
