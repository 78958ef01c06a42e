//! Checking and making signatures: the only way to a `Verified` and to a `Signed`.
//!
//! Source: messaging spec, "The Wire Protocol": the hexadecimal HMAC of header, parent header, metadata and content.

mod pair;
mod two_states;

use std::sync::Arc;

use blake2::{Blake2b512, Blake2s256};
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac, SimpleHmac};
use md5::Md5;
use sha1::Sha1;
use sha2::{Sha224, Sha256, Sha384, Sha512};
use sha3::{Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use subtle::{Choice, ConstantTimeEq};
use thiserror::Error;

use super::{
    message::{Body, Countersignature, Signed, Unverified, Verified},
    scheme::{SecretKey, SignatureScheme},
};

/// A key ready for use: the hash's inner and outer state are computed once and cloned for each message.
#[derive(Clone)]
pub struct Signer(Arc<Algorithm>);

enum Algorithm {
    Unsigned,
    Sha256 { mac: Hmac<Sha256>, key: pair::Key },
    Other(Box<dyn Digests>),
}

/// The signature is not what the key makes of the message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("a message whose signature is wrong: its sender holds another key, or it was altered on the way")]
pub struct BadSignature;

impl Signer {
    /// A signer for the key of a connection file; without a key, messages are unsigned.
    pub fn new(scheme: SignatureScheme, key: Option<&SecretKey>) -> Self {
        Self(Arc::new(key.map_or(Algorithm::Unsigned, |key| Algorithm::new(scheme, key.as_bytes()))))
    }

    /// Checks the signature, in constant time, over the bytes as they came.
    pub fn verify(&self, message: Unverified) -> Result<Verified, BadSignature> {
        let expected = self.digest(&message.body);
        self.accept(message, &expected)
    }

    /// The same; and since the bytes are read anyway, makes the signature of whoever it is likely for, which
    /// [`Self::sign`] then has at hand. With two keys of HMAC-SHA256 both take little longer than one.
    pub fn verify_for(&self, receiver: &Self, message: Unverified) -> Result<Verified, BadSignature> {
        let (Algorithm::Sha256 { key, .. }, Algorithm::Sha256 { key: other, .. }) = (&*self.0, &*receiver.0)
        else {
            return self.verify(message);
        };
        let parts = message.body.signed_parts().map(|part| &part[..]);
        let [expected, made] = pair::digests([key, other], parts).map(|digest| Hexadecimal::new(&digest));
        let mut verified = self.accept(message, &expected)?;
        let signature = Bytes::copy_from_slice(made.as_bytes());
        verified.body.countersignature = Some(Countersignature { signer: receiver.clone(), signature });
        Ok(verified)
    }

    /// Signs a message for its receiver.
    pub fn sign(&self, mut body: Body) -> Signed {
        let made = body.countersignature.take().filter(|made| made.signer.is(self));
        let signature = made
            .map(|made| made.signature)
            .unwrap_or_else(|| Bytes::copy_from_slice(self.digest(&body).as_bytes()));
        Signed { signature, body }
    }

    fn accept(&self, message: Unverified, expected: &Hexadecimal) -> Result<Verified, BadSignature> {
        let Unverified { envelope, signature, body } = message;
        // Without a key, whatever stands in the signature's place says nothing: some peers sign with an empty key.
        if self.is_signing() && !are_equal(expected.as_bytes(), &signature) {
            return Err(BadSignature);
        }
        let start = expected.as_bytes().first_chunk::<16>().copied().unwrap_or_default();
        Ok(Verified { envelope, body, fingerprint: u128::from_ne_bytes(start) })
    }

    fn digest(&self, body: &Body) -> Hexadecimal {
        match &*self.0 {
            Algorithm::Unsigned => Hexadecimal { digits: [0; 128], length: 0 },
            Algorithm::Sha256 { mac, .. } => mac.digest(body),
            Algorithm::Other(mac) => mac.digest(body),
        }
    }

    /// Whether both are one and the same, clones of it included.
    fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether messages carry signatures at all. Without them, a replay cannot be told from a new message.
    pub fn is_signing(&self) -> bool {
        !matches!(*self.0, Algorithm::Unsigned)
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer(***)")
    }
}

impl Algorithm {
    fn new(scheme: SignatureScheme, key: &[u8]) -> Self {
        use SignatureScheme as Scheme;
        match scheme {
            // HMAC takes keys of any length; the error type exists for other MACs.
            Scheme::HmacSha256 => Hmac::new_from_slice(key)
                .map_or(Self::Unsigned, |mac| Self::Sha256 { mac, key: pair::Key::new(key) }),
            Scheme::HmacMd5 => Self::other::<Hmac<Md5>>(key),
            Scheme::HmacSha1 => Self::other::<Hmac<Sha1>>(key),
            Scheme::HmacSha224 => Self::other::<Hmac<Sha224>>(key),
            Scheme::HmacSha384 => Self::other::<Hmac<Sha384>>(key),
            Scheme::HmacSha512 => Self::other::<Hmac<Sha512>>(key),
            Scheme::HmacSha3_224 => Self::other::<SimpleHmac<Sha3_224>>(key),
            Scheme::HmacSha3_256 => Self::other::<SimpleHmac<Sha3_256>>(key),
            Scheme::HmacSha3_384 => Self::other::<SimpleHmac<Sha3_384>>(key),
            Scheme::HmacSha3_512 => Self::other::<SimpleHmac<Sha3_512>>(key),
            // HMAC over BLAKE2, as Python's `hmac` makes it: not BLAKE2's own keyed mode.
            Scheme::HmacBlake2b => Self::other::<SimpleHmac<Blake2b512>>(key),
            Scheme::HmacBlake2s => Self::other::<SimpleHmac<Blake2s256>>(key),
        }
    }

    fn other<M: Digests + KeyInit + 'static>(key: &[u8]) -> Self {
        M::new_from_slice(key).map_or(Self::Unsigned, |mac| Self::Other(Box::new(mac)))
    }
}

