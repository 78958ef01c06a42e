//! `jupyter-fleet completions` and `jupyter-fleet man`: what is made from the definition of the command line.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Context;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use super::{Cli, exit_code};

/// What is typed after `completions`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct CompletionsArguments {
    /// For which shell
    shell: Shell,
}

/// What is typed after `man`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct ManArguments {
    /// Write a page for each command into this directory, which must exist
    directory: Option<PathBuf>,
}

/// Writes a script that completes commands and flags.
///
/// # Errors
/// `out` cannot be written to.
pub fn completions(arguments: &CompletionsArguments, out: &mut impl Write) -> io::Result<()> {
    // What generates it panics where it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut Cli::command(), "jupyter-fleet", &mut script);
    out.write_all(&script)
}

/// Writes manual pages.
///
/// # Errors
/// They cannot be written.
pub fn man(arguments: &ManArguments, out: &mut impl Write) -> anyhow::Result<()> {
    match &arguments.directory {
        Some(directory) => clap_mangen::generate_to(Cli::command(), directory)
            .with_context(|| format!("cannot write the pages to {}", directory.display())),
        None => Ok(clap_mangen::Man::new(Cli::command()).render(out)?),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_command_is_completed_and_has_a_page() {
        let directory = tempfile::TempDir::new().unwrap();
        man(&ManArguments { directory: Some(directory.path().to_owned()) }, &mut Vec::new()).unwrap();
        let mut script = Vec::new();
        completions(&CompletionsArguments { shell: Shell::Bash }, &mut script).unwrap();
        let script = String::from_utf8(script).unwrap();
        for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let name = command.get_name();
            assert!(script.contains(name), "{name}");
            assert!(directory.path().join(format!("jupyter-fleet-{name}.1")).is_file(), "{name}");
        }
    }
}
