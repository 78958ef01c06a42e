//! Whether code can run as it is (messaging spec, "Code completeness").

use mlua::Lua;

use super::chunk::{self, SyntaxProblem};
use crate::kernel::Completeness;

const INDENT: &str = "  ";

pub(super) fn is_complete(lua: &Lua, code: &str) -> Completeness {
    match chunk::compile(lua, code, "cell") {
        Ok(_) => Completeness::Complete,
        Err(SyntaxProblem { incomplete: true, .. }) => Completeness::Incomplete { indent: next_indent(code) },
        Err(_) => Completeness::Invalid,
    }
}

/// That of the last line, and one step more if the line opens something.
fn next_indent(code: &str) -> String {
    let line = code.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let text = line.trim();
    let indent = line.strip_suffix(line.trim_start()).unwrap_or_default();
    let last_word = text.rsplit(|c: char| !c.is_alphanumeric()).next().unwrap_or_default();
    let opens = matches!(last_word, "then" | "do" | "else" | "repeat")
        || text.ends_with(['{', '('])
        || (text.ends_with(')') && text.contains("function"));
    if opens { format!("{indent}{INDENT}") } else { indent.to_owned() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn incomplete(indent: &str) -> Completeness {
        Completeness::Incomplete { indent: indent.to_owned() }
    }

    #[test]
    fn the_three_answers() {
        for (code, expected) in [
            ("", Completeness::Complete),
            ("1 + 1", Completeness::Complete),
            ("x = 1\nx", Completeness::Complete),
            ("for i = 1, 3 do print(i) end", Completeness::Complete),
            ("for i = 1, 3 do", incomplete("  ")),
            ("function f(a, b)", incomplete("  ")),
            ("if x then\n  y()\nelse", incomplete("  ")),
            ("if x then\n  y()", incomplete("  ")),
            ("  t = {", incomplete("    ")),
            ("1 +", incomplete("")),
            ("x = 1\nx +", incomplete("")),
            ("s = [[long", incomplete("")),
            ("--[[ comment", incomplete("")),
            ("x = = 1", Completeness::Invalid),
            ("s = 'open", Completeness::Invalid),
            ("end", Completeness::Invalid),
        ] {
            assert_eq!(is_complete(&Lua::new(), code), expected, "{code}");
        }
    }

    proptest! {
        #[test]
        fn any_text(code in "\\PC*|[a-z(){}=\n ]*") {
            let lua = Lua::new();
            let answer = is_complete(&lua, &code);
            prop_assert_eq!(answer == Completeness::Complete, chunk::compile(&lua, &code, "cell").is_ok());
        }
    }
}
