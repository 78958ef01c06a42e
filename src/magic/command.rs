//! What `%fleet` can be told.

use super::{MagicError, error::USE, wishes};
use crate::route::Requirements;

/// What a `%fleet` line asks the fleet to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Command {
    /// Tell about this client's kernel.
    Status,
    /// Tell which kernels run.
    List,
    /// Tell what can be launched.
    Runtimes,
    /// Tell why this client has its kernel, or which one it would get for these wishes.
    Why(Option<Requirements>),
    /// Move this client to another kernel.
    Use(Requirements),
    /// Move this client to a kernel that is launched for it; without wishes, to one like its own.
    New(Requirements),
    /// Restart this client's kernel.
    Restart,
    /// Interrupt what this client's kernel runs, whosever that is.
    Interrupt,
    /// Tell what can be said.
    Help,
}

/// The commands: word, what may follow, what it does.
pub(super) const COMMANDS: [(&str, &str, &str); 9] = [
    ("status", "", "Your kernel: what it is, who shares it, its limits. Plain %fleet does the same."),
    ("list", "", "All kernels of the fleet."),
    ("runtimes", "", "What can be launched."),
    ("why", "[WISHES]", "Why you have this kernel, or which one you would get."),
    ("use", "WISHES", "Move to a kernel that has what you wish for; the rest of the cell runs there."),
    ("new", "[WISHES]", "Move to a kernel that is launched for you."),
    ("interrupt", "", "Interrupt what your kernel runs, whosever that is. It is answered at once."),
    ("restart", "", "Restart your kernel."),
    ("help", "", "This page."),
];

/// Whether wishes may follow the command.
pub(super) fn takes_wishes(word: &str) -> bool {
    COMMANDS.iter().any(|(command, follows, _)| *command == word && !follows.is_empty())
}

impl Command {
    /// Whether it only asks for what can be told at any time, also while cells run.
    pub fn only_asks(&self) -> bool {
        match self {
            Self::Status | Self::List | Self::Runtimes | Self::Why(_) | Self::Help => true,
            Self::Use(_) | Self::New(_) | Self::Restart | Self::Interrupt => false,
        }
    }

    /// Parses what stands behind `%fleet`.
    pub(super) fn parse(arguments: &str) -> Result<Self, MagicError> {
        let arguments = arguments.trim();
        let (word, text) = arguments.split_once(char::is_whitespace).unwrap_or((arguments, ""));
        let command = match word {
            "why" => {
                return wishes::parse(text).map(|wishes| Self::Why((!wishes.is_nothing()).then_some(wishes)));
            }
            "new" => return wishes::parse(text).map(Self::New),
            "use" => return use_(wishes::parse(text)?),
            "help" => return Ok(Self::Help),
            "status" => Self::Status,
            "list" => Self::List,
            "runtimes" => Self::Runtimes,
            "restart" => Self::Restart,
            "interrupt" => Self::Interrupt,
            word if word.is_empty() || word.starts_with('#') => return Ok(Self::Status),
            word => return Err(MagicError::unknown_command(word)),
        };
        let text = text.trim_start();
        if text.is_empty() || text.starts_with('#') {
            return Ok(command);
        }
        Err(MagicError::too_much(word, text))
    }
}

fn use_(wishes: Requirements) -> Result<Command, MagicError> {
    if wishes.is_nothing() {
        return Err(MagicError::NoWishes { magic: USE });
    }
    Ok(Command::Use(wishes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_is_understood() {
        let wishes = |json| Requirements::parse(json).unwrap();
        for (text, command) in [
            ("", Command::Status),
            ("  # where am I?", Command::Status),
            (" status ", Command::Status),
            (" list # all", Command::List),
            ("\truntimes", Command::Runtimes),
            (" why", Command::Why(None)),
            (" why lua", Command::Why(Some(wishes(r#"{"runtime": "lua"}"#)))),
            (" use group=", Command::Use(wishes(r#"{"group": ""}"#))),
            (r#" use {"runtime": "lua"}"#, Command::Use(wishes(r#"{"runtime": "lua"}"#))),
            (" new", Command::New(Requirements::default())),
            (" new isolated", Command::New(wishes(r#"{"isolated": true}"#))),
            (" restart", Command::Restart),
            (" interrupt", Command::Interrupt),
            (" help use", Command::Help),
        ] {
            assert_eq!(Command::parse(text), Ok(command), "{text}");
        }
    }

    #[test]
    fn the_listed_commands_are_those_that_exist() {
        for (word, follows, _) in COMMANDS {
            assert_eq!(
                Command::parse(&format!("{word} lua")).is_ok(),
                !follows.is_empty() || word == "help",
                "{word}"
            );
        }
    }

    #[test]
    fn an_error_says_what_to_write_instead() {
        for (text, said) in [
            ("lst", "%fleet list"),
            ("statsu", "%fleet status"),
            ("frobnicate", "status, list, runtimes, why, use, new, interrupt, restart, help"),
            ("runtime=lua", "%fleet use runtime=lua"),
            ("use", "%fleet use runtime="),
            ("restart now", "`now`"),
        ] {
            let error = Command::parse(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
    }
}