/// An HMAC that its key has been mixed into.
trait Digests: Send + Sync {
    fn digest(&self, body: &Body) -> Hexadecimal;
}

impl<M: Mac + Clone + Send + Sync> Digests for M {
    fn digest(&self, body: &Body) -> Hexadecimal {
        let mut mac = self.clone();
        for part in body.signed_parts() {
            mac.update(part);
        }
        Hexadecimal::new(&mac.finalize().into_bytes())
    }
}

/// A digest as it stands on the wire: lower-case digits, as many as the hash has.
struct Hexadecimal {
    digits: [u8; 128],
    length: usize,
}

impl Hexadecimal {
    fn new(digest: &[u8]) -> Self {
        let mut digits = [0; 128];
        let length = digest.len() * 2;
        if let Some(room) = digits.get_mut(..length) {
            // The room is as long as the digits are many: there is no other way to fail.
            let _ = hex::encode_to_slice(digest, room);
        }
        Self { digits, length }
    }

    fn as_bytes(&self) -> &[u8] {
        self.digits.get(..self.length).unwrap_or_default()
    }
}

/// Compares in constant time, eight bytes at a time; lengths are no secret.
fn are_equal(expected: &[u8], claimed: &[u8]) -> bool {
    let (words, rest) = expected.as_chunks();
    let (other_words, other_rest) = claimed.as_chunks();
    let mut equal = Choice::from(u8::from(expected.len() == claimed.len()));
    for (one, other) in words.iter().zip(other_words) {
        equal &= u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other));
    }
    bool::from(equal & rest.ct_eq(other_rest))
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
            countersignature: None,
        }
    }

    fn pairs() -> impl Iterator<Item = (SignatureScheme, SignatureScheme)> {
        let all = SignatureScheme::all();
        all.into_iter().flat_map(move |one| all.map(|other| (one, other)))
    }

    fn arrive(frames: impl IntoIterator<Item = Bytes>) -> Unverified {
        Unverified::split(frames.into_iter().collect::<Frames>()).unwrap()
    }

    #[test]
    fn signs_as_python_does() {
        // Scheme, key ("long" is 200 times "k", longer than any block), and what Python 3.11 makes of it:
        // hmac.new(key, b'{"h":1}{}{}{"c":2}', hash).hexdigest()
        let vectors = include_str!("python.txt").lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let mut seen = Vec::new();
        for vector in vectors {
            let [scheme, key, expected] = vector[..] else { panic!("{vector:?}") };
            let scheme = scheme.parse().unwrap();
            let key = if key == "long" { "k".repeat(200) } else { key.to_owned() };
            let signed = signer(scheme, &key).sign(body());
            let frames: Vec<_> = signed.frames().cloned().collect();
            assert_eq!(frames[0], DELIMITER);
            assert_eq!(frames[1], expected, "{scheme}");
            seen.push(scheme);
        }
        assert!(SignatureScheme::all().iter().all(|scheme| seen.contains(scheme)));
    }

    #[test]
    fn what_is_signed_verifies_and_keeps_every_byte() {
        for scheme in SignatureScheme::all() {
            let signed = signer(scheme, "secret").sign(body());
            let verified = signer(scheme, "secret").verify(arrive(signed.frames().cloned())).unwrap();
            assert_eq!(verified.body(), &body());
            assert_ne!(verified.fingerprint(), 0);
        }
    }

    #[test]
    fn another_key_and_any_altered_part_are_refused() {
        for scheme in SignatureScheme::all() {
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

    /// Messaging spec, "The Wire Protocol": the signature covers header, parent header, metadata and content.
    #[test]
    fn buffers_are_not_signed() {
        let signed = signer(SignatureScheme::HmacSha256, "secret").sign(body());
        let mut frames: Vec<_> = signed.frames().cloned().collect();
        frames[6] = Bytes::from_static(b"altered on the way");
        assert!(signer(SignatureScheme::HmacSha256, "secret").verify(arrive(frames)).is_ok());
    }

    #[test]
    fn a_signature_made_ahead_is_the_one_that_is_made_later() {
        for (scheme, other) in pairs() {
            let (kernel, client) = (signer(scheme, "kernel"), signer(other, "client"));
            let arrived = || arrive(kernel.sign(body()).frames().cloned());
            let ahead = client.sign(kernel.verify_for(&client, arrived()).unwrap().into_body());
            let later = client.sign(kernel.verify(arrived()).unwrap().into_body());
            assert!(ahead.frames().eq(later.frames()));
        }
    }

    #[test]
    fn a_signature_made_ahead_is_for_one_key_and_one_content_alone() {
        let [kernel, client, third] =
            ["kernel", "client", "third"].map(|key| signer(SignatureScheme::HmacSha256, key));
        let verified = kernel.verify_for(&client, arrive(kernel.sign(body()).frames().cloned())).unwrap();
        let signed = third.sign(verified.clone().into_body());
        assert!(third.verify(arrive(signed.frames().cloned())).is_ok());
        let changed = client.sign(verified.with_content(Bytes::from_static(b"{}")).into_body());
        assert!(client.verify(arrive(changed.frames().cloned())).is_ok());
    }

    #[test]
    fn a_bad_signature_is_refused_whoever_it_is_for() {
        let [kernel, client] = ["kernel", "client"].map(|key| signer(SignatureScheme::HmacSha256, key));
        let frames: Vec<_> = client.sign(body()).frames().cloned().collect();
        assert!(kernel.verify_for(&client, arrive(frames.clone())).is_err());
        for length in [0, 8, 63] {
            let mut short: Vec<_> = kernel.sign(body()).frames().cloned().collect();
            short[1].truncate(length);
            assert!(kernel.verify_for(&client, arrive(short)).is_err(), "{length} digits");
        }
    }

    #[test]
    fn an_unsigned_kernel_is_taken_at_its_word() {
        let unsigned = Signer::new(SignatureScheme::HmacSha256, None);
        assert!(unsigned.verify(arrive(unsigned.sign(body()).frames().cloned())).is_ok());
        let signed = signer(SignatureScheme::HmacSha256, "secret").sign(body());
        assert!(unsigned.verify(arrive(signed.frames().cloned())).is_ok());
    }
}
