//! Frames of ZMTP as they stand on the wire (RFC 23, "Framing"): a flags byte, a length of one or eight bytes, a body.

const MORE: u8 = 1;
const LONG: u8 = 2;
pub const COMMAND: u8 = 4;

/// A message as it stands on the wire.
pub fn message(frames: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (index, frame) in frames.iter().enumerate() {
        put_frame(&mut bytes, if index + 1 < frames.len() { MORE } else { 0 }, frame);
    }
    bytes
}

/// Takes the first message out of what has come, if it is whole. Commands are passed over.
pub fn take_message(buffer: &mut Vec<u8>) -> Option<Vec<Vec<u8>>> {
    let (mut frames, mut at) = (Vec::new(), 0);
    loop {
        let header = FrameHeader::read(buffer.get(at..)?)?;
        let body = at + header.length;
        at = body + header.body;
        let bytes = buffer.get(body..at)?;
        if header.is_command() {
            continue;
        }
        frames.push(bytes.to_vec());
        if header.is_last() {
            buffer.drain(..at);
            return Some(frames);
        }
    }
}

/// What stands before a frame's body.
#[derive(Debug, Clone, Copy)]
pub struct FrameHeader {
    flags: u8,
    /// Of this header, in bytes.
    pub length: usize,
    /// Of the body, in bytes.
    pub body: usize,
}

impl FrameHeader {
    /// Reads the header that these bytes start with, if it is whole.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let (&flags, rest) = bytes.split_first()?;
        if flags & LONG == 0 {
            return Some(Self { flags, length: 2, body: usize::from(*rest.first()?) });
        }
        let body = u64::from_be_bytes(*rest.first_chunk()?);
        Some(Self { flags, length: 9, body: usize::try_from(body).ok()? })
    }

    pub fn is_command(self) -> bool {
        self.flags & COMMAND != 0
    }

    /// Whether a message ends with this frame.
    pub fn is_last(self) -> bool {
        self.flags & (MORE | COMMAND) == 0
    }
}

/// Appends a frame.
pub fn put_frame(bytes: &mut Vec<u8>, flags: u8, body: &[u8]) {
    match u8::try_from(body.len()) {
        Ok(length) => bytes.extend([flags, length]),
        Err(_) => {
            bytes.push(flags | LONG);
            bytes.extend((body.len() as u64).to_be_bytes());
        }
    }
    bytes.extend(body);
}
