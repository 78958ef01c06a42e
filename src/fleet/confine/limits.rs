//! What one kernel may use, and how its environment tells it.
use std::num::NonZeroU32;

use serde::{Deserialize, Serialize};

use crate::{
    byte_size::ByteSize,
    fleet::provision::LaunchOrder,
    runtimes::{Cores, ProcessLimits, Runtime},
};

/// How many threads libraries for numbers start, unless a variable of theirs says otherwise: as many as the machine has
/// cores, however few of them the kernel may use.
const THREAD_COUNTS: [&str; 8] = [
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
    "POLARS_MAX_THREADS",
];

/// What a kernel may use; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct KernelLimits {
    /// Its memory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit: Option<ByteSize>,
    /// All else.
    #[serde(flatten)]
    pub process: ProcessLimits,
}

impl KernelLimits {
    /// The limits of the kernel that is to be launched.
    pub fn of(order: &LaunchOrder) -> Self {
        Self { memory_limit: order.memory_limit, ..Self::of_runtime(&order.runtime) }
    }

    /// Those of the runtime's kernels, whose clients ask for nothing else.
    pub fn of_runtime(runtime: &Runtime) -> Self {
        Self { memory_limit: runtime.memory_limit, process: runtime.process_limits }
    }

    /// Limits to try whether some can be set.
    pub(super) fn trial() -> Self {
        let process = ProcessLimits {
            cpu_limit: Cores::new(1.0),
            max_processes: NonZeroU32::new(100),
            ..ProcessLimits::default()
        };
        Self { memory_limit: ByteSize::new(1 << 30), process }
    }

    /// Variables that tell a kernel of its limits, by the names that `JupyterHub` gives them: `MEM_LIMIT` in bytes,
    /// `CPU_LIMIT` in cores. Libraries that count cores are told how many threads make sense.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let memory = self.memory_limit.map(|limit| ("MEM_LIMIT", limit.bytes().to_string()));
        let cores = self.process.cpu_limit;
        let cpu = cores.map(|cores| ("CPU_LIMIT", cores.to_string()));
        let threads = cores.into_iter().flat_map(thread_counts);
        memory.into_iter().chain(cpu).chain(threads).collect()
    }
}

fn thread_counts(cores: Cores) -> impl Iterator<Item = (&'static str, String)> {
    THREAD_COUNTS.into_iter().map(move |variable| (variable, cores.threads().to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(json: &str) -> KernelLimits {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_kernel_is_told_of_its_limits() {
        let told = limits(r#"{"memory_limit": "1M", "cpu_limit": 1.5}"#).environment();
        assert!(told.contains(&("MEM_LIMIT", "1048576".to_owned())), "{told:?}");
        assert!(told.contains(&("CPU_LIMIT", "1.5".to_owned())), "{told:?}");
        assert!(told.contains(&("OMP_NUM_THREADS", "2".to_owned())), "{told:?}");
    }

    #[test]
    fn without_limits_nothing_is_said() {
        assert_eq!(limits("{}").environment(), []);
        assert_eq!(limits(r#"{"nice": 5, "open_files": 9, "max_processes": 9}"#).environment(), []);
    }

    #[test]
    fn limits_are_written_as_the_config_has_them() {
        let json = r#"{"memory_limit":"512M","cpu_limit":1.5,"max_processes":64,"open_files":256,"nice":-5}"#;
        assert_eq!(serde_json::to_string(&limits(json)).unwrap(), json);
        assert_eq!(serde_json::to_string(&limits("{}")).unwrap(), "{}");
    }
}
