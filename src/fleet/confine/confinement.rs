//! What holds limits on this machine, for this user: found out by trying.
use std::{fmt, fs::File, io, path::Path};

use serde::Deserialize;
use sha2::{Digest, Sha256};

use super::{
    confined::Confined,
    delegated::Delegated,
    enforcement::{Enforcement, Mechanism},
    group::Group,
    legacy,
    limits::KernelLimits,
    own_cgroups::OwnCgroups,
    rights::Rights,
    siblings,
};
use crate::id::KernelId;

/// Which mechanisms may be used: `confinement` of the config.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConfinementChoice {
    /// Cgroups where they can be had.
    #[default]
    Auto,
    /// Cgroups, or none at all.
    Cgroup,
    /// Limits of single processes only.
    Rlimit,
}

/// What holds the limits of this fleet's kernels.
#[derive(Debug)]
pub struct Confinement {
    kernels: Kernels,
    rights: Rights,
    /// Keeps other fleets from sweeping our group away while nothing runs in it.
    held: Vec<File>,
}

/// Above the groups of the kernels.
#[derive(Debug)]
enum Kernels {
    Delegated(Delegated),
    Legacy(Group),
    /// There are none, for this reason.
    Nowhere(String),
}

/// Cgroups are demanded and cannot be had.
#[derive(Debug, thiserror::Error)]
#[error(
    "confinement = \"cgroup\", but this user cannot make cgroups here ({0}). Give serve a delegated cgroup, as with \
     systemd-run --user --scope -p Delegate=yes, or choose confinement = \"auto\""
)]
pub struct NoCgroups(String);

impl Confinement {
    /// Tries what the system offers to the fleet with this state directory.
    ///
    /// With cgroup v2 this process may move into a group of its own; [`Confinement::leave`] undoes that.
    ///
    /// # Errors
    /// The choice leaves nothing.
    pub fn find(choice: ConfinementChoice, state: &Path) -> Result<Self, NoCgroups> {
        let rights = Rights::own();
        let kernels = match choice {
            ConfinementChoice::Rlimit => Kernels::Nowhere("the config wants none".to_owned()),
            ConfinementChoice::Auto | ConfinementChoice::Cgroup => kernels(&group_name(state)),
        };
        match kernels {
            Kernels::Nowhere(why) if choice == ConfinementChoice::Cgroup => Err(NoCgroups(why)),
            kernels => Ok(Self::new(kernels, rights)),
        }
    }

    fn new(kernels: Kernels, rights: Rights) -> Self {
        let mut confinement = Self { kernels, rights, held: Vec::new() };
        if let Some(group) = confinement.group() {
            let held = siblings::hold(group);
            siblings::sweep_beside(group);
            confinement.held = held;
        }
        confinement
    }

    /// What holds most limits.
    pub fn mechanism(&self) -> Mechanism {
        self.group().map_or(Mechanism::Rlimits, |group| group.mechanism)
    }

    /// Prepares the limits of a kernel's process that is to be started; what is left of an earlier one is ended.
    ///
    /// # Errors
    /// Its group cannot be made, or a limit cannot be set.
    pub fn confine(&self, kernel: &KernelId, limits: &KernelLimits) -> io::Result<Confined> {
        let mut lacks = self.lacks(limits);
        let group = self.group().map(|kernels| kernels.child(kernel.as_str()));
        if let Some(group) = &group {
            group.kill();
            // With a new group its counts begin anew. If the old one is not empty yet, they go on.
            let _ = group.remove();
            group.create()?;
            lacks.extend(group.set(limits)?.map(|error| format!("cpu_limit: not enforced ({error})")));
        }
        Ok(Confined::again(Enforcement { mechanism: self.mechanism(), limits: *limits, lacks, group }))
    }

