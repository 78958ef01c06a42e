//! The security mechanism of a connection. NULL today; CURVE will be a second variant, with its own handshake.

/// What greeting and handshake agree on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mechanism {
    /// No security below the messages' own signatures (RFC 37, section "The NULL Security Mechanism").
    #[default]
    Null,
}

impl Mechanism {
    /// The name as the greeting carries it: 20 bytes, padded with zeros.
    pub fn wire_name(self) -> [u8; 20] {
        let Self::Null = self;
        *b"NULL\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
    }
}
