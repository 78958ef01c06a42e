//! The journal of requests that wait for replies: a line when one comes, a line when it is answered.
//!
//! It outlives this process, not the machine: nothing here is synced, for kernels do not outlive the machine either.
//! Lines gather in memory and are written once per batch of messages, before the requests go out and after the replies
//! did. Noting a line waits for no disk: only who writes does.

mod file;
mod lines;

use std::{io, path::Path};

use parking_lot::Mutex;
use serde::Serialize;
use tokio::sync::Notify;
use tracing::warn;

pub use self::lines::{Asked, Connected, Entry, KeptMessage, Noted};
use self::{
    file::{JournalFile, read},
    lines::{Line, append},
};
use crate::{id::KernelId, jupyter::message::Body, route::RememberedClient};

/// The journal of this `serve`.
#[derive(Debug)]
pub struct Journal {
    /// Never locked by somebody who waits for a disk.
    notes: Mutex<Notes>,
    /// Locked before the notes, never after.
    file: Mutex<JournalFile>,
    too_long: Notify,
}

/// What has been noted.
#[derive(Debug, Default)]
struct Notes {
    /// What is to be written.
    lines: Vec<u8>,
    /// How many requests wait.
    open: u64,
    /// The number of the latest line.
    last: u64,
    /// The number of the latest line that the registry has to know before it may be forgotten.
    bound: u64,
    /// The number of the latest line that the registry knows.
    known: u64,
}

impl Journal {
    /// Opens the journal, and gives back what the last `serve` owed when it ended. Those requests stay in the journal
    /// until they are [answered](Self::answered). Numbers go on after the one that the registry knows.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, after: Entry) -> io::Result<(Self, Noted)> {
        let noted = read(path)?;
        let file = JournalFile::create(path, &noted)?;
        let latest = noted.owed.keys().chain(noted.bound.iter().map(|(entry, _)| entry)).max();
        let last = latest.copied().max(Some(after)).map_or(0, |entry| entry.0);
        let bound = if noted.bound.is_empty() && noted.connected.is_empty() { after.0 } else { last };
        let notes = Notes { lines: Vec::new(), open: noted.owed.len() as u64, last, bound, known: after.0 };
        Ok((Self { notes: Mutex::new(notes), file: Mutex::new(file), too_long: Notify::new() }, noted))
    }

    /// The requests that the `serve` which wrote this journal has not answered, in the order in which they came.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn unanswered(path: &Path) -> io::Result<Vec<Asked>> {
        Ok(read(path)?.owed.into_values().collect())
    }

    /// Notes a request. To be [written](Self::write) before the request goes anywhere.
    pub fn asked(&self, asked: &Asked) -> Entry {
        let mut notes = self.notes.lock();
        notes.open += 1;
        let entry = notes.next();
        notes.append(&Line::<_, ()>::Asked(entry, asked));
        entry
    }

    /// Notes that a request goes to another kernel than its client's own, or has waited for its turn. To be [written](Self::write) before it does.
    pub fn sent(&self, entry: Entry, kernel: &KernelId) {
        if entry != Entry::NONE {
            self.notes.lock().append(&Line::<(), ()>::Sent(entry, kernel.clone()));
        }
    }

    /// Notes that a request waits for its turn at its kernel, until it is [sent](Self::sent).
    pub fn waits(&self, entry: Entry, message: &Body) {
        if entry != Entry::NONE {
            self.notes.lock().append(&Line::<(), ()>::Waits(entry, KeptMessage::of(message)));
        }
    }

    /// Notes that a client has a kernel now, before the registry can: that takes a disk's time. To be
    /// [written](Self::write) before its request goes to the kernel.
    pub fn bound(&self, client: &RememberedClient) {
        let mut notes = self.notes.lock();
        let entry = notes.next();
        notes.bound = entry.0;
        notes.append(&Line::<(), _>::Bound(entry, client));
    }

    /// Notes that a kernel's process is connected, before the registry can. To be [written](Self::write) before anything
    /// is sent to the kernel.
    pub fn connected(&self, connected: &Connected) {
        let mut notes = self.notes.lock();
        notes.bound = notes.next().0;
        notes.append(&Line::<(), ()>::Connected(connected.clone()));
    }

    /// The number of the latest line: what the registry knows from here on needs no lines before it.
    pub fn latest(&self) -> Entry {
        Entry(self.notes.lock().last)
    }

    /// The registry is on disk, with all that was noted up to this line.
    pub fn registry_knows(&self, latest: Entry) {
        self.notes.lock().known = latest.0;
    }

    /// Notes that a request has its reply. To be [written](Self::write) after the reply was.
    pub fn answered(&self, entry: Entry) {
        if entry == Entry::NONE {
            return;
        }
        let mut notes = self.notes.lock();
        notes.open = notes.open.saturating_sub(1);
        notes.append(&Line::<(), ()>::Answered(entry));
    }

    /// Writes what has been noted.
    pub fn write(&self) {
        // Somebody else may be writing it: whoever has this lock knows that it is written by now.
        let mut file = self.file.lock();
        let (lines, is_idle) = self.notes.lock().take();
        if lines.is_empty() {
            return;
        }
        let written = file.add(&lines).and_then(|()| if is_idle { file.empty() } else { Ok(()) });
        if let Err(error) = written {
            let path = file.path().display();
            warn!(%path, %error, "cannot note requests: after a crash, some may stay unanswered");
        }
        if file.is_too_long().is_some() {
            self.too_long.notify_one();
        }
    }

    /// Returns once the journal is to be [shortened](Self::shorten).
    pub async fn too_long(&self) {
        self.too_long.notified().await;
    }

    /// Writes it anew with what is still open, if it has become long. That takes a while, so it is not for a thread that serves
    /// connections.
    pub fn shorten(&self) {
        self.shorten_with(|| {});
    }

    /// The same; `meanwhile` is done while what is still open is looked for.
    fn shorten_with(&self, meanwhile: impl FnOnce()) {
        let Some(mut rewriting) = self.file.lock().is_too_long() else { return };
        let known = self.notes.lock().known;
        let written = rewriting.write(|entry, _| entry > known);
        meanwhile();
        if let Err(error) = written.and_then(|()| self.file.lock().replace(rewriting)) {
            warn!(%error, "the journal of requests cannot be written anew: it goes on growing");
        }
    }
}

