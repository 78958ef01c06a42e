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
#[command(
    after_help = "Kernelspecs start it: an argv of [\"/path/to/jupyter-fleet\", \"attach\", \"-f\", \
                  \"{connection_file}\"] brings JupyterLab, notebooks and VS Code to the fleet."
)]
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
    /// A fleet is to be started that is not the one `serve` would start.
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
        Ok(AttachRequest {
            connection_file: self.connection_file,
            fleet_file,
            fleet: self.kernel.metadata().unwrap_or_default(),
            start: self.start,
            patience: self.patience,
        })
    }
}
