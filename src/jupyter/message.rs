//! What a message passes through: `Frames -> Unverified -> Verified -> Signed`.
//!
//! What comes in is split here and verified in [`super::signature`]; only a verified or a self-made [`Body`] can be
//! signed, and only a [`Signed`] can be sent. The parts of a body leave as the bytes that came.

use bytes::Bytes;
use smallvec::SmallVec;
use thiserror::Error;

use super::signature::Signer;
use crate::frames::Frames;

/// What separates the envelope from the message (messaging spec, "The Wire Protocol").
pub const DELIMITER: &[u8] = b"<IDS|MSG>";

/// The frames before the delimiter: return addresses on shell, control and stdin, the topic on iopub.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Envelope(SmallVec<[Bytes; 1]>);

impl Envelope {
    /// An envelope of these frames.
    pub fn new(frames: impl IntoIterator<Item = Bytes>) -> Self {
        Self(frames.into_iter().collect())
    }

    /// An envelope of one frame, as iopub has it.
    pub fn topic(topic: Bytes) -> Self {
        Self(smallvec::smallvec![topic])
    }

    /// The first frame: on iopub, what subscriptions are compared with.
    pub fn first(&self) -> &[u8] {
        self.0.first().map_or(&[], |frame| frame)
    }

    /// The frames, in order.
    pub fn frames(&self) -> &[Bytes] {
        &self.0
    }

    /// A copy that does not keep the read buffer alive from which it was cut; for return addresses that wait long.
    pub fn detached(&self) -> Self {
        Self(self.0.iter().map(|frame| Bytes::copy_from_slice(frame)).collect())
    }
}

/// The four signed parts and the unsigned buffers, as bytes. Made by splitting a message or by writing one of our own.
#[derive(Clone, Debug)]
pub struct Body {
    pub(super) header: Bytes,
    pub(super) parent_header: Bytes,
    pub(super) metadata: Bytes,
    pub(super) content: Bytes,
    pub(super) buffers: Vec<Bytes>,
    pub(super) countersignature: Option<Countersignature>,
}

/// A signature that was made ahead, over the very parts that it lies beside.
#[derive(Clone, Debug)]
pub(super) struct Countersignature {
    pub(super) signer: Signer,
    pub(super) signature: Bytes,
}

impl Body {
    /// A body that was verified before it was kept.
    pub fn kept(
        header: Bytes,
        parent_header: Bytes,
        metadata: Bytes,
        content: Bytes,
        buffers: Vec<Bytes>,
    ) -> Self {
        Self { header, parent_header, metadata, content, buffers, countersignature: None }
    }

    /// The header, JSON.
    pub fn header(&self) -> &Bytes {
        &self.header
    }

    /// The header of the message that this one answers, JSON; `{}` if none.
    pub fn parent_header(&self) -> &Bytes {
        &self.parent_header
    }

    /// The metadata, JSON.
    pub fn metadata(&self) -> &Bytes {
        &self.metadata
    }

    /// The content, JSON.
    pub fn content(&self) -> &Bytes {
        &self.content
    }

    /// The binary buffers. They are not signed.
    pub fn buffers(&self) -> &[Bytes] {
        &self.buffers
    }

    /// The length of all parts, in bytes.
    pub fn size(&self) -> usize {
        self.signed_parts().iter().map(|part| part.len()).sum::<usize>()
            + self.buffers.iter().map(Bytes::len).sum::<usize>()
    }

    /// What the signature covers, in its order.
    pub(super) fn signed_parts(&self) -> [&Bytes; 4] {
        [&self.header, &self.parent_header, &self.metadata, &self.content]
    }
}

/// Two messages are the same if all their parts are.
impl PartialEq for Body {
    fn eq(&self, other: &Self) -> bool {
        self.signed_parts() == other.signed_parts() && self.buffers == other.buffers
    }
}

impl Eq for Body {}

/// A message whose signature nobody has checked: nothing of it may be parsed or forwarded.
#[derive(Clone, Debug)]
pub struct Unverified {
    pub(super) envelope: Envelope,
    pub(super) signature: Bytes,
    pub(super) body: Body,
}

