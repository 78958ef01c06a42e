//! `jupyter-fleet restart` and `jupyter-fleet interrupt`.

use clap::Args;

use super::{
    exit_code,
    operate::{ANSWER, Fleet, KernelPrefix, TimeoutArguments, waited_for},
    progress::Progress,
    table::count,
};
use crate::admin::{Kernel, Restart};

/// What is typed after `restart`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct RestartArguments {
    /// The kernel's id, or as much of it as no other id begins with
    id: KernelPrefix,
    #[command(flatten)]
    waiting: TimeoutArguments,
    /// Write JSON: the kernel, as `list` shows it
    #[arg(long)]
    json: bool,
}

/// What is typed after `interrupt`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct InterruptArguments {
    /// The kernel's id, or as much of it as no other id begins with
    id: KernelPrefix,
    /// Write JSON: the kernel, as `list` shows it
    #[arg(long)]
    json: bool,
}

impl RestartArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let user = ["USER", "LOGNAME"].iter().find_map(|name| fleet.environment.variable(name));
        let restart = Restart { by: user.map(|user| user.to_string_lossy().into_owned()) };
        let path = format!("/kernels/{}/restart", self.id);
        let kernel: Kernel = fleet.client.post(&path, &restart, ANSWER).await?;
        let name = format!("kernel {} ({})", kernel.id, kernel.runtime);
        let progress = Progress::start(&format!("restarting {name}"));
        let path = format!("/kernels/{}/ready", kernel.id);
        let ready = fleet.client.get(&path, self.waiting.timeout).await;
        drop(progress);
        let kernel: Kernel = ready.map_err(|error| waited_for(&name, error))?;
        if self.json {
            return fleet.write_json(&kernel);
        }
        Ok(writeln!(fleet.out, "{name} is restarted; {} told", were(kernel.clients))?)
    }
}

impl InterruptArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let path = format!("/kernels/{}/interrupt", self.id);
        let kernel: Kernel = fleet.client.post(&path, &(), ANSWER).await?;
        if self.json {
            return fleet.write_json(&kernel);
        }
        Ok(writeln!(fleet.out, "kernel {} ({}) is interrupted", kernel.id, kernel.runtime)?)
    }
}

fn were(clients: usize) -> String {
    format!("{} {}", count(clients, "client"), if clients == 1 { "was" } else { "were" })
}
