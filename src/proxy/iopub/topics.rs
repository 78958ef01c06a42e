//! What one iopub connection has subscribed to.

use bytes::Bytes;
use parking_lot::Mutex;

/// The topics that one iopub connection has subscribed to.
#[derive(Debug, Default)]
pub(crate) struct Topics(Mutex<Vec<Bytes>>);

impl Topics {
    /// Adds a subscription unless there are too many; returns how many there are.
    pub(crate) fn add(&self, topic: Bytes, most: usize) -> Option<usize> {
        let mut topics = self.0.lock();
        if topics.len() >= most {
            return None;
        }
        topics.push(Bytes::copy_from_slice(&topic));
        Some(topics.len())
    }

    /// Ends one subscription; returns how many are left.
    pub(crate) fn remove(&self, topic: &Bytes) -> usize {
        let mut topics = self.0.lock();
        if let Some(index) = topics.iter().position(|known| known == topic) {
            topics.swap_remove(index);
        }
        topics.len()
    }

    /// Whether every message is wanted, whatever its topic.
    pub(crate) fn want_all(&self) -> bool {
        self.want(b"")
    }

    /// Whether a message with this topic is wanted (RFC 29: a subscription is a prefix).
    pub(crate) fn want(&self, topic: &[u8]) -> bool {
        self.0.lock().iter().any(|prefix| topic.starts_with(prefix))
    }

    /// The first subscription.
    pub(crate) fn first(&self) -> Option<Bytes> {
        self.0.lock().first().cloned()
    }
}
