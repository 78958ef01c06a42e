//! Frames (RFC 37, section "Framing", and the same in RFC 15): a flags byte, a length of one or eight bytes, a body.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

use super::{Command, CommandError};
use crate::frames::Frames;

const MORE: u8 = 1;
const LONG: u8 = 2;
const COMMAND: u8 = 4;

/// The longest frame header: flags and eight bytes of length.
const LONGEST_HEADER: usize = 9;

/// What a part of a message takes beside its bytes, at most: its place in a list that may be half empty, and what the
/// allocator adds to a copy.
const PART: usize = 96;

/// The longest part that is copied when its message has to wait for more.
const SMALL: usize = 4096;

/// What one message of a peer may cost. All sizes in bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FrameLimits {
    /// Longest frame.
    pub frame: usize,
    /// Longest message, all its frames together.
    pub message: usize,
    /// Most frames in a message.
    pub parts: usize,
}

/// What a peer sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Item {
    /// A whole message.
    Message(Frames),
    /// A command.
    Command(Command),
}

/// Why a peer's bytes are refused; the connection ends with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CodecError {
    /// Bits that RFC 37 reserves, or a command that claims to have more frames.
    #[error("a frame with the flags {0:#04x}")]
    Flags(u8),
    /// A frame longer than the limit; nothing was reserved for it.
    #[error("a frame of {announced} bytes was announced; the limit is {limit}")]
    LongFrame {
        /// What the peer announced.
        announced: u64,
        /// What is allowed.
        limit: usize,
    },
    /// A message longer than the limit.
    #[error("a message of more than {0} bytes")]
    LongMessage(usize),
    /// Too many frames.
    #[error("a message of more than {0} frames")]
    ManyParts(usize),
    /// A command, and no heartbeat, between the frames of a message.
    #[error("a command in the middle of a message")]
    CommandInsideMessage,
    /// A command that makes no sense.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Cuts a stream of bytes into messages and commands.
#[derive(Debug)]
pub struct Decoder {
    limits: FrameLimits,
    parts: Frames,
    size: usize,
    missing: usize,
    /// How many of the parts no longer keep alive what was read with them.
    detached: usize,
    /// Whether the peer's version has commands.
    has_commands: bool,
}

struct FrameHeader {
    flags: u8,
    header: usize,
    body: usize,
}

impl Decoder {
    /// A decoder at the start of a message.
    pub fn new(limits: FrameLimits) -> Self {
        Self { limits, parts: Frames::default(), size: 0, missing: 0, detached: 0, has_commands: true }
    }

    /// The same for a peer of ZMTP 2.0, which has no commands.
    pub fn without_commands(self) -> Self {
        Self { has_commands: false, ..self }
    }

    /// Changes the limits, for a peer that has authenticated itself.
    pub fn set_limits(&mut self, limits: FrameLimits) {
        self.limits = limits;
    }

    /// How many bytes the frame that is being received still lacks, as far as is known; at most the frame limit.
    pub fn missing(&self) -> usize {
        self.missing
    }

    /// Bytes that the frames take which already arrived of the message that is being received: their own, and what keeping
    /// them costs, which for empty ones is all.
    pub fn held(&self) -> usize {
        self.size + self.parts.len() * PART
    }

    /// Whether the peer is in the middle of a message or frame.
    pub fn is_inside(&self, buffer: &BytesMut) -> bool {
        !buffer.is_empty() || !self.parts.is_empty()
    }

    /// Writes the frames that have arrived of the message that is being received, as they stood on the wire.
    pub fn write_unfinished(&self, out: &mut BytesMut) {
        for frame in self.parts.iter() {
            encode_header(frame.len(), true, out);
            out.put_slice(frame);
        }
    }

    /// The next message or command, or `None` if more bytes are needed.
    pub fn decode(&mut self, buffer: &mut BytesMut) -> Result<Option<Item>, CodecError> {
        while let Some(frame) = self.read_header(buffer)? {
            let whole = frame.header + frame.body;
            if buffer.len() < whole {
                self.missing = whole - buffer.len();
                break;
            }
            self.missing = 0;
            buffer.advance(frame.header);
            let body = buffer.split_to(frame.body).freeze();
            if frame.flags & COMMAND != 0 {
                return self.command(body).map(Some);
            }
            self.size += body.len();
            self.parts.push(body);
            if frame.flags & MORE == 0 {
                (self.size, self.detached) = (0, 0);
                return Ok(Some(Item::Message(std::mem::take(&mut self.parts))));
            }
        }
        self.detach_small_parts();
        Ok(None)
    }

