//! How a connection begins: its first 11 bytes tell the version, and from ZMTP 3 on 64 are a greeting (RFC 37, section
//! "Greeting").

use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;

use super::{Mechanism, Version};

/// The length of a greeting.
pub const GREETING_BYTES: usize = 64;

/// The length of an opening: ten bytes of signature, and the major version.
pub(super) const OPENING_BYTES: usize = 11;

const OPENING: [u8; OPENING_BYTES] = [0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3];

/// The major version that 2.0 announces (RFC 15, "revision").
const REVISION_OF_2_0: u8 = 1;

/// What the first bytes of a peer tell of what it will say next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// Its socket type and its identity.
    Version2,
    /// The rest of a [`Greeting`].
    Version3,
}

/// What a peer of ZMTP 3 announces in its greeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Greeting {
    /// 3.0 or 3.1: a peer of a later version speaks 3.1 with us.
    pub version: Version,
    /// The mechanism both ends use.
    pub mechanism: Mechanism,
}

/// Why a greeting was refused; always the peer's doing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum GreetingError {
    /// Not ZMTP at all: a browser, a port scanner.
    #[error("the peer does not speak ZeroMQ's protocol (first bytes {0:02x?})")]
    NotZmtp(Vec<u8>),
    /// libzmq before version 3.
    #[error("the peer speaks ZMTP 1; version 2 or 3 (libzmq 3 or later) is needed")]
    Zmtp1,
    /// A mechanism that we lack.
    #[error("the peer wants the security mechanism {0:?}; only NULL is served here")]
    Mechanism(String),
}

impl Opening {
    /// Writes our opening. Nothing else may follow before the peer's opening is known: for a peer of version 2, the rest of a
    /// greeting would be frames.
    pub fn write(out: &mut BytesMut) {
        out.put_slice(&OPENING);
    }

    /// Reads an opening and takes nothing from the input. `None` means that more bytes are needed; a stranger is told by its
    /// first wrong byte, so that it cannot hold the connection by sending half an opening of something else.
    pub fn read(input: &[u8]) -> Result<Option<Self>, GreetingError> {
        let stranger = || Err(GreetingError::NotZmtp(input.iter().take(12).copied().collect()));
        match (input.first(), input.get(1), input.get(9), input.get(OPENING_BYTES - 1)) {
            (Some(0), ..) => stranger(),
            // ZMTP 1 begins with a frame, the identity: its length, then its flags, which are zero.
            (Some(1..0xff), Some(0), ..) => Err(GreetingError::Zmtp1),
            (Some(1..0xff), Some(_), ..) => stranger(),
            // A length that does not fit into one byte is 0xff and eight bytes; there, a signature has an odd number.
            (Some(0xff), _, Some(0), _) => Err(GreetingError::Zmtp1),
            (Some(0xff), _, Some(byte), _) if byte & 1 == 0 => stranger(),
            (.., Some(0)) => Err(GreetingError::Zmtp1),
            (.., Some(&REVISION_OF_2_0)) => Ok(Some(Self::Version2)),
            // RFC 23: 3 follows 1, which is 2.0.
            (.., Some(2)) => stranger(),
            (.., Some(_)) => Ok(Some(Self::Version3)),
            (.., None) => Ok(None),
        }
    }
}

impl Greeting {
    /// Writes what follows our [`Opening`]: version 3.1, not as a security server.
    pub fn write_rest(mechanism: Mechanism, out: &mut BytesMut) {
        out.put_u8(1);
        out.put_slice(&mechanism.wire_name());
        out.put_bytes(0, GREETING_BYTES - 32);
    }

    /// Reads the greeting of a peer with an opening of version 3. `None` means that more bytes are needed.
    pub fn read(input: &mut BytesMut) -> Result<Option<Self>, GreetingError> {
        if input.len() < GREETING_BYTES {
            return Ok(None);
        }
        let mut greeting = input.split_to(GREETING_BYTES);
        greeting.advance(OPENING_BYTES);
        let version = if greeting.get_u8() == 0 { Version::V3_0 } else { Version::V3_1 };
        let mut name = [0_u8; 20];
        greeting.copy_to_slice(&mut name);
        if name != Mechanism::Null.wire_name() {
            let text = String::from_utf8_lossy(&name);
            return Err(GreetingError::Mechanism(text.trim_end_matches('\0').to_owned()));
        }
        Ok(Some(Self { version, mechanism: Mechanism::Null }))
    }

    /// The greeting of a peer of version 3.1, from its first byte.
    #[cfg(any(test, fuzzing))]
    pub(super) fn write(out: &mut BytesMut) {
        Opening::write(out);
        Self::write_rest(Mechanism::Null, out);
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::zmtp) mod law;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_we_read() {
        let mut wire = BytesMut::new();
        Greeting::write(&mut wire);
        assert_eq!(wire.len(), GREETING_BYTES);
        assert_eq!(Opening::read(&wire), Ok(Some(Opening::Version3)));
        let expected = Greeting { version: Version::V3_1, mechanism: Mechanism::Null };
        assert_eq!(Greeting::read(&mut wire), Ok(Some(expected)));
        assert!(wire.is_empty());
    }

    #[test]
    fn a_browser_is_told_by_its_first_two_bytes() {
        assert_eq!(Opening::read(b"G"), Ok(None));
        assert!(matches!(Opening::read(b"GE"), Err(GreetingError::NotZmtp(_))));
    }

    #[test]
    fn version_2_is_told_by_its_eleventh_byte() {
        let opening = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1];
        assert_eq!(Opening::read(&opening[..10]), Ok(None));
        assert_eq!(Opening::read(&opening), Ok(Some(Opening::Version2)));
    }

    #[test]
    fn zmtp_1_is_refused_by_name_with_and_without_an_identity() {
        let long = [&[0xff, 0, 0, 0, 0, 0, 0, 1, 0, 0][..], &[b'i'; 255]].concat();
        let unnumbered = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0];
        for opening in [&b"\x01\0"[..], b"\x06\0hello", &long, &unnumbered] {
            let refused = Opening::read(opening).unwrap_err();
            assert!(refused.to_string().contains("ZMTP 1"), "{refused}");
        }
    }

    #[test]
    fn curve_is_refused_by_name() {
        let mut wire = BytesMut::new();
        Greeting::write(&mut wire);
        wire[12..17].copy_from_slice(b"CURVE");
        assert_eq!(Greeting::read(&mut wire), Err(GreetingError::Mechanism("CURVE".into())));
    }
}
