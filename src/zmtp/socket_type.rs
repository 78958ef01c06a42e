//! The socket types that Jupyter's channels use, and which may talk to which (RFC 28, RFC 29).

use std::fmt;

/// A ZeroMQ socket type, ours or a peer's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SocketType {
    /// Asynchronous requests; a client's shell, control and stdin.
    Dealer,
    /// Asynchronous replies; a kernel's shell, control and stdin.
    Router,
    /// A broadcaster that does not look at subscriptions itself.
    Pub,
    /// A broadcaster; a kernel's iopub.
    XPub,
    /// A listener; a client's iopub.
    Sub,
    /// A listener that writes its own subscriptions.
    XSub,
    /// Strict request; a client's heartbeat.
    Req,
    /// Strict reply; a kernel's heartbeat.
    Rep,
}

impl SocketType {
    const NAMES: [(Self, &'static str); 8] = [
        (Self::Dealer, "DEALER"),
        (Self::Router, "ROUTER"),
        (Self::Pub, "PUB"),
        (Self::XPub, "XPUB"),
        (Self::Sub, "SUB"),
        (Self::XSub, "XSUB"),
        (Self::Req, "REQ"),
        (Self::Rep, "REP"),
    ];

    /// The type that a `Socket-Type` property names, if we know it.
    pub fn parse(name: &[u8]) -> Option<Self> {
        Self::NAMES.iter().find(|(_, known)| known.as_bytes() == name).map(|(socket, _)| *socket)
    }

    /// The type that ZMTP 2.0 gives this number, if we know it (RFC 15; 9 and 10 are libzmq's).
    pub fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Pub,
            2 => Self::Sub,
            3 => Self::Req,
            4 => Self::Rep,
            5 => Self::Dealer,
            6 => Self::Router,
            9 => Self::XPub,
            10 => Self::XSub,
            _ => return None,
        })
    }

    /// Its number in ZMTP 2.0, where XPUB is a PUB and XSUB a SUB.
    pub fn number(self) -> u8 {
        match self {
            Self::Pub | Self::XPub => 1,
            Self::Sub | Self::XSub => 2,
            Self::Req => 3,
            Self::Rep => 4,
            Self::Dealer => 5,
            Self::Router => 6,
        }
    }

    /// Whether the RFCs let the two talk.
    pub fn may_talk_to(self, peer: Self) -> bool {
        use SocketType::{Dealer, Pub, Rep, Req, Router, Sub, XPub, XSub};
        match self {
            Dealer => matches!(peer, Rep | Dealer | Router),
            Router => matches!(peer, Req | Dealer | Router),
            Pub | XPub => matches!(peer, Sub | XSub),
            Sub | XSub => matches!(peer, Pub | XPub),
            Req => matches!(peer, Rep | Router),
            Rep => matches!(peer, Req | Dealer),
        }
    }

    /// Whether libzmq sends an `Identity` for this type.
    pub fn has_identity(self) -> bool {
        matches!(self, Self::Dealer | Self::Router | Self::Req)
    }
}

impl fmt::Display for SocketType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::NAMES.iter().find(|(socket, _)| socket == self).map_or("?", |(_, name)| name);
        f.write_str(name)
    }
}
