//! One sentence for each function of the standard library, found by the function and not by its name: an alias has the
//! same sentence, a replacement has none.

use mlua::{Function, Lua, Value};

use super::names;

/// The functions that a fresh interpreter has, with their sentences.
#[derive(Debug)]
pub(super) struct Library(Vec<(Function, Entry)>);

/// How a function is called, and what it does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub usage: &'static str,
    pub sentence: &'static str,
}

impl Library {
    /// Looks the functions up in a fresh state.
    pub fn of(lua: &Lua) -> mlua::Result<Self> {
        let known = entries().filter_map(|entry| {
            let (name, _) = entry.usage.split_once('(')?;
            let path: Vec<&str> = name.split(['.', ':']).collect();
            match names::resolve(lua, &path) {
                Some(Value::Function(function)) => Some((function, entry)),
                _ => None,
            }
        });
        Ok(Self(known.collect()))
    }

    pub fn entry_of(&self, function: &Function) -> Option<Entry> {
        self.0.iter().find(|(known, _)| known == function).map(|(_, entry)| *entry)
    }
}

/// Lines of `usage | sentence`.
fn entries() -> impl Iterator<Item = Entry> {
    include_str!("library.txt").lines().filter_map(|line| {
        let (usage, sentence) = line.split_once(" | ")?;
        Some(Entry { usage, sentence })
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::lua::Interpreter;

    #[test]
    fn every_function_of_a_fresh_interpreter_has_its_sentence() {
        let interpreter = Interpreter::new().unwrap();
        let mut names: BTreeSet<String> = BTreeSet::new();
        let globals = interpreter.complete("_G.", 3).matches;
        for global in globals.iter().filter(|name| !name.starts_with('_')) {
            let fields = interpreter.complete(&format!("{global}."), global.len() + 1).matches;
            names.extend(fields.into_iter().map(|field| format!("{global}.{field}")));
            names.insert(global.clone());
        }
        let about = |name: &String| interpreter.inspect(name, name.len()).unwrap();
        let silent: Vec<&String> = names.iter().filter(|name| about(name).contains(": function")).collect();
        assert_eq!(silent, [""; 0]);
        let written: BTreeSet<String> =
            entries().filter_map(|entry| Some(entry.usage.split_once('(')?.0.to_owned())).collect();
        let documented: BTreeSet<String> =
            names.into_iter().filter(|name| about(name).ends_with("Built in.")).collect();
        // Aliases such as math.atan2 have the sentence of the function that they are.
        assert_eq!(written.difference(&documented).count(), 0, "{written:?}\n{documented:?}");
    }
}
