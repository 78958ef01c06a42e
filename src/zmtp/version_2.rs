//! What a peer of ZMTP 2.0 says in place of mechanism and READY (RFC 15): behind the version its socket type, which is one
//! byte, and then its identity, which is a frame.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::{
    CodecError, Decoder, FrameLimits, HandshakeError, Item, Local, SocketType, encode_message,
    greeting::OPENING_BYTES, handshake::LONGEST_IDENTITY,
};

/// Writes our socket type and identity, behind our opening.
pub(super) fn write(local: &Local, out: &mut BytesMut) {
    out.put_u8(local.socket.number());
    let identity = if local.socket.has_identity() { local.identity.clone() } else { Bytes::new() };
    encode_message([&identity], out);
}

/// Takes the opening and the socket type from the input; `None` if more bytes are needed.
pub(super) fn read_socket(input: &mut BytesMut) -> Result<Option<SocketType>, HandshakeError> {
    let Some(&number) = input.get(OPENING_BYTES) else { return Ok(None) };
    input.advance(OPENING_BYTES + 1);
    SocketType::from_number(number).map(Some).ok_or(HandshakeError::SocketNumber(number))
}

/// Reads the one frame of an identity.
pub(super) fn identity_decoder() -> Decoder {
    let limits = FrameLimits { frame: LONGEST_IDENTITY, message: LONGEST_IDENTITY, parts: 1 };
    Decoder::new(limits).without_commands()
}

/// Takes the identity from the input; `None` if more bytes are needed.
pub(super) fn read_identity(
    decoder: &mut Decoder,
    input: &mut BytesMut,
) -> Result<Option<Bytes>, CodecError> {
    Ok(decoder.decode(input)?.map(|item| match item {
        Item::Message(frames) => frames.first().cloned().unwrap_or_default(),
        // This decoder refuses commands.
        Item::Command(_) => Bytes::new(),
    }))
}

#[cfg(test)]
mod tests;