impl Notes {
    fn next(&mut self) -> Entry {
        self.last += 1;
        Entry(self.last)
    }

    fn append<A: Serialize, B: Serialize>(&mut self, line: &Line<A, B>) {
        append(&mut self.lines, line);
    }

    /// What is to be written, and whether nothing of the journal is of use afterwards.
    fn take(&mut self) -> (Vec<u8>, bool) {
        (std::mem::take(&mut self.lines), self.open == 0 && self.bound <= self.known)
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::state) mod law;

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{file::EMPTY_FROM, *};
    use crate::{
        channel::Channel,
        fleet::ProcessIdentity,
        id::{ClientId, EndpointId, Origin, SessionId},
    };

    fn asked(msg_id: &str) -> Asked {
        Asked {
            client: ClientId { endpoint: EndpointId::DEFAULT, session: SessionId::from("s") },
            channel: Channel::Shell,
            origin: Origin::Process { uid: 1, pid: 2 },
            msg_type: "execute_request".to_owned(),
            msg_id: msg_id.to_owned(),
            identity: "ff00".to_owned(),
            envelope: vec!["aa".to_owned()],
            header: "{\n\"msg_id\": \"é\"}".to_owned(),
            kernel: None,
            stops_on_error: false,
            waits: None,
        }
    }

    fn bound(kernel: &str) -> RememberedClient {
        RememberedClient {
            client: asked("a").client,
            kernel: KernelId::from(kernel),
            origins: vec![asked("a").origin],
            visits: vec![KernelId::from("5e6f7a8b")],
            standing: Some("{}".into()),
            moved: None,
        }
    }

    fn owed(path: &Path) -> Vec<String> {
        Journal::open(path, Entry::NONE).unwrap().1.owed.into_values().map(|asked| asked.msg_id).collect()
    }

