//! `jupyter-fleet connect`: a connection file for one kernel of the fleet.

use std::{
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use clap::Args;

use super::{
    exit_code,
    operate::{ANSWER, Fleet, KernelPrefix},
    progress::say,
    table::count,
};
use crate::{admin::Door, runtimes::Environment};

/// What is typed after `connect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct ConnectArguments {
    /// The kernel's id, or as much of it as no other id begins with
    id: KernelPrefix,
    /// Start `jupyter console` on the kernel, in place of this command
    #[arg(long, conflicts_with = "json")]
    exec: bool,
    /// Write JSON: the file, the kernel, and how many clients that has already
    #[arg(long)]
    json: bool,
}

impl ConnectArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let console = self.exec.then(|| find_jupyter(fleet.environment)).transpose()?;
        let door: Door = fleet.client.post(&format!("/kernels/{}/door", self.id), &(), ANSWER).await?;
        if self.json {
            return fleet.write_json(&door);
        }
        say(&company(&door));
        match console {
            Some(jupyter) => become_console(&jupyter, &door.connection_file),
            None => Ok(writeln!(fleet.out, "{}", door.connection_file.display())?),
        }
    }
}

fn company(door: &Door) -> String {
    match door.clients {
        0 => format!("kernel {}: nobody else is there", door.kernel),
        others => format!("kernel {}: shared with {}", door.kernel, count(others, "other client")),
    }
}

fn find_jupyter(environment: &Environment) -> anyhow::Result<PathBuf> {
    environment.programs("jupyter").next().context(
        "jupyter is not on PATH, so there is no console to start. Install it (pip install jupyter-console), or give \
         the file that `jupyter-fleet connect` prints to any other client",
    )
}

/// Ends only if the program cannot be started.
fn become_console(jupyter: &Path, connection_file: &Path) -> anyhow::Result<()> {
    let error = Command::new(jupyter).args(["console", "--existing"]).arg(connection_file).exec();
    Err(error).with_context(|| format!("cannot start {}", jupyter.display()))
}
