//! The journal of requests that wait for replies: a line when one comes, a line when it is answered.
//!
//! It outlives this process, not the machine: nothing here is synced, for kernels do not outlive the machine either.
//! Lines gather in memory and are written once per batch of messages, before the requests go out and after the replies
//! did.

use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use bytes::Bytes;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    channel::Channel,
    fleet::ProcessIdentity,
    id::{ClientId, KernelId, Origin},
    jupyter::message::Body,
    route::RememberedClient,
};

/// Length from which an idle journal is emptied.
const EMPTY_FROM: u64 = 1 << 20;

/// Length from which a journal that is never idle is written anew, with what is still open.
const REWRITE_FROM: u64 = 64 << 20;

/// One request's number in the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Entry(u64);

impl Entry {
    /// What is in no journal: a message that is owed no reply.
    pub const NONE: Self = Self(0);
}

/// A request, with all that it takes to answer it after a restart.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Asked {
    /// Who asked.
    #[serde(flatten)]
    pub client: ClientId,
    /// On which channel.
    pub channel: Channel,
    /// Where from.
    pub origin: Origin,
    /// What was asked.
    pub msg_type: String,
    /// Its number.
    pub msg_id: String,
    /// The routing id of the connection that it came on, in hexadecimal digits.
    pub identity: String,
    /// The frames before the delimiter, in hexadecimal digits.
    pub envelope: Vec<String>,
    /// The header, JSON.
    pub header: String,
    /// The kernel that it went to, if that was not its client's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<KernelId>,
    /// Whether it is a cell whose failure ends those that wait behind it.
    #[serde(default)]
    pub stops_on_error: bool,
    /// It waits for its turn, and has not gone to its kernel yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<KeptMessage>,
}

/// A message that waits, but for its header: parent header, metadata, content and buffers in hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct KeptMessage(Vec<String>);

impl KeptMessage {
    /// Keeps a message.
    pub fn of(body: &Body) -> Self {
        let parts = [body.parent_header(), body.metadata(), body.content()];
        Self(parts.into_iter().chain(body.buffers()).map(hex::encode).collect())
    }

    /// The message, with this header; `None` where the file is damaged.
    pub fn body(&self, header: Bytes) -> Option<Body> {
        let mut parts = self.0.iter().map(|part| hex::decode(part).ok().map(Bytes::from));
        let mut next = || parts.next().flatten();
        let (parent_header, metadata, content) = (next()?, next()?, next()?);
        let buffers = parts.collect::<Option<_>>()?;
        Some(Body::kept(header, parent_header, metadata, content, buffers))
    }
}

/// A line of the file.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Line<A, B> {
    Asked(Entry, A),
    Sent(Entry, KernelId),
    Waits(Entry, KeptMessage),
    Answered(Entry),
    Bound(Entry, B),
    Connected(Connected),
}

/// A `serve` has connected to a kernel's process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Connected {
    /// The kernel.
    pub kernel: KernelId,
    /// Its process.
    pub process: ProcessIdentity,
    /// The routing ids under which the process knows the earlier `serve`s that it may still answer to, and last that one.
    pub identities: Vec<String>,
}

/// What the last `serve` left in the journal.
#[derive(PartialEq, Debug, Default)]
pub struct Noted {
    /// Requests that it had not answered.
    pub owed: BTreeMap<Entry, Asked>,
    /// Clients that it had bound, in that order; the registry may know of them already.
    pub bound: Vec<(Entry, RememberedClient)>,
    /// Its latest connection to each kernel; never older than what the registry knows.
    pub connected: BTreeMap<KernelId, Connected>,
}

/// The journal of this `serve`.
#[derive(Debug)]
pub struct Journal(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    file: File,
    lines: Vec<u8>,
    length: u64,
    /// Length from which it is written anew next time.
    rewrite_from: u64,
    open: u64,
    last: u64,
}

