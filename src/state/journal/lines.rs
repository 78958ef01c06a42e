//! What the journal's lines say, as they are written and read.

use std::{collections::BTreeMap, io, path::Path};

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::{
    channel::Channel,
    fleet::ProcessIdentity,
    id::{ClientId, KernelId, Origin},
    jupyter::message::Body,
    route::RememberedClient,
};

/// One request's number in the journal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
pub struct Entry(pub(super) u64);

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
pub struct KeptMessage(pub(super) Vec<String>);

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
pub(super) enum Line<A, B> {
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

/// Adds a line.
pub(super) fn append<A: Serialize, B: Serialize>(lines: &mut Vec<u8>, line: &Line<A, B>) {
    if serde_json::to_writer(&mut *lines, line).is_ok() {
        lines.push(b'\n');
    }
}

/// What is open in a journal. A line that cannot be read is the last, cut short as its writer ended.
pub(super) fn noted(text: &[u8], path: &Path) -> Noted {
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
pub(super) fn text(noted: &Noted) -> io::Result<Vec<u8>> {
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
