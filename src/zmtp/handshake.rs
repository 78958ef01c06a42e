//! From the first byte to the first message, both ways, as states that own what they need: greeting and READY, or what ZMTP 2.0
//! has in their place.

use bytes::{Bytes, BytesMut};
use thiserror::Error;

use super::{
    CodecError, Command, Decoder, FrameLimits, Greeting, GreetingError, Item, Mechanism, Opening, SocketType,
    Version, encode_command, version_2,
};

/// The longest identity (RFC 37: 255 bytes).
pub(super) const LONGEST_IDENTITY: usize = 255;

/// Our end of a connection.
#[derive(Clone, Debug)]
pub struct Local {
    /// Our socket type.
    pub socket: SocketType,
    /// The identity we announce; empty for none.
    pub identity: Bytes,
    /// The longest READY that we read, in bytes.
    pub longest_ready: usize,
}

impl Local {
    /// An end that tells nothing more than its type and identity.
    pub fn new(socket: SocketType, identity: Bytes, longest_ready: usize) -> Self {
        Self { socket, identity, longest_ready }
    }
}

/// What the handshake told of the peer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Remote {
    /// The peer's socket type.
    pub socket: SocketType,
    /// The identity it announced; empty for none. A return address at most, never a proof of anything.
    pub identity: Bytes,
    /// The version that both ends speak.
    pub version: Version,
}