    /// RFC 37 has no place for a command between the frames of a message. But libzmq writes PING and PONG whenever it comes to
    /// them, and its peers take them there.
    fn command(&self, body: Bytes) -> Result<Item, CodecError> {
        let command = Command::parse(body)?;
        let is_heartbeat = matches!(command, Command::Ping(..) | Command::Pong(_));
        if !is_heartbeat && !self.parts.is_empty() {
            return Err(CodecError::CommandInsideMessage);
        }
        Ok(Item::Command(command))
    }

    /// Small parts that wait for the rest of their message are copied, once. As they were read, each would keep a whole read
    /// alive, and a peer that sends parts of a byte one by one would get thousands of times as much memory as it sends.
    fn detach_small_parts(&mut self) {
        self.parts.detach(self.detached, SMALL);
        self.detached = self.parts.len();
    }

    fn read_header(&self, buffer: &BytesMut) -> Result<Option<FrameHeader>, CodecError> {
        let Some(&flags) = buffer.first() else { return Ok(None) };
        let known = if self.has_commands { MORE | LONG | COMMAND } else { MORE | LONG };
        if flags & !known != 0 || flags & (COMMAND | MORE) == COMMAND | MORE {
            return Err(CodecError::Flags(flags));
        }
        let Some((header, announced)) = read_length(flags, buffer) else { return Ok(None) };
        let body = match usize::try_from(announced) {
            Ok(body) if body <= self.limits.frame => body,
            _ => return Err(CodecError::LongFrame { announced, limit: self.limits.frame }),
        };
        let is_part = flags & COMMAND == 0;
        if is_part && self.parts.len() >= self.limits.parts {
            return Err(CodecError::ManyParts(self.limits.parts));
        }
        if is_part && self.size + body > self.limits.message {
            return Err(CodecError::LongMessage(self.limits.message));
        }
        Ok(Some(FrameHeader { flags, header, body }))
    }
}

/// The length of header and body, if it has arrived.
fn read_length(flags: u8, buffer: &BytesMut) -> Option<(usize, u64)> {
    if flags & LONG == 0 {
        return Some((2, u64::from(*buffer.get(1)?)));
    }
    let mut long = buffer.get(1..LONGEST_HEADER)?;
    Some((LONGEST_HEADER, long.get_u64()))
}

/// The frames at the beginning of an encoded message or of a part of one, up to the first that is not whole.
pub fn leading_frames(encoded: &Bytes) -> impl Iterator<Item = Bytes> {
    let mut rest = encoded.clone();
    std::iter::from_fn(move || {
        let is_long = rest.first()? & LONG != 0;
        let (start, length) = match is_long {
            true => (9, u64::from_be_bytes(rest.get(1..9)?.try_into().ok()?)),
            false => (2, u64::from(*rest.get(1)?)),
        };
        let end = usize::try_from(length).ok()?.checked_add(start)?;
        (end <= rest.len()).then(|| rest.split_to(end).slice(start..))
    })
}

/// Writes the header of a message's frame with a body of `length` bytes.
pub fn encode_header(length: usize, more: bool, out: &mut BytesMut) {
    put_header(if more { MORE } else { 0 }, length, out);
}

/// Writes a whole command frame.
pub fn encode_command(command: &Command, out: &mut BytesMut) {
    let mut body = BytesMut::new();
    command.write(&mut body);
    put_header(COMMAND, body.len(), out);
    out.put_slice(&body);
}

fn put_header(flags: u8, length: usize, out: &mut BytesMut) {
    match u8::try_from(length) {
        Ok(short) => out.put_slice(&[flags, short]),
        Err(_) => {
            out.put_u8(flags | LONG);
            out.put_u64(length as u64);
        }
    }
}

