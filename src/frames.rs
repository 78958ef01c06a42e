//! A multipart message as it stands on the wire: frames of bytes, nothing known of their meaning.

use std::ops::Deref;

use bytes::Bytes;

/// Frames of most Jupyter messages: seven with one identity and no buffers.
const USUAL: usize = 8;

/// The frames of one message, in order.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Frames(Vec<Bytes>);

impl Frames {
    /// Appends a frame.
    pub fn push(&mut self, frame: Bytes) {
        if self.0.capacity() == 0 {
            self.0.reserve(USUAL);
        }
        self.0.push(frame);
    }

    /// Copies those from this one on that are no longer than so many bytes, so that they do not keep alive what was read with
    /// them.
    pub fn detach(&mut self, first: usize, longest: usize) {
        for frame in self.0.iter_mut().skip(first).filter(|frame| frame.len() <= longest) {
            *frame = Bytes::copy_from_slice(frame);
        }
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
    type IntoIter = std::vec::IntoIter<Bytes>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}
