//! `jupyter-fleet kernelspec`: what can be typed, and what is written, listed and removed.
mod install;
mod list;
mod remove;

use std::{io::Write, path::PathBuf};

use clap::{Args, Subcommand};

use crate::{
    kernelspecs::{Destination, NoPython},
    runtimes::Environment,
};

use super::operate::unless_nobody_reads;
use install::InstallArguments;
use list::ListArguments;
use remove::RemoveArguments;

/// What is typed after `kernelspec`.
#[derive(Debug, Clone, Args)]
pub struct KernelspecArguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Clone, Subcommand)]
enum Command {
    /// Install kernelspecs: JupyterLab, notebooks and editors then offer the fleet's runtimes as kernels
    Install(InstallArguments),
    /// List the kernelspecs that lead to a fleet
    List(ListArguments),
    /// Remove kernelspecs that lead to a fleet
    Remove(RemoveArguments),
}

/// What is typed cannot be meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is for one kernelspec, but several runtimes are asked for: give one --runtime, or leave it out")]
pub struct UsageError(&'static str);

/// Where kernelspecs are, as flags.
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Where")]
struct PlaceArguments {
    /// This user's kernelspecs
    #[arg(long, conflicts_with_all = ["sys_prefix", "prefix"])]
    user: bool,
    /// Those of the Python environment whose `jupyter`, or else `python3`, is first on PATH
    #[arg(long, conflicts_with = "prefix")]
    sys_prefix: bool,
    /// Those of the environment or installation in this directory
    #[arg(long, value_name = "DIRECTORY")]
    prefix: Option<PathBuf>,
}

impl PlaceArguments {
    /// The directory that was chosen; `None` if none was.
    fn directory(&self, environment: &Environment) -> Result<Option<PathBuf>, NoPython> {
        let place = match (&self.prefix, self.sys_prefix, self.user) {
            (Some(prefix), ..) => Destination::Prefix(prefix.clone()),
            (None, true, _) => Destination::SysPrefix,
            (None, false, true) => Destination::User,
            (None, false, false) => return Ok(None),
        };
        place.directory(environment).map(Some)
    }
}

/// Runs the command.
///
/// # Errors
/// The config cannot be used, a runtime does not exist, a kernelspec is somebody else's, or a file cannot be written.
pub fn run(
    arguments: KernelspecArguments,
    environment: &Environment,
    output: &mut dyn Write,
) -> anyhow::Result<()> {
    let ended = match arguments.command {
        Command::Install(arguments) => arguments.run(environment, output),
        Command::List(arguments) => arguments.run(environment, output),
        Command::Remove(arguments) => arguments.run(environment, output),
    };
    ended.or_else(unless_nobody_reads)
}

#[cfg(test)]
mod tests;
