//! How messages are signed: the scheme's name and the key.
use std::{fmt, str::FromStr};

use subtle::ConstantTimeEq;

/// Bytes of entropy in a key made here: as long as the output of the hash.
const FRESH_KEY_BYTES: usize = 32;

/// The `signature_scheme` of a connection file: which HMAC signs its messages.
///
/// jupyter_client takes any hash that Python's `hashlib` has as an attribute and `hmac` accepts: these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum SignatureScheme {
    /// `hmac-md5`.
    HmacMd5,
    /// `hmac-sha1`.
    HmacSha1,
    /// `hmac-sha224`.
    HmacSha224,
    /// `hmac-sha256`, what Jupyter uses unless told otherwise.
    #[default]
    HmacSha256,
    /// `hmac-sha384`.
    HmacSha384,
    /// `hmac-sha512`.
    HmacSha512,
    /// `hmac-sha3_224`.
    HmacSha3_224,
    /// `hmac-sha3_256`.
    HmacSha3_256,
    /// `hmac-sha3_384`.
    HmacSha3_384,
    /// `hmac-sha3_512`.
    HmacSha3_512,
    /// `hmac-blake2b`.
    HmacBlake2b,
    /// `hmac-blake2s`.
    HmacBlake2s,
}

impl SignatureScheme {
    const NAMES: [(Self, &'static str); 12] = [
        (Self::HmacSha256, "hmac-sha256"),
        (Self::HmacSha512, "hmac-sha512"),
        (Self::HmacMd5, "hmac-md5"),
        (Self::HmacSha1, "hmac-sha1"),
        (Self::HmacSha224, "hmac-sha224"),
        (Self::HmacSha384, "hmac-sha384"),
        (Self::HmacSha3_224, "hmac-sha3_224"),
        (Self::HmacSha3_256, "hmac-sha3_256"),
        (Self::HmacSha3_384, "hmac-sha3_384"),
        (Self::HmacSha3_512, "hmac-sha3_512"),
        (Self::HmacBlake2b, "hmac-blake2b"),
        (Self::HmacBlake2s, "hmac-blake2s"),
    ];

    /// Every scheme.
    #[cfg(any(test, fuzzing))]
    pub(super) fn all() -> [Self; Self::NAMES.len()] {
        Self::NAMES.map(|(scheme, _)| scheme)
    }

    /// The name that connection files use.
    pub fn as_str(self) -> &'static str {
        Self::NAMES.iter().find(|(scheme, _)| *scheme == self).map_or("", |(_, name)| name)
    }
}

impl fmt::Display for SignatureScheme {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for SignatureScheme {
    type Err = UnknownScheme;

    fn from_str(name: &str) -> Result<Self, UnknownScheme> {
        let found = Self::NAMES.into_iter().find(|(_, known)| *known == name);
        found.map(|(scheme, _)| scheme).ok_or_else(|| UnknownScheme { found: name.to_owned() })
    }
}

/// A `signature_scheme` that is not one of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the signature scheme {found:?} is not known: use one of {}", known())]
pub struct UnknownScheme {
    /// The name that was given.
    pub found: String,
}

fn known() -> String {
    SignatureScheme::NAMES.map(|(_, name)| name).join(", ")
}

/// The key that signs messages. Never empty: an empty key means "unsigned" and is `None` where it may occur.
///
/// It cannot be displayed, its `Debug` is masked, and comparing two takes the same time wherever they differ.
#[derive(Clone)]
pub struct SecretKey(String);

impl SecretKey {
    /// A key from the text of a connection file; `None` if the text is empty, which Jupyter reads as "unsigned".
    pub fn new(text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        (!text.is_empty()).then_some(Self(text))
    }

    /// A key that nobody can guess: 32 bytes of the system's randomness, in hexadecimal.
    ///
    /// # Errors
    /// The system's source of randomness cannot be read.
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut entropy = [0_u8; FRESH_KEY_BYTES];
        getrandom::fill(&mut entropy)?;
        Ok(Self(hex::encode(entropy)))
    }

    /// The bytes that go into the HMAC: the text's UTF-8, as in every Jupyter implementation.
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The key in the clear, for the one place that may hold it: a private connection file.
    pub(crate) fn in_the_clear(&self) -> &str {
        &self.0
    }
}

impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes().ct_eq(other.as_bytes()).into()
    }
}

impl Eq for SecretKey {}

impl fmt::Debug for SecretKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SecretKey(***)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scheme_is_read_as_it_is_written() {
        for scheme in SignatureScheme::all() {
            assert_eq!(scheme.to_string().parse(), Ok(scheme));
        }
    }

    #[test]
    fn an_unknown_scheme_is_named_with_what_to_use() {
        for name in ["hmac-sha", "hmac-shake_128", "HMAC-SHA256", "sha256", ""] {
            let error = name.parse::<SignatureScheme>().unwrap_err().to_string();
            assert!(error.contains(&format!("{name:?}")) && error.contains("hmac-sha3_256"), "{error}");
        }
    }

    #[test]
    fn an_empty_key_is_no_key() {
        assert_eq!(SecretKey::new(""), None);
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        let key = SecretKey::new("correct horse").unwrap();
        assert_eq!(format!("{key:?}"), "SecretKey(***)");
    }

    #[test]
    fn fresh_keys_are_long_and_differ() {
        let (one, other) = (SecretKey::random().unwrap(), SecretKey::random().unwrap());
        assert_eq!(one.as_bytes().len(), 64);
        assert_ne!(one, other);
    }

    #[test]
    fn equal_means_the_same_text() {
        assert_eq!(SecretKey::new("a"), SecretKey::new("a"));
        assert_ne!(SecretKey::new("a"), SecretKey::new("ab"));
    }
}
