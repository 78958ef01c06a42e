//! The law of handshakes.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;
use crate::{
    input::{Input, chunks},
    zmtp::greeting::law::is_same,
};

const OPENING_OF_2_0: [u8; 11] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1];

const SOCKETS: [SocketType; 8] = [
    SocketType::Router,
    SocketType::XPub,
    SocketType::Rep,
    SocketType::Dealer,
    SocketType::Req,
    SocketType::Sub,
    SocketType::XSub,
    SocketType::Pub,
];

/// Any split of what a peer sends leads to the same end, with the same words of ours and the same bytes left; what is known of
/// a peer then is within the limits; and what we say of ourselves is what a peer learns.
pub fn handshake(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let ours = Local::new(input.one_of(&SOCKETS), Bytes::new(), input.up_to(2000));
    let (begins_well, sizes) = (!input.flag(), input.piece());
    let mut stream = BytesMut::new();
    if begins_well {
        Greeting::write(&mut stream);
    }
    stream.extend_from_slice(input.rest());

    let at_once = Outcome::of(ours.clone(), [&*stream]);
    at_once.check_equal(&Outcome::of(ours.clone(), chunks(sizes, &stream)));
    at_once.check_equal(&Outcome::of(ours.clone(), stream.chunks(1)));
    if let End::Done(remote) = &at_once.end {
        assert!(remote.identity.len() <= LONGEST_IDENTITY);
        assert!(ours.socket.may_talk_to(remote.socket) && remote.socket.may_talk_to(ours.socket));
    }
    what_we_say_is_learnt(Input::new(bytes), sizes);
}

fn what_we_say_is_learnt(mut input: Input<'_>, sizes: &[u8]) {
    let socket = input.one_of(&SOCKETS);
    let ours = Local::new(socket, Bytes::copy_from_slice(input.piece()), 4096);
    let theirs = SOCKETS.into_iter().find(|theirs| theirs.may_talk_to(socket));
    let theirs = Local::new(theirs.unwrap(), Bytes::new(), 4096);
    let identity = if socket.has_identity() { ours.identity.clone() } else { Bytes::new() };

    let mut greeting = BytesMut::new();
    Greeting::write(&mut greeting);
    let said = what_we_say_to(&ours, greeting);
    let learnt = Remote { socket, identity: identity.clone(), version: Version::V3_1 };
    assert_eq!(Outcome::of(theirs.clone(), chunks(sizes, &said)).end, End::Done(learnt));

    let mut said = what_we_say_to(&ours, BytesMut::from(&OPENING_OF_2_0[..]));
    // A peer of version 2 takes any later version for its own (RFC 15).
    said[OPENING_OF_2_0.len() - 1] = 1;
    let socket = SocketType::from_number(socket.number()).unwrap();
    let learnt = Remote { socket, identity, version: Version::V2_0 };
    assert_eq!(Outcome::of(theirs, chunks(sizes, &said)).end, End::Done(learnt));
}

fn what_we_say_to(ours: &Local, mut heard: BytesMut) -> BytesMut {
    let mut said = BytesMut::new();
    let begun = Handshake::start(ours.clone(), &mut said);
    assert!(matches!(begun.advance(&mut heard, &mut said), Ok(Step::Wait(_))));
    said
}

#[derive(PartialEq, Debug)]
enum End {
    Waiting,
    Done(Remote),
    Failed(HandshakeError),
}

#[derive(Debug)]
struct Outcome {
    end: End,
    said: BytesMut,
    left: Vec<u8>,
}

impl Outcome {
    fn of<'a>(local: Local, chunks: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let (mut said, mut input) = (BytesMut::new(), BytesMut::new());
        let mut handshake = Handshake::start(local, &mut said);
        let mut chunks = chunks.into_iter();
        let end = loop {
            let Some(chunk) = chunks.next() else { break End::Waiting };
            input.extend_from_slice(chunk);
            match handshake.advance(&mut input, &mut said) {
                Ok(Step::Wait(next)) => handshake = next,
                Ok(Step::Done(remote)) => break End::Done(remote),
                Err(error) => break End::Failed(error),
            }
        };
        let left = [&*input, &chunks.flatten().copied().collect::<Vec<_>>()].concat();
        Self { end, said, left }
    }

    fn check_equal(&self, other: &Self) {
        assert_eq!(self.said, other.said);
        match (&self.end, &other.end) {
            (End::Failed(HandshakeError::Greeting(one)), End::Failed(HandshakeError::Greeting(two))) => {
                assert!(is_same(one, two), "{one} and {two}");
            }
            (one, end) => assert_eq!((one, &self.left), (end, &other.left)),
        }
    }
}
