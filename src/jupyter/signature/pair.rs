//! Two HMAC-SHA256 of the same bytes under two keys, in one pass (RFC 2104, FIPS 180-4).
//!
//! What a hop checks with one key, it signs with another. Both hash the same bytes, and both keys are mixed in as a whole
//! block in front of them, so blocks line up and are read and expanded once for both.

use sha2::{Digest, Sha256, block_api::compress256};

use super::two_states;

/// The state of SHA-256 between two blocks.
pub(super) type State = [u32; 8];

/// Bytes that SHA-256 takes at a time.
pub(super) type Block = [u8; BLOCK];

const BLOCK: usize = 64;

/// FIPS 180-4, section 5.3.3.
const START: State =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A key: where the inner and the outer hash stand once it has been mixed in.
#[derive(Clone)]
pub(super) struct Key {
    inner: State,
    outer: State,
}

impl Key {
    /// A key of any length.
    pub(super) fn new(key: &[u8]) -> Self {
        let hashed = Sha256::digest(key);
        let mut block = [0; BLOCK];
        put(if key.len() > BLOCK { &hashed } else { key }, 0, &mut block);
        let mixed = |pad: u8| {
            let mut state = START;
            compress256(&mut state, &[block.map(|byte| byte ^ pad)]);
            state
        };
        Self { inner: mixed(0x36), outer: mixed(0x5c) }
    }

    fn finish(&self, inner: State) -> [u8; 32] {
        let mut state = self.outer;
        let mut tail = Tail::default();
        tail.fill(&to_bytes(inner));
        tail.end(BLOCK + 32, |blocks| compress256(&mut state, blocks));
        to_bytes(state)
    }
}

/// What both keys make of the same bytes, which come in parts.
pub(super) fn digests(keys: [&Key; 2], parts: [&[u8]; 4]) -> [[u8; 32]; 2] {
    let mut states = keys.map(|key| key.inner);
    let (mut tail, mut length) = (Tail::default(), BLOCK);
    for mut part in parts {
        length += part.len();
        if tail.filled > 0 {
            part = tail.fill(part);
            if tail.filled < BLOCK {
                continue;
            }
            two_states::compress(&mut states, &[tail.bytes]);
            tail.filled = 0;
        }
        let (blocks, rest) = part.as_chunks();
        two_states::compress(&mut states, blocks);
        tail.fill(rest);
    }
    tail.end(length, |blocks| two_states::compress(&mut states, blocks));
    let ([one, other], [first, second]) = (keys, states);
    [one.finish(first), other.finish(second)]
}

/// The bytes after the last whole block.
struct Tail {
    bytes: Block,
    filled: usize,
}

impl Default for Tail {
    fn default() -> Self {
        Self { bytes: [0; BLOCK], filled: 0 }
    }
}

impl Tail {
    /// Takes as much as there is room for; returns the rest.
    fn fill<'a>(&mut self, part: &'a [u8]) -> &'a [u8] {
        let taken = part.len().min(BLOCK - self.filled);
        let (taken, rest) = part.split_at(taken);
        put(taken, self.filled, &mut self.bytes);
        self.filled += taken.len();
        rest
    }

    /// Pads the last block or two (FIPS 180-4, section 5.1.1), after `length` bytes in all.
    fn end(self, length: usize, mut compress: impl FnMut(&[Block])) {
        let mut last = [0; 2 * BLOCK];
        put(self.bytes.get(..self.filled).unwrap_or_default(), 0, &mut last);
        put(&[0x80], self.filled, &mut last);
        let bits = (length as u64 * 8).to_be_bytes();
        let size = if self.filled + 1 + bits.len() <= BLOCK { BLOCK } else { 2 * BLOCK };
        put(&bits, size - bits.len(), &mut last);
        compress(last.get(..size).unwrap_or_default().as_chunks().0);
    }
}

/// Writes bytes at a place where there is room for them.
fn put(bytes: &[u8], at: usize, to: &mut [u8]) {
    if let Some(room) = to.get_mut(at..at + bytes.len()) {
        room.copy_from_slice(bytes);
    }
}

fn to_bytes(state: State) -> [u8; 32] {
    let mut bytes = [0; 32];
    for (to, word) in bytes.as_chunks_mut().0.iter_mut().zip(state) {
        *to = word.to_be_bytes();
    }
    bytes
}

#[cfg(test)]
mod tests {
    use hmac::{Hmac, KeyInit, Mac};
    use proptest::prelude::*;

    use super::*;

    fn expected(key: &[u8], parts: [&[u8]; 4]) -> Vec<u8> {
        let mut mac: Hmac<Sha256> = Hmac::new_from_slice(key).unwrap();
        parts.iter().for_each(|part| mac.update(part));
        mac.finalize().into_bytes().to_vec()
    }

    fn is_as_expected(keys: [&[u8]; 2], parts: [&[u8]; 4]) -> bool {
        let [one, other] = digests([&Key::new(keys[0]), &Key::new(keys[1])], parts);
        one[..] == expected(keys[0], parts) && other[..] == expected(keys[1], parts)
    }

    #[test]
    fn every_length_around_a_block_is_padded_rightly() {
        let bytes = [7; 300];
        for length in 0..300 {
            let (first, rest) = bytes[..length].split_at(length / 3);
            assert!(is_as_expected([b"one", b"other"], [first, b"", rest, b""]), "{length} bytes");
        }
    }

    proptest! {
        #[test]
        fn both_digests_are_those_of_the_keys_alone(
            one in proptest::collection::vec(any::<u8>(), 0..150),
            other in proptest::collection::vec(any::<u8>(), 0..150),
            parts in proptest::array::uniform4(proptest::collection::vec(any::<u8>(), 0..400)),
        ) {
            let parts = parts.each_ref().map(|part| &part[..]);
            prop_assert!(is_as_expected([&one, &other], parts));
        }
    }
}