/// Writes a whole message as one run of bytes.
pub fn encode_message<'a>(frames: impl IntoIterator<Item = &'a Bytes>, out: &mut BytesMut) {
    let mut frames = frames.into_iter().peekable();
    while let Some(frame) = frames.next() {
        encode_header(frame.len(), frames.peek().is_some(), out);
        out.put_slice(frame);
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::zmtp) mod law;

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: FrameLimits = FrameLimits { frame: 1000, message: 3000, parts: 6 };

    fn decode_all(decoder: &mut Decoder, buffer: &mut BytesMut) -> Result<Vec<Item>, CodecError> {
        let mut items = Vec::new();
        while let Some(item) = decoder.decode(buffer)? {
            items.push(item);
        }
        Ok(items)
    }

    #[test]
    fn an_announced_length_of_two_to_the_sixty_is_refused_unread() {
        let mut wire = BytesMut::from(&[LONG, 0x10, 0, 0, 0, 0, 0, 0, 0][..]);
        let refused = Decoder::new(LIMITS).decode(&mut wire);
        assert_eq!(refused, Err(CodecError::LongFrame { announced: 1 << 60, limit: 1000 }));
    }

    #[test]
    fn empty_frames_without_end_are_refused() {
        let mut wire = BytesMut::from(&[MORE, 0].repeat(7)[..]);
        assert_eq!(decode_all(&mut Decoder::new(LIMITS), &mut wire), Err(CodecError::ManyParts(6)));
    }

    #[test]
    fn empty_frames_count_as_held() {
        let (mut decoder, mut wire) = (Decoder::new(LIMITS), BytesMut::from(&[MORE, 0].repeat(4)[..]));
        assert_eq!(decoder.decode(&mut wire), Ok(None));
        assert_eq!(decoder.held(), 4 * PART);
    }

    #[test]
    fn a_message_over_the_limit_is_refused_at_the_frame_that_exceeds_it() {
        let mut wire = BytesMut::new();
        encode_message(&vec![Bytes::from(vec![0; 1000]); 4], &mut wire);
        assert_eq!(decode_all(&mut Decoder::new(LIMITS), &mut wire), Err(CodecError::LongMessage(3000)));
    }

    #[test]
    fn a_command_inside_a_message_is_refused() {
        let mut wire = BytesMut::from(&[MORE, 0][..]);
        encode_command(&Command::Subscribe(Bytes::new()), &mut wire);
        assert_eq!(decode_all(&mut Decoder::new(LIMITS), &mut wire), Err(CodecError::CommandInsideMessage));
    }

    #[test]
    fn heartbeats_inside_a_message_are_heard_and_the_message_is_whole() {
        let beats = [Command::Ping(1, Bytes::new()), Command::Pong(Bytes::from_static(b"context"))];
        let mut wire = BytesMut::new();
        for beat in &beats {
            wire.extend_from_slice(&[MORE, 1, b'a']);
            encode_command(beat, &mut wire);
        }
        wire.extend_from_slice(&[0, 1, b'b']);
        let [ping, pong] = beats.map(Item::Command);
        let message = ["a", "a", "b"].map(|part| Bytes::from_static(part.as_bytes())).into_iter().collect();
        let expected = vec![ping, pong, Item::Message(message)];
        assert_eq!(decode_all(&mut Decoder::new(LIMITS), &mut wire), Ok(expected));
    }

    #[test]
    fn a_command_of_a_peer_without_commands_is_refused() {
        let mut wire = BytesMut::new();
        encode_command(&Command::Ping(0, Bytes::new()), &mut wire);
        let mut decoder = Decoder::new(LIMITS).without_commands();
        assert_eq!(decoder.decode(&mut wire), Err(CodecError::Flags(COMMAND)));
    }

    #[test]
    fn reserved_flags_are_refused() {
        for flags in [8, 0x80, COMMAND | MORE] {
            let mut wire = BytesMut::from(&[flags, 0][..]);
            assert_eq!(Decoder::new(LIMITS).decode(&mut wire), Err(CodecError::Flags(flags)));
        }
    }

    #[test]
    fn empty_parts_count_as_what_they_take() {
        let mut decoder = Decoder::new(LIMITS);
        assert_eq!(decoder.decode(&mut BytesMut::from(&[MORE, 0].repeat(5)[..])), Ok(None));
        assert!(decoder.held() >= 5 * size_of::<Bytes>(), "{}", decoder.held());
    }
}
