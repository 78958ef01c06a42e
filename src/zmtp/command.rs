//! Commands: what peers say to each other outside of messages (RFC 37, section "Commands").

use bytes::{Buf, BufMut, Bytes, BytesMut};
use thiserror::Error;

/// A command frame's content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// The handshake's end: properties of the connection.
    Ready(Vec<(Bytes, Bytes)>),
    /// The peer refuses us, with its reason.
    Error(Bytes),
    /// A subscription to all messages that start with this topic (3.1).
    Subscribe(Bytes),
    /// The end of a subscription (3.1).
    Cancel(Bytes),
    /// "Are you there?" (3.1): in how many tenths of a second without another word from the sender the receiver may give the
    /// connection up, 0 being never, and a context to echo.
    Ping(u16, Bytes),
    /// "Here I am", with the context of the ping (3.1).
    Pong(Bytes),
    /// A command that we do not know: RFC 37 has it ignored.
    Unknown(Bytes),
}

/// Why the bytes of a command make no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum CommandError {
    /// A length points past the end of the frame.
    #[error("a {0} command ends in the middle of a field")]
    Truncated(&'static str),
    /// RFC 37 allows 16 bytes.
    #[error("a PING context of {0} bytes; 16 are allowed")]
    LongContext(usize),
}

const LONGEST_CONTEXT: usize = 16;

impl Command {
    /// Parses the body of a command frame.
    pub fn parse(mut body: Bytes) -> Result<Self, CommandError> {
        let name = take_short(&mut body).ok_or(CommandError::Truncated("nameless"))?;
        match &name[..] {
            b"READY" => parse_properties(body).map(Self::Ready),
            b"ERROR" => take_short(&mut body).map(Self::Error).ok_or(CommandError::Truncated("ERROR")),
            b"SUBSCRIBE" => Ok(Self::Subscribe(body)),
            b"CANCEL" => Ok(Self::Cancel(body)),
            b"PING" if body.len() < 2 => Err(CommandError::Truncated("PING")),
            b"PING" if body.len() > 2 + LONGEST_CONTEXT => Err(CommandError::LongContext(body.len() - 2)),
            b"PING" => Ok(Self::Ping(body.get_u16(), body)),
            b"PONG" => Ok(Self::Pong(body)),
            _ => Ok(Self::Unknown(name)),
        }
    }

    /// Writes the body of a command frame. An unknown command is written as its bare name.
    pub fn write(&self, out: &mut BytesMut) {
        let (name, fields): (&[u8], &[&[u8]]) = match self {
            Self::Ready(properties) => return write_ready(properties, out),
            Self::Error(reason) => (b"ERROR", &[&[reason.len().min(255) as u8], reason]),
            Self::Subscribe(topic) => (b"SUBSCRIBE", &[topic]),
            Self::Cancel(topic) => (b"CANCEL", &[topic]),
            Self::Ping(time_to_live, context) => (b"PING", &[&time_to_live.to_be_bytes(), context]),
            Self::Pong(context) => (b"PONG", &[context]),
            Self::Unknown(name) => (name, &[]),
        };
        put_short(name, out);
        for field in fields {
            out.put_slice(field);
        }
    }
}

fn write_ready(properties: &[(Bytes, Bytes)], out: &mut BytesMut) {
    put_short(b"READY", out);
    for (name, value) in properties {
        put_short(name, out);
        out.put_u32(value.len() as u32);
        out.put_slice(value);
    }
}

fn parse_properties(mut body: Bytes) -> Result<Vec<(Bytes, Bytes)>, CommandError> {
    let mut properties = Vec::new();
    while !body.is_empty() {
        let property = take_short(&mut body).and_then(|name| Some((name, take_long(&mut body)?)));
        properties.push(property.ok_or(CommandError::Truncated("READY"))?);
    }
    Ok(properties)
}

fn put_short(text: &[u8], out: &mut BytesMut) {
    let text = text.get(..255).unwrap_or(text);
    out.put_u8(text.len() as u8);
    out.put_slice(text);
}

fn take_short(body: &mut Bytes) -> Option<Bytes> {
    let length = usize::from(*body.first()?);
    body.advance(1);
    (length <= body.len()).then(|| body.split_to(length))
}

fn take_long(body: &mut Bytes) -> Option<Bytes> {
    if body.len() < 4 {
        return None;
    }
    let length = usize::try_from(body.get_u32()).ok()?;
    (length <= body.len()).then(|| body.split_to(length))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(most: usize) -> impl Strategy<Value = Bytes> {
        proptest::collection::vec(any::<u8>(), 0..=most).prop_map(Bytes::from)
    }

    fn command() -> impl Strategy<Value = Command> {
        prop_oneof![
            proptest::collection::vec((bytes(255), bytes(300)), 0..5).prop_map(Command::Ready),
            bytes(255).prop_map(Command::Error),
            bytes(500).prop_map(Command::Subscribe),
            bytes(500).prop_map(Command::Cancel),
            (any::<u16>(), bytes(LONGEST_CONTEXT))
                .prop_map(|(time_to_live, context)| Command::Ping(time_to_live, context)),
            bytes(LONGEST_CONTEXT).prop_map(Command::Pong),
        ]
    }

    proptest! {
        #[test]
        fn what_we_write_we_parse(command in command()) {
            let mut wire = BytesMut::new();
            command.write(&mut wire);
            prop_assert_eq!(Command::parse(wire.freeze()), Ok(command));
        }

        #[test]
        fn no_bytes_break_the_parser(body in bytes(600)) {
            let _ = Command::parse(body);
        }
    }

    #[test]
    fn a_length_past_the_end_is_refused() {
        let body = Bytes::from_static(b"\x05READY\x01a\xff\xff\xff\xff");
        assert_eq!(Command::parse(body), Err(CommandError::Truncated("READY")));
    }
}
