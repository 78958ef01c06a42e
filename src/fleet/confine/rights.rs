//! What this user may give to a kernel's processes.
use procfs::process::Process;
use rustix::process::{Resource, getrlimit};

use super::limits::KernelLimits;

/// Bits of the effective capabilities: capabilities(7), linux/capability.h.
const CAP_SYS_NICE: u32 = 23;
const CAP_SYS_RESOURCE: u32 = 24;

/// The least niceness, and the most open files, that can be set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Rights {
    nicest: i32,
    most_files: Option<u64>,
}

impl Rights {
    /// Of this process.
    pub(super) fn own() -> Self {
        let status = Process::myself().and_then(|process| process.status());
        let capabilities = status.map_or(0, |status| status.capeff);
        let has = |bit: u32| capabilities >> bit & 1 == 1;
        // A limit of 40 stands for -20, one of 1 for 19: getrlimit(2), RLIMIT_NICE.
        let ceiling = getrlimit(Resource::Nice).current.unwrap_or(40).min(40);
        let allowed = 20 - i32::try_from(ceiling).unwrap_or(0);
        let current = rustix::process::getpriority_process(None).unwrap_or(0);
        let files = getrlimit(Resource::Nofile).maximum;
        Self {
            nicest: if has(CAP_SYS_NICE) { -20 } else { allowed.min(current) },
            most_files: files.filter(|_| !has(CAP_SYS_RESOURCE)),
        }
    }

    /// The niceness that can be set, for the one that is asked for.
    pub(super) fn nice(&self, limits: &KernelLimits) -> Option<i32> {
        limits.process.nice.map(|nice| i32::from(nice).max(self.nicest))
    }

    /// The number of files that can be set, for the one that is asked for.
    pub(super) fn open_files(&self, limits: &KernelLimits) -> Option<u64> {
        let asked = limits.process.open_files.map(|files| u64::from(files.get()));
        asked.map(|asked| self.most_files.map_or(asked, |most| most.min(asked)))
    }

    /// What of these limits cannot be set as it was asked for.
    pub(super) fn lacks(&self, limits: &KernelLimits) -> Vec<String> {
        let mut lacks = Vec::new();
        let asked = limits.process.open_files.map(|files| u64::from(files.get()));
        if let Some(files) = self.open_files(limits).filter(|files| asked != Some(*files)) {
            lacks.push(format!("open_files: {files}, because this user may not raise its hard limit"));
        }
        let asked = limits.process.nice.map(i32::from);
        if let Some(nice) = self.nice(limits).filter(|nice| asked != Some(*nice)) {
            lacks.push(format!("nice: {nice}, because this user may not go before others"));
        }
        lacks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_user_may_not_set_is_said() {
        let limits: KernelLimits = serde_json::from_str(r#"{"open_files": 5000, "nice": -5}"#).unwrap();
        let plain = Rights { nicest: 0, most_files: Some(4096) };
        assert_eq!((plain.nice(&limits), plain.open_files(&limits)), (Some(0), Some(4096)));
        let lacks = plain.lacks(&limits).join("\n");
        assert!(lacks.contains("open_files: 4096") && lacks.contains("nice: 0"), "{lacks}");

        let root = Rights { nicest: -20, most_files: None };
        assert_eq!((root.nice(&limits), root.open_files(&limits)), (Some(-5), Some(5000)));
        assert_eq!(root.lacks(&limits), [""; 0]);
        assert_eq!(
            (root.nice(&KernelLimits::default()), plain.lacks(&KernelLimits::default())),
            (None, vec![])
        );
    }
}