impl Journal {
    /// Opens the journal, and gives back what the last `serve` owed when it ended. Those requests stay in the journal
    /// until they are [answered](Self::answered). Numbers go on after the one that the registry knows.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn open(path: &Path, after: Entry) -> io::Result<(Self, Noted)> {
        let noted = read(path)?;
        let file = rewrite(path, &noted)?;
        let latest = noted.owed.keys().chain(noted.bound.iter().map(|(entry, _)| entry)).max();
        let last = latest.copied().max(Some(after)).map_or(0, |entry| entry.0);
        let inner = Inner {
            path: path.to_owned(),
            length: file.metadata()?.len(),
            file,
            lines: Vec::new(),
            rewrite_from: REWRITE_FROM,
            open: noted.owed.len() as u64,
            last,
        };
        Ok((Self(Mutex::new(inner)), noted))
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
        let mut inner = self.0.lock();
        inner.last += 1;
        inner.open += 1;
        let entry = Entry(inner.last);
        inner.append(&Line::<_, ()>::Asked(entry, asked));
        entry
    }

    /// Notes that a request goes to another kernel than its client's own, or has waited for its turn. To be [written](Self::write) before it does.
    pub fn sent(&self, entry: Entry, kernel: &KernelId) {
        if entry != Entry::NONE {
            self.0.lock().append(&Line::<(), ()>::Sent(entry, kernel.clone()));
        }
    }

    /// Notes that a request waits for its turn at its kernel, until it is [sent](Self::sent).
    pub fn waits(&self, entry: Entry, message: &Body) {
        if entry != Entry::NONE {
            self.0.lock().append(&Line::<(), ()>::Waits(entry, KeptMessage::of(message)));
        }
    }

    /// Notes that a client has a kernel now, before the registry can: that takes a disk's time. To be
    /// [written](Self::write) before its request goes to the kernel.
    pub fn bound(&self, client: &RememberedClient) {
        let mut inner = self.0.lock();
        inner.last += 1;
        let entry = Entry(inner.last);
        inner.append(&Line::<(), _>::Bound(entry, client));
    }

    /// Notes that a kernel's process is connected, before the registry can. To be [written](Self::write) before anything
    /// is sent to the kernel.
    pub fn connected(&self, connected: &Connected) {
        self.0.lock().append(&Line::<(), ()>::Connected(connected.clone()));
    }

    /// The number of the latest line: what the registry knows from here on needs no lines before it.
    pub fn latest(&self) -> Entry {
        Entry(self.0.lock().last)
    }

    /// Notes that a request has its reply. To be [written](Self::write) after the reply was.
    pub fn answered(&self, entry: Entry) {
        if entry == Entry::NONE {
            return;
        }
        let mut inner = self.0.lock();
        inner.open = inner.open.saturating_sub(1);
        inner.append(&Line::<(), ()>::Answered(entry));
    }

    /// Writes what has been noted.
    pub fn write(&self) {
        let mut inner = self.0.lock();
        if inner.lines.is_empty() {
            return;
        }
        if let Err(error) = inner.write() {
            inner.lines.clear();
            warn!(path = %inner.path.display(), %error, "cannot note requests: after a crash, some may stay unanswered");
        }
    }
}

impl Inner {
    fn append<A: Serialize, B: Serialize>(&mut self, line: &Line<A, B>) {
        append(&mut self.lines, line);
    }

    fn write(&mut self) -> io::Result<()> {
        if let Err(error) = self.file.write_all(&self.lines) {
            // Half a line would make the next one unreadable.
            let _ = self.file.set_len(self.length);
            return Err(error);
        }
        self.length += self.lines.len() as u64;
        self.lines.clear();
        if self.open == 0 && self.length >= EMPTY_FROM {
            self.file.set_len(0)?;
            self.length = 0;
        } else if self.length >= self.rewrite_from {
            self.file = rewrite(&self.path, &read(&self.path)?)?;
            self.length = self.file.metadata()?.len();
            // Where nearly all of it is open, writing it again soon would gain nothing.
            self.rewrite_from = REWRITE_FROM.max(2 * self.length);
        }
        Ok(())
    }
}

fn append<A: Serialize, B: Serialize>(lines: &mut Vec<u8>, line: &Line<A, B>) {
    if serde_json::to_writer(&mut *lines, line).is_ok() {
        lines.push(b'\n');
    }
}

fn read(path: &Path) -> io::Result<Noted> {
    match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Noted::default()),
        read => Ok(noted(&read?, path)),
    }
}

/// What is open in a journal. A line that cannot be read is the last, cut short as its writer ended.
fn noted(text: &[u8], path: &Path) -> Noted {
    let mut noted = Noted::default();
    for line in text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line) {
            Ok(Line::Asked(entry, asked)) => {
                noted.owed.insert(entry, asked);
            }
            Ok(Line::Sent(entry, kernel)) => {
                if let Some(asked) = noted.owed.get_mut(&entry) {
                    asked.kernel = Some(kernel);
                    asked.waits = None;
                }
            }
            Ok(Line::Waits(entry, message)) => {
                if let Some(asked) = noted.owed.get_mut(&entry) {
                    asked.waits = Some(message);
                }
            }
            Ok(Line::Answered(entry)) => {
                noted.owed.remove(&entry);
            }
            Ok(Line::Bound(entry, client)) => noted.bound.push((entry, client)),
            Ok(Line::Connected(connected)) => {
                noted.connected.insert(connected.kernel.clone(), connected);
            }
            Err(error) => warn!(path = %path.display(), %error, "a line of the journal is skipped"),
        }
    }
    noted
}

/// The lines of a journal with these requests.
fn text(noted: &Noted) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    for connected in noted.connected.values() {
        append(&mut text, &Line::<(), ()>::Connected(connected.clone()));
    }
    for (entry, client) in &noted.bound {
        serde_json::to_writer(&mut text, &Line::<(), _>::Bound(*entry, client))?;
        text.push(b'\n');
    }
    for (entry, asked) in &noted.owed {
        serde_json::to_writer(&mut text, &Line::<_, ()>::Asked(*entry, asked))?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Puts a journal with these requests in place of the one that is there.
fn rewrite(path: &Path, noted: &Noted) -> io::Result<File> {
    let text = text(noted)?;
    let fresh = path.with_extension("new");
    let mut file = OpenOptions::new().create(true).truncate(true).write(true).mode(0o600).open(&fresh)?;
    file.write_all(&text)?;
    fs::rename(&fresh, path)?;
    OpenOptions::new().append(true).open(path)
}

#[cfg(any(test, fuzzing))]
pub(in crate::state) mod law;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EndpointId, SessionId};

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
        let client = RememberedClient {
            client: asked("a").client,
            kernel: KernelId::from("1a2b3c4d"),
            origins: vec![asked("a").origin],
            visits: vec![KernelId::from("5e6f7a8b")],
            standing: Some("{}".into()),
            moved: None,
        };
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
}
