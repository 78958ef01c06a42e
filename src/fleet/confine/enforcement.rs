//! What is said of a kernel's limits: what holds them, what does not, and which one ended it.
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{group::Group, limits::KernelLimits};
use crate::{byte_size::ByteSize, fleet::provision::Exit};

/// How the limits of a kernel's process are enforced: written down with the process, shown in lists.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Enforcement {
    /// What holds them.
    pub mechanism: Mechanism,
    /// What was asked for.
    pub limits: KernelLimits,
    /// What does not hold as it was asked for, each with its reason: `cpu_limit: not enforced, because ...`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lacks: Vec<String>,
    /// The kernel's own cgroup.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<Group>,
}

/// What of the system holds limits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Mechanism {
    /// The unified hierarchy: the kernel's documentation, admin-guide/cgroup-v2.
    #[serde(rename = "cgroup v2")]
    CgroupV2,
    /// A hierarchy per controller: admin-guide/cgroup-v1.
    #[serde(rename = "cgroup v1")]
    CgroupV1,
    /// Limits of single processes: getrlimit(2).
    #[default]
    #[serde(rename = "rlimits")]
    Rlimits,
}

impl fmt::Display for Mechanism {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::CgroupV2 => "cgroup v2",
            Self::CgroupV1 => "cgroup v1",
            Self::Rlimits => "rlimits",
        })
    }
}

/// A limit that had to do with a process's end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exceeded {
    /// The system killed it for the memory that it wanted.
    Memory {
        /// The kernel's limit.
        limit: ByteSize,
        /// What held it.
        held_by: Mechanism,
    },
    /// It ended by itself after it had been refused a process or thread.
    Processes {
        /// The kernel's limit.
        limit: u32,
        /// What held it.
        held_by: Mechanism,
    },
}

impl Exceeded {
    /// The limit, and how the process ended.
    pub fn with_end(&self, exit: &Exit) -> String {
        match self {
            Self::Memory { limit, held_by } => {
                format!("was killed: memory limit {limit} exceeded (held by {held_by}; {exit})")
            }
            Self::Processes { .. } => format!("died: {exit}; {self}"),
        }
    }
}

impl fmt::Display for Exceeded {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory { limit, held_by } => {
                write!(formatter, "memory limit {limit} exceeded (held by {held_by})")
            }
            Self::Processes { limit, held_by } => {
                write!(
                    formatter,
                    "its limit of {limit} processes and threads was reached (held by {held_by})"
                )
            }
        }
    }
}
