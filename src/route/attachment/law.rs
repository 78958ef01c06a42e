//! The law of attachments.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;

/// What is understood, written and read again is equal, and whoever it is has a name.
pub fn attachment(bytes: &[u8]) {
    let Ok(attachment) = Attachment::parse(bytes) else { return };
    let Attachment { client, requirements, directory } = &attachment;
    assert!(!client.as_str().is_empty());
    let Ok(Value::Object(fleet)) = serde_json::to_value(requirements) else { panic!("{requirements:?}") };
    let text = Attachment::text(client.as_str(), &fleet, directory.as_deref());
    assert_eq!(Attachment::parse(text.as_bytes()), Ok(attachment));
}
