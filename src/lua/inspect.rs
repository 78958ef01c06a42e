//! What is known about the name at the cursor.

use mlua::{Function, Lua, Value};

use super::library::Library;
use super::names::{self, NamePath};
use super::pretty::{self, Metamethods};

/// How far back the call is looked for whose arguments the cursor is in, in bytes.
const MAX_CALL: usize = 4_000;

/// Text about the name at the cursor, or else about the function whose arguments the cursor is in.
pub(super) fn inspect(lua: &Lua, library: &Library, code: &str, cursor_pos: usize) -> Option<String> {
    let (before, after) = names::split_at_cursor(code, cursor_pos);
    let rest_of_name = after.len() - after.trim_start_matches(names::is_name_character).len();
    let upto = code.get(..before.len() + rest_of_name)?;
    describe(lua, library, upto).or_else(|| describe(lua, library, called(before)?))
}

fn describe(lua: &Lua, library: &Library, upto: &str) -> Option<String> {
    let path = NamePath::ending(upto);
    let owner = names::resolve_owner(lua, &path.owner)?;
    let value = names::field(lua, &owner, path.last)?;
    if let Value::Function(function) = &value {
        return Some(about_function(library, path.last, function));
    }
    let shown = pretty::render(lua, &value, Metamethods::Ignore).ok()?;
    Some(format!("{}: {}\n\n{shown}", path.last, pretty::type_name(&value)))
}

fn about_function(library: &Library, name: &str, function: &Function) -> String {
    if let Some(entry) = library.entry_of(function) {
        return format!("{}\n\n{}\n\nBuilt in.", entry.usage, entry.sentence);
    }
    let info = function.info();
    match (info.short_src, info.line_defined, info.last_line_defined) {
        (Some(source), Some(first), Some(last)) if info.what != "C" => {
            let plural = if info.num_params == 1 { "" } else { "s" };
            let more = if info.is_vararg { " and more" } else { "" };
            let parameters = format!("{} parameter{plural}{more}", info.num_params);
            let lines =
                if first == last { format!("line {first}") } else { format!("lines {first} to {last}") };
            format!("{name}: function with {parameters}\n\nDefined in {source}, {lines}.")
        }
        _ => format!("{name}: function\n\nBuilt in."),
    }
}

/// The code up to the innermost parenthesis that is open at the end.
fn called(before: &str) -> Option<&str> {
    let mut closed = 0_usize;
    let brackets = before.char_indices().rev().filter(|(_, c)| matches!(c, '(' | ')'));
    for (offset, bracket) in brackets.take_while(|(offset, _)| before.len() - offset <= MAX_CALL) {
        match (bracket, closed) {
            (')', _) => closed += 1,
            (_, 0) => return before.get(..offset).map(str::trim_end),
            _ => closed -= 1,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(setup: &str, code_with_bar: &str) -> Option<String> {
        let lua = Lua::new();
        let library = Library::of(&lua).unwrap();
        lua.load(setup).set_name("=cell 3").exec().unwrap();
        let cursor_pos = code_with_bar.chars().position(|c| c == '|').unwrap();
        inspect(&lua, &library, &code_with_bar.replace('|', ""), cursor_pos)
    }

    #[test]
    fn the_standard_library_has_a_line_each() {
        let format = shown("", "x = string.for|mat('%d', 1)").unwrap();
        assert!(format.starts_with("string.format(format, ...)\n\n"), "{format}");
        assert_eq!(shown("s = 'x'", "s:format|()"), Some(format.clone()));
        assert_eq!(shown("", "('é'):format(f(1), |"), Some(format));
        assert!(shown("", "pri|nt").unwrap().starts_with("print(...)"));
    }

    #[test]
    fn own_functions_say_where_they_are_defined() {
        let about = shown("\nfunction greet(name, ...)\n  return name\nend", "greet|").unwrap();
        assert_eq!(about, "greet: function with 1 parameter and more\n\nDefined in cell 3, lines 2 to 4.");
        assert!(shown("print = function(a) end", "print|").unwrap().contains("Defined in cell 3, line 1."));
    }

    #[test]
    fn other_values_are_shown_without_running_anything() {
        let trap = "t = setmetatable({x = 1}, {__index = error, __tostring = error})";
        assert_eq!(shown(trap, "|t").unwrap(), "t: table\n\n{x = 1}");
        assert_eq!(shown(trap, "t.x|").unwrap(), "x: number\n\n1");
        assert_eq!(shown(trap, "t.y|"), None);
        assert_eq!(shown("", "|"), None);
        assert_eq!(shown("", "f().x|"), None);
    }

    proptest! {
        #[test]
        fn any_text_and_cursor(code in "\\PC*|[a-z.:\"'()=,\n ]*", cursor_pos in 0usize..200) {
            let lua = Lua::new();
            let library = Library::of(&lua).unwrap();
            let about = inspect(&lua, &library, &code, cursor_pos);
            prop_assert!(about.is_none_or(|text| !text.is_empty()));
        }
    }
}
