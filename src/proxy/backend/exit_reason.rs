//! What happened to a kernel, in words for its clients.

use super::kernel::Kernel;
use crate::{fleet::ExitReason, jupyter::reply::Failure};

/// Why a kernel's process is gone, as the error of whatever it had still to answer. `running`: whose cell it ran, where several
/// share it.
pub(crate) fn explain(
    kernel: &Kernel,
    exit_reason: &ExitReason,
    running: Option<&str>,
    comes_back: bool,
) -> Failure {
    let name = kernel.name();
    let log = format!("kernel-{}.log of the fleet's directory", kernel.id);
    let held_by = kernel.process().map(|process| format!(", held by {}", process.enforcement.mechanism));
    let held_by = held_by.unwrap_or_default();
    let limit = kernel.memory_limit.map(|limit| format!("; its memory limit is {limit}{held_by}"));
    let limit = limit.unwrap_or_default();
    let next = if comes_back {
        "it is being restarted, and its variables are lost"
    } else {
        "the next request gets a new kernel"
    };
    match exit_reason {
        ExitReason::Stopped => Failure::new("KernelStopped", format!("{name} was stopped; {next}")),
        ExitReason::Restarted => {
            Failure::new("KernelRestarted", format!("{name} was restarted before this was done"))
        }
        ExitReason::Died { exit, exceeded, log_tail } => {
            let output =
                if log_tail.is_empty() { String::new() } else { format!(". Its last output:\n{log_tail}") };
            let end = match exceeded {
                Some(exceeded) => exceeded.with_end(exit),
                None => format!("died: {exit}{limit}"),
            };
            let during = running.map(|cell| format!(". It ran {cell}")).unwrap_or_default();
            Failure::new("KernelDied", format!("{name} {end}; {next} (see {log}){during}{output}"))
        }
        ExitReason::Broken(why) => Failure::new(
            "KernelBroken",
            format!("{name} could not be talked to any more ({why}) and was ended; {next}"),
        ),
        ExitReason::Unwatched => {
            Failure::new("KernelLost", format!("{name} ended while nobody served its fleet; {next}"))
        }
        ExitReason::NeverUp(error) => {
            let next = if comes_back { "It is tried again." } else { "The next request tries again." };
            let text = format!("{name} did not come up: {error}\n{next} All it said is in {log}");
            Failure::new("KernelLaunchFailed", text)
        }
    }
}
