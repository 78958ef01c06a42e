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
    operate::{ANSWER, Fleet, KernelPrefix, TimeoutArguments, waited_for},
    progress::{Progress, say},
    table::count,
};
use crate::{
    admin::{Kernel, KernelEndpoint},
    runtimes::Environment,
};

/// What is typed after `connect`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct ConnectArguments {
    /// The kernel's id, or as much of it as no other id begins with
    id: KernelPrefix,
    /// Start `jupyter console` on the kernel, in place of this command
    #[arg(long, conflicts_with = "json")]
    exec: bool,
    #[command(flatten)]
    waiting: TimeoutArguments,
    /// Write JSON: the file, the kernel, how many clients that has already, and whether it takes more
    #[arg(long)]
    json: bool,
}

impl ConnectArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let console = self.exec.then(|| find_jupyter(fleet.environment)).transpose()?;
        let name = format!("kernel {}", self.id);
        let progress = Progress::start(&format!("waiting for {name}"));
        let ready = fleet.client.get(&format!("/kernels/{}/ready", self.id), self.waiting.timeout).await;
        drop(progress);
        let _up: Kernel = ready.map_err(|error| waited_for(&name, error))?;
        let endpoint: KernelEndpoint =
            fleet.client.post(&format!("/kernels/{}/endpoint", self.id), &(), ANSWER).await?;
        if self.json {
            return fleet.write_json(&endpoint);
        }
        say(&who_is_there(&endpoint));
        match console {
            Some(jupyter) => become_console(&jupyter, &endpoint.connection_file),
            None => Ok(writeln!(fleet.out, "{}", endpoint.connection_file.display())?),
        }
    }
}

fn who_is_there(endpoint: &KernelEndpoint) -> String {
    match endpoint.clients {
        clients if endpoint.full => format!(
            "kernel {}: it already has its {}: a new one is refused until one leaves",
            endpoint.kernel,
            count(clients, "client")
        ),
        0 => format!("kernel {}: nobody else is there", endpoint.kernel),
        others => format!("kernel {}: shared with {}", endpoint.kernel, count(others, "other client")),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_there_already_is_told_and_that_there_is_no_place_left() {
        let told = |clients, full| {
            let endpoint =
                KernelEndpoint { kernel: "0a".to_owned(), connection_file: "/f".into(), clients, full };
            who_is_there(&endpoint)
        };
        assert_eq!(told(0, false), "kernel 0a: nobody else is there");
        assert_eq!(told(2, false), "kernel 0a: shared with 2 other clients");
        assert_eq!(
            told(2, true),
            "kernel 0a: it already has its 2 clients: a new one is refused until one leaves"
        );
    }
}