/// Why a handshake failed.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum HandshakeError {
    /// The greeting was refused.
    #[error(transparent)]
    Greeting(#[from] GreetingError),
    /// The bytes after the greeting make no sense.
    #[error(transparent)]
    Codec(#[from] CodecError),
    /// Something other than READY came first.
    #[error("the peer sent {0} where READY was due")]
    NotReady(&'static str),
    /// The peer refused us.
    #[error("the peer refused the connection: {0:?}")]
    Refused(String),
    /// A READY without or with an unknown `Socket-Type`.
    #[error("the peer did not name a socket type that is known here ({0:?})")]
    SocketType(String),
    /// A number of ZMTP 2.0 that is no socket type of ours.
    #[error("the peer did not name a socket type that is known here (number {0} of ZMTP 2.0)")]
    SocketNumber(u8),
    /// A socket type that ours cannot talk to.
    #[error("a {peer} peer on a {ours} socket")]
    Mismatch {
        /// Our socket type.
        ours: SocketType,
        /// The peer's.
        peer: SocketType,
    },
    /// An identity over 255 bytes.
    #[error("an identity of {0} bytes; 255 are allowed")]
    LongIdentity(usize),
}

/// A handshake in progress.
#[derive(Debug)]
pub enum Handshake {
    /// Waiting for the peer's first bytes, which tell its version.
    Opening(Local),
    /// Version 3: waiting for the rest of its 64 bytes.
    Greeting(Local),
    /// Version 3: greetings are exchanged; waiting for its READY.
    Ready {
        /// Our end.
        local: Local,
        /// The version that both ends speak.
        version: Version,
    },
    /// Version 2.0: waiting for its socket type.
    Socket(Local),
    /// Version 2.0: waiting for its identity.
    Identity {
        /// The peer's socket type.
        socket: SocketType,
        /// Where its identity arrives.
        decoder: Decoder,
    },
}

/// What a step of the handshake led to.
#[derive(Debug)]
pub enum Step {
    /// More bytes are needed.
    Wait(Handshake),
    /// The handshake is complete; what is left of the input is the first messages.
    Done(Remote),
}

impl Handshake {
    /// Writes our opening and waits for the peer's.
    pub fn start(local: Local, out: &mut BytesMut) -> Self {
        Opening::write(out);
        Self::Opening(local)
    }

    /// Takes what has arrived and writes what we have to say to it.
    pub fn advance(self, input: &mut BytesMut, out: &mut BytesMut) -> Result<Step, HandshakeError> {
        match self {
            Self::Opening(local) => match Opening::read(input)? {
                None => Ok(Step::Wait(Self::Opening(local))),
                Some(Opening::Version2) => {
                    version_2::write(&local, out);
                    Self::Socket(local).advance(input, out)
                }
                Some(Opening::Version3) => {
                    Greeting::write_rest(Mechanism::Null, out);
                    Self::Greeting(local).advance(input, out)
                }
            },
            Self::Greeting(local) => match Greeting::read(input)? {
                None => Ok(Step::Wait(Self::Greeting(local))),
                Some(Greeting { version, .. }) => {
                    encode_command(&our_ready(&local), out);
                    Self::Ready { local, version }.advance(input, out)
                }
            },
            Self::Ready { local, version } => {
                let limits = FrameLimits { frame: local.longest_ready, message: 0, parts: 0 };
                match Decoder::new(limits).decode(input) {
                    Ok(None) => Ok(Step::Wait(Self::Ready { local, version })),
                    Ok(Some(Item::Command(command))) => read_ready(&local, version, command).map(Step::Done),
                    Ok(Some(Item::Message(_))) | Err(CodecError::ManyParts(_)) => {
                        Err(HandshakeError::NotReady("a message"))
                    }
                    Err(error) => Err(error.into()),
                }
            }
            Self::Socket(local) => match version_2::read_socket(input)? {
                None => Ok(Step::Wait(Self::Socket(local))),
                Some(socket) => {
                    check_types(&local, socket)?;
                    Self::Identity { socket, decoder: version_2::identity_decoder() }.advance(input, out)
                }
            },
            Self::Identity { socket, mut decoder } => {
                Ok(match version_2::read_identity(&mut decoder, input)? {
                    None => Step::Wait(Self::Identity { socket, decoder }),
                    Some(identity) => {
                        let version = Version::V2_0;
                        Step::Done(Remote { socket, identity, version })
                    }
                })
            }
        }
    }
}

fn check_types(local: &Local, peer: SocketType) -> Result<(), HandshakeError> {
    if local.socket.may_talk_to(peer) {
        return Ok(());
    }
    Err(HandshakeError::Mismatch { ours: local.socket, peer })
}

fn our_ready(local: &Local) -> Command {
    let mut properties =
        vec![(Bytes::from_static(b"Socket-Type"), Bytes::from(local.socket.to_string().into_bytes()))];
    if local.socket.has_identity() {
        properties.push((Bytes::from_static(b"Identity"), local.identity.clone()));
    }
    Command::Ready(properties)
}

fn read_ready(local: &Local, version: Version, command: Command) -> Result<Remote, HandshakeError> {
    let properties = match command {
        Command::Ready(properties) => properties,
        Command::Error(reason) => {
            return Err(HandshakeError::Refused(String::from_utf8_lossy(&reason).into_owned()));
        }
        _ => return Err(HandshakeError::NotReady("another command")),
    };
    let find = |wanted: &str| value_of(&properties, wanted).cloned().unwrap_or_default();
    let named = find("Socket-Type");
    let socket = SocketType::parse(&named)
        .ok_or_else(|| HandshakeError::SocketType(String::from_utf8_lossy(&named).into_owned()))?;
    check_types(local, socket)?;
    let identity = find("Identity");
    if identity.len() > LONGEST_IDENTITY {
        return Err(HandshakeError::LongIdentity(identity.len()));
    }
    Ok(Remote { socket, identity, version })
}

/// RFC 37: property names are case-insensitive.
fn value_of<'a>(properties: &'a [(Bytes, Bytes)], wanted: &str) -> Option<&'a Bytes> {
    let found = properties.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()));
    found.map(|(_, value)| value)
}

#[cfg(any(test, fuzzing))]
pub(in crate::zmtp) mod law;

#[cfg(test)]
mod tests {
    use super::*;

    fn local(socket: SocketType, identity: &'static [u8]) -> Local {
        Local::new(socket, Bytes::from_static(identity), 512)
    }

