//! The law of looks into the parts of a message.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use bytes::Bytes;
use serde_json::Value;

use super::*;
use crate::jupyter::message::Envelope;

/// Wherever a quick look answers, it is what the JSON parser says; and what has been read of a part is in it.
pub fn header(bytes: &[u8]) {
    quick_looks_are_right(bytes);
    let part = || Bytes::copy_from_slice(bytes);
    let (header, parent_header, metadata, content) = (part(), part(), part(), part());
    let body = Body { header, parent_header, metadata, content, buffers: vec![], countersignature: None };
    let message = Verified { envelope: Envelope::default(), body, fingerprint: 0 };
    match (Header::peek(&message), texts(bytes, HEADER)) {
        (Ok(Header { msg_id, msg_type, session, username }), Ok(parsed)) => {
            assert_eq!([msg_id, msg_type, session, username], parsed.map(Option::unwrap_or_default));
        }
        (Err(HeaderError::NoType), Ok([_, msg_type, ..])) => assert_eq!(msg_type.unwrap_or_default(), ""),
        (header, parsed) => assert!(header.is_err() && parsed.is_err(), "{header:?} and {parsed:?}"),
    }
    match (Parent::peek(&message), texts(bytes, ["msg_id", "session", "msg_type"])) {
        (Ok(Parent { msg_id, session, msg_type }), Ok(parsed)) => {
            assert_eq!([msg_id, session, msg_type], parsed.map(Option::unwrap_or_default));
        }
        (Ok(parent), Err(_)) => assert!(parent == Parent::default() && is_nothing(bytes)),
        (parent, parsed) => assert!(parent.is_err() && parsed.is_err(), "{parent:?} and {parsed:?}"),
    }
    assert_eq!(username(bytes), Header::of_bytes(bytes).ok().and_then(said_username));
    let value: Option<Value> = serde_json::from_slice(bytes).ok();
    fleet_is_found(&message, value.as_ref());
    if let (Some(state), Some(Value::Object(content))) = (peek_execution_state(&message), &value)
        && let Value::String(said) = &content["execution_state"]
    {
        assert_eq!(*said, *state);
    }
    if let (true, Some(Value::Object(content))) = (peek_restart(&message), &value) {
        assert_eq!(content["restart"], true);
    }
}

const HEADER: [&str; 4] = ["msg_id", "msg_type", "session", "username"];

fn quick_looks_are_right(bytes: &[u8]) {
    let Some(found) = strings(bytes, HEADER) else { return };
    let parsed: Value = serde_json::from_slice(bytes).unwrap();
    for (key, text) in HEADER.into_iter().zip(found) {
        assert_eq!(parsed.as_object().unwrap().get(key), text.map(Value::from).as_ref(), "{key}");
    }
}

/// The routing metadata is what a parser finds under its key, unless the key is written with escapes, which nobody does.
fn fleet_is_found(message: &Verified, parsed: Option<&Value>) {
    let metadata = message.body().metadata();
    let fleet = match peek_fleet(message) {
        Ok(fleet) => fleet,
        Err(HeaderError::Metadata(_)) => return,
        Err(error) => panic!("{error}"),
    };
    let expected = parsed.and_then(Value::as_object).and_then(|metadata| metadata.get("fleet"));
    if let (Some(fleet), Some(Value::Object(_))) = (&fleet, parsed) {
        assert_eq!(serde_json::from_str::<Value>(fleet).ok().as_ref(), expected);
    }
    let escaped = memmem::find(metadata, b"\\u").is_some();
    assert!(escaped || fleet.is_some() || expected.is_none_or(Value::is_null));
}

fn is_nothing(bytes: &[u8]) -> bool {
    matches!(bytes.trim_ascii(), b"" | b"null")
}

fn said_username(header: Header<'_>) -> Option<String> {
    (!header.username.is_empty()).then(|| header.username.into_owned())
}
