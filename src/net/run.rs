//! Messages for several peers at once: written one behind the other a single time, and shared by all their queues.

use std::sync::Arc;

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
    /// Where each message ends.
    ends: Vec<u32>,
}

/// A run that is complete.
#[derive(Clone, Debug)]
pub struct WrittenRun {
    pub(super) bytes: Bytes,
    ends: Arc<[u32]>,
    /// The length of the longest message, in bytes.
    pub(super) largest: usize,
}

impl WrittenRun {
    /// How many messages it holds.
    pub fn messages(&self) -> u64 {
        self.ends.len() as u64
    }

    /// The length of each message, in bytes.
    pub(super) fn lengths(&self) -> impl Iterator<Item = usize> {
        let starts = std::iter::once(&0).chain(self.ends.iter());
        self.ends.iter().zip(starts).map(|(end, start)| (end - start) as usize)
    }
}

impl Run {
    /// Whether a message is small enough for it.
    pub fn suits(message: &Signed) -> bool {
        message.size() < WORTH_COPYING
    }

    /// Whether nothing has been written since the last time.
    pub fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// Appends a message.
    pub fn add(&mut self, envelope: &Envelope, message: &Signed) {
        encode_message(envelope.frames().iter().chain(message.frames()), &mut self.bytes);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    /// What has been written since the last time, if anything.
    pub fn take(&mut self) -> Option<WrittenRun> {
        if self.is_empty() {
            return None;
        }
        let Self { bytes, ends } = std::mem::take(self);
        let mut run = WrittenRun { bytes: bytes.freeze(), ends: ends.into(), largest: 0 };
        run.largest = run.lengths().max().unwrap_or(0);
        Some(run)
    }
}
