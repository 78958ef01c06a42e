//! `jupyter-fleet stop`: ends kernels.

use std::time::Duration;

use anyhow::anyhow;
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
        let mut failures: Vec<anyhow::Error> = Vec::new();
        let ids = match self.which.all {
            true => every_kernel(&fleet.client).await?,
            false => {
                let found;
                (found, failures) = find_each(&fleet.client, &self.which.ids).await;
                found
            }
        };
        let progress = Progress::start(&format!("stopping {}", count(ids.len(), "kernel")));
        let ends = stop_each(&fleet.client, ids, self.waiting.timeout).await;
        drop(progress);
        let mut stopped: Vec<Stopped> = Vec::new();
        for end in ends {
            match end {
                Ok(end) => stopped.push(end),
                // Whatever it was that ended it: no kernel is left.
                Err(error) if self.which.all && is_gone(&error) => {}
                Err(error) => failures.push(not_stopped(error)),
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
        Err(last)
    }
}

async fn every_kernel(client: &AdminClient) -> Result<Vec<String>, CallError> {
    let kernels: Vec<Kernel> = client.get("/kernels", ANSWER).await?;
    Ok(kernels.into_iter().map(|kernel| kernel.id).collect())
}

/// The ids that these begin, each once: who names a kernel twice means one.
async fn find_each(client: &AdminClient, prefixes: &[KernelPrefix]) -> (Vec<String>, Vec<anyhow::Error>) {
    let (mut ids, mut failures) = (Vec::new(), Vec::new());
    for prefix in prefixes {
        match client.get::<Kernel>(&format!("/kernels/{prefix}"), ANSWER).await {
            Ok(Kernel { id, .. }) if ids.contains(&id) => {}
            Ok(Kernel { id, .. }) => ids.push(id),
            Err(error) => failures.push(error.into()),
        }
    }
    (ids, failures)
}

fn not_stopped(error: CallError) -> anyhow::Error {
    match error {
        CallError::TooLate(waited) => {
            anyhow!(
                "a kernel has not ended within {waited:?}. It is still being stopped; --timeout waits longer"
            )
        }
        error => error.into(),
    }
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
