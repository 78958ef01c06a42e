//! What the last `serve` left: read from disk, or found among the living where that is lost.

use std::sync::Arc;

use anyhow::Context;
use tracing::{info, warn};

use crate::{
    fleet::{Belonging, ProcessRecord, belongings, kill_all, seconds_since_epoch},
    proxy::Past,
    route::RememberedKernel,
    runtimes::{Runtime, Runtimes},
    state::{Entry, Journal, KernelRecord, Registry, StateDirectory},
};

/// What was found.
pub(super) struct Found {
    /// What the last `serve` left.
    pub(super) past: Past,
    /// Runtimes of its kernels that are not to be had any more.
    pub(super) retired: Vec<Arc<Runtime>>,
    /// The journal, to go on with.
    pub(super) journal: Journal,
}

/// Reads the directory. Living kernels that it does not tell of are ended if it is whole; if it is lost, they are taken
/// up, each for those who ask for it by its id, since nobody knows whose they were.
pub(super) fn find(state: &StateDirectory, runtimes: &Runtimes) -> anyhow::Result<Found> {
    let read = Registry::load(&state.registry());
    let living = belongings(state.id());
    let mut registry = match read {
        Some(registry) => {
            let known = |one: &Belonging| registry.knows(&one.kernel, one.leader);
            kill_all(&living.into_iter().filter(|one| !known(one)).collect::<Vec<_>>());
            registry
        }
        None => rebuild(state, runtimes, &living),
    };
    let path = state.journal();
    let (journal, noted) = Journal::open(&path, registry.journal)
        .with_context(|| format!("cannot use the journal {}", path.display()))?;
    registry.add(noted.bound);
    registry.add_connected(&noted.connected);
    let owed = noted.owed.into_iter().collect();
    let retired = retired(&registry, runtimes);
    let ids = registry.kernels.iter().map(|kernel| kernel.remembered.id.clone());
    let endpoints = ids.filter_map(|id| Some((id.clone(), state.kernel_endpoint(&id)?))).collect();
    Ok(Found { past: Past { registry, endpoints, owed }, retired, journal })
}

fn rebuild(state: &StateDirectory, runtimes: &Runtimes, living: &[Belonging]) -> Registry {
    let leaders = living.iter().filter(|one| one.is_leader());
    let kernels: Vec<KernelRecord> = leaders
        .filter_map(|one| {
            let Some(runtime) = runtimes.iter().find(|runtime| runtime.name.as_str() == one.runtime) else {
                warn!(kernel = %one.kernel, runtime = one.runtime, "a kernel lives whose runtime is not known: it is ended");
                kill_all(std::slice::from_ref(one));
                return None;
            };
            Some(found(state, one, runtime))
        })
        .collect();
    if !kernels.is_empty() {
        info!(kernels = kernels.len(), "kernels were found alive: reach each by `jupyter-fleet connect`");
    }
    Registry::new(Entry::NONE, kernels, Vec::new(), Vec::new())
}

fn found(state: &StateDirectory, one: &Belonging, runtime: &Arc<Runtime>) -> KernelRecord {
    let file = |suffix: &str| state.path().join(format!("kernel-{}{suffix}", one.kernel));
    let process = ProcessRecord {
        identity: one.process,
        argv: one.argv.clone(),
        connection_file: file(".json"),
        log: file(".log"),
        started_at: seconds_since_epoch(),
        enforcement: Default::default(),
    };
    let remembered = RememberedKernel {
        id: one.kernel.clone(),
        group: None,
        isolated: true,
        pristine: false,
        memory_limit: runtime.memory_limit,
    };
    KernelRecord::found(remembered, process, runtime.clone())
}

/// Kernels may live on whose runtime has been taken out of the config or uninstalled.
fn retired(registry: &Registry, runtimes: &Runtimes) -> Vec<Arc<Runtime>> {
    let mut retired: Vec<Arc<Runtime>> = Vec::new();
    for kernel in &registry.kernels {
        let is_here = |known: &Arc<Runtime>| known.name == kernel.config.name;
        if !runtimes.iter().any(is_here) && !retired.iter().any(is_here) {
            warn!(
                kernel = %kernel.remembered.id,
                runtime = %kernel.config.name,
                "the runtime of a living kernel is not to be had any more; the kernel goes on as it is"
            );
            // Nobody asked for more of them.
            retired.push(Arc::new(Runtime { pool: Some(0), ..(*kernel.config).clone() }));
        }
    }
    retired
}
