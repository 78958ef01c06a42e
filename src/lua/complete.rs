//! What could stand at the cursor.

use std::collections::BTreeSet;

use mlua::Lua;

use super::declared::declared_names;
use super::names::{self, KEYWORDS, NamePath, Owner};
use crate::kernel::Completion;

/// More matches than anyone would read are cut.
const MAX_MATCHES: usize = 500;

pub(super) fn complete(lua: &Lua, code: &str, cursor_pos: usize) -> Completion {
    complete_with(code, cursor_pos, |path| candidates(lua, path))
}

/// The same, with the names that `candidates` gives for what stands before the cursor.
pub(super) fn complete_with(
    code: &str,
    cursor_pos: usize,
    candidates: impl FnOnce(&NamePath<'_>) -> BTreeSet<String>,
) -> Completion {
    let (before, after) = names::split_at_cursor(code, cursor_pos);
    let path = NamePath::ending(before);
    let cursor_end = before.chars().count();
    let mut matches = candidates(&path);
    if path.owner == Owner::Nothing {
        matches.extend(KEYWORDS.map(str::to_owned));
        // The name being typed is no declaration of itself.
        let stem = before.strip_suffix(path.last).unwrap_or(before);
        matches.extend(declared_names(stem).into_iter().chain(declared_names(after)).map(str::to_owned));
    }
    Completion {
        matches: matches.into_iter().filter(|name| name.starts_with(path.last)).take(MAX_MATCHES).collect(),
        cursor_start: cursor_end - path.last.chars().count(),
        cursor_end,
    }
}

fn candidates(lua: &Lua, path: &NamePath) -> BTreeSet<String> {
    let Some(owner) = names::resolve_owner(lua, &path.owner) else { return BTreeSet::new() };
    let fields = names::fields(lua, &owner).into_iter();
    fields.filter(|(_, value)| !path.method || value.is_function()).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matches(setup: &str, code: &str) -> Vec<String> {
        let lua = Lua::new();
        lua.load(setup).exec().unwrap();
        complete(&lua, code, code.chars().count()).matches
    }

    #[test]
    fn globals_keywords_and_names_of_the_cell() {
        assert_eq!(matches("", "x = pri"), ["print"]);
        assert_eq!(matches("", "re"), ["repeat", "require", "return"]);
        assert_eq!(matches("", "local remote = 1\nrem"), ["remote"]);
        assert_eq!(matches("remember = 1", "rem"), ["remember"]);
    }

    #[test]
    fn fields_and_methods() {
        assert_eq!(matches("", "string.fo"), ["format"]);
        assert_eq!(matches("s = 'x'", "s:up"), ["upper"]);
        assert_eq!(matches("", "('x'):up"), ["upper"]);
        assert_eq!(matches("t = {a = {one = 1, only = print}}", "t.a.on"), ["one", "only"]);
        assert_eq!(matches("t = {a = {one = 1, only = print}}", "t.a:on"), ["only"]);
        assert_eq!(matches("t = {['not a name'] = 1, [1] = 2, ['end'] = 3, fine = 4}", "t."), ["fine"]);
        assert_eq!(matches("", "missing.x"), [""; 0]);
    }

    #[test]
    fn inherited_fields() {
        let class = "Base = {greet = print} Class = setmetatable({}, {__index = Base}) \
                     object = setmetatable({}, {__index = Class})";
        assert_eq!(matches(class, "object:gr"), ["greet"]);
        assert_eq!(matches("t = setmetatable({}, {}) getmetatable(t).__index = t", "t."), [""; 0]);
    }

    #[test]
    fn metamethods_never_run() {
        let trap = "t = setmetatable({deep = 1}, {__index = error, __pairs = error, __metatable = 'no'}) \
                    setmetatable(_G, {__index = error})";
        assert_eq!(matches(trap, "t.de"), ["deep"]);
        assert_eq!(matches(trap, "nothing.de"), [""; 0]);
    }

    #[test]
    fn positions_count_code_points() {
        let lua = Lua::new();
        let found = complete(&lua, "x = '😀é' .. string.fo .. y", 21);
        assert_eq!(
            found,
            Completion { matches: vec!["format".to_owned()], cursor_start: 19, cursor_end: 21 }
        );
    }

    #[test]
    fn matches_are_bounded() {
        assert_eq!(matches("t = {} for i = 1, 3000 do t['k' .. i] = i end", "t.k").len(), MAX_MATCHES);
    }

    proptest! {
        #[test]
        fn any_text_and_cursor(code in "\\PC*|[a-z.:\"'()=,\n ]*", cursor_pos in 0usize..200) {
            let found = complete(&Lua::new(), &code, cursor_pos);
            prop_assert!(found.cursor_start <= found.cursor_end);
            prop_assert!(found.cursor_end <= code.chars().count());
        }
    }
}