    /// What of these limits does not hold as it is asked for, and why.
    pub fn lacks(&self, limits: &KernelLimits) -> Vec<String> {
        let mut lacks = Vec::new();
        if limits.memory_limit.is_some() && self.group().is_none_or(|group| group.memory.is_none()) {
            lacks.push(
                "memory_limit: held by rlimits for each process, not for a kernel's processes together, and not for \
                 shared memory (mmap shared, /dev/shm); what goes beyond it fails inside the kernel"
                    .to_owned(),
            );
        }
        let process = &limits.process;
        if process.cpu_limit.is_some() && self.group().is_none_or(|group| group.cpu.is_none()) {
            lacks.push(
                "cpu_limit: not enforced by rlimits, without a cpu cgroup; only the thread counts of libraries follow it"
                    .to_owned(),
            );
        }
        if process.max_processes.is_some() && self.group().is_none_or(|group| group.pids.is_none()) {
            lacks.push(
                "max_processes: not enforced by rlimits, without a pids cgroup: they count all processes of a user"
                    .to_owned(),
            );
        }
        lacks.extend(self.rights.lacks(limits));
        lacks
    }

    /// The most memory that a process may allocate by itself, in bytes, where no group limits it.
    pub(in crate::fleet) fn memory_rlimit(&self, limits: &KernelLimits) -> Option<u64> {
        let grouped = self.group().is_some_and(|group| group.memory.is_some());
        limits.memory_limit.filter(|_| !grouped).map(|limit| limit.bytes())
    }

    pub(in crate::fleet) fn open_files(&self, limits: &KernelLimits) -> Option<u64> {
        self.rights.open_files(limits)
    }

    pub(in crate::fleet) fn nice(&self, limits: &KernelLimits) -> Option<i32> {
        self.rights.nice(limits)
    }

    /// Removes what was made, unless kernels live on. Nothing can be confined any more.
    pub fn leave(&self) {
        match &self.kernels {
            Kernels::Delegated(delegated) => delegated.give_back(),
            Kernels::Legacy(group) => {
                group.sweep();
                // Kernels that live on keep their groups.
                let _ = group.remove();
            }
            Kernels::Nowhere(_) => {}
        }
    }

    fn group(&self) -> Option<&Group> {
        match &self.kernels {
            Kernels::Delegated(delegated) => Some(&delegated.kernels),
            Kernels::Legacy(group) => Some(group),
            Kernels::Nowhere(_) => None,
        }
    }
}

impl fmt::Display for Confinement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.kernels, self.group()) {
            (Kernels::Nowhere(why), _) => write!(formatter, "rlimits (no cgroups: {why})"),
            (_, Some(Group { memory, pids, cpu, .. })) => {
                let held = [(memory, "memory"), (pids, "processes"), (cpu, "cpu")];
                let held: Vec<&str> =
                    held.into_iter().filter(|(held, _)| held.is_some()).map(|(_, name)| name).collect();
                write!(formatter, "{} ({})", self.mechanism(), held.join(", "))
            }
            (_, None) => write!(formatter, "{}", self.mechanism()),
        }
    }
}

fn kernels(name: &str) -> Kernels {
    let place = match OwnCgroups::own() {
        Ok(place) => place,
        Err(error) => return Kernels::Nowhere(error.to_string()),
    };
    let unified = match &place.unified {
        Some(own) => Delegated::divide(own, name).map_err(|error| error.to_string()),
        None => Err("not mounted".to_owned()),
    };
    match unified {
        Ok(delegated) => Kernels::Delegated(delegated),
        Err(unified) => match legacy::group_for_kernels(&place, name) {
            Ok(group) => Kernels::Legacy(group),
            Err(legacy) => Kernels::Nowhere(format!("v2: {unified}; v1: {legacy}")),
        },
    }
}

/// No two fleets share a group.
fn group_name(state: &Path) -> String {
    let digest = hex::encode(Sha256::digest(state.as_os_str().as_encoded_bytes()));
    format!("{}{}", siblings::PREFIX, digest.get(..8).unwrap_or_default())
}

#[cfg(test)]
mod tests;
