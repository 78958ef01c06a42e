//! Counts messages in a stream of bytes, and does nothing else with them.

use super::frame::FrameHeader;

/// The longest header of a frame.
const HEADER: usize = 9;

#[derive(Debug, Default)]
pub struct Counter {
    messages: usize,
    /// The start of a header that is still to be completed.
    header: Vec<u8>,
    /// Bytes of the current frame that are still to come.
    missing: usize,
    /// Whether a message ends with the current frame.
    is_last: bool,
}

impl Counter {
    /// How many messages have come whole.
    pub fn messages(&self) -> usize {
        self.messages
    }

    /// Takes what has come.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        while let Some(rest) = self.pass_body(bytes) {
            let Some(rest) = self.pass_header(rest) else { return };
            bytes = rest;
        }
    }

    /// What follows the current body; `None` if nothing has come of what does.
    fn pass_body<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let Some((_, rest)) = bytes.split_at_checked(self.missing) else {
            self.missing -= bytes.len();
            return None;
        };
        self.missing = 0;
        self.messages += usize::from(std::mem::take(&mut self.is_last));
        (!rest.is_empty()).then_some(rest)
    }

    /// What follows the header; `None` if it is not whole.
    fn pass_header<'a>(&mut self, bytes: &'a [u8]) -> Option<&'a [u8]> {
        let before = self.header.len();
        let header = if before == 0 {
            FrameHeader::read(bytes)
        } else {
            self.header.extend(bytes.iter().take(HEADER - before));
            FrameHeader::read(&self.header)
        };
        let Some(header) = header else {
            if before == 0 {
                self.header.extend(bytes);
            }
            return None;
        };
        self.header.clear();
        (self.missing, self.is_last) = (header.body, header.is_last());
        bytes.get(header.length - before..)
    }
}
