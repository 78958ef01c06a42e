//! The law of requirements.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;

/// What is understood, written and read again is equal; lying over nothing, over itself and under nothing changes nothing; and
/// who names a kind of kernel asks for something.
pub fn requirements(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(asked) = Requirements::parse(text) else { return };
    assert_eq!(Requirements::parse(&serde_json::to_string(&asked).unwrap()), Ok(asked.clone()));
    let nothing = Requirements::default();
    for defaults in [&nothing, &asked] {
        assert_eq!(asked.clone().over(defaults), asked);
        assert_eq!(defaults.clone().over(&asked), asked);
    }
    assert!(!(asked.is_nothing() && asked.names_a_kind()));
    assert_eq!(asked.to_string() == nothing.to_string(), asked.is_nothing());
    if let Some(limit) = asked.memory_limit {
        assert_eq!(limit.to_string().parse(), Ok(limit));
    }
}
