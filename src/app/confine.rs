//! Which mechanism holds the limits of kernels, as `serve` finds it and says it.

use std::{path::Path, sync::Arc};

use tracing::{info, warn};

use crate::{
    fleet::confine::{Confinement, ConfinementChoice, KernelLimits, Mechanism, enter_scope},
    route::Bounds,
    runtimes::{Runtime, Runtimes},
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

/// Whoever bounds the memory of all kernels together is told, once, of each runtime that does not say what its kernels
/// take of it.
pub(super) fn warn_of_unlimited(bounds: Bounds, runtimes: &Runtimes) {
    let Some(most) = bounds.memory else { return };
    for runtime in unlimited(bounds, runtimes) {
        warn!(
            runtime = %runtime.name,
            "its kernels are refused unless their clients ask for a memory_limit: the fleet has {most} (max_memory), and \
             this runtime has no memory_limit. Give it one in the config"
        );
    }
}

fn unlimited(bounds: Bounds, runtimes: &Runtimes) -> impl Iterator<Item = &Arc<Runtime>> {
    runtimes.iter().filter(move |runtime| bounds.memory.is_some() && runtime.memory_limit.is_none())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::byte_size::ByteSize;

    #[test]
    fn only_runtimes_without_a_limit_and_only_with_max_memory() {
        let small = Runtime {
            name: "small".parse().unwrap(),
            memory_limit: ByteSize::new(1 << 20),
            ..Runtime::builtin_lua()
        };
        let runtimes = Runtimes::new(vec![small], Vec::new(), Runtime::builtin_lua(), None).unwrap();
        let names = |bounds| unlimited(bounds, &runtimes).map(|r| r.name.to_string()).collect::<Vec<_>>();
        assert_eq!(names(Bounds { memory: ByteSize::new(1 << 30), ..Bounds::default() }), ["lua"]);
        assert_eq!(names(Bounds::default()), [""; 0]);
    }
}
