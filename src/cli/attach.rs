//! `jupyter-fleet attach`: what can be typed, and what it means.
use std::{path::PathBuf, time::Duration};

use clap::{Args, CommandFactory, error::ErrorKind};
use serde_json::{Map, Value};

use super::{
    Cli,
    exec::{existing_file, parse_seconds},
    wishes::KernelArguments,
};
use crate::runtimes::Directories;

/// What is typed after `attach`.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Kernelspecs start it: an argv of [\"/path/to/jupyter-fleet\", \"attach\", \"-f\", \
                  \"{connection_file}\"] brings JupyterLab, notebooks and VS Code to the fleet.")]
pub struct AttachArguments {
    /// The connection file that the host wrote: where to listen and which key to use
    #[arg(short = 'f', long = "connection-file", value_name = "FILE")]
    connection_file: PathBuf,
    /// The fleet's connection file, or its name: `fleet` stands for kernel-fleet.json in Jupyter's runtime directory
    #[arg(long, value_name = "FILE", default_value = "fleet", env = "JUPYTER_FLEET_EXISTING")]
    existing: PathBuf,
    /// Start a fleet if none runs; only that of the runtime directory can be started
    #[arg(long)]
    start: bool,
    /// How long to wait for a fleet that went away before cells that it was asked to run fail
    #[arg(long, value_name = "SECONDS", default_value = "60", value_parser = parse_seconds)]
    patience: Duration,
    // Last, for its heading would stand over whatever follows.
    #[command(flatten)]
    kernel: KernelArguments,
}

/// What `attach` is asked to do.
#[derive(Debug, Clone, PartialEq)]
pub struct AttachRequest {
    /// The connection file of the host.
    pub connection_file: PathBuf,
    /// The connection file of the fleet. It need not exist.
    pub fleet_file: PathBuf,
    /// The routing metadata that holds for all that the host sends.
    pub fleet: Map<String, Value>,
    /// Whether to start a fleet where none runs.
    pub start: bool,
    /// How long a fleet that went away is waited for.
    pub patience: Duration,
}

impl AttachArguments {
    /// What the arguments mean, where Jupyter's directories are these.
    ///
    /// # Errors
    /// A fleet is to be started that is not the one `serve` would start, or no fleet would understand the wishes.
    pub fn meaning(self, directories: &Directories) -> Result<AttachRequest, clap::Error> {
        let fleet_file = existing_file(self.existing, &directories.runtime);
        let startable = directories.runtime.join("kernel-fleet.json");
        if self.start && fleet_file != startable {
            let text = format!(
                "--start starts the fleet of {}, so it cannot be used with --existing {}",
                startable.display(),
                fleet_file.display()
            );
            return Err(Cli::command().error(ErrorKind::ArgumentConflict, text));
        }
        let fleet = self.kernel.understood();
        let fleet = fleet.map_err(|error| Cli::command().error(ErrorKind::ValueValidation, error))?;
        Ok(AttachRequest {
            connection_file: self.connection_file,
            fleet_file,
            fleet,
            start: self.start,
            patience: self.patience,
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::Command;

    fn directories() -> Directories {
        Directories { config: None, data: "/nowhere/data".into(), runtime: "/nowhere/runtime".into() }
    }

    fn typed(arguments: &[&str]) -> Result<AttachRequest, clap::Error> {
        let typed = ["jupyter-fleet", "attach"].iter().chain(arguments);
        let Command::Attach(arguments) = Cli::try_parse_from(typed)?.command else {
            panic!("another command")
        };
        arguments.meaning(&directories())
    }

    #[test]
    fn a_connection_file_is_enough() {
        let request = typed(&["-f", "host.json"]).unwrap();
        assert_eq!(request.fleet_file, PathBuf::from("/nowhere/runtime/kernel-fleet.json"));
        assert_eq!((request.patience, request.start), (Duration::from_secs(60), false));
        assert!(request.fleet.is_empty());
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
    fn only_the_fleet_of_the_runtime_directory_can_be_started() {
        assert!(typed(&["-f", "h", "--start"]).unwrap().start);
        assert!(typed(&["-f", "h", "--start", "--existing", "fleet"]).unwrap().start);
        let error = typed(&["-f", "h", "--start", "--existing", "/x/other.json"]).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("/x/other.json"), "{error}");
    }

    #[test]
    fn the_hosts_file_must_be_named() {
        assert!(typed(&[]).is_err());
    }
}
