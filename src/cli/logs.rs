//! `jupyter-fleet logs`: what a kernel has printed to its own standard output and error.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::Context;
use clap::Args;
use tokio::time::{Instant, sleep};

use super::{
    exit_code,
    operate::{ANSWER, Fleet, KernelPrefix},
    progress::say,
    tail::Tail,
};
use crate::admin::{CallError, Code, Kernel, Problem};

/// How often new output is looked for.
const LOOK: Duration = Duration::from_millis(100);

/// How often the fleet is asked whether the kernel is still there.
const ASK: Duration = Duration::from_secs(1);

/// What is typed after `logs`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub struct LogsArguments {
    /// The kernel's id, or as much of it as no other id begins with; also that of one that has died
    id: KernelPrefix,
    /// Show what is added, until the kernel is gone
    #[arg(short, long)]
    follow: bool,
    /// Show only the last lines
    #[arg(short = 'n', long, value_name = "NUMBER")]
    lines: Option<usize>,
}

impl LogsArguments {
    pub(super) async fn run(self, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let kernel: Kernel = match fleet.client.get(&format!("/kernels/{}", self.id), ANSWER).await {
            Ok(kernel) => kernel,
            Err(CallError::Refused(problem)) if is_gone(&problem) => {
                let left = left_behind(&fleet.directories.state(), &self.id);
                let Some(log) = left else { return Err(CallError::Refused(problem).into()) };
                return Ok(self.open(&log)?.copy_new(fleet.out)?);
            }
            Err(error) => return Err(error.into()),
        };
        let log = match (&kernel.log, self.follow) {
            (Some(log), _) => Some(log.clone()),
            (None, false) => {
                say(&format!("kernel {} has printed nothing yet", kernel.id));
                return Ok(());
            }
            (None, true) => None,
        };
        let tail = log.map(|log| self.open(&log)).transpose()?;
        self.show(tail, &kernel.id, fleet).await
    }

    /// Shows a log, and what comes, if that is wanted: until the kernel is gone.
    async fn show(&self, mut tail: Option<Tail>, id: &str, fleet: &mut Fleet<'_>) -> anyhow::Result<()> {
        let mut asked = Instant::now();
        loop {
            if let Some(tail) = &mut tail {
                tail.copy_new(fleet.out)?;
                fleet.out.flush()?;
            }
            if !self.follow {
                return Ok(());
            }
            sleep(LOOK).await;
            if asked.elapsed() < ASK {
                continue;
            }
            asked = Instant::now();
            match fleet.client.get::<Kernel>(&format!("/kernels/{id}"), ANSWER).await {
                Ok(kernel) if tail.is_none() => {
                    tail = kernel.log.map(|log| self.open(&log)).transpose()?;
                }
                Ok(_) => {}
                Err(CallError::Refused(problem)) if is_gone(&problem) => {
                    if let Some(tail) = &mut tail {
                        tail.copy_new(fleet.out)?;
                    }
                    say(&problem.detail);
                    return Ok(());
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    fn open(&self, log: &Path) -> anyhow::Result<Tail> {
        Tail::open(log, self.lines).with_context(|| format!("cannot read {}", log.display()))
    }
}

fn is_gone(problem: &Problem) -> bool {
    matches!(problem.code, Code::NoSuchKernel | Code::KernelGone | Code::LaunchFailed)
}

/// The log of a kernel that is gone, if there is exactly one that may be meant.
fn left_behind(state: &Path, id: &KernelPrefix) -> Option<PathBuf> {
    let begins = format!("kernel-{id}");
    let entries = fs::read_dir(state).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let mut logs = entries.filter(|path| {
        let name = path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
        name.starts_with(&begins) && name.ends_with(".log")
    });
    let first = logs.next()?;
    logs.next().is_none().then_some(first)
}
