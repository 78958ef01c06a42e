//! The first 64 bytes of a connection (RFC 37, section "Greeting").

use bytes::{Buf, BufMut, BytesMut};
use thiserror::Error;

use super::Mechanism;

/// The length of a greeting.
pub const GREETING_BYTES: usize = 64;

/// What a peer announces in its greeting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Greeting {
    /// Minor version: 0 or 1 (a larger one speaks 3.1 with us).
    pub minor: u8,
    /// The mechanism both ends use.
    pub mechanism: Mechanism,
}

/// Why a greeting was refused; always the peer's doing.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum GreetingError {
    /// Not ZMTP at all: a browser, a port scanner.
    #[error("the peer does not speak ZeroMQ's protocol (first bytes {0:02x?})")]
    NotZmtp(Vec<u8>),
    /// ZMTP 1 and 2: libzmq before version 4.
    #[error("the peer speaks ZMTP {0}; version 3 (libzmq 4 or later) is needed")]
    TooOld(u8),
    /// A mechanism that we lack.
    #[error("the peer wants the security mechanism {0:?}; only NULL is served here")]
    Mechanism(String),
}

impl Greeting {
    /// Writes our greeting: version 3.1, not as a security server.
    pub fn write(mechanism: Mechanism, out: &mut BytesMut) {
        out.put_slice(&[0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 1]);
        out.put_slice(&mechanism.wire_name());
        out.put_bytes(0, GREETING_BYTES - 32);
    }

    /// Reads a greeting. `None` means that more bytes are needed; a stranger is told by its first wrong byte, so that
    /// it cannot hold the connection by sending half a greeting of something else.
    pub fn read(input: &mut BytesMut) -> Result<Option<Self>, GreetingError> {
        check_start(input)?;
        if input.len() < GREETING_BYTES {
            return Ok(None);
        }
        let mut greeting = input.split_to(GREETING_BYTES);
        greeting.advance(11);
        let minor = greeting.get_u8().min(1);
        let mut name = [0_u8; 20];
        greeting.copy_to_slice(&mut name);
        if name != Mechanism::Null.wire_name() {
            let text = String::from_utf8_lossy(&name);
            return Err(GreetingError::Mechanism(text.trim_end_matches('\0').to_owned()));
        }
        Ok(Some(Self { minor, mechanism: Mechanism::Null }))
    }
}

fn check_start(input: &[u8]) -> Result<(), GreetingError> {
    let stranger = || GreetingError::NotZmtp(input.iter().take(12).copied().collect());
    if input.first().is_some_and(|byte| *byte != 0xff) || input.get(9).is_some_and(|byte| byte & 1 == 0) {
        return Err(stranger());
    }
    match input.get(10) {
        Some(major) if *major < 3 => Err(GreetingError::TooOld(*major)),
        _ => Ok(()),
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
        Greeting::write(Mechanism::Null, &mut wire);
        assert_eq!(wire.len(), GREETING_BYTES);
        assert_eq!(Greeting::read(&mut wire), Ok(Some(Greeting { minor: 1, mechanism: Mechanism::Null })));
        assert!(wire.is_empty());
    }

    #[test]
    fn a_browser_is_told_by_its_first_byte() {
        let mut wire = BytesMut::from(&b"G"[..]);
        assert!(matches!(Greeting::read(&mut wire), Err(GreetingError::NotZmtp(_))));
    }

    #[test]
    fn zmtp_2_is_refused_by_name() {
        let mut wire = BytesMut::from(&[0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1][..]);
        assert_eq!(Greeting::read(&mut wire), Err(GreetingError::TooOld(1)));
    }

    #[test]
    fn curve_is_refused_by_name() {
        let mut wire = BytesMut::new();
        Greeting::write(Mechanism::Null, &mut wire);
        wire[12..17].copy_from_slice(b"CURVE");
        assert_eq!(Greeting::read(&mut wire), Err(GreetingError::Mechanism("CURVE".into())));
    }
}
