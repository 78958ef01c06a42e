//! `jupyter-fleet spawn`: launches a kernel ahead of its clients.

use clap::Args;

use super::{
    operate::{ANSWER, Fleet, TimeoutArguments, waited_for},
    progress::{Progress, say},
    wishes::KindArguments,
};
use crate::admin::{Asked, Kernel};

/// What is typed after `spawn`.
#[derive(Debug, Clone, Args)]
#[command(
    after_help = "Clients that ask for what the kernel offers share it: without --group, those that name no group.\n\n\
                  Exit code: 0 if it is up, 1 if it did not come up, 2 if the command line is wrong, 3 if no fleet is \
                  running."
)]
pub struct SpawnArguments {
    /// Print the id and do not wait until the kernel is up
    #[arg(long)]
    no_wait: bool,
    #[command(flatten)]
    waiting: TimeoutArguments,
    /// Write JSON: the kernel, as `list` shows it
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    kind: KindArguments,
}

impl SpawnArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let asked = Asked { fleet: self.kind.metadata() };
        let mut kernel: Kernel = fleet.client.post("/kernels", &asked, ANSWER).await?;
        let name = format!("kernel {} ({})", kernel.id, kernel.runtime);
        if !self.json {
            // Whatever becomes of the wait, the kernel is there.
            writeln!(fleet.out, "{}", kernel.id)?;
            fleet.out.flush()?;
        }
        if !self.no_wait {
            let progress = Progress::start(&format!("launching {name}"));
            let path = format!("/kernels/{}/ready", kernel.id);
            let ready = fleet.client.get(&path, self.waiting.timeout).await;
            drop(progress);
            kernel = ready.map_err(|error| waited_for(&name, error))?;
            say(&format!("{name} is up"));
        }
        if self.json { fleet.write_json(&kernel) } else { Ok(()) }
    }
}
