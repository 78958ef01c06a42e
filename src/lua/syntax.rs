//! What can be told of Lua code without running it, for cells that run elsewhere.

use std::collections::BTreeSet;

use mlua::Lua;

use super::{
    chunk::{self, Cell},
    complete,
    failure::Failure,
    is_complete,
    names::Owner,
    quote::quoted,
};
use crate::kernel::{Completeness, Completion, Outcome};

/// Lua's parser.
#[derive(Debug, Default)]
pub struct Syntax(Lua);

/// A cell as it is to be loaded.
#[derive(Debug, PartialEq, Eq)]
pub struct Source {
    /// The text, as a Lua string that could stand in code.
    pub quoted: String,
    /// Whether the loaded function returns a `nil` before the values of the cell.
    pub is_expression: bool,
}

impl Syntax {
    /// How a cell is to be loaded, so that its last expression is its value; or the error that ends it. `name` is what
    /// errors call it.
    ///
    /// # Errors
    /// The cell could not be compiled.
    pub fn source(&self, code: &str, name: &str) -> Result<Source, Outcome> {
        match chunk::compile(&self.0, code, name) {
            Ok(Cell { source, is_expression, .. }) => {
                Ok(Source { quoted: quoted(source.as_bytes(), usize::MAX), is_expression })
            }
            Err(problem) => Err(Failure::from(problem).into()),
        }
    }

    /// What could stand at the cursor. `fields` gives the names that can follow a path of names: of the globals after an
    /// empty one, only of functions if asked for methods.
    pub fn complete(
        &self,
        code: &str,
        cursor_pos: usize,
        fields: impl FnOnce(&[&str], bool) -> BTreeSet<String>,
    ) -> Completion {
        complete::complete_with(code, cursor_pos, |path| match &path.owner {
            Owner::Nothing => fields(&[], false),
            Owner::Path(names) => fields(names, path.method),
            Owner::StringLiteral => fields(&["string"], path.method),
            Owner::Unknown => BTreeSet::new(),
        })
    }

    /// Whether this code can run as it is.
    pub fn is_complete(&self, code: &str) -> Completeness {
        is_complete::is_complete(&self.0, code)
    }

    /// A string as it could stand in code.
    pub fn quote(text: &str) -> String {
        quoted(text.as_bytes(), usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_loaded_so_that_it_has_a_value() {
        let source = |code| Syntax::default().source(code, "cell 1").unwrap();
        let expected = Source { quoted: r#""x = 1\nreturn nil, x""#.to_owned(), is_expression: true };
        assert_eq!(source("x = 1\nx"), expected);
        assert_eq!(source("x = 1"), Source { quoted: r#""x = 1""#.to_owned(), is_expression: false });
    }

    #[test]
    fn a_cell_that_cannot_be_compiled_is_an_error() {
        let outcome = Syntax::default().source("x = = 1", "cell 3").unwrap_err();
        let Outcome::Error { ename, evalue, .. } = outcome else { panic!("{outcome:?}") };
        assert_eq!((&*ename, &*evalue), ("SyntaxError", "cell 3:1: unexpected symbol near '='"));
    }

    #[test]
    fn names_are_asked_for_by_their_path() {
        let complete = |code: &str| {
            let fields =
                |path: &[&str], methods: bool| BTreeSet::from([format!("f{}{methods}", path.join("_"))]);
            Syntax::default().complete(code, code.len(), fields).matches
        };
        assert_eq!(complete("a.b:f"), ["fa_btrue"]);
        assert_eq!(complete("'x'.f"), ["fstringfalse"]);
        assert_eq!(complete("f().f"), [""; 0]);
        assert_eq!(complete("f"), ["false", "ffalse", "for", "function"]);
    }
}
