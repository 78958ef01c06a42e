//! Which cgroups this process is in, as directories.
use std::path::{Path, PathBuf};

use procfs::{
    ProcResult, ProcessCGroups,
    process::{MountInfo, MountInfos, Process},
};

/// The directories of the cgroups that a process is in, where their hierarchies are mounted.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct OwnCgroups {
    /// In the unified hierarchy.
    pub(super) unified: Option<PathBuf>,
    /// In the older hierarchy of the memory controller.
    pub(super) memory: Option<PathBuf>,
    /// In that of the pids controller.
    pub(super) pids: Option<PathBuf>,
    /// In that of the cpu controller.
    pub(super) cpu: Option<PathBuf>,
}

impl OwnCgroups {
    /// Where this process is: `/proc/self/cgroup` and `/proc/self/mountinfo`, proc_pid_cgroup(5).
    pub(super) fn own() -> ProcResult<Self> {
        let process = Process::myself()?;
        Ok(Self::of(&process.cgroups()?, &process.mountinfo()?))
    }

    fn of(cgroups: &ProcessCGroups, mounts: &MountInfos) -> Self {
        let older = |controller: &str| {
            let own =
                cgroups.0.iter().find(|group| group.controllers.iter().any(|name| name == controller))?;
            let is_its = |mount: &&MountInfo| {
                mount.fs_type == "cgroup" && mount.super_options.contains_key(controller)
            };
            mounts.0.iter().filter(is_its).find_map(|mount| directory(mount, &own.pathname))
        };
        let unified = || {
            let own = cgroups.0.iter().find(|group| group.hierarchy == 0 && group.controllers.is_empty())?;
            let is_its = |mount: &&MountInfo| mount.fs_type == "cgroup2";
            mounts.0.iter().filter(is_its).find_map(|mount| directory(mount, &own.pathname))
        };
        Self { unified: unified(), memory: older("memory"), pids: older("pids"), cpu: older("cpu") }
    }
}

/// Where this mount shows the group; a mount may show a part of the hierarchy only, as in containers.
fn directory(mount: &MountInfo, group: &str) -> Option<PathBuf> {
    let below = Path::new(group).strip_prefix(&mount.root).ok()?;
    // Joining nothing would add a slash.
    Some(if below.as_os_str().is_empty() { mount.mount_point.clone() } else { mount.mount_point.join(below) })
}

#[cfg(test)]
mod tests {
    use procfs::FromRead;

    use super::*;

    fn place(cgroups: &str, mounts: &str) -> OwnCgroups {
        let cgroups = ProcessCGroups::from_read(cgroups.as_bytes()).unwrap();
        OwnCgroups::of(&cgroups, &MountInfos::from_read(mounts.as_bytes()).unwrap())
    }

    #[test]
    fn both_hierarchies_side_by_side() {
        let place = place(
            "8:pids:/\n4:memory:/jobs/7\n1:cpu,cpuacct:/\n0::/\n",
            "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
             35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
             41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
        );
        assert_eq!(place.memory.as_deref(), Some(Path::new("/sys/fs/cgroup/memory/jobs/7")));
        assert_eq!(place.cpu.as_deref(), Some(Path::new("/sys/fs/cgroup/cpu,cpuacct")));
        assert_eq!(place.pids.as_deref(), Some(Path::new("/sys/fs/cgroup/pids")));
        assert_eq!(place.unified.as_deref(), Some(Path::new("/sys/fs/cgroup/unified")));
    }

    #[test]
    fn the_unified_hierarchy_alone() {
        let place = place(
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope\n",
            "30 24 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n",
        );
        let expected = "/sys/fs/cgroup/user.slice/user-1000.slice/user@1000.service/app.slice/x.scope";
        assert_eq!(place, OwnCgroups { unified: Some(expected.into()), ..OwnCgroups::default() });
    }

    #[test]
    fn a_container_sees_a_part() {
        let place = place(
            "4:memory:/docker/abc/jobs\n8:pids:/docker/other\n",
            "35 31 0:32 /docker/abc /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             39 31 0:36 /docker/abc /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n",
        );
        let memory = Some("/sys/fs/cgroup/memory/jobs".into());
        assert_eq!(place, OwnCgroups { memory, ..OwnCgroups::default() });
    }
}
