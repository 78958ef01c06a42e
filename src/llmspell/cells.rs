//! How cells run in llmspell: by a function that is loaded before the first, or as they are.

use serde::Deserialize;
use tracing::warn;

use super::{
    client::{Client, ClientError},
    news::News,
};
use crate::{
    kernel::{Host, Outcome, Stdio},
    lua::{Source, Syntax},
};

const PRELUDE: &str = include_str!("prelude.lua");

/// How llmspell begins the text of an error.
const ERROR: &str = "Error: ";

/// More lines of a stack are cut: nobody reads a runaway recursion to its end.
const MOST_FRAMES: usize = 30;

/// What a function of the prelude returns. What it does not say is absent.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(default)]
pub(super) struct Answer {
    id: u64,
    /// Of the prelude itself: whether cells can be called.
    ready: bool,
    out: String,
    value: Option<String>,
    ename: Option<String>,
    error: Option<String>,
    trace: Option<String>,
    /// Separated by blanks.
    pub names: String,
}

/// What became of a cell, as llmspell tells it.
#[derive(Debug, Default)]
struct Ran {
    /// The last result, as JSON.
    result: Option<String>,
    /// The last error.
    error: Option<String>,
}

/// Loads the prelude; `false` if cells cannot be called.
pub(super) async fn load(client: &mut Client, id: u64, host: &dyn Host) -> Result<bool, ClientError> {
    let prelude = format!("local id = {id}\n{PRELUDE}");
    match call(client, id, &prelude, host).await? {
        Ok(answer) => Ok(answer.ready),
        Err(error) => {
            warn!("cells run without the function that collects their output: {error}");
            Ok(false)
        }
    }
}

/// The code that calls the prelude's function with a cell.
pub(super) fn call_of(id: u64, source: &Source, name: &str) -> String {
    let (quoted, name) = (&source.quoted, Syntax::quote(name));
    format!("return __jupyter_fleet.run({id}, {quoted}, {name}, {})", source.is_expression)
}

/// Runs code that returns an answer; the error if it does not.
pub(super) async fn call(
    client: &mut Client,
    id: u64,
    code: &str,
    host: &dyn Host,
) -> Result<Result<Answer, String>, ClientError> {
    let mut answer = None;
    let mut ran = Ran::default();
    // Another result belongs to a call that was given up.
    let mut hear = |news: News| {
        let result = ran.hear(news, host).and_then(|text| serde_json::from_str(&text).ok());
        answer = result.filter(|answer: &Answer| answer.id == id).or(answer.take());
    };
    client.run(code, &mut hear).await?;
    Ok(answer.ok_or_else(|| ran.error.unwrap_or_else(|| "llmspell returned nothing".to_owned())))
}

/// Runs code as it is.
pub(super) async fn run_plain(
    client: &mut Client,
    code: &str,
    host: &dyn Host,
) -> Result<Outcome, ClientError> {
    let mut ran = Ran::default();
    let mut hear = |news| ran.result = ran.hear(news, host).or(ran.result.take());
    client.run(code, &mut hear).await?;
    client.hear_late(&mut hear).await?;
    Ok(ran.outcome())
}

impl Ran {
    /// Takes in what is published; text goes to the host at once, a result is returned.
    fn hear(&mut self, news: News, host: &dyn Host) -> Option<String> {
        match news {
            News::Stream(Stdio::Stderr, text) if text.starts_with(ERROR) => self.error = Some(text),
            News::Stream(stdio, text) => host.stream(stdio, &text),
            News::Result(text) => return Some(text),
            News::Idle => {}
        }
        None
    }

    fn outcome(self) -> Outcome {
        match (self.result, self.error) {
            (Some(text), _) => Outcome::Value(Some(text).filter(|text| text != "null")),
            (None, error) => {
                failed("Error", error.as_deref().unwrap_or("llmspell did not say what is wrong"))
            }
        }
    }
}

/// An error in llmspell's own words: the message, and perhaps lines of a stack.
pub(super) fn failed(ename: &str, text: &str) -> Outcome {
    let text = text.trim_start_matches(ERROR).trim_end();
    let (evalue, trace) = text.split_once("\nstack traceback:").unwrap_or((text, ""));
    error(ename, evalue, trace.lines().map(str::trim).collect())
}

impl Answer {
    /// Hands over what the cell of this name printed, and says how it ended.
    pub fn outcome(self, name: &str, host: &dyn Host) -> Outcome {
        if !self.out.is_empty() {
            host.stream(Stdio::Stdout, &self.out);
        }
        match (self.error, self.ename) {
            (Some(evalue), ename) => {
                let trace = self.trace.unwrap_or_default();
                error(ename.as_deref().unwrap_or("LuaError"), &evalue, frames_of_cell(&trace, name))
            }
            (None, _) => Outcome::Value(self.value),
        }
    }
}

/// The lines of a stack that belong to the cell of this name: down to its main chunk. Where that is not on the stack, a
/// value of the cell was being shown.
fn frames_of_cell<'a>(trace: &'a str, name: &str) -> Vec<&'a str> {
    let lines: Vec<&str> = trace.lines().map(str::trim).collect();
    let is_main = |line: &&str| line.starts_with(&format!("{name}:")) && line.ends_with("in main chunk");
    let is_call = |line: &&str| line.starts_with("[C]: in ") && line.contains("xpcall");
    let end = match lines.iter().position(is_main) {
        Some(main) => main + 1,
        None => lines.iter().position(is_call).unwrap_or(lines.len()),
    };
    lines.into_iter().take(end).collect()
}

fn error(ename: &str, evalue: &str, frames: Vec<&str>) -> Outcome {
    let mut traceback: Vec<String> = format!("{ename}: {evalue}").lines().map(str::to_owned).collect();
    let frames = frames.into_iter().filter(|line| !line.is_empty() && *line != "stack traceback:");
    let frames: Vec<String> = frames.take(MOST_FRAMES).map(|line| format!("    {line}")).collect();
    if !frames.is_empty() {
        traceback.push("stack traceback:".to_owned());
        traceback.extend(frames);
    }
    Outcome::Error { ename: ename.to_owned(), evalue: evalue.to_owned(), traceback }
}

#[cfg(test)]
mod tests;
