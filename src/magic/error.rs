//! What is wrong with a `%fleet` line, for the person who typed it.

use thiserror::Error;

use super::{command::COMMANDS, key::Key};
use crate::{
    byte_size::InvalidByteSize, listing::cell, route::RequirementsError, runtime_name::InvalidRuntimeName,
};

pub(super) const USE: &str = "%fleet use";
pub(super) const CELL: &str = "%%fleet";

/// How alike two words must be (Jaro-Winkler, 0 to 1) for one to be taken for a misspelling of the other.
const ALIKE: f64 = 0.8;

/// A `%fleet` or `%%fleet` line that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum MagicError {
    /// There is no such command.
    #[error("there is no `%fleet {found}`{}. There are: {}", hint(.instead), commands())]
    UnknownCommand {
        /// What was typed.
        found: String,
        /// What was probably meant.
        instead: Option<String>,
    },
    /// Something follows a command that nothing may follow.
    #[error("`%fleet {command}` takes nothing more, but `{found}` follows it")]
    TooMuch {
        /// The command.
        command: String,
        /// What follows.
        found: String,
    },
    /// It is not said which kernel.
    #[error(
        "`{magic}` needs to know which kernel: write `{magic} runtime=NAME`, or any of {}. \
         `%fleet runtimes` shows what there is, `%fleet help` explains",
        keys()
    )]
    NoWishes {
        /// The magic.
        magic: &'static str,
    },
    /// A command stands where only wishes may.
    #[error(
        "`%%fleet` runs this one cell on another kernel and takes no command: write `%fleet {command}`, with one `%`, \
         or only what you wish for, as in `%%fleet runtime=NAME`"
    )]
    CommandInCell {
        /// The command.
        command: &'static str,
    },
    /// There is no such key.
    #[error("`{found}` cannot be asked for{}. What can be: {}", hint(.instead), keys())]
    UnknownKey {
        /// What was typed.
        found: String,
        /// What was probably meant.
        instead: Option<String>,
    },
    /// A key needs a value.
    #[error("{key} needs a value: {key}=..., without spaces around the `=`")]
    NoValue {
        /// The key.
        key: &'static str,
    },
    /// A key is given more than once.
    #[error("{key} is given twice")]
    Twice {
        /// The key.
        key: &'static str,
    },
    /// Two runtimes are named.
    #[error(
        "`{first}` and `{second}` cannot both be the runtime: a word without `=` is the name of the runtime, and there \
         can be only one"
    )]
    SecondRuntime {
        /// The first.
        first: String,
        /// The other.
        second: String,
    },
    /// A flag is neither on nor off.
    #[error("{key} is `true` or `false`, not `{found}`")]
    NotABoolean {
        /// The flag.
        key: &'static str,
        /// What was typed.
        found: String,
    },
    /// A quote is opened and not closed.
    #[error("a quote or a backslash at the end of the line is left open")]
    OpenQuote,
    /// A memory limit is no size.
    #[error("memory_limit: {0}")]
    Size(#[from] InvalidByteSize),
    /// A runtime cannot be called that.
    #[error(transparent)]
    Runtime(#[from] InvalidRuntimeName),
    /// The wishes are JSON, and cannot be understood.
    #[error(transparent)]
    Json(#[from] RequirementsError),
}

impl MagicError {
    pub(super) fn unknown_command(found: &str) -> Self {
        let words = COMMANDS.map(|(word, ..)| word);
        // `%fleet runtime=lua` forgets the command, not the wish.
        let instead =
            if found.contains('=') { Some(format!("use {}", cell(found))) } else { nearest(found, &words) };
        let instead = instead.map(|word| format!("%fleet {word}"));
        Self::UnknownCommand { found: cell(found), instead }
    }

    pub(super) fn unknown_key(found: &str) -> Self {
        Self::UnknownKey { found: cell(found), instead: nearest(found, &Key::ALL.map(Key::name)) }
    }

    pub(super) fn too_much(command: &str, found: &str) -> Self {
        Self::TooMuch { command: command.to_owned(), found: cell(found) }
    }

    pub(super) fn second_runtime(first: &str, second: &str) -> Self {
        Self::SecondRuntime { first: cell(first), second: cell(second) }
    }

    pub(super) fn not_a_boolean(key: &'static str, found: &str) -> Self {
        Self::NotABoolean { key, found: cell(found) }
    }
}

/// The word that was probably meant.
fn nearest(found: &str, words: &[&str]) -> Option<String> {
    let likeness = |word: &str| strsim::jaro_winkler(found, word);
    let best = words.iter().max_by(|one, two| likeness(one).total_cmp(&likeness(two)))?;
    (likeness(best) >= ALIKE).then(|| (*best).to_owned())
}

fn hint(instead: &Option<String>) -> String {
    instead.as_ref().map(|word| format!("; did you mean `{word}`?")).unwrap_or_default()
}

fn commands() -> String {
    COMMANDS.map(|(word, ..)| word).join(", ")
}

fn keys() -> String {
    Key::ALL.map(Key::name).join(", ")
}
