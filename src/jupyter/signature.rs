//! Checking and making signatures: the only way to a `Verified` and to a `Signed`.
//!
//! Source: messaging spec, "The Wire Protocol": the hexadecimal HMAC of header, parent header, metadata and content.

use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Sha256, Sha512};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::{
    message::{Body, Signed, Unverified, Verified},
    scheme::{SecretKey, SignatureScheme},
};

/// A key ready for use: the hash's inner and outer state are computed once and cloned for each message.
#[derive(Clone)]
pub struct Signer(Algorithm);

#[derive(Clone)]
enum Algorithm {
    Unsigned,
    Sha256(Hmac<Sha256>),
    Sha512(Box<Hmac<Sha512>>),
}

/// The signature is not what the key makes of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a message whose signature is wrong: its sender holds another key, or it was altered on the way")]
pub struct BadSignature;

impl Signer {
    /// A signer for the key of a connection file; without a key, messages are unsigned.
    pub fn new(scheme: SignatureScheme, key: Option<&SecretKey>) -> Self {
        let Some(key) = key else { return Self(Algorithm::Unsigned) };
        // HMAC takes keys of any length; the error type exists for other MACs.
        Self(match scheme {
            SignatureScheme::HmacSha256 => {
                Hmac::new_from_slice(key.as_bytes()).map_or(Algorithm::Unsigned, Algorithm::Sha256)
            }
            SignatureScheme::HmacSha512 => Hmac::new_from_slice(key.as_bytes())
                .map_or(Algorithm::Unsigned, |mac| Algorithm::Sha512(Box::new(mac))),
        })
    }

    /// Checks the signature, in constant time, over the bytes as they came.
    pub fn verify(&self, message: Unverified) -> Result<Verified, BadSignature> {
        let Unverified { envelope, signature, body } = message;
        let expected = self.digest(&body);
        if !bool::from(expected.as_bytes().ct_eq(&signature)) {
            return Err(BadSignature);
        }
        let start = expected.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
        Ok(Verified { envelope, body, fingerprint: u128::from_ne_bytes(start) })
    }

    /// Signs a message for its receiver.
    pub fn sign(&self, body: Body) -> Signed {
        let signature = Bytes::copy_from_slice(self.digest(&body).as_bytes());
        Signed { signature, body }
    }

    fn digest(&self, body: &Body) -> Hexadecimal {
        match &self.0 {
            Algorithm::Unsigned => Hexadecimal { digits: [0; 128], length: 0 },
            Algorithm::Sha256(mac) => digest(mac.clone(), body),
            Algorithm::Sha512(mac) => digest(Hmac::clone(mac), body),
        }
    }

    /// Whether messages carry signatures at all. Without them, a replay cannot be told from a new message.
    pub fn is_signing(&self) -> bool {
        !matches!(self.0, Algorithm::Unsigned)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

/// A digest as it stands on the wire: lower-case digits, as many as the hash has.
struct Hexadecimal {
    digits: [u8; 128],
    length: usize,
}

impl Hexadecimal {
    fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }
}

fn digest<M: Mac>(mut mac: M, body: &Body) -> Hexadecimal {
    for part in body.signed_parts() {
        mac.update(part);
    }
    let bytes = mac.finalize().into_bytes();
    let mut digits = [0; 128];
    let length = bytes.len() * 2;
    if let Some(room) = digits.get_mut(..length) {
        // The room is as long as the digits are many: there is no other way to fail.
        let _ = hex::encode_to_slice(&bytes, room);
    }
    Hexadecimal { digits, length }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{frames::Frames, jupyter::message::DELIMITER};

    fn signer(scheme: SignatureScheme, key: &str) -> Signer {
        Signer::new(scheme, SecretKey::new(key).as_ref())
    }

    fn body() -> Body {
        let part = |text: &'static str| Bytes::from_static(text.as_bytes());
        Body {
            header: part("{\"h\":1}"),
            parent_header: part("{}"),
            metadata: part("{}"),
            content: part("{\"c\":2}"),
            buffers: vec![part("buffer")],
        }
    }

    fn arrive(frames: impl IntoIterator<Item = Bytes>) -> Unverified {
        Unverified::split(frames.into_iter().collect::<Frames>()).unwrap()
    }

    const BOTH: [SignatureScheme; 2] = [SignatureScheme::HmacSha256, SignatureScheme::HmacSha512];

    #[test]
    fn signs_as_python_does() {
        // hmac.new(b"secret", b'{"h":1}{}{}{"c":2}', "sha256").hexdigest()
        let signed = signer(SignatureScheme::HmacSha256, "secret").sign(body());
        let frames: Vec<_> = signed.frames().cloned().collect();
        assert_eq!(frames[0], DELIMITER);
        assert_eq!(frames[1], "1cf14fa5ccc32b71845a767fc30cd0ed4a34cd495e51b6dde5d5c5be354f61d5");
    }

    #[test]
    fn what_is_signed_verifies_and_keeps_every_byte() {
        for scheme in BOTH {
            let signed = signer(scheme, "secret").sign(body());
            let verified = signer(scheme, "secret").verify(arrive(signed.frames().cloned())).unwrap();
            assert_eq!(verified.body(), &body());
            assert_ne!(verified.fingerprint(), 0);
        }
    }

    #[test]
    fn another_key_and_any_altered_part_are_refused() {
        for scheme in BOTH {
            let signed = signer(scheme, "secret").sign(body());
            let frames: Vec<_> = signed.frames().cloned().collect();
            assert!(signer(scheme, "other").verify(arrive(frames.clone())).is_err());
            for altered in 1..6 {
                let mut frames = frames.clone();
                frames[altered] = Bytes::from_static(b"{\"h\":2}");
                assert!(signer(scheme, "secret").verify(arrive(frames)).is_err(), "part {altered}");
            }
        }
    }

    #[test]
    fn an_unsigned_kernel_is_taken_at_its_word() {
        let unsigned = Signer::new(SignatureScheme::HmacSha256, None);
        assert!(unsigned.verify(arrive(unsigned.sign(body()).frames().cloned())).is_ok());
    }
}
