//! Lua values as text for a person: results, displays, and what inspection shows. Bounded in depth and size.

use std::cmp::Ordering;
use std::ffi::c_void;

use mlua::{Lua, Table, Value};

use super::names;
use super::quote::quoted;

/// Tables nested deeper are `{...}`.
const MAX_DEPTH: usize = 6;
/// Entries shown of one table.
const MAX_ENTRIES: usize = 100;
/// Entries looked at to find the ones to show.
const MAX_SCANNED: usize = 10_000;
/// Bytes of one string, and of the whole, after which the rest is left out.
const MAX_TEXT: usize = 16 * 1024;
/// A table that fits in this many characters is on one line.
const LINE: usize = 80;

/// Whether `__tostring` is asked: not while completing or inspecting, which must run no code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Metamethods {
    Run,
    Ignore,
}

/// Text for a value; strings are quoted.
///
/// # Errors
/// Only when a `__tostring` raises one.
pub(super) fn render(lua: &Lua, value: &Value, metamethods: Metamethods) -> mlua::Result<String> {
    Printer { lua, metamethods, ancestors: Vec::new(), left: MAX_TEXT }.value(value)
}

struct Printer<'lua> {
    lua: &'lua Lua,
    metamethods: Metamethods,
    ancestors: Vec<*const c_void>,
    /// Bytes that may still be printed.
    left: usize,
}