/// Why frames are not a Jupyter message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum MessageError {
    /// No frame is `<IDS|MSG>`.
    #[error("a message without the delimiter <IDS|MSG>")]
    NoDelimiter,
    /// Signature, header, parent header, metadata and content are due after the delimiter.
    #[error("a message with {0} parts after the delimiter; at least 5 are due")]
    MissingParts(usize),
}

impl Unverified {
    /// Splits frames into envelope, signature, the four parts and the buffers.
    pub fn split(frames: Frames) -> Result<Self, MessageError> {
        let delimiter =
            frames.iter().position(|frame| frame == DELIMITER).ok_or(MessageError::NoDelimiter)?;
        let after = frames.len() - delimiter - 1;
        let mut frames = frames.into_iter();
        let envelope = Envelope(frames.by_ref().take(delimiter).collect());
        let mut rest = frames.skip(1);
        let mut next = || rest.next().ok_or(MessageError::MissingParts(after));
        let (signature, header, parent_header) = (next()?, next()?, next()?);
        let (metadata, content) = (next()?, next()?);
        let buffers = rest.collect();
        let body = Body { header, parent_header, metadata, content, buffers, countersignature: None };
        Ok(Self { envelope, signature, body })
    }
}

/// A message whose signature was right: it comes from someone who holds the key.
#[derive(Clone, Debug)]
pub struct Verified {
    pub(super) envelope: Envelope,
    pub(super) body: Body,
    pub(super) fingerprint: u128,
}

impl Verified {
    /// Return addresses or topic.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The message itself.
    pub fn body(&self) -> &Body {
        &self.body
    }

    /// The same message with other content: what was meant for us has been taken out of it.
    #[must_use]
    pub fn with_content(mut self, content: Bytes) -> Self {
        self.body.content = content;
        self.body.countersignature = None;
        self
    }

    /// The message itself, for signing it anew.
    pub fn into_body(self) -> Body {
        self.body
    }

    /// Envelope and message.
    pub fn into_parts(self) -> (Envelope, Body) {
        (self.envelope, self.body)
    }

    /// What tells a replay from a new message: the start of its signature.
    pub fn fingerprint(&self) -> u128 {
        self.fingerprint
    }
}

/// A message that is ready to leave, signed with its receiver's key. The envelope is the receiver's own.
#[derive(Clone, Debug)]
pub struct Signed {
    pub(super) signature: Bytes,
    pub(super) body: Body,
}

impl Signed {
    /// The frames after the envelope, in order.
    pub fn frames(&self) -> impl Iterator<Item = &Bytes> + Clone {
        static START: Bytes = Bytes::from_static(DELIMITER);
        let head = [&START, &self.signature];
        head.into_iter().chain(self.body.signed_parts()).chain(&self.body.buffers)
    }

    /// The length of all frames, in bytes.
    pub fn size(&self) -> usize {
        DELIMITER.len() + self.signature.len() + self.body.size()
    }

    /// The message itself.
    pub fn body(&self) -> &Body {
        &self.body
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::jupyter) mod law;

#[cfg(test)]
mod tests {
    use super::*;

    fn frames(parts: &[&'static [u8]]) -> Frames {
        parts.iter().map(|part| Bytes::from_static(part)).collect()
    }

    #[test]
    fn splits_envelope_parts_and_buffers() {
        let message =
            frames(&[b"a", b"b", DELIMITER, b"sig", b"{h}", b"{p}", b"{m}", b"{c}", b"one", b"<IDS|MSG>"]);
        let split = Unverified::split(message).unwrap();
        assert_eq!(split.envelope.frames(), [&b"a"[..], b"b"]);
        assert_eq!(split.signature, "sig");
        assert_eq!(split.body.signed_parts(), [&b"{h}"[..], b"{p}", b"{m}", b"{c}"]);
        assert_eq!(split.body.buffers(), [&b"one"[..], DELIMITER]);
    }

    #[test]
    fn what_is_missing_is_told() {
        assert_eq!(Unverified::split(frames(&[b"a", b"b"])).unwrap_err(), MessageError::NoDelimiter);
        let three = frames(&[DELIMITER, b"sig", b"{}", b"{}"]);
        assert_eq!(Unverified::split(three).unwrap_err(), MessageError::MissingParts(3));
    }
}
