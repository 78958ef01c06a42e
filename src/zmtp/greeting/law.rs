//! The law of greetings.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;

/// However many of its bytes have arrived, a greeting is waited for or judged as it is in the end; what is judged good is 64
/// bytes of NULL, and nothing more has been taken.
pub fn greeting(bytes: &[u8]) {
    let (judged, left) = read(bytes);
    assert_eq!(judged == Ok(None), bytes.len() < GREETING_BYTES && judged.is_ok());
    match &judged {
        Ok(Some(greeting)) => {
            assert_eq!(left, &bytes[GREETING_BYTES..]);
            assert!(greeting.minor <= 1 && bytes[12..32] == greeting.mechanism.wire_name());
        }
        Ok(None) => assert_eq!(left, bytes, "nothing is taken before all is there"),
        Err(_) => {}
    }
    for length in 0..bytes.len().min(GREETING_BYTES) {
        match (read(&bytes[..length]).0, &judged) {
            (Ok(None), _) => {}
            (Err(early), Err(late)) => assert!(is_same(&early, late), "{early} and {late}"),
            (early, late) => panic!("{length} bytes are {early:?}, all are {late:?}"),
        }
    }
}

/// Whether both say the same; which of a stranger's bytes are shown depends on how many had come.
pub(in crate::zmtp) fn is_same(one: &GreetingError, other: &GreetingError) -> bool {
    let strangers = |error: &GreetingError| matches!(error, GreetingError::NotZmtp(_));
    one == other || (strangers(one) && strangers(other))
}

fn read(bytes: &[u8]) -> (Result<Option<Greeting>, GreetingError>, BytesMut) {
    let mut input = BytesMut::from(bytes);
    let read = Greeting::read(&mut input);
    (read, input)
}