impl Printer<'_> {
    fn value(&mut self, value: &Value) -> mlua::Result<String> {
        let text = match value {
            Value::Table(table) => return self.table(value, table),
            Value::String(text) => quoted(&text.as_bytes(), self.left),
            Value::Nil | Value::Boolean(_) => value.to_string()?,
            // Numbers as Lua writes them: 1.0 stays 1.0.
            Value::Integer(_) | Value::Number(_) => {
                self.lua.coerce_string(value.clone())?.map_or_else(String::new, |text| text.to_string_lossy())
            }
            Value::Error(error) => super::failure::message_of(error),
            other => self.custom(other)?.unwrap_or_else(|| address(other)),
        };
        self.left = self.left.saturating_sub(text.len());
        Ok(text)
    }

    fn table(&mut self, value: &Value, table: &Table) -> mlua::Result<String> {
        if let Some(text) = self.custom(value)? {
            self.left = self.left.saturating_sub(text.len());
            return Ok(text);
        }
        if self.ancestors.contains(&table.to_pointer()) {
            return Ok("<cycle>".to_owned());
        }
        if self.ancestors.len() == MAX_DEPTH {
            return Ok("{...}".to_owned());
        }
        self.ancestors.push(table.to_pointer());
        let entries = self.entries(table);
        self.ancestors.pop();
        Ok(braced(&entries?))
    }

    fn entries(&mut self, table: &Table) -> mlua::Result<Vec<String>> {
        let mut entries = Vec::new();
        let length = table.raw_len();
        for index in 1..=length.min(MAX_ENTRIES) {
            if self.left == 0 {
                break;
            }
            entries.push(self.value(&table.raw_get(index)?)?);
        }
        let unseen = length - entries.len();
        let (fields, all_scanned) = fields(table, length);
        let mut fields_shown = 0;
        if unseen == 0 {
            for (key, value) in fields.iter().take(MAX_ENTRIES - entries.len()) {
                if self.left == 0 {
                    break;
                }
                entries.push(format!("{} = {}", self.key(key)?, self.value(value)?));
                fields_shown += 1;
            }
        }
        let unseen = unseen + fields.len() - fields_shown;
        if unseen > 0 {
            entries.push(format!("... {unseen}{} more", if all_scanned { "" } else { " or" }));
        } else if !all_scanned {
            entries.push("...".to_owned());
        }
        Ok(entries)
    }

    fn key(&mut self, key: &Value) -> mlua::Result<String> {
        match key {
            Value::String(text) if text.to_str().is_ok_and(|text| names::is_identifier(&text)) => {
                Ok(text.to_string_lossy())
            }
            Value::Table(_) => Ok(format!("[{}]", address(key))),
            other => Ok(format!("[{}]", self.value(other)?)),
        }
    }

    /// What `__tostring` says, where there is one and it may be asked.
    fn custom(&self, value: &Value) -> mlua::Result<Option<String>> {
        if self.metamethods == Metamethods::Ignore {
            return Ok(None);
        }
        let has_own = match value {
            Value::Table(table) => table
                .metatable()
                .is_some_and(|meta| meta.raw_get("__tostring").is_ok_and(|f: Value| !f.is_nil())),
            Value::UserData(_) => true,
            _ => false,
        };
        if !has_own {
            return Ok(None);
        }
        match value.to_string() {
            Ok(text) => Ok(Some(text)),
            // It is not UTF-8.
            Err(mlua::Error::FromLuaConversionError { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// The entries beyond the sequence, in a stable order: numbers, then strings, then the rest. And whether that is all.
fn fields(table: &Table, length: usize) -> (Vec<(Value, Value)>, bool) {
    let in_sequence = |key: &Value| {
        key.as_integer().is_some_and(|index| usize::try_from(index).is_ok_and(|i| (1..=length).contains(&i)))
    };
    let mut pairs = table.pairs::<Value, Value>().filter_map(Result::ok);
    let scanned: Vec<_> = pairs.by_ref().take(MAX_SCANNED).collect();
    let all_scanned = pairs.next().is_none();
    let mut fields: Vec<_> = scanned.into_iter().filter(|(key, _)| !in_sequence(key)).collect();
    fields.sort_by(|(left, _), (right, _)| compare_keys(left, right));
    (fields, all_scanned)
}

fn compare_keys(left: &Value, right: &Value) -> Ordering {
    match (number_of(left), number_of(right), left, right) {
        (Some(left), Some(right), ..) => left.total_cmp(&right),
        (Some(_), None, ..) => Ordering::Less,
        (None, Some(_), ..) => Ordering::Greater,
        (_, _, Value::String(left), Value::String(right)) => left.as_bytes().cmp(&right.as_bytes()),
        (_, _, Value::String(_), _) => Ordering::Less,
        (_, _, _, Value::String(_)) => Ordering::Greater,
        _ => left.type_name().cmp(right.type_name()),
    }
}

fn number_of(key: &Value) -> Option<f64> {
    match key {
        Value::Integer(integer) => Some(*integer as f64),
        Value::Number(number) => Some(*number),
        _ => None,
    }
}

/// What Lua's own `type` says.
pub(super) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        other => other.type_name(),
    }
}

fn braced(entries: &[String]) -> String {
    let length: usize = entries.iter().map(|entry| entry.chars().count() + 2).sum();
    if length <= LINE && !entries.iter().any(|entry| entry.contains('\n')) {
        return format!("{{{}}}", entries.join(", "));
    }
    let lines: Vec<String> =
        entries.iter().map(|entry| format!("  {}", entry.replace('\n', "\n  "))).collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}

fn address(value: &Value) -> String {
    format!("{}: {:p}", value.type_name(), value.to_pointer())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(code: &str) -> String {
        let lua = Lua::new();
        let value: Value = lua.load(code).eval().unwrap();
        render(&lua, &value, Metamethods::Run).unwrap()
    }

    #[test]
    fn plain_values() {
        assert_eq!(shown("nil"), "nil");
        assert_eq!(shown("1.0"), "1.0");
        assert_eq!(shown("1e300"), "1e+300");
        assert_eq!(shown("7 // 2"), "3");
        assert_eq!(shown("true"), "true");
        assert!(shown("print").starts_with("function: 0x"));
    }

    #[test]
    fn tables_list_the_sequence_then_the_fields_in_order() {
        assert_eq!(shown("{}"), "{}");
        assert_eq!(
            shown("{1, 'two', b = 1, a = {x = {}}, [true] = 0, ['a b'] = 2, [9] = 3, ['end'] = 4}"),
            r#"{1, "two", [9] = 3, a = {x = {}}, ["a b"] = 2, b = 1, ["end"] = 4, [true] = 0}"#
        );
    }

    #[test]
    fn long_tables_take_a_line_for_each_entry() {
        let long = shown("{('x'):rep(60), inner = {('y'):rep(80)}}");
        assert_eq!(
            long,
            format!("{{\n  \"{}\",\n  inner = {{\n    \"{}\"\n  }}\n}}", "x".repeat(60), "y".repeat(80))
        );
    }

    #[test]
    fn cycles_and_depth_end() {
        assert_eq!(shown("(function() local t = {} t.self = t return t end)()"), "{self = <cycle>}");
        assert_eq!(shown("{{{{{{{{{}}}}}}}}}"), "{{{{{{{...}}}}}}}");
        assert_eq!(shown("(function() local t = {} return {t, t} end)()"), "{{}, {}}");
    }

    #[test]
    fn size_is_bounded() {
        let many = shown("(function() local t = {} for i = 1, 1000 do t[i] = i end t.x = 1 return t end)()");
        assert!(many.ends_with("100,\n  ... 901 more\n}"), "{many}");
        let keys = shown("(function() local t = {} for i = 1, 20000 do t['k' .. i] = i end return t end)()");
        assert!(keys.ends_with("... 9900 or more\n}"), "{keys}");
        let wide = "(function() local t = 1 for i = 1, 6 do local u = {} for j = 1, 90 do u[j] = t end t = u end return t end)()";
        assert!(shown(wide).len() < 40 * MAX_TEXT);
    }

    #[test]
    fn tostring_is_used_only_when_allowed() {
        let lua = Lua::new();
        let value: Value =
            lua.load("setmetatable({1}, {__tostring = function() return 'point' end})").eval().unwrap();
        assert_eq!(render(&lua, &value, Metamethods::Run).unwrap(), "point");
        assert_eq!(render(&lua, &value, Metamethods::Ignore).unwrap(), "{1}");
    }

    #[test]
    fn other_metamethods_are_never_asked() {
        let code = "setmetatable({1, a = 2}, {__index = error, __len = error, __pairs = error, __metatable = false})";
        assert_eq!(shown(code), "{1, a = 2}");
    }
}
