//! The names that a piece of code declares itself: locals, parameters, loop variables. Found by words, not by parsing:
//! the code under a cursor is rarely whole.

use std::collections::BTreeSet;

use super::names::{self, is_identifier, is_name_character};

/// A list of names is looked at up to this many characters.
const MAX_LIST: usize = 500;

/// The names that `local`, `for` and `function` introduce.
pub(super) fn declared_names(code: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    for keyword in ["local", "for", "function"] {
        for (offset, _) in code.match_indices(keyword) {
            let Some((before, rest)) = code.split_at_checked(offset) else { continue };
            let Some(rest) = rest.strip_prefix(keyword) else { continue };
            if !before.ends_with(is_name_character) && !rest.starts_with(is_name_character) {
                names.extend(introduced(keyword, rest).filter(|name| is_identifier(name)));
            }
        }
    }
    names
}

/// A list of names: after `local` and `for` it begins at once, after `function` in the parentheses.
fn introduced<'code>(keyword: &str, rest: &'code str) -> impl Iterator<Item = &'code str> {
    let (start, _) = names::split_at_cursor(rest, MAX_LIST);
    let line = start.lines().next().unwrap_or_default();
    let list = match keyword {
        "function" => line.split_once('(').map_or("", |(_, parameters)| parameters),
        _ => line.trim_start().strip_prefix("function ").unwrap_or(line),
    };
    let list = list.split(['=', ')', '(', ';']).next().unwrap_or_default();
    list.split(',').map(|item| {
        let item = item.trim_start();
        let after = item.trim_start_matches(is_name_character);
        item.strip_suffix(after).unwrap_or(item)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn declarations_are_found() {
        let code = "local alpha, beta <const> = 1, 2\nfor key, value in pairs(t) do end\n\
                    local function gamma(delta, ...) end\nlocalx = 1\nf = function(epsilon)";
        let expected = ["alpha", "beta", "key", "value", "gamma", "delta", "epsilon"];
        assert_eq!(declared_names(code), expected.into_iter().collect());
    }
}
