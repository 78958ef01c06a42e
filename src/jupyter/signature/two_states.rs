//! SHA-256 of the same blocks from two states at once: one of the two modules with a line of unsafe code.
//!
//! The processor's instruction for two rounds takes four cycles until its result can be used, but another one can begin
//! after two: the rounds of one state fill the gaps between those of the other, and each block is expanded once for both.
//! Where there is no such instruction, one state comes after the other.

use sha2::block_api::compress256;

use super::pair::{Block, State};

/// Takes the blocks into both states (FIPS 180-4, section 6.2.2).
#[cfg(target_arch = "x86_64")]
pub(super) fn compress(states: &mut [State; 2], blocks: &[Block]) {
    if !(is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1")) {
        return states.iter_mut().for_each(|state| compress256(state, blocks));
    }
    // SAFETY: the function has no other condition than that the processor has these features, which was asked just now.
    #[expect(unsafe_code, reason = "a function for processors with a feature can be called in no other way")]
    unsafe {
        x86::compress(states, blocks);
    }
}

/// Takes the blocks into both states (FIPS 180-4, section 6.2.2).
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn compress(states: &mut [State; 2], blocks: &[Block]) {
    states.iter_mut().for_each(|state| compress256(state, blocks));
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_extract_epi32, _mm_set_epi8, _mm_set_epi32,
        _mm_set_epi64x, _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8,
        _mm_shuffle_epi32,
    };

    use super::{Block, State};

    /// FIPS 180-4, section 4.2.2, four to a group.
    const CONSTANTS: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    /// A state in the order in which the instructions want its words.
    #[derive(Clone, Copy)]
    struct Words {
        abef: __m128i,
        cdgh: __m128i,
    }

    #[target_feature(enable = "sha,sse4.1,ssse3")]
    pub(super) fn compress(states: &mut [State; 2], blocks: &[Block]) {
        let [first, second] = states;
        let (mut one, mut other) = (load(first), load(second));
        for block in blocks {
            let before = (one, other);
            let mut expanded = words(block);
            for (group, constants) in CONSTANTS.iter().enumerate() {
                let [w0, w1, w2, w3] = expanded;
                if group < 12 {
                    four_rounds(&mut one, &mut other, w0, constants);
                    expanded = [w1, w2, w3, next_words(w0, w1, w2, w3)];
                } else {
                    four_rounds(&mut one, &mut other, w0, constants);
                    expanded = [w1, w2, w3, w0];
                }
            }
            one = sum(one, before.0);
            other = sum(other, before.1);
        }
        store(one, first);
        store(other, second);
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn four_rounds(one: &mut Words, other: &mut Words, words: __m128i, &[k0, k1, k2, k3]: &[u32; 4]) {
        let constants = _mm_set_epi32(k3.cast_signed(), k2.cast_signed(), k1.cast_signed(), k0.cast_signed());
        let low = _mm_add_epi32(words, constants);
        let high = _mm_shuffle_epi32(low, 0x0e);
        one.cdgh = _mm_sha256rnds2_epu32(one.cdgh, one.abef, low);
        other.cdgh = _mm_sha256rnds2_epu32(other.cdgh, other.abef, low);
        one.abef = _mm_sha256rnds2_epu32(one.abef, one.cdgh, high);
        other.abef = _mm_sha256rnds2_epu32(other.abef, other.cdgh, high);
    }

    /// The four words of the schedule that follow these sixteen.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn next_words(w0: __m128i, w1: __m128i, w2: __m128i, w3: __m128i) -> __m128i {
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(w0, w1), _mm_alignr_epi8(w3, w2, 4));
        _mm_sha256msg2_epu32(sum, w3)
    }

    /// A block's sixteen words, which stand in it with the highest byte first.
    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn words(block: &Block) -> [__m128i; 4] {
        let swap = _mm_set_epi8(12, 13, 14, 15, 8, 9, 10, 11, 4, 5, 6, 7, 0, 1, 2, 3);
        let (halves, _) = block.as_chunks();
        let mut halves = halves.iter().map(|half| i64::from_le_bytes(*half));
        let mut next = || halves.next().unwrap_or_default();
        [(); 4].map(|()| {
            let (low, high) = (next(), next());
            _mm_shuffle_epi8(_mm_set_epi64x(high, low), swap)
        })
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn load(&[a, b, c, d, e, f, g, h]: &State) -> Words {
        let of = |a: u32, b: u32, c: u32, d: u32| {
            _mm_set_epi32(a.cast_signed(), b.cast_signed(), c.cast_signed(), d.cast_signed())
        };
        Words { abef: of(a, b, e, f), cdgh: of(c, d, g, h) }
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn store(Words { abef, cdgh }: Words, state: &mut State) {
        *state = [
            _mm_extract_epi32(abef, 3),
            _mm_extract_epi32(abef, 2),
            _mm_extract_epi32(cdgh, 3),
            _mm_extract_epi32(cdgh, 2),
            _mm_extract_epi32(abef, 1),
            _mm_extract_epi32(abef, 0),
            _mm_extract_epi32(cdgh, 1),
            _mm_extract_epi32(cdgh, 0),
        ]
        .map(i32::cast_unsigned);
    }

    #[inline]
    #[target_feature(enable = "sha,sse4.1,ssse3")]
    fn sum(one: Words, other: Words) -> Words {
        Words { abef: _mm_add_epi32(one.abef, other.abef), cdgh: _mm_add_epi32(one.cdgh, other.cdgh) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_states_become_what_they_become_alone(
            states in any::<[State; 2]>(),
            bytes in proptest::collection::vec(any::<u8>(), 0..1000),
        ) {
            let (blocks, _) = bytes.as_chunks();
            let mut together = states;
            compress(&mut together, blocks);
            let mut alone = states;
            alone.iter_mut().for_each(|state| compress256(state, blocks));
            prop_assert_eq!(together, alone);
        }
    }
}
