//! The law of kernelspecs.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;
use crate::jupyter::placeholder::{replace_placeholders, replace_variables};

/// A kernelspec says the same however its JSON is laid out and whatever else is in it; it always has a command; and filling in
/// what it leaves open adds nothing of its own.
pub fn kernelspec(bytes: &[u8]) {
    filling_in_is_exact(&String::from_utf8_lossy(bytes));
    let Ok(spec) = Kernelspec::parse(bytes) else { return };
    assert!(!spec.argv.is_empty());
    if let Ok(mut value @ Value::Object(_)) = serde_json::from_slice::<Value>(bytes) {
        assert_eq!(Kernelspec::parse(value.to_string().as_bytes()).unwrap(), spec);
        value["codemirror_mode"] = Value::from("x");
        assert_eq!(Kernelspec::parse(format!("{value:#}").as_bytes()).unwrap(), spec);
    }
    if let Some(mark) = &spec.fleet {
        assert!(spec.attaches_to_a_fleet());
        let written = serde_json::to_value(mark).unwrap();
        assert_eq!(&FleetMark::deserialize(&written).unwrap(), mark);
    }
}

fn filling_in_is_exact(text: &str) {
    assert_eq!(replace_placeholders(text, &[]), text);
    assert_eq!(replace_placeholders(text, &[("port", "{port}")]), text);
    assert_eq!(replace_variables(&text.replace('$', "$$"), |_| Some("?".to_owned())), text);
}
