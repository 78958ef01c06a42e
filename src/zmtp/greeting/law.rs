//! The law of greetings.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;

/// However many of its bytes have arrived, an opening is waited for or judged as it is in the end; a greeting that is judged
/// good is 64 bytes of NULL, and nothing more has been taken.
pub fn greeting(bytes: &[u8]) {
    let judged = Opening::read(bytes);
    assert!(judged != Ok(None) || bytes.len() < OPENING_BYTES);
    for length in 0..bytes.len().min(GREETING_BYTES) {
        match (Opening::read(&bytes[..length]), &judged) {
            (Ok(None), _) => {}
            (Err(early), Err(late)) => assert!(is_same(&early, late), "{early} and {late}"),
            (early, late) => assert_eq!(&early, late, "{length} bytes"),
        }
    }
    if judged == Ok(Some(Opening::Version3)) {
        version_3(bytes);
    }
}

fn version_3(bytes: &[u8]) {
    let mut left = BytesMut::from(bytes);
    match Greeting::read(&mut left) {
        Ok(Some(greeting)) => {
            assert_eq!(left, &bytes[GREETING_BYTES..]);
            assert!(bytes[12..32] == greeting.mechanism.wire_name());
            assert_eq!(greeting.version == Version::V3_0, bytes[11] == 0);
        }
        Ok(None) => {
            assert!(left == bytes && bytes.len() < GREETING_BYTES, "nothing is taken before all is there")
        }
        Err(_) => assert!(bytes.len() >= GREETING_BYTES),
    }
}

/// Whether both say the same; which of a stranger's bytes are shown depends on how many had come.
pub(in crate::zmtp) fn is_same(one: &GreetingError, other: &GreetingError) -> bool {
    let strangers = |error: &GreetingError| matches!(error, GreetingError::NotZmtp(_));
    one == other || (strangers(one) && strangers(other))
}
