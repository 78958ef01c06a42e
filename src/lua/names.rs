//! Names in code: the path before the cursor, and what a path stands for. Raw access only: no metamethod ever runs.

use std::collections::BTreeMap;

use mlua::{Lua, LuaString, Table, Value};

/// The reserved words (Lua 5.4 reference manual, section 3.1).
pub(super) const KEYWORDS: [&str; 22] = [
    "and", "break", "do", "else", "elseif", "end", "false", "for", "function", "goto", "if", "in", "local",
    "nil", "not", "or", "repeat", "return", "then", "true", "until", "while",
];

/// Tables behind `__index` that are followed.
const MAX_INHERITANCE: usize = 10;
/// Entries of one table that are looked at.
const MAX_SCANNED: usize = 10_000;

/// Whether a field of this name can be written with a dot.
pub(super) fn is_identifier(text: &str) -> bool {
    !text.is_empty()
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(is_name_character)
        && !KEYWORDS.contains(&text)
}

pub(super) fn is_name_character(character: char) -> bool {
    character.is_ascii_alphanumeric() || character == '_'
}

/// Splits code at a cursor in unicode code points; a cursor beyond the end is at the end.
pub(super) fn split_at_cursor(code: &str, cursor_pos: usize) -> (&str, &str) {
    let offset = code.char_indices().nth(cursor_pos).map_or(code.len(), |(offset, _)| offset);
    code.split_at_checked(offset).unwrap_or((code, ""))
}

/// What stands before the last name of a path, and so decides what it can be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner<'code> {
    /// Nothing: a global, a local or a keyword.
    Nothing,
    /// `a.b.` or `a.b:`
    Path(Vec<&'code str>),
    /// `"text":`
    StringLiteral,
    /// A call or another expression, which only running could tell.
    Unknown,
}

/// A dotted path that ends at the cursor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamePath<'code> {
    pub owner: Owner<'code>,
    /// Whether the last name follows a `:`.
    pub method: bool,
    /// The last name; may be empty or only begun.
    pub last: &'code str,
}

impl<'code> NamePath<'code> {
    /// The path at the end of `before`.
    pub fn ending(before: &'code str) -> Self {
        let (mut rest, last) = split_last_name(before);
        let method = rest.ends_with(':');
        let mut path = Vec::new();
        while let Some(stem) = rest.strip_suffix(['.', ':']) {
            // `..` joins, `::` is a label: what follows them stands alone.
            if stem.ends_with(['.', ':']) {
                break;
            }
            let (before_name, name) = split_last_name(stem);
            if name.is_empty() {
                let literal = path.is_empty() && is_string_literal(stem);
                let owner = if literal { Owner::StringLiteral } else { Owner::Unknown };
                return Self { owner, method, last };
            }
            path.push(name);
            rest = before_name;
        }
        path.reverse();
        let owner = if path.is_empty() { Owner::Nothing } else { Owner::Path(path) };
        Self { method: method && owner != Owner::Nothing, owner, last }
    }
}

fn split_last_name(text: &str) -> (&str, &str) {
    let stem = text.trim_end_matches(is_name_character);
    text.split_at_checked(stem.len()).unwrap_or((text, ""))
}

fn is_string_literal(text: &str) -> bool {
    let inner = text.strip_suffix(')').unwrap_or(text);
    inner.ends_with(['"', '\'']) || inner.ends_with("]]")
}

/// What a path stands for, starting from the globals.
pub(super) fn resolve(lua: &Lua, path: &[&str]) -> Option<Value> {
    path.iter().try_fold(Value::Table(lua.globals()), |owner, name| field(lua, &owner, name))
}

/// What the owner of a path stands for.
pub(super) fn resolve_owner(lua: &Lua, owner: &Owner) -> Option<Value> {
    match owner {
        Owner::Nothing => Some(Value::Table(lua.globals())),
        Owner::Path(path) => resolve(lua, path),
        Owner::StringLiteral => lua.create_string("").ok().map(Value::String),
        Owner::Unknown => None,
    }
}

pub(super) fn field(lua: &Lua, owner: &Value, name: &str) -> Option<Value> {
    tables_of(lua, owner)
        .into_iter()
        .find_map(|table| table.raw_get(name).ok().filter(|value: &Value| !value.is_nil()))
}

/// All fields that can be written after a dot, own and inherited, in order of their names.
pub(super) fn fields(lua: &Lua, owner: &Value) -> BTreeMap<String, Value> {
    let mut fields = BTreeMap::new();
    for table in tables_of(lua, owner) {
        for (key, value) in table.pairs::<Value, Value>().take(MAX_SCANNED).filter_map(Result::ok) {
            let Some(Ok(name)) = key.as_string().map(LuaString::to_str) else { continue };
            if is_identifier(&name) {
                fields.entry(name.to_owned()).or_insert(value);
            }
        }
    }
    fields
}

/// The tables that an index of this value goes through: itself, then those behind `__index`.
fn tables_of(lua: &Lua, owner: &Value) -> Vec<Table> {
    let first = match owner {
        Value::Table(table) => Some(table.clone()),
        Value::String(_) => lua.type_metatable::<LuaString>().and_then(|meta| meta.raw_get("__index").ok()),
        _ => None,
    };
    let behind = |table: &Table| table.metatable()?.raw_get::<Value>("__index").ok()?.as_table().cloned();
    std::iter::successors(first, behind).take(MAX_INHERITANCE).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths() {
        let path = |names: &[&'static str]| Owner::Path(names.to_vec());
        for (before, owner, method, last) in [
            ("x = pri", Owner::Nothing, false, "pri"),
            ("f(string.fo", path(&["string"]), false, "fo"),
            ("a.b.c:", path(&["a", "b", "c"]), true, ""),
            ("('x'):re", Owner::StringLiteral, true, "re"),
            ("f().x", Owner::Unknown, false, "x"),
            ("t[1].x", Owner::Unknown, false, "x"),
            ("a..b", Owner::Nothing, false, "b"),
            ("::la", Owner::Nothing, false, "la"),
            ("é.x", Owner::Unknown, false, "x"),
            ("", Owner::Nothing, false, ""),
        ] {
            assert_eq!(NamePath::ending(before), NamePath { owner, method, last }, "{before}");
        }
    }

    #[test]
    fn cursors_count_code_points() {
        assert_eq!(split_at_cursor("é😀x", 2), ("é😀", "x"));
        assert_eq!(split_at_cursor("é😀x", 99), ("é😀x", ""));
    }

    proptest! {
        #[test]
        fn any_text_has_a_path(before in "\\PC*") {
            prop_assert!(before.ends_with(NamePath::ending(&before).last));
        }
    }
}
