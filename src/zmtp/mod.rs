//! ZMTP 2.0, 3.0 and 3.1 (RFC 15, 23 and 37), sans-IO: bytes in, frames out.
//!
//! Here lives what the wire looks like and nothing else: no sockets, no clock, no Jupyter. Every length that a peer
//! declares is compared with a limit before anything is reserved for it.

mod codec;
mod command;
mod greeting;
mod handshake;
mod mechanism;
mod socket_type;
mod version;
mod version_2;

pub use codec::{
    CodecError, Decoder, FrameLimits, Item, encode_command, encode_header, encode_message, leading_frames,
};
pub use command::{Command, CommandError};
pub use greeting::{GREETING_BYTES, Greeting, GreetingError, Opening};
pub use handshake::{Handshake, HandshakeError, Local, Remote, Step};
pub use mechanism::Mechanism;
pub use socket_type::SocketType;
pub use version::Version;

/// What holds for whatever a peer sends.
#[cfg(any(test, fuzzing))]
pub mod laws {
    pub use super::{
        codec::law::codec, command::law::command, greeting::law::greeting, handshake::law::handshake,
    };
}
