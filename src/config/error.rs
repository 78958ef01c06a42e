//! What can be wrong with a config file.
use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    runtime_name::RuntimeName,
    runtimes::{RuntimeNames, UnknownRuntime},
};

/// Why a config cannot be used. The text names the file and the line, and says all: there is no `source`.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is not there or may not be read.
    #[error("cannot read the config file {}: {cause}", file.display())]
    Unreadable {
        /// The file.
        file: PathBuf,
        /// Why not.
        cause: io::Error,
    },
    /// Not TOML, an unknown key, or a value of the wrong kind.
    #[error("{}:{line}:{column}: {message}\n    {source_line}", file.display())]
    Invalid {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
        /// What is wrong, with the keys or values that are known.
        message: String,
        /// The line's text.
        source_line: String,
    },
    /// `[runtimes.NAME]` with a name that cannot be.
    #[error("{}:{line}: {message}", file.display())]
    Name {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// A table that describes no runtime.
    #[error("{}:{line}: the runtime {name} {problem}", file.display())]
    Runtime {
        /// The file.
        file: PathBuf,
        /// The line of the table's name, from 1.
        line: usize,
        /// The runtime.
        name: RuntimeName,
        /// What is wrong with it.
        problem: RuntimeProblem,
    },
    /// `default_runtime` names none.
    #[error("{}:{line}: default_runtime: {problem}", file.display())]
    DefaultRuntime {
        /// The file.
        file: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Which it names, and which there are.
        problem: UnknownRuntime,
    },
    /// `--default-runtime` names none.
    #[error("--default-runtime: {0}")]
    ChosenRuntime(UnknownRuntime),
}

/// Why a table describes no runtime. The text goes after the runtime's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuntimeProblem {
    /// Two ways to start it.
    #[error("has both argv and kernelspec: keep the one that says what to start")]
    ArgvAndKernelspec,
    /// A command of no words.
    #[error("has an empty argv, so there is nothing to start")]
    EmptyArgv,
    /// Nobody could ask for its language.
    #[error("needs a language next to its argv, such as language = \"python\"")]
    NoLanguage,
    /// An adapter with nothing behind it.
    #[error("has an adapter but no command of its own: add the argv that starts llmspell")]
    AdapterWithoutCommand,
    /// A program that leaves its adapter behind.
    #[error(
        "has an adapter, which ends with its program, and --daemon in its argv, which detaches the program: leave --daemon out"
    )]
    AdapterOfDaemon,
    /// `kernelspec` names none.
    #[error("starts from the kernelspec {kernelspec}, which is not installed: there are {known}")]
    NoSuchKernelspec {
        /// The name in the table.
        kernelspec: RuntimeName,
        /// What is installed.
        known: RuntimeNames,
    },
    /// Neither a command nor a kernelspec, nor is one installed under the runtime's own name.
    #[error(
        "says nothing of what to start, and no kernelspec of that name is installed: add argv or kernelspec"
    )]
    NothingToStart,
}

/// The error of the TOML reader, with its place in the file.
pub(super) fn invalid(file: &Path, text: &str, error: &toml::de::Error) -> ConfigError {
    let start = error.span().map_or(0, |span| span.start);
    let before = text.get(..start).unwrap_or_default();
    let line = line_of(text, start);
    ConfigError::Invalid {
        file: file.to_owned(),
        line,
        column: before.chars().rev().take_while(|character| *character != '\n').count() + 1,
        message: in_words(error.message()),
        source_line: text.lines().nth(line - 1).unwrap_or_default().trim().to_owned(),
    }
}

/// What the reader calls a kind of value, and what people do.
const WORDS: [(&str, &str); 10] = [
    ("expected usize", "expected a whole number, 0 or more"),
    ("expected u64", "expected a whole number, 0 or more"),
    ("expected u32", "expected a whole number, 0 or more"),
    ("expected i32", "expected a whole number"),
    ("expected f64", "expected a number"),
    ("expected a sequence", "expected a list"),
    ("expected a map", "expected a table"),
    ("expected struct Limits", "expected a table"),
    ("expected struct ServeTable", "expected a table"),
    ("expected struct RuntimeTable", "expected a table"),
];

fn in_words(message: &str) -> String {
    let replaced = |message: String, (kind, words): (&str, &str)| message.replace(kind, words);
    WORDS.into_iter().fold(message.to_owned(), replaced)
}

/// The line, from 1, of a byte of the text.
pub(super) fn line_of(text: &str, byte: usize) -> usize {
    text.get(..byte).unwrap_or_default().matches('\n').count() + 1
}
