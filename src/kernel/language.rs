//! What a kernel needs of the language inside it.

use std::sync::Arc;

use thiserror::Error;

use super::host::Host;

/// The language inside a kernel. It blocks, so it has an OS thread of its own.
pub trait Language: Send + 'static {
    /// Runs a cell to its end. `host` gets what it prints; all of it before this returns.
    ///
    /// # Errors
    /// The language is gone, and the kernel with it.
    fn execute(&mut self, code: &str, execution_count: u32, host: Arc<dyn Host>) -> Result<Outcome, Gone>;

    /// Evaluates an expression, as [`Self::execute`] runs a cell.
    ///
    /// # Errors
    /// The language is gone, and the kernel with it.
    fn evaluate(
        &mut self,
        expression: &str,
        execution_count: u32,
        host: Arc<dyn Host>,
    ) -> Result<Outcome, Gone>;

    /// What could stand at the cursor. `cursor_pos` counts unicode code points (messaging spec, "Completion").
    fn complete(&mut self, code: &str, cursor_pos: usize) -> Completion;

    /// What is known about the name at the cursor, as text. `cursor_pos` counts unicode code points.
    fn inspect(&mut self, code: &str, cursor_pos: usize) -> Option<String>;

    /// Whether this code can run as it is.
    fn is_complete(&mut self, code: &str) -> Completeness;
}

/// The language has ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("the language has ended")]
pub struct Gone;

/// How a cell ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It ran to its end. What it evaluates to, as text; several values are separated by a tab. None for statements and
    /// for `nil` alone.
    Value(Option<String>),
    /// It raised an error, or could not be compiled: the fields of an `error` message (messaging spec, "Execution errors").
    Error {
        /// Its kind, such as `LuaError` or `SyntaxError`.
        ename: String,
        /// The message.
        evalue: String,
        /// Lines to show; the first ones are the message.
        traceback: Vec<String>,
    },
    /// It was stopped through [`InterruptHandle`](super::InterruptHandle).
    Interrupted,
}

/// The fields of a `complete_reply` (messaging spec, "Completion"). Positions count unicode code points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Completion {
    /// What could replace the text between the two positions, in order.
    pub matches: Vec<String>,
    /// Where the replaced text starts.
    pub cursor_start: usize,
    /// Where the replaced text ends: at the cursor.
    pub cursor_end: usize,
}

/// The `status` of an `is_complete_reply`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Completeness {
    /// It can run.
    Complete,
    /// More lines could make it right.
    Incomplete {
        /// Blanks to begin the next line with.
        indent: String,
    },
    /// No further line can make it right.
    Invalid,
    /// The language cannot tell.
    Unknown,
}
