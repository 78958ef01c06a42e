//! cgroup v1: a hierarchy per controller, in which whoever may write to a group makes others below it.
use std::{io, path::PathBuf};

use super::{enforcement::Mechanism, group::Group, limits::KernelLimits, own_cgroups::OwnCgroups};

/// The group above those of the kernels, below this process's own, with the controllers that can be used.
///
/// # Errors
/// Neither memory nor processes can be limited; the reasons.
pub(super) fn group_for_kernels(place: &OwnCgroups, name: &str) -> Result<Group, String> {
    let below = |own: &Option<PathBuf>| own.as_ref().map(|own| own.join(name));
    let one = |memory, pids, cpu| Group { mechanism: Mechanism::CgroupV1, memory, pids, cpu };
    let mut refusals = Vec::new();
    let mut usable = |group: Group| match try_one(&group) {
        Ok(()) => group,
        Err(error) => {
            refusals.push(error.to_string());
            group.remove().unwrap_or_default();
            one(None, None, None)
        }
    };
    let group = Group {
        mechanism: Mechanism::CgroupV1,
        memory: usable(one(below(&place.memory), None, None)).memory,
        pids: usable(one(None, below(&place.pids), None)).pids,
        cpu: usable(one(None, None, below(&place.cpu))).cpu,
    };
    match (group.memory.is_some() || group.pids.is_some(), refusals.is_empty()) {
        (true, _) => Ok(group),
        (false, true) => Err("not mounted".to_owned()),
        (false, false) => Err(refusals.join("; ")),
    }
}

/// Makes a group with limits in this one, and removes it.
fn try_one(group: &Group) -> io::Result<()> {
    group.create()?;
    group.sweep();
    let trial = group.child("trial");
    trial.create()?;
    let refused = trial.set(&KernelLimits::trial());
    // One that stays is swept away by the next `serve`.
    let _ = trial.remove();
    refused?.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn each_controller_is_tried_by_itself() {
        let system = TempDir::new().unwrap();
        let path = |name: &str| Some(system.path().join(name));
        std::fs::write(system.path().join("pids"), "a file, in which there are no directories").unwrap();
        let place = OwnCgroups { memory: path("memory"), pids: path("pids"), cpu: None, unified: None };
        let group = group_for_kernels(&place, "fleet").unwrap();
        assert_eq!((&group.memory, &group.pids, &group.cpu), (&path("memory/fleet"), &None, &None));

        let only_pids = OwnCgroups { pids: path("pids"), ..OwnCgroups::default() };
        assert!(group_for_kernels(&only_pids, "fleet").unwrap_err().contains("pids"));
        assert_eq!(group_for_kernels(&OwnCgroups::default(), "fleet").unwrap_err(), "not mounted");
    }
}
