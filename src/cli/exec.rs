//! `jupyter-fleet exec`: what can be typed, and what it means.
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value};

use super::wishes::KernelArguments;
use crate::runtimes::Directories;

/// What is typed after `exec`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Exit code: 0 if the code ran, 1 if it raised an error, 2 if the command line is wrong, \
                        3 if no fleet answers."
)]
pub struct ExecArguments {
    /// The fleet's connection file, or its name: `fleet` stands for kernel-fleet.json in Jupyter's runtime directory
    #[arg(long, value_name = "FILE", default_value = "fleet", env = "JUPYTER_FLEET_EXISTING")]
    existing: PathBuf,
    /// Give up when the code has not finished after this time [default: wait as long as the kernel lives]
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds)]
    timeout: Option<Duration>,
    #[command(flatten)]
    code: CodeArguments,
    // Last, for its heading would stand over whatever follows.
    #[command(flatten)]
    kernel: KernelArguments,
}

/// What to run.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct CodeArguments {
    /// The code itself
    #[arg(short = 'c', value_name = "CODE", allow_hyphen_values = true)]
    inline: Option<String>,
    /// A file with the code, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: Option<PathBuf>,
}

/// What `exec` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct ExecRequest {
    /// The connection file of the fleet. It need not exist.
    pub connection_file: PathBuf,
    /// The routing metadata, to stand under `fleet` in the metadata of requests; `None` asks for nothing.
    pub fleet: Option<Map<String, Value>>,
    /// How long to wait for the code to finish; `None` is as long as the kernel lives.
    pub timeout: Option<Duration>,
    /// What to run.
    pub code: CodeSource,
}

/// Where the code is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeSource {
    /// Here.
    Inline(String),
    /// In a file.
    File(PathBuf),
    /// On standard input.
    StandardInput,
}

impl ExecArguments {
    /// What the arguments mean, where Jupyter's directories are these.
    pub fn meaning(self, directories: &Directories) -> ExecRequest {
        ExecRequest {
            connection_file: existing_file(self.existing, &directories.runtime),
            fleet: self.kernel.metadata(),
            timeout: self.timeout,
            code: match (self.code.inline, self.code.file) {
                (Some(code), _) => CodeSource::Inline(code),
                (None, Some(file)) if file != Path::new("-") => CodeSource::File(file),
                (None, _) => CodeSource::StandardInput,
            },
        }
    }
}

/// The file itself, or the connection file of that name in the runtime directory, as with `jupyter console --existing`.
pub(super) fn existing_file(named: PathBuf, runtime_directory: &Path) -> PathBuf {
    if named.components().count() != 1 || named.is_file() {
        return named;
    }
    let in_full = runtime_directory.join(&named);
    if in_full.is_file() {
        return in_full;
    }
    runtime_directory.join(format!("kernel-{}.json", named.display()))
}

pub(super) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be more than 0 seconds".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests;
