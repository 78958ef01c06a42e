//! The law of what cells say to the fleet.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a law that is broken has to be heard of; this is compiled for tests and fuzzing alone"
)]

use super::*;
use crate::{
    input::Input,
    magic::{Vocabulary, complete},
};

/// Every character that goes on to a kernel is where it was, and what does not is one line of spaces; there is an end to the lines
/// that a cell begins with; completions are inside of the code, and typed as they are, they are understood; and wishes, written
/// out, are the same wishes.
pub fn magic(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (cursor, vocabulary) = (input.up_to(300), vocabulary(&mut input));
    let code = String::from_utf8_lossy(input.rest());
    lines_come_to_an_end(&code);
    if let Some(found) = complete(&code, cursor, &vocabulary) {
        let length = code.chars().count();
        assert!(found.start <= found.end && found.end == cursor.min(length));
        assert!(found.matches.iter().all(|text| !text.is_empty() && !text.contains(['\n', '\r'])));
    }
    if let Ok(wishes) = wishes::parse(&code) {
        typed_again_they_are_the_same(&wishes);
    }
}

fn vocabulary(input: &mut Input<'_>) -> Vocabulary {
    Vocabulary {
        runtimes: vec!["lua".to_owned(), "python3".to_owned()],
        groups: input.few(Input::text),
        ..Vocabulary::default()
    }
}

fn lines_come_to_an_end(code: &str) {
    let most = code.matches("%fleet").count();
    let mut code = code.to_owned();
    for _ in 0..most {
        match recognise(&code) {
            None => return,
            Some(Magic::Line { rest: None, .. }) => {
                return assert_eq!(MagicLine::first(&code).unwrap().after.trim(), "");
            }
            Some(Magic::Line { rest: Some(left), .. }) => {
                check_place(&code, &left);
                code = left;
            }
            Some(Magic::Cell { code: left, .. }) => return check_place(&code, &left),
        }
    }
    assert_eq!(recognise(&code), None);
}

/// Whether the one differs from the other by one line of spaces.
fn check_place(code: &str, left: &str) {
    assert_eq!(code.chars().count(), left.chars().count());
    let changed: String =
        code.chars().zip(left.chars()).filter(|(was, is)| was != is).map(|(_, is)| is).collect();
    assert!(changed.chars().all(|c| c == ' '));
    let ends = |text: &str| -> Vec<usize> {
        text.chars().enumerate().filter(|(_, c)| matches!(c, '\n' | '\r')).map(|(at, _)| at).collect()
    };
    assert_eq!(ends(code), ends(left));
    let line = MagicLine::first(code).unwrap();
    assert!(left.starts_with(line.before) && left.ends_with(line.after));
}

fn typed_again_they_are_the_same(wishes: &Requirements) {
    let list =
        |items: &std::collections::BTreeSet<String>| items.iter().cloned().collect::<Vec<_>>().join(",");
    let said = [
        ("runtime", wishes.runtime.clone()),
        ("language", wishes.language.clone()),
        ("group", wishes.group.clone()),
        ("kernel", wishes.kernel.as_ref().map(ToString::to_string)),
        ("memory_limit", wishes.memory_limit.map(|limit| limit.to_string())),
        ("providers", (!wishes.providers.is_empty()).then(|| list(&wishes.providers))),
        ("labels", (!wishes.labels.is_empty()).then(|| list(&wishes.labels))),
        ("debug", wishes.debug.then(|| "true".to_owned())),
        ("isolated", wishes.isolated.then(|| "true".to_owned())),
    ];
    // JSON may hold what cannot be typed: nothing as a name, and commas in it.
    let listed = wishes.providers.iter().chain(&wishes.labels);
    let typable = said.iter().all(|(key, text)| *key == "group" || text.as_deref() != Some(""))
        && listed.into_iter().all(|item| !item.is_empty() && !item.contains(','))
        && wishes.runtime.iter().all(|name| name.parse::<crate::runtime_name::RuntimeName>().is_ok());
    let words = said.into_iter().filter_map(|(key, text)| Some(format!("{key}={}", text?)));
    let words: Result<Vec<String>, _> =
        words.map(|word| shlex::try_quote(&word).map(std::borrow::Cow::into_owned)).collect();
    if let (true, Ok(words)) = (typable, words) {
        assert_eq!(wishes::parse(&words.join(" ")).as_ref(), Ok(wishes));
    }
}
