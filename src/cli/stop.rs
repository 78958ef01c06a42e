//! `jupyter-fleet stop`: ends kernels.

use std::time::Duration;

use anyhow::bail;
use clap::Args;

use super::{
    exit_code,
    operate::{ANSWER, Fleet, KernelPrefix, TimeoutArguments},
    progress::{Progress, say},
    table::count,
};
use crate::admin::{AdminClient, CallError, Code, Kernel, Stopped};

/// What is typed after `stop`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct StopArguments {
    #[command(flatten)]
    which: WhichArguments,
    #[command(flatten)]
    waiting: TimeoutArguments,
    /// Write JSON: an array with the id of each kernel that was stopped, and how many clients it had
    #[arg(long)]
    json: bool,
}

/// Which kernels.
#[derive(Debug, Clone, Args)]
#[group(required = true, multiple = false)]
struct WhichArguments {
    /// The kernels' ids, or as much of them as no other id begins with
    #[arg(value_name = "ID")]
    ids: Vec<KernelPrefix>,
    /// All kernels of the fleet; `serve` stays, and new clients get new kernels
    #[arg(long)]
    all: bool,
}

impl StopArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let ids = match self.which.all {
            true => every_kernel(&fleet.client).await?,
            false => self.which.ids.iter().map(ToString::to_string).collect(),
        };
        let progress = Progress::start(&format!("stopping {}", count(ids.len(), "kernel")));
        let ends = stop_each(&fleet.client, ids, self.waiting.timeout).await;
        drop(progress);
        let mut stopped: Vec<Stopped> = Vec::new();
        let mut failures: Vec<CallError> = Vec::new();
        for end in ends {
            match end {
                Ok(end) => stopped.push(end),
                // Whatever it was that ended it: no kernel is left.
                Err(error) if self.which.all && is_gone(&error) => {}
                Err(error) => failures.push(error),
            }
        }
        if self.json {
            fleet.write_json(&stopped)?;
        } else {
            for Stopped { id, clients } in &stopped {
                writeln!(fleet.out, "kernel {id} is stopped; it had {}", count(*clients, "client"))?;
            }
        }
        let Some(last) = failures.pop() else { return Ok(()) };
        failures.iter().for_each(|error| say(&format!("jupyter-fleet: {error}")));
        bail!(last);
    }
}

async fn every_kernel(client: &AdminClient) -> Result<Vec<String>, CallError> {
    let kernels: Vec<Kernel> = client.get("/kernels", ANSWER).await?;
    Ok(kernels.into_iter().map(|kernel| kernel.id).collect())
}

/// Stops them all at once; the results are in the order of the ids.
async fn stop_each(
    client: &AdminClient,
    ids: Vec<String>,
    within: Duration,
) -> Vec<Result<Stopped, CallError>> {
    let stop = |id: String| {
        let client = client.clone();
        tokio::spawn(async move { client.delete(&format!("/kernels/{id}"), within).await })
    };
    let stops: Vec<_> = ids.into_iter().map(stop).collect();
    let mut ends = Vec::new();
    for stop in stops {
        ends.push(stop.await.unwrap_or_else(|error| Err(CallError::Broken(error.to_string()))));
    }
    ends
}

fn is_gone(error: &CallError) -> bool {
    matches!(error, CallError::Refused(problem) if matches!(problem.code, Code::NoSuchKernel | Code::KernelGone))
}
