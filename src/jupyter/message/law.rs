//! The law of messages, from their frames to those that leave again.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;
use crate::{
    input::Input,
    jupyter::scheme::{SecretKey, SignatureScheme},
};

/// A split message loses no byte; one that verifies, signed again, is the same frames; a signature made ahead is the one that is
/// made later; and no byte of a signed part or of the signature can be changed, nor another key be used, without being found.
pub fn message(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let [key, other] = [(); 2].map(|()| Key::take(&mut input));
    let [signer, receiver] = [&key, &other].map(Key::signer);
    let (at, change) = (input.up_to(usize::MAX), input.byte().max(1));
    let frames = take_frames(input);
    let Some(unverified) = split_loses_nothing(&frames) else { return };

    let Unverified { envelope, body, signature } = unverified.clone();
    let signed = signer.sign(body);
    assert_eq!(signer.verify(unverified).is_ok(), signed.signature == signature);
    let arrives = |frames: &[Bytes]| {
        let frames = envelope.frames().iter().chain(frames).cloned();
        Unverified::split(frames.collect()).unwrap()
    };
    let frames: Vec<Bytes> = signed.frames().cloned().collect();
    assert_eq!(frames.iter().map(Bytes::len).sum::<usize>(), signed.size());

    let verified = signer.verify(arrives(&frames)).unwrap();
    let ahead = signer.verify_for(&receiver, arrives(&frames)).unwrap();
    assert_eq!((verified.fingerprint, verified.body()), (ahead.fingerprint, ahead.body()));
    assert_eq!(verified.envelope(), &envelope);
    assert!(signer.sign(verified.clone().into_body()).frames().eq(&frames));
    let [ahead, later] = [ahead, verified].map(|verified| receiver.sign(verified.into_body()));
    assert!(ahead.frames().eq(later.frames()));
    if !key.is_as_good_as(&other) {
        assert!(
            receiver.verify(arrives(&frames)).is_err()
                && receiver.verify_for(&signer, arrives(&frames)).is_err()
        );
    }
    let altered = arrives(&alter(frames, at, change));
    assert!(signer.verify(altered.clone()).is_err() && signer.verify_for(&receiver, altered).is_err());
}

/// Changes one byte of the signature or of what it covers.
fn alter(mut frames: Vec<Bytes>, at: usize, change: u8) -> Vec<Bytes> {
    let length: usize = frames[1..6].iter().map(Bytes::len).sum();
    let mut at = at % length;
    for frame in &mut frames[1..6] {
        if at < frame.len() {
            let mut bytes = frame.to_vec();
            bytes[at] ^= change;
            *frame = bytes.into();
            break;
        }
        at -= frame.len();
    }
    frames
}

fn split_loses_nothing(frames: &Frames) -> Option<Unverified> {
    let delimiter = frames.iter().position(|frame| frame == DELIMITER);
    let after = delimiter.map(|at| frames.len() - at - 1);
    let split = match Unverified::split(frames.clone()) {
        Ok(split) => split,
        Err(MessageError::NoDelimiter) => {
            assert_eq!(after, None);
            return None;
        }
        Err(MessageError::MissingParts(found)) => {
            assert!(after == Some(found) && found < 5);
            return None;
        }
    };
    let Unverified { envelope, signature, body } = split.clone();
    let mut again = envelope.frames().to_vec();
    again.extend(Signed { signature, body }.frames().cloned());
    assert_eq!(&again[..], &frames[..]);
    Some(split)
}

/// Frames behind their lengths; the length 255 stands for the delimiter.
fn take_frames(mut input: Input<'_>) -> Frames {
    let mut frames = Frames::default();
    while !input.is_empty() {
        let mut ahead = input;
        if ahead.byte() == u8::MAX {
            input = ahead;
            frames.push(Bytes::from_static(DELIMITER));
        } else {
            frames.push(Bytes::copy_from_slice(input.piece()));
        }
    }
    frames
}

struct Key {
    scheme: SignatureScheme,
    text: String,
}

impl Key {
    fn take(input: &mut Input<'_>) -> Self {
        let scheme = input.one_of(&SignatureScheme::all());
        // What is unsigned keeps nothing from being changed.
        Self { scheme, text: format!("k{}", input.text()) }
    }

    fn signer(&self) -> Signer {
        Signer::new(self.scheme, SecretKey::new(self.text.as_str()).as_ref())
    }

    /// HMAC fills keys up with zeros (RFC 2104, section 2).
    fn is_as_good_as(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.text.trim_end_matches('\0') == other.text.trim_end_matches('\0')
    }
}
