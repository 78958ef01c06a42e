//! The journal's file: lines are added to it, and those that are of no use any more are taken out.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use super::lines::{Noted, noted, text};
use crate::route::RememberedClient;

/// Length from which an idle journal is emptied.
pub(super) const EMPTY_FROM: u64 = 1 << 20;

/// Length from which a journal that is never idle is written anew, with what is still open.
const REWRITE_FROM: u64 = 64 << 20;

#[derive(Debug)]
pub(super) struct JournalFile {
    path: PathBuf,
    file: File,
    length: u64,
    /// Length from which it is written anew next time.
    rewrite_from: u64,
}

impl JournalFile {
    /// Puts a journal with these requests in place of the one that is there.
    pub(super) fn create(path: &Path, noted: &Noted) -> io::Result<Self> {
        let mut fresh = fresh(path)?;
        fresh.write_all(&text(noted)?)?;
        let (path, rewrite_from) = (path.to_owned(), REWRITE_FROM);
        Ok(Self { file: put_in_place(&path)?, length: fresh.metadata()?.len(), path, rewrite_from })
    }

    /// Adds whole lines; all or none.
    pub(super) fn add(&mut self, lines: &[u8]) -> io::Result<()> {
        if let Err(error) = self.file.write_all(lines) {
            // Half a line would make the next one unreadable.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += lines.len() as u64;
        Ok(())
    }

    /// Takes everything out, if that is worth it.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        if self.length >= EMPTY_FROM {
            self.file.set_len(0)?;
            self.length = 0;
        }
        Ok(())
    }

    /// What it takes to write it anew, if it has become so long. That takes a while, in which lines may be added.
    pub(super) fn is_too_long(&self) -> Option<Rewriting> {
        (self.length >= self.rewrite_from).then(|| Rewriting {
            path: self.path.clone(),
            length: self.length,
            written: 0,
        })
    }

    /// Goes on in the journal that was written anew, with what has been added meanwhile.
    pub(super) fn replace(&mut self, rewriting: Rewriting) -> io::Result<()> {
        if self.length < rewriting.length {
            // It has been emptied meanwhile.
            return Ok(());
        }
        let mut old = File::open(&self.path)?;
        old.seek(SeekFrom::Start(rewriting.length))?;
        let mut added = Vec::new();
        old.take(self.length.saturating_sub(rewriting.length)).read_to_end(&mut added)?;
        OpenOptions::new().append(true).open(self.path.with_extension("new"))?.write_all(&added)?;
        self.file = put_in_place(&self.path)?;
        self.length = rewriting.written + added.len() as u64;
        // Where nearly all of it is open, writing it again soon would gain nothing.
        self.rewrite_from = REWRITE_FROM.max(2 * self.length);
        Ok(())
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// A journal that is being written anew.
#[derive(Debug)]
pub(super) struct Rewriting {
    path: PathBuf,
    /// How much of the old one has been seen.
    length: u64,
    /// How long the new one is.
    written: u64,
}

impl Rewriting {
    /// Writes what is still open beside the old one. Clients that the registry knows are not.
    pub(super) fn write(&mut self, is_needed: impl Fn(u64, &RememberedClient) -> bool) -> io::Result<()> {
        let mut old = Vec::new();
        File::open(&self.path)?.take(self.length).read_to_end(&mut old)?;
        let mut open = noted(&old, &self.path);
        open.bound.retain(|(entry, client)| is_needed(entry.0, client));
        let text = text(&open)?;
        self.written = text.len() as u64;
        fresh(&self.path)?.write_all(&text)
    }
}

/// What a journal holds; nothing if there is none.
pub(super) fn read(path: &Path) -> io::Result<Noted> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Noted::default()),
        read => Ok(noted(&read?, path)),
    }
}

fn fresh(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(path.with_extension("new"))
}

fn put_in_place(path: &Path) -> io::Result<File> {
    fs::rename(path.with_extension("new"), path)?;
    OpenOptions::new().append(true).open(path)
}
