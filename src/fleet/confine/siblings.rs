//! Groups beside ours of fleets that are gone: each running fleet holds a lock on its own.
use std::{
    fs::{self, File},
    io,
    path::Path,
};

use super::group::{DEPTH, Group, subgroups, with_subgroups};

/// How the groups of fleets are called, before eight hex digits.
pub(super) const PREFIX: &str = "jupyter-fleet-";

/// Holds a group's directories against [`sweep_beside`] for as long as the files are open.
pub(super) fn hold(group: &Group) -> Vec<File> {
    let open = group.directories().into_iter().filter_map(|directory| File::open(directory).ok());
    open.filter(|directory| directory.try_lock().is_ok()).collect()
}

/// Removes groups of other fleets beside this one which nobody holds, and in which nothing runs.
pub(super) fn sweep_beside(own: &Group) {
    for own in own.directories() {
        let Some(parent) = own.parent() else { continue };
        for sibling in subgroups(parent).iter().filter(|sibling| *sibling != own && is_of_fleet(sibling)) {
            // What cannot be removed is in use after all, or someone else's.
            let _ = remove_if_left(sibling);
        }
    }
}

fn remove_if_left(group: &Path) -> io::Result<()> {
    let held = File::open(group)?;
    held.try_lock()?;
    let all = with_subgroups(group, DEPTH);
    if all.iter().any(|group| has_processes(group)) {
        return Ok(());
    }
    all.iter().try_for_each(fs::remove_dir)?;
    let mut serve = group.as_os_str().to_owned();
    serve.push("-serve");
    // With cgroup v1 there is none.
    fs::remove_dir(serve)
}

/// Whether something runs in it; what cannot be read may have something.
fn has_processes(group: &Path) -> bool {
    match fs::read_to_string(group.join("cgroup.procs")) {
        Ok(processes) => !processes.trim().is_empty(),
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    }
}

fn is_of_fleet(group: &Path) -> bool {
    let name = group.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let digits = name.strip_prefix(PREFIX).unwrap_or_default();
    digits.len() == 8 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::{super::enforcement::Mechanism, *};

    fn group(root: &TempDir, name: &str) -> Group {
        let part = |part: &str| Some(root.path().join(part).join(name));
        let group =
            Group { mechanism: Mechanism::CgroupV1, memory: part("memory"), pids: part("pids"), cpu: None };
        group.create().unwrap();
        group
    }

    fn is_there(group: &Group) -> bool {
        group.directories().iter().all(|directory| directory.exists())
    }

    #[test]
    fn only_what_nobody_holds_and_nothing_runs_in_is_removed() {
        let root = TempDir::new().unwrap();
        let own = group(&root, "jupyter-fleet-00000000");
        let left = group(&root, "jupyter-fleet-11111111");
        left.child("0a1b2c3d").create().unwrap();
        let leaf = group(&root, "jupyter-fleet-11111111-serve");
        let running = group(&root, "jupyter-fleet-22222222");
        let kernel = running.child("0a1b2c3d");
        kernel.create().unwrap();
        kernel.procs_files().iter().for_each(|file| fs::write(file, "42\n").unwrap());
        let held = group(&root, "jupyter-fleet-33333333");
        let lock = hold(&held);
        assert_eq!(lock.len(), 2);
        let others = ["jupyter-fleet-backup", "jupyter-fleet-123", "docker"].map(|name| group(&root, name));

        sweep_beside(&own);
        assert!(!left.directories().iter().any(|directory| directory.exists()), "nothing is left of it");
        assert!(!leaf.directories().iter().any(|directory| directory.exists()), "nor of its serve's group");
        assert!(is_there(&own) && is_there(&running) && is_there(&kernel) && is_there(&held));
        assert!(others.iter().all(is_there));

        drop(lock);
        sweep_beside(&own);
        assert!(!is_there(&held));
    }
}
