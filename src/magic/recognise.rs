//! Whether a cell speaks to the fleet.

use super::{Command, MagicError, command::COMMANDS, error::CELL, wishes};
use crate::route::Requirements;

/// What a cell says to the fleet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Magic {
    /// Its first line is `%fleet ...`: the fleet carries it out, then the kernel the rest.
    Line {
        /// What the line says.
        command: Result<Command, MagicError>,
        /// The whole code with spaces in place of the line; `None` if there is nothing else.
        rest: Option<String>,
    },
    /// Its first line is `%%fleet ...`: the rest runs on another kernel, this once.
    Cell {
        /// What that kernel must be.
        wishes: Result<Requirements, MagicError>,
        /// The whole code with spaces in place of the line.
        code: String,
    },
}

/// What the code says to the fleet. `None`: it is all for the kernel, other magics included.
///
/// As in IPython, blank lines and spaces may stand before the `%`. In what is left of the code every character is where
/// it was, so lines and cursor positions stay what they are. The rest of a [`Magic::Line`] may begin with another one.
pub fn recognise(code: &str) -> Option<Magic> {
    let line = MagicLine::first(code)?;
    if line.whole_cell && !line.asks_for_help() {
        return Some(Magic::Cell { wishes: elsewhere(line.arguments), code: line.blanked() });
    }
    let command = if line.asks_for_help() { Ok(Command::Help) } else { Command::parse(line.arguments) };
    let nothing_else = line.after.trim().is_empty();
    Some(Magic::Line { command, rest: (!nothing_else).then(|| line.blanked()) })
}

/// What stands behind `%%fleet`: wishes, at least one.
fn elsewhere(arguments: &str) -> Result<Requirements, MagicError> {
    let first = arguments.split_whitespace().next();
    if let Some((command, ..)) = COMMANDS.into_iter().find(|(command, ..)| first == Some(command)) {
        return Err(MagicError::CommandInCell { command });
    }
    let wishes = wishes::parse(arguments)?;
    if wishes.is_nothing() { Err(MagicError::NoWishes { magic: CELL }) } else { Ok(wishes) }
}

/// Code whose first line that is not blank is a magic of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct MagicLine<'a> {
    /// Blank lines, and the spaces before the `%`.
    before: &'a str,
    /// The line from the `%` on, without its end.
    line: &'a str,
    /// The end of the line, and all other lines.
    after: &'a str,
    /// Whether it is `%%fleet`.
    pub(super) whole_cell: bool,
    /// What stands behind `%fleet` or `%%fleet` on the line.
    pub(super) arguments: &'a str,
}

impl<'a> MagicLine<'a> {
    pub(super) fn first(code: &'a str) -> Option<Self> {
        let (before, from_magic) = code.split_at_checked(code.len() - code.trim_start().len())?;
        let (line, after) =
            from_magic.split_at_checked(from_magic.find(['\n', '\r']).unwrap_or(from_magic.len()))?;
        let (whole_cell, arguments) = match line.strip_prefix("%%fleet") {
            Some(arguments) => (true, arguments),
            None => (false, line.strip_prefix("%fleet")?),
        };
        let line = Self { before, line, after, whole_cell, arguments };
        let whole_word = arguments.is_empty() || arguments.starts_with(char::is_whitespace);
        (whole_word || line.asks_for_help()).then_some(line)
    }

    /// How many bytes into the code the arguments begin.
    pub(super) fn arguments_start(&self) -> usize {
        self.end() - self.arguments.len()
    }

    /// How many bytes into the code the line ends.
    pub(super) fn end(&self) -> usize {
        self.before.len() + self.line.len()
    }

    /// IPython's `%magic?` and `%magic??`.
    fn asks_for_help(&self) -> bool {
        let question = self.arguments.trim();
        !question.is_empty() && question.chars().all(|c| c == '?')
    }

    /// The whole code with a space for each character of the line.
    fn blanked(&self) -> String {
        let spaces = " ".repeat(self.line.chars().count());
        [self.before, &spaces, self.after].concat()
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::magic) mod law;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn command(code: &str) -> (Result<Command, MagicError>, Option<String>) {
        match recognise(code) {
            Some(Magic::Line { command, rest }) => (command, rest),
            other => panic!("{code:?} is {other:?}"),
        }
    }

    #[test]
    fn a_line_is_blanked_and_the_rest_stays() {
        assert_eq!(command("%fleet"), (Ok(Command::Status), None));
        assert_eq!(command("\n  %fleet list\r\n\n"), (Ok(Command::List), None));
        let (command, rest) = command("\n %fleet use lua\n%%bash\nls");
        assert_eq!(command.unwrap(), Command::Use(wishes::parse("lua").unwrap()));
        assert_eq!(rest.unwrap(), "\n               \n%%bash\nls");
    }

    #[test]
    fn a_question_mark_asks_for_help() {
        for code in ["%fleet?", "%fleet ?", "%fleet??", "%%fleet?", "%%fleet ?\n"] {
            assert_eq!(command(code), (Ok(Command::Help), None), "{code}");
        }
    }

    #[test]
    fn a_cell_magic_says_where_the_rest_runs() {
        let magic = recognise("%%fleet lua group=ä\nprint(1)");
        let wishes = Ok(Requirements::parse(r#"{"runtime": "lua", "group": "ä"}"#).unwrap());
        let code = format!("{}\nprint(1)", " ".repeat(19));
        assert_eq!(magic, Some(Magic::Cell { wishes, code }));
    }

    #[test]
    fn a_cell_magic_without_wishes_says_how() {
        for code in ["%%fleet\n1", "%%fleet   \n1", "%%fleet {}\n1"] {
            let Some(Magic::Cell { wishes: Err(error), .. }) = recognise(code) else { panic!("{code}") };
            assert!(error.to_string().contains("%%fleet runtime="), "{error}");
        }
    }

    #[test]
    fn a_cell_magic_takes_no_command() {
        for code in ["%%fleet use lua\n1", "%%fleet status"] {
            let Some(Magic::Cell { wishes: Err(error), .. }) = recognise(code) else { panic!("{code}") };
            let command = code.split_whitespace().nth(1).unwrap();
            assert!(error.to_string().contains(&format!("`%fleet {command}`")), "{error}");
        }
    }

    #[test]
    fn what_is_not_ours_is_the_kernels() {
        for code in [
            "",
            " \n",
            "1",
            "%fleets",
            "%fleet2",
            "%fleet_x",
            "%fleet=1",
            "%fleet?x",
            "%%fleets",
            "%%%fleet",
            "% fleet",
            "%timeit 1",
            "%%time\n%fleet",
            "%%bash\n%fleet list",
            "1\n%fleet",
            "x = 5 %fleet",
            "# %fleet",
            "fleet",
            "!%fleet",
            "?%fleet",
            "%Fleet",
        ] {
            assert_eq!(recognise(code), None, "{code}");
        }
    }

    proptest! {
        #[test]
        fn every_character_keeps_its_place(
            before in "[ \t\n\r]{0,4}", magic in "%fleet|%%fleet", arguments in "( [^\n\r]{0,12})?", after in "([\n\r]\\PC{0,8}){0,3}"
        ) {
            let code = format!("{before}{magic}{arguments}{after}");
            assert!(recognise(&code).is_some());
            law::magic(&[&[0, 0, 0], code.as_bytes()].concat());
        }
    }
}
