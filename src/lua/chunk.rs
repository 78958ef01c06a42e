//! From the text of a cell to a function: an expression, statements, or statements that end in an expression.

use mlua::chunk::ChunkMode;
use mlua::{Function, Lua, MultiValue, Value};

use super::names::is_name_character;

/// How many lines from the end the last expression of a cell may begin.
const LAST_EXPRESSION_LINES: usize = 40;

/// A compiled cell.
#[derive(Debug)]
pub(super) struct Cell {
    /// What was compiled.
    pub source: String,
    function: Function,
    /// Whether the function returns a `nil` before the values: see [`EXPRESSION`].
    pub is_expression: bool,
}

/// Why a cell could not be compiled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SyntaxProblem {
    pub message: String,
    /// Whether more text could still make it right.
    pub incomplete: bool,
}

/// Makes an expression a chunk. Not a plain `return`: in `return f()` the cell would be gone from the stack while `f`
/// runs, and with it the position in the errors of `f`.
const EXPRESSION: &str = "return nil, ";

/// Compiles a cell. `name` is shown in errors.
pub(super) fn compile(lua: &Lua, code: &str, name: &str) -> Result<Cell, SyntaxProblem> {
    let as_expression = match cell(lua, format!("{EXPRESSION}{code}"), name, true) {
        Ok(cell) => return Ok(cell),
        Err(problem) => problem,
    };
    let as_statements = cell(lua, code.to_owned(), name, false);
    let last = last_expression(lua, code, name, as_statements.is_ok());
    match (last, as_statements) {
        (Some(Ok(cell)), _) | (_, Ok(cell)) => Ok(cell),
        (Some(Err(unfinished)), Err(problem)) if !problem.incomplete => Err(unfinished),
        _ if as_expression.incomplete => Err(as_expression),
        (_, Err(problem)) => Err(problem),
    }
}

impl Cell {
    /// Runs the cell under a caller like `xpcall`, whose own first result is whether it succeeded. Returns that and the values.
    pub fn call(self, xpcall: &Function, handler: Function) -> mlua::Result<(bool, MultiValue)> {
        let mut results: MultiValue = xpcall.call((self.function, handler))?;
        let succeeded = results.pop_front() == Some(Value::Boolean(true));
        if succeeded && self.is_expression {
            results.pop_front();
        }
        Ok((succeeded, results))
    }
}

/// Notebooks show the value of a cell's last line. Lua has no such form, so it is found by trying: statements that
/// are complete in themselves, then an expression from the start of a line to the end (or one that only lacks its end).
///
/// Where the whole is `valid` already, it must keep its meaning: a line that begins with `(` or `-` may continue the one
/// before, but one that begins with a name cannot.
fn last_expression(lua: &Lua, code: &str, name: &str, valid: bool) -> Option<Result<Cell, SyntaxProblem>> {
    let line_starts = code.rmatch_indices('\n').map(|(newline, _)| newline + 1);
    for start in line_starts.take(LAST_EXPRESSION_LINES) {
        let Some((statements, expression)) = code.split_at_checked(start) else { continue };
        if valid && !expression.trim_start().starts_with(is_name_character) {
            continue;
        }
        let alone = load(lua, &format!("{EXPRESSION}{expression}"), name);
        if alone.is_err_and(|problem| !problem.incomplete || is_blank(lua, expression, name)) {
            continue;
        }
        if load(lua, statements, name).is_ok() {
            return Some(cell(lua, format!("{statements}{EXPRESSION}{expression}"), name, true));
        }
    }
    None
}

/// Blanks and comments are statements too: none.
fn is_blank(lua: &Lua, code: &str, name: &str) -> bool {
    load(lua, code, name).is_ok()
}

fn cell(lua: &Lua, source: String, name: &str, is_expression: bool) -> Result<Cell, SyntaxProblem> {
    load(lua, &source, name).map(|function| Cell { source, function, is_expression })
}

fn load(lua: &Lua, code: &str, name: &str) -> Result<Function, SyntaxProblem> {
    // Text only: Lua does not check binary chunks, and a bad one can crash the process.
    let chunk = lua.load(code).set_name(format!("={name}")).set_mode(ChunkMode::Text);
    chunk.into_function().map_err(|error| match error {
        mlua::Error::SyntaxError { message, incomplete_input } => {
            // A quoted string ends with its line, unless the line ends in a backslash.
            let torn = message.contains("unfinished string") && !code.ends_with('\\');
            SyntaxProblem { message, incomplete: incomplete_input && !torn }
        }
        other => SyntaxProblem { message: super::failure::message_of(&other), incomplete: false },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(code: &str) -> Option<i64> {
        let lua = Lua::new();
        let xpcall = lua.globals().get("xpcall").unwrap();
        let handler = lua.globals().get("error").unwrap();
        let (succeeded, values) = compile(&lua, code, "cell 1").unwrap().call(&xpcall, handler).unwrap();
        assert!(succeeded && values.len() < 2);
        values.front().and_then(mlua::Value::as_integer)
    }

    #[test]
    fn expressions_statements_and_their_mixture() {
        assert_eq!(value("1 + 1"), Some(2));
        assert_eq!(value("x = 3"), None);
        assert_eq!(value("return 4"), Some(4));
        assert_eq!(value("local x = 5\nx"), Some(5));
        assert_eq!(value("local x = 5\nx\n\n-- done\n"), Some(5));
        assert_eq!(value("local t = 6\nmath.max(\n  t,\n  1\n)"), Some(6));
        assert_eq!(value("local f = math.max\nf(7)\n"), Some(7));
        assert_eq!(value("local f = math.max\nreturn\nf(8)"), Some(8));
        assert_eq!(value(""), None);
        assert_eq!(value("-- nothing"), None);
    }

    #[test]
    fn valid_code_keeps_its_meaning() {
        assert_eq!(value("x = math.max\n(1)"), None);
        assert_eq!(value("x = 1\n- 2"), None);
        assert_eq!(value("s = [[\nx\n]]"), None);
    }

    #[test]
    fn an_expression_inside_a_block_is_no_result() {
        let problem = compile(&Lua::new(), "if true then\nx\nend", "cell 1").unwrap_err();
        assert_eq!(problem.message, "cell 1:3: syntax error near 'end'");
    }

    #[test]
    fn problems_name_the_cell_and_the_line() {
        let problem = compile(&Lua::new(), "x = 1\ny = = 2\n", "cell 7").unwrap_err();
        assert_eq!(problem.message, "cell 7:2: unexpected symbol near '='");
        assert!(!problem.incomplete);
    }

    #[test]
    fn binary_chunks_are_refused() {
        let dumped = Lua::new().load("return 1").into_function().unwrap().dump(false);
        let code = String::from_utf8_lossy(&dumped).into_owned();
        assert!(compile(&Lua::new(), &code, "cell 1").is_err());
    }
}
