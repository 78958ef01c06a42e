//! What went wrong in a cell, in the words of the person who wrote it.

use mlua::{Lua, Value};

use super::chunk::SyntaxProblem;
use super::pretty::{self, Metamethods};
use crate::kernel::Outcome;

/// An error that ended a cell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub ename: &'static str,
    pub evalue: String,
    /// One line for each function that was running, innermost first.
    pub frames: Vec<String>,
}

impl Failure {
    /// From a value raised by `error`: any Lua value, not only text.
    pub fn raised(lua: &Lua, value: &Value, frames: Vec<String>) -> Self {
        let evalue = match value {
            Value::String(text) => text.to_string_lossy(),
            Value::Error(error) => message_of(error),
            other => pretty::render(lua, other, Metamethods::Run)
                .or_else(|_| pretty::render(lua, other, Metamethods::Ignore))
                .unwrap_or_else(|error| message_of(&error)),
        };
        Self { ename: "LuaError", evalue, frames }
    }

    /// The lines to show: frontends print these and nothing else.
    pub fn traceback(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            format!("{}: {}", self.ename, self.evalue).lines().map(str::to_owned).collect();
        if !self.frames.is_empty() {
            lines.push("stack traceback:".to_owned());
            lines.extend(self.frames.iter().map(|frame| format!("    {frame}")));
        }
        lines
    }
}

impl From<Failure> for Outcome {
    fn from(failure: Failure) -> Self {
        Self::Error {
            traceback: failure.traceback(),
            ename: failure.ename.to_owned(),
            evalue: failure.evalue,
        }
    }
}

impl From<SyntaxProblem> for Failure {
    fn from(problem: SyntaxProblem) -> Self {
        Self { ename: "SyntaxError", evalue: problem.message, frames: Vec::new() }
    }
}

impl From<mlua::Error> for Failure {
    fn from(error: mlua::Error) -> Self {
        Self { ename: "LuaError", evalue: message_of(&error), frames: Vec::new() }
    }
}

/// The message alone: without the kind in front and the traceback behind that the binding adds.
pub(super) fn message_of(error: &mlua::Error) -> String {
    match error {
        mlua::Error::CallbackError { cause, .. } => message_of(cause),
        mlua::Error::RuntimeError(message)
        | mlua::Error::MemoryError(message)
        | mlua::Error::SyntaxError { message, .. } => {
            message.split("\nstack traceback:").next().unwrap_or_default().to_owned()
        }
        other => other.to_string(),
    }
}
