use super::*;
use crate::zmtp::{Handshake, Remote, Step, Version};

/// Signature and version, as libzmq 3.2 sends them.
const OPENING: [u8; OPENING_BYTES] = [0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1];

const PUB: u8 = 1;
const DEALER: u8 = 5;

fn local(socket: SocketType) -> Local {
    Local::new(socket, Bytes::from_static(b"ours"), 512)
}

/// What becomes of a handshake in which a peer says this, after its opening.
fn meet(ours: SocketType, said: &[u8]) -> Result<Step, HandshakeError> {
    let mut input = BytesMut::from(&[&OPENING, said].concat()[..]);
    let mut out = BytesMut::new();
    Handshake::start(local(ours), &mut out).advance(&mut input, &mut out)
}

#[test]
fn byte_by_byte() {
    let mut out = BytesMut::new();
    let mut step = Step::Wait(Handshake::start(local(SocketType::Router), &mut out));
    let theirs = [&OPENING[..], &[DEALER, 0, 2], b"me"].concat();
    let mut input = BytesMut::new();
    for (index, byte) in theirs.iter().enumerate() {
        let Step::Wait(handshake) = step else { panic!("done after {index} bytes") };
        assert_eq!(out.len() == OPENING_BYTES, index < OPENING_BYTES, "the version is waited for");
        input.put_u8(*byte);
        step = handshake.advance(&mut input, &mut out).unwrap();
    }
    let Step::Done(remote) = step else { panic!("more is waited for") };
    let identity = Bytes::from_static(b"me");
    let expected = Remote { socket: SocketType::Dealer, identity, version: Version::V2_0 };
    assert_eq!(remote, expected);
    let router_and_identity = b"\xff\0\0\0\0\0\0\0\0\x7f\x03\x06\0\x04ours";
    assert_eq!(&out[..], router_and_identity);
}

#[test]
fn our_xpub_says_that_it_is_a_pub_without_an_identity() {
    let (mut input, mut out) = (BytesMut::from(&OPENING[..]), BytesMut::new());
    Handshake::start(local(SocketType::XPub), &mut out).advance(&mut input, &mut out).unwrap();
    assert_eq!(out[OPENING_BYTES..], [PUB, 0, 0]);
}

#[test]
fn what_follows_the_identity_is_left() {
    let mut input = BytesMut::from(&[&OPENING[..], &[2, 0, 0], b"\0\x01\x01"].concat()[..]);
    let mut out = BytesMut::new();
    let done = Handshake::start(local(SocketType::XPub), &mut out).advance(&mut input, &mut out);
    assert!(matches!(done, Ok(Step::Done(_))), "{done:?}");
    assert_eq!(input, &b"\0\x01\x01"[..], "a subscription");
}

#[test]
fn what_is_no_identity_is_refused() {
    let command = [DEALER, 4, 6];
    let long = [DEALER, 2, 0, 0, 0, 0, 0, 0, 1, 0];
    let two_to_the_sixty = [DEALER, 2, 0x10, 0, 0, 0, 0, 0, 0, 0];
    let two_frames = [DEALER, 1, 0, 0, 0];
    for (said, reason) in [
        (&command[..], "the flags 0x04"),
        (&long, "a frame of 256 bytes"),
        (&two_to_the_sixty, "a frame of 1152921504606846976 bytes"),
        (&two_frames, "more than 1 frames"),
    ] {
        let refused = meet(SocketType::Router, said).unwrap_err().to_string();
        assert!(refused.contains(reason), "{refused}");
    }
}

#[test]
fn socket_types_are_compared() {
    assert!(matches!(meet(SocketType::Router, &[PUB]), Err(HandshakeError::Mismatch { .. })));
    for pair_or_pull in [0, 7, 255] {
        let refused = meet(SocketType::Router, &[pair_or_pull]);
        assert!(matches!(refused, Err(HandshakeError::SocketNumber(_))), "{refused:?}");
    }
    assert!(matches!(meet(SocketType::Sub, &[9]), Ok(Step::Wait(_))), "libzmq's XPUB");
}
