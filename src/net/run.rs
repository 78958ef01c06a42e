//! Messages for several peers at once: written one behind the other a single time, and shared by all their queues.

use bytes::{Bytes, BytesMut};

use crate::{
    jupyter::message::{Envelope, Signed},
    zmtp::encode_message,
};

/// Messages from this size on gain nothing by being copied together: their frames are shared anyway. In bytes.
const WORTH_COPYING: usize = 8 << 10;

/// Signed messages that several peers get in the same words, envelope included.
#[derive(Debug, Default)]
pub struct Run {
    bytes: BytesMut,
    messages: u64,
    largest: usize,
}

/// A run that is complete.
#[derive(Clone, Debug)]
pub struct WrittenRun {
    pub(super) bytes: Bytes,
    /// How many messages it holds.
    pub messages: u64,
    /// The length of the longest, in bytes.
    pub(super) largest: usize,
}

impl Run {
    /// Whether a message is small enough for it.
    pub fn suits(message: &Signed) -> bool {
        message.size() < WORTH_COPYING
    }

    /// Whether nothing has been written since the last time.
    pub fn is_empty(&self) -> bool {
        self.messages == 0
    }

    /// Appends a message.
    pub fn add(&mut self, envelope: &Envelope, message: &Signed) {
        let before = self.bytes.len();
        encode_message(envelope.frames().iter().chain(message.frames()), &mut self.bytes);
        self.largest = self.largest.max(self.bytes.len() - before);
        self.messages += 1;
    }

    /// What has been written since the last time, if anything.
    pub fn take(&mut self) -> Option<WrittenRun> {
        if self.is_empty() {
            return None;
        }
        let Self { bytes, messages, largest } = std::mem::take(self);
        Some(WrittenRun { bytes: bytes.freeze(), messages, largest })
    }
}