    /// Runs both ends against each other, handing over at most `chunk` bytes at a time.
    fn meet(one: Local, two: Local, chunk: usize) -> Result<(Remote, Remote), HandshakeError> {
        let (mut from_one, mut from_two) = (BytesMut::new(), BytesMut::new());
        let mut ends = [
            Step::Wait(Handshake::start(one, &mut from_one)),
            Step::Wait(Handshake::start(two, &mut from_two)),
        ];
        let mut inputs = [BytesMut::new(), BytesMut::new()];
        for _ in 0..1000 {
            let moved = from_two.split_to(chunk.min(from_two.len()));
            inputs[0].extend_from_slice(&moved);
            let moved = from_one.split_to(chunk.min(from_one.len()));
            inputs[1].extend_from_slice(&moved);
            let [first, second] = ends;
            let first = step(first, &mut inputs[0], &mut from_one)?;
            let second = step(second, &mut inputs[1], &mut from_two)?;
            if let (Step::Done(one), Step::Done(two)) = (&first, &second) {
                return Ok((one.clone(), two.clone()));
            }
            ends = [first, second];
        }
        panic!("the handshake did not end");
    }

    fn step(step: Step, input: &mut BytesMut, out: &mut BytesMut) -> Result<Step, HandshakeError> {
        match step {
            Step::Wait(handshake) => handshake.advance(input, out),
            done => Ok(done),
        }
    }

    #[test]
    fn each_end_learns_of_the_other() {
        let (dealer, router) = (local(SocketType::Dealer, b"me"), local(SocketType::Router, b""));
        let (of_router, of_dealer) = meet(dealer, router, 64).unwrap();
        let identity = Bytes::from_static(b"me");
        let expected = Remote { socket: SocketType::Dealer, identity, version: Version::V3_1 };
        assert_eq!((of_dealer, of_router.socket), (expected, SocketType::Router));
    }

    #[test]
    fn names_of_properties_are_known_in_any_case_and_others_are_passed_over() {
        let ready = |names: [(&'static str, &'static str); 3]| {
            answer_to(&Command::Ready(names.map(|(name, value)| (name.into(), value.into())).to_vec()))
        };
        let answer = ready([("X-Colour", "blue"), ("socket-TYPE", "DEALER"), ("identity", "me")]).unwrap();
        let Step::Done(remote) = answer else { panic!("not done") };
        assert_eq!((remote.socket, &*remote.identity), (SocketType::Dealer, &b"me"[..]));
    }

    #[test]
    fn socket_types_that_do_not_fit_are_refused() {
        let refused = meet(local(SocketType::Sub, b""), local(SocketType::Router, b""), 64);
        assert!(matches!(refused, Err(HandshakeError::Mismatch { .. })), "{refused:?}");
    }

    fn answer_to(body: &Command) -> Result<Step, HandshakeError> {
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        Greeting::write(&mut input);
        encode_command(body, &mut input);
        Handshake::start(local(SocketType::Router, b""), &mut out).advance(&mut input, &mut out)
    }

    #[test]
    fn a_message_before_ready_is_refused() {
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        Greeting::write(&mut input);
        input.extend_from_slice(&[0, 1, b'x']);
        let refused =
            Handshake::start(local(SocketType::Router, b""), &mut out).advance(&mut input, &mut out);
        assert!(matches!(refused, Err(HandshakeError::NotReady(_))), "{refused:?}");
    }

    #[test]
    fn a_ready_bomb_is_refused_unread() {
        let (mut input, mut out) = (BytesMut::new(), BytesMut::new());
        Greeting::write(&mut input);
        input.extend_from_slice(&[6, 0, 0, 0, 0, 0x7f, 0, 0, 0]);
        let refused =
            Handshake::start(local(SocketType::Router, b""), &mut out).advance(&mut input, &mut out);
        assert!(matches!(refused, Err(HandshakeError::Codec(CodecError::LongFrame { .. }))), "{refused:?}");
    }

    #[test]
    fn an_identity_of_256_bytes_is_refused() {
        let ready = Command::Ready(vec![
            (Bytes::from_static(b"Socket-Type"), Bytes::from_static(b"DEALER")),
            (Bytes::from_static(b"identity"), Bytes::from(vec![1; 256])),
        ]);
        assert!(matches!(answer_to(&ready), Err(HandshakeError::LongIdentity(256))));
    }

    #[test]
    fn the_peers_refusal_is_told_in_its_words() {
        let refused = answer_to(&Command::Error(Bytes::from_static(b"go away")));
        assert!(matches!(refused, Err(HandshakeError::Refused(reason)) if reason == "go away"));
    }
}