    #[test]
    fn what_was_not_answered_is_owed_until_it_is() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let (journal, nothing) = Journal::open(&path, Entry::NONE).unwrap();
        assert!(nothing.owed.is_empty());
        let entries = ["a", "b", "c"].map(|msg_id| journal.asked(&asked(msg_id)));
        journal.answered(entries[1]);
        journal.answered(Entry::NONE);
        journal.write();
        let (journal, owed_now) = Journal::open(&path, Entry::NONE).unwrap();
        assert_eq!(owed_now.owed, [(entries[0], asked("a")), (entries[2], asked("c"))].into());
        assert!(!entries.contains(&journal.asked(&asked("d"))), "numbers are not used again");
        journal.answered(entries[0]);
        journal.write();
        assert_eq!(owed(&path), ["c", "d"]);
    }

    #[test]
    fn where_a_request_was_sent_is_known_too() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        let entries = ["a", "b"].map(|msg_id| journal.asked(&asked(msg_id)));
        let kernel = KernelId::from("1a2b3c4d");
        journal.sent(entries[1], &kernel);
        journal.sent(Entry::NONE, &kernel);
        journal.write();
        for _ in 0..2 {
            // The second time from the journal that was written anew.
            let owed: Vec<_> = Journal::open(&path, Entry::NONE).unwrap().1.owed.into_values().collect();
            assert_eq!(
                owed.iter().map(|asked| asked.kernel.clone()).collect::<Vec<_>>(),
                [None, Some(kernel.clone())]
            );
        }
    }

    #[test]
    fn who_was_bound_is_known_until_the_registry_knows_it() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let client = bound("1a2b3c4d");
        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        let before = journal.latest();
        journal.bound(&client);
        journal.write();
        let (journal, noted) = Journal::open(&path, Entry::NONE).unwrap();
        assert_eq!(noted.bound.iter().map(|(_, bound)| bound).collect::<Vec<_>>(), [&client]);
        assert!(noted.bound.iter().all(|(entry, _)| *entry > before && *entry <= journal.latest()));
    }

    #[test]
    fn the_latest_connection_to_a_kernel_is_known() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        let connected = |kernel: &str, identities: &[&str]| Connected {
            kernel: KernelId::from(kernel),
            process: ProcessIdentity { pid: 1, start_time: 2 },
            identities: identities.iter().map(|identity| (*identity).to_owned()).collect(),
        };
        let lines = [connected("k", &["a"]), connected("other", &["b"]), connected("k", &["a", "c"])];
        lines.iter().for_each(|line| journal.connected(line));
        journal.write();
        for _ in 0..2 {
            // The second time from the journal that was written anew.
            let noted = Journal::open(&path, Entry::NONE).unwrap().1;
            assert_eq!(
                noted.connected.into_values().collect::<Vec<_>>(),
                [lines[2].clone(), lines[1].clone()]
            );
        }
    }

    #[test]
    fn an_idle_journal_does_not_grow_without_end() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        for _ in 0..10_000 {
            let entry = journal.asked(&asked("a"));
            journal.write();
            journal.answered(entry);
            journal.write();
        }
        assert!(fs::metadata(&path).unwrap().len() < EMPTY_FROM);
        assert!(owed(&path).is_empty());
    }

    #[test]
    fn who_was_bound_is_not_forgotten_before_the_registry_knows() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        let requests = |journal: &Journal| {
            for _ in 0..10_000 {
                let entry = journal.asked(&asked("a"));
                journal.answered(entry);
                journal.write();
            }
        };
        journal.bound(&bound("1a2b3c4d"));
        requests(&journal);
        assert_eq!(Journal::open(&path, Entry::NONE).unwrap().1.bound.len(), 1);

        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        journal.registry_knows(journal.latest());
        requests(&journal);
        assert!(fs::metadata(&path).unwrap().len() < EMPTY_FROM);
        assert!(Journal::open(&path, Entry::NONE).unwrap().1.bound.is_empty());
    }

    #[test]
    fn who_writes_waits_for_whoever_is_writing_its_lines() {
        let home = tempfile::TempDir::new().unwrap();
        let (journal, _) = Journal::open(&home.path().join("requests.log"), Entry::NONE).unwrap();
        journal.asked(&asked("a"));
        let mut file = journal.file.lock();
        let (lines, _) = journal.notes.lock().take();
        std::thread::scope(|scope| {
            let writes = scope.spawn(|| journal.write());
            let begun = std::time::Instant::now();
            while begun.elapsed() < std::time::Duration::from_millis(200) {
                assert!(!writes.is_finished(), "nothing of it is in the file");
                std::thread::yield_now();
            }
            file.add(&lines).unwrap();
            drop(file);
        });
    }

    #[test]
    fn a_journal_that_is_emptied_while_it_is_written_anew_keeps_what_came_since() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        let header = "x".repeat(1 << 20);
        let long: Vec<Entry> =
            (0..65).map(|_| journal.asked(&Asked { header: header.clone(), ..asked("long") })).collect();
        journal.write();
        journal.shorten_with(|| {
            long.iter().for_each(|entry| journal.answered(*entry));
            journal.write();
            journal.asked(&asked("since"));
            journal.write();
        });
        assert_eq!(owed(&path), ["since"]);
    }

    #[test]
    fn a_long_journal_is_written_anew_while_lines_are_added() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join("requests.log");
        let (journal, _) = Journal::open(&path, Entry::NONE).unwrap();
        let header = "x".repeat(1 << 20);
        let long = |msg_id: &str| Asked { header: header.clone(), ..asked(msg_id) };
        let first = journal.asked(&long("first"));
        let others: Vec<Entry> = (0..64).map(|_| journal.asked(&long("other"))).collect();
        others.into_iter().for_each(|entry| journal.answered(entry));
        journal.write();
        journal.shorten_with(|| {
            journal.asked(&asked("meanwhile"));
            journal.write();
        });
        assert!(fs::metadata(&path).unwrap().len() < 2 << 20);
        journal.asked(&asked("later"));
        journal.answered(first);
        journal.write();
        assert_eq!(owed(&path), ["meanwhile", "later"]);
    }
}
