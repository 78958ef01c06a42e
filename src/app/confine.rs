//! Which mechanism holds the limits of kernels, as `serve` finds it and says it.

use std::path::Path;

use tracing::{info, warn};

use crate::{
    fleet::confine::{Confinement, ConfinementChoice, KernelLimits, Mechanism, enter_scope},
    runtimes::Runtimes,
};

/// What holds the limits of kernels. Whoever configured one that does not hold is told so, once per runtime.
///
/// Where only systemd can give a cgroup, this program is run once more by it, and this function does not return.
pub(super) fn confine(
    choice: ConfinementChoice,
    state: &Path,
    runtimes: &Runtimes,
) -> anyhow::Result<Confinement> {
    let found = Confinement::find(choice, state);
    let is_grouped = found.as_ref().is_ok_and(|found| found.mechanism() != Mechanism::Rlimits);
    if choice != ConfinementChoice::Rlimit && !is_grouped {
        info!(why_not = enter_scope(), "no scope of systemd");
    }
    let confinement = found?;
    info!("limits of kernels are held by {confinement}");
    for runtime in runtimes.iter() {
        let lacks = confinement.lacks(&KernelLimits::of_runtime(runtime));
        if !lacks.is_empty() {
            warn!(runtime = %runtime.name, "limits that do not hold as configured: {}", lacks.join("; "));
        }
    }
    Ok(confinement)
}
