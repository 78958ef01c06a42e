//! The contents of requests, with the spec's defaults for what clients leave out.

use serde::Deserialize;
use serde_json::{Map, Value};

/// The content of an `execute_request` (messaging spec, "Execute").
#[derive(Deserialize, Debug)]
pub(super) struct Execute {
    pub code: String,
    #[serde(default)]
    pub silent: bool,
    store_history: Option<bool>,
    #[serde(default)]
    user_expressions: Option<Map<String, Value>>,
    #[serde(default)]
    pub allow_stdin: bool,
    #[serde(default = "yes")]
    pub stop_on_error: bool,
}

/// The content of a `complete_request` or an `inspect_request`.
#[derive(Deserialize, Debug)]
pub(super) struct Inspect {
    pub code: String,
    cursor_pos: Option<usize>,
}

/// The content of an `is_complete_request`.
#[derive(Deserialize, Debug)]
pub(super) struct IsComplete {
    pub code: String,
}

/// What is read of a `comm_open`.
#[derive(Deserialize, Debug)]
pub(super) struct CommOpen {
    pub comm_id: String,
}

impl Execute {
    /// Whether the cell counts and is remembered. A silent one never does.
    pub fn stores_history(&self) -> bool {
        !self.silent && self.store_history.unwrap_or(true)
    }

    /// Names and expressions; those that are no text are shown as errors by what evaluates them.
    pub fn user_expressions(&self) -> impl Iterator<Item = (&str, &str)> {
        let expressions = self.user_expressions.iter().flatten();
        expressions.map(|(name, expression)| (name.as_str(), expression.as_str().unwrap_or_default()))
    }
}

impl Inspect {
    /// In unicode code points; the end of the code if the client does not say.
    pub fn cursor_pos(&self) -> usize {
        self.cursor_pos.unwrap_or_else(|| self.code.chars().count())
    }
}

fn yes() -> bool {
    true
}
