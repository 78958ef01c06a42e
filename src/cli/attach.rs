//! `jupyter-fleet attach`: what can be typed, and what it means.
use std::{path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, error::ErrorKind};
use serde_json::{Map, Value};

use super::{Cli, exec::parse_seconds, wishes::KernelArguments};

/// What is typed after `attach`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Kernelspecs start it: an argv of [\"/path/to/jupyter-fleet\", \"attach\", \"-f\", \
                  \"{connection_file}\"] brings JupyterLab, notebooks and VS Code to the fleet.")]
pub struct AttachArguments {
    /// The connection file that the host wrote: where to listen and which key to use
    #[arg(short = 'f', long = "connection-file", value_name = "FILE")]
    connection_file: PathBuf,
    /// Start a fleet if none runs
    #[arg(long)]
    start: bool,
    /// How long to wait for a fleet that went away before cells that it was asked to run fail
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    patience: Duration,
    // Last, for its heading would stand over whatever follows.
    #[command(flatten)]
    kernel: KernelArguments,
    /// What a program adds that starts this as a kernel: it goes to a kernel that is launched for that program
    #[arg(value_name = "ARGUMENT", trailing_var_arg = true, allow_hyphen_values = true, hide = true)]
    arguments: Vec<String>,
}

/// What `attach` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct AttachRequest {
    /// The connection file of the host.
    pub connection_file: PathBuf,
    /// The routing metadata that holds for all that the host sends.
    pub fleet: Map<String, Value>,
    /// Whether to start a fleet where none runs.
    pub start: bool,
    /// How long a fleet that went away is waited for.
    pub patience: Duration,
    /// What the host added.
    pub arguments: Vec<String>,
}

impl AttachArguments {
    /// What the arguments mean.
    ///
    /// # Errors
    /// No fleet would understand the wishes, or a fleet elsewhere is asked for.
    pub fn meaning(self) -> Result<AttachRequest, clap::Error> {
        if self.arguments.iter().any(|argument| argument.starts_with("--existing")) {
            let text = format!(
                "{}: attach serves hosts of this machine by the fleet of this machine. For a fleet elsewhere, connect \
                 to its published connection file. If a kernelspec says so, install it again: jupyter-fleet kernelspec install",
                self.arguments.join(" ")
            );
            return Err(Cli::command().error(ErrorKind::UnknownArgument, text));
        }
        let fleet = self.kernel.understood();
        let fleet = fleet.map_err(|error| Cli::command().error(ErrorKind::ValueValidation, error))?;
        Ok(AttachRequest {
            connection_file: self.connection_file,
            fleet,
            start: self.start,
            patience: self.patience,
            arguments: self.arguments,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Command;

    fn typed(arguments: &[&str]) -> Result<AttachRequest, clap::Error> {
        let typed = ["jupyter-fleet", "attach"].iter().chain(arguments);
        let Command::Attach(arguments) = Cli::try_parse_from(typed)?.command else {
            panic!("another command")
        };
        arguments.meaning()
    }

    #[test]
    fn a_connection_file_is_enough() {
        let request = typed(&["-f", "host.json"]).unwrap();
        assert_eq!((request.patience, request.start), (Duration::from_secs(60), false));
        assert!(request.fleet.is_empty() && request.arguments.is_empty());
    }

    #[test]
    fn wishes_are_those_of_exec() {
        let request = typed(&["-f", "h", "--runtime", "lua", "--group", "g"]).unwrap();
        assert_eq!(Value::Object(request.fleet), serde_json::json!({"runtime": "lua", "group": "g"}));
    }

    #[test]
    fn a_wish_that_no_fleet_understands_is_a_usage_error_that_names_it() {
        let error = typed(&["-f", "h", "--fleet", r#"{"runtmie": "lua"}"#]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("runtmie"), "{error}");
    }

    #[test]
    fn what_a_host_appends_never_ends_it() {
        let appended =
            ["--HistoryManager.hist_file=:memory:", "--matplotlib", "inline", "notebook.ipynb", "-x"];
        let all: Vec<&str> = ["-f", "h", "--runtime", "python3"].into_iter().chain(appended).collect();
        let request = typed(&all).unwrap();
        assert_eq!(request.arguments, appended);
        assert_eq!(Value::Object(request.fleet), serde_json::json!({"runtime": "python3"}));
    }

    #[test]
    fn a_fleet_elsewhere_is_refused_in_words() {
        let error = typed(&["-f", "h", "--existing=/x/other.json"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("/x/other.json"), "{error}");
    }

    #[test]
    fn the_hosts_file_must_be_named() {
        assert!(typed(&[]).is_err());
    }
}
