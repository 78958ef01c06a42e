//! The law of looks into the contents of requests.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use serde_json::Value;

use super::*;
use crate::input::Input;

/// A look into a content finds what a parser finds, unless the key is written with escapes, which nobody does; and putting other
/// code into it changes the code and no other byte.
pub fn content(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let new = input.text();
    let content = input.rest();
    let code = Code::peek(content);
    let changed = with_code(content, &new);
    assert_eq!(changed.is_some(), code.is_some());
    if let (Some(changed), Some(code)) = (&changed, &code) {
        let Code { code: read, cursor_pos } = Code::peek(changed).unwrap();
        assert_eq!((&*read, cursor_pos), (&*new, code.cursor_pos));
        assert_eq!(without_code(changed), without_code(content));
        only_the_code_changes(content, changed, &new);
    }
    let escaped = memmem::find(content, b"\\u").is_some();
    if let (Ok(Value::Object(parsed)), false) = (serde_json::from_slice(content), escaped) {
        let says = |key: &str, value: bool| parsed.get(key) == Some(&Value::Bool(value));
        // Where a key comes twice, who reads it has the choice.
        let once = |key: &[u8]| memmem::find_iter(content, key).count() < 2;
        if once(SILENT) && once(STOP_ON_ERROR) && is_readable(&parsed) {
            assert_eq!(is_silent(content), says("silent", true));
            let stops = !says("silent", true) && !says("stop_on_error", false);
            assert_eq!(stops_on_error(content), stops);
        }
        let magic = code.is_some_and(|code| code.code.contains("%fleet"));
        assert!(!magic || may_hold_magic(content));
        let count = parsed.get("execution_count").and_then(Value::as_u64);
        assert!(execution_count(content).is_none_or(|read| Some(read) == count));
    }
}

/// Whether the flags are what the messaging spec says: a content where one is something else is the kernel's to refuse.
fn is_readable(content: &serde_json::Map<String, Value>) -> bool {
    let flag = |key| content.get(key).is_none_or(|value: &Value| value.is_boolean() || value.is_null());
    flag("silent") && flag("stop_on_error")
}

fn without_code(content: &[u8]) -> Option<Value> {
    let mut content: Value = serde_json::from_slice(content).ok()?;
    content.as_object_mut()?.remove("code")?;
    Some(content)
}

/// What stands before the new code stood before the old one, and what stands behind it behind that.
fn only_the_code_changes(content: &[u8], changed: &[u8], new: &str) {
    let new = serde_json::to_string(new).unwrap();
    let common = changed.iter().zip(content).take_while(|(now, was)| now == was).count();
    let is_there = |at: usize| {
        let after = changed[at..].strip_prefix(new.as_bytes());
        after.is_some_and(|after| content[at..].ends_with(after))
    };
    assert!((0..=common).any(is_there));
}
