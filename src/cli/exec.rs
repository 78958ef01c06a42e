//! `jupyter-fleet exec`: what can be typed, and what it means.
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use clap::Args;
use serde_json::{Map, Value};

use crate::{byte_size::ByteSize, runtime_name::RuntimeName, runtimes::Directories};

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

/// Which kernel to run the code in; without any of these, one of the default runtime.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Which kernel")]
struct KernelArguments {
    /// All that is asked of the kernel, as the object that a message's metadata would hold under `fleet`
    #[arg(long, value_name = "JSON", value_parser = parse_object, conflicts_with_all = [
        "runtime", "language", "providers", "memory_limit", "labels", "group", "isolated", "debug", "kernel"])]
    fleet: Option<Map<String, Value>>,
    /// A kernel of this runtime (see `jupyter-fleet runtimes`)
    #[arg(long, value_name = "NAME")]
    runtime: Option<RuntimeName>,
    /// A kernel of this language
    #[arg(long)]
    language: Option<String>,
    /// A kernel with access to this model provider; may be given several times
    #[arg(long = "provider", value_name = "PROVIDER")]
    providers: Vec<String>,
    /// A kernel that may use this much memory, such as 512M
    #[arg(long, value_name = "SIZE")]
    memory_limit: Option<ByteSize>,
    /// A kernel with this label; may be given several times
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// A kernel that is shared only within this group
    #[arg(long)]
    group: Option<String>,
    /// A kernel that nobody else has
    #[arg(long)]
    isolated: bool,
    /// A kernel with a debugger
    #[arg(long)]
    debug: bool,
    /// The kernel with this id
    #[arg(long, value_name = "ID")]
    kernel: Option<String>,
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

impl KernelArguments {
    fn metadata(self) -> Option<Map<String, Value>> {
        if self.fleet.is_some() {
            return self.fleet;
        }
        let list = |names: Vec<String>| (!names.is_empty()).then(|| Value::from(names));
        let flag = |set: bool| set.then_some(Value::Bool(true));
        let asked = [
            ("runtime", self.runtime.map(|name| name.as_str().into())),
            ("language", self.language.map(Value::from)),
            ("providers", list(self.providers)),
            ("memory_limit", self.memory_limit.map(|size| size.to_string().into())),
            ("labels", list(self.labels)),
            ("group", self.group.map(Value::from)),
            ("isolated", flag(self.isolated)),
            ("debug", flag(self.debug)),
            ("kernel", self.kernel.map(Value::from)),
        ];
        let metadata: Map<String, Value> =
            asked.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?))).collect();
        (!metadata.is_empty()).then_some(metadata)
    }
}

/// The file itself, or the connection file of that name in the runtime directory, as with `jupyter console --existing`.
fn existing_file(named: PathBuf, runtime_directory: &Path) -> PathBuf {
    if named.components().count() != 1 || named.is_file() {
        return named;
    }
    let in_full = runtime_directory.join(&named);
    if in_full.is_file() {
        return in_full;
    }
    runtime_directory.join(format!("kernel-{}.json", named.display()))
}

fn parse_object(text: &str) -> Result<Map<String, Value>, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}

fn parse_seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    let duration = Duration::try_from_secs_f64(seconds).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("must be more than 0 seconds".to_owned()) } else { Ok(duration) }
}

#[cfg(test)]
mod tests;
