//! A multipart message as it stands on the wire: frames of bytes, nothing known of their meaning.

use std::ops::Deref;

use bytes::Bytes;
use smallvec::SmallVec;

/// The frames of one message, in order. A Jupyter message without buffers and with one identity has seven.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Frames(SmallVec<[Bytes; 8]>);

impl Frames {
    /// Appends a frame.
    pub fn push(&mut self, frame: Bytes) {
        self.0.push(frame);
    }

    /// The sum of the frames' lengths, in bytes.
    pub fn size(&self) -> usize {
        self.0.iter().map(Bytes::len).sum()
    }
}

impl Deref for Frames {
    type Target = [Bytes];

    fn deref(&self) -> &[Bytes] {
        &self.0
    }
}

impl FromIterator<Bytes> for Frames {
    fn from_iter<I: IntoIterator<Item = Bytes>>(frames: I) -> Self {
        Self(frames.into_iter().collect())
    }
}

impl IntoIterator for Frames {
    type Item = Bytes;
    type IntoIter = smallvec::IntoIter<[Bytes; 8]>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
