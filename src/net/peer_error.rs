//! Why connections end.

use std::{io, time::Duration};

use thiserror::Error;

use super::admission::Refused;
use crate::{
    metrics::Trouble,
    zmtp::{CodecError, HandshakeError},
};

/// Why a connection ended other than by the peer closing it between two messages.
#[derive(Debug, Error)]
pub enum PeerError {
    /// The socket failed.
    #[error("the connection broke: {0}")]
    Io(#[from] io::Error),
    /// The peer left in the middle of a message.
    #[error("the peer closed the connection in the middle of a message")]
    Torn,
    /// The handshake failed.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The handshake took too long.
    #[error("the peer did not complete the handshake within {0:?}")]
    SlowHandshake(Duration),
    /// The peer's bytes make no sense or exceed a limit.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// A command that has no place after the handshake, or not on this channel.
    #[error("the peer sent {0} where none belongs")]
    Misplaced(&'static str),
    /// It asks for signs of life and reads none.
    #[error("the peer sends PINGs and does not read the answers")]
    Deaf,
    /// A stranger that does not come to the point.
    #[error("the peer holds no key yet and has been sending one message for {0:?}")]
    Slow(Duration),
    /// Too many messages that were refused.
    #[error("{0} messages of the peer had to be refused")]
    Misbehaved(u32),
    /// More subscriptions, or longer ones, than are allowed.
    #[error("the peer subscribed to too many or too long topics")]
    TooManySubscriptions,
    /// Strangers use too much.
    #[error(transparent)]
    Refused(#[from] Refused),
}

impl PeerError {
    /// Whether the peer has only left, and broken no rule.
    pub fn has_left(&self) -> bool {
        matches!(self, Self::Io(_) | Self::Torn)
    }

    /// Which kind of trouble it is.
    pub fn trouble(&self) -> Trouble {
        match self {
            Self::Io(_) | Self::Torn => Trouble::TornHandshake,
            Self::Handshake(_) => Trouble::BadHandshake,
            Self::SlowHandshake(_) => Trouble::SlowHandshake,
            Self::Codec(_) => Trouble::BadFrame,
            Self::Misplaced(_) => Trouble::MisplacedCommand,
            Self::Deaf => Trouble::UnreadPongs,
            Self::Slow(_) => Trouble::SlowMessage,
            Self::Misbehaved(_) => Trouble::Misbehaved,
            Self::TooManySubscriptions => Trouble::TooManySubscriptions,
            Self::Refused(_) => Trouble::TooManyStrangers,
        }
    }
}
