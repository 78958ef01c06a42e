//! Against directories that look like cgroups; `integration/limits` has the real ones.
use std::process::{Command, Stdio};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;

fn group(mechanism: Mechanism, root: &Path) -> Group {
    let part = |name| Some(root.join(if mechanism == Mechanism::CgroupV2 { "all" } else { name }));
    let group = Group { mechanism, memory: part("memory"), pids: part("pids"), cpu: part("cpu") };
    group.create().unwrap();
    group
}

fn limits() -> KernelLimits {
    serde_json::from_str(r#"{"memory_limit": "512M", "cpu_limit": 1.5, "max_processes": 64}"#).unwrap()
}

#[test]
fn limits_of_the_unified_hierarchy_are_in_one_directory() {
    let root = TempDir::new().unwrap();
    let group = group(Mechanism::CgroupV2, root.path());
    assert!(group.set(&limits()).unwrap().is_none());
    assert_eq!(group.procs_files(), [root.path().join("all/cgroup.procs")]);
    for (file, value) in [
        ("memory.max", "536870912"),
        ("memory.swap.max", "0"),
        ("memory.oom.group", "1"),
        ("pids.max", "64"),
        ("cpu.max", "150000 100000"),
    ] {
        assert_eq!(fs::read_to_string(root.path().join("all").join(file)).unwrap(), value, "{file}");
    }
}

#[test]
fn limits_of_the_older_hierarchies_are_in_a_directory_each() {
    let root = TempDir::new().unwrap();
    let group = group(Mechanism::CgroupV1, root.path());
    assert!(group.set(&limits()).unwrap().is_none());
    assert_eq!(group.procs_files().len(), 3);
    for (file, value) in [
        ("memory/memory.limit_in_bytes", "536870912"),
        ("memory/memory.memsw.limit_in_bytes", "536936448"),
        ("pids/pids.max", "64"),
        ("cpu/cpu.cfs_period_us", "100000"),
        ("cpu/cpu.cfs_quota_us", "150000"),
    ] {
        assert_eq!(fs::read_to_string(root.path().join(file)).unwrap(), value, "{file}");
    }
}

#[test]
fn what_was_refused_is_counted() {
    let root = TempDir::new().unwrap();
    let v2 = group(Mechanism::CgroupV2, root.path());
    assert_eq!(v2.counts(), Counts::default());
    let events = "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 1\n";
    fs::write(root.path().join("all/memory.events"), events).unwrap();
    fs::write(root.path().join("all/pids.events"), "max 4\n").unwrap();
    assert_eq!(v2.counts(), Counts { killed: 3, memory_refused: 2, forks_refused: 4 });

    let v1 = group(Mechanism::CgroupV1, root.path());
    let control = "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n";
    fs::write(root.path().join("memory/memory.oom_control"), control).unwrap();
    fs::write(root.path().join("memory/memory.failcnt"), "9\n").unwrap();
    assert_eq!(v1.counts(), Counts { killed: 1, memory_refused: 9, forks_refused: 0 });
}

#[test]
fn the_older_hierarchy_is_killed_one_by_one_with_no_fork_meanwhile() {
    let root = TempDir::new().unwrap();
    let group = group(Mechanism::CgroupV1, root.path());
    group.set(&limits()).unwrap();
    let nested = root.path().join("pids/nested");
    fs::create_dir(&nested).unwrap();
    let mut sleepers: Vec<_> = [root.path().join("pids"), nested]
        .map(|directory| {
            let sleeper = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
            fs::write(directory.join("cgroup.procs"), format!("{}\n", sleeper.id())).unwrap();
            sleeper
        })
        .into();
    group.kill();
    for sleeper in &mut sleepers {
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&sleeper.wait().unwrap()), Some(9));
    }
    assert_eq!(fs::read_to_string(root.path().join("pids/pids.max")).unwrap(), "0");
}

#[test]
fn the_unified_hierarchy_is_killed_at_once() {
    let root = TempDir::new().unwrap();
    let group = group(Mechanism::CgroupV2, root.path());
    fs::write(root.path().join("all/cgroup.kill"), "").unwrap();
    group.kill();
    assert_eq!(fs::read_to_string(root.path().join("all/cgroup.kill")).unwrap(), "1");
}

#[test]
fn a_group_goes_with_those_in_it_and_need_not_be_there() {
    let root = TempDir::new().unwrap();
    let group = group(Mechanism::CgroupV1, root.path());
    fs::create_dir_all(root.path().join("memory/a/b")).unwrap();
    group.remove().unwrap();
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    group.remove().unwrap();
    group.kill();
}

proptest! {
    #[test]
    fn no_text_is_taken_for_more_than_it_says(text in any::<String>(), number in any::<u64>()) {
        let _ = count(&text, "oom_kill");
        prop_assert_eq!(count(&format!("oom 1\noom_kill {number}\n"), "oom_kill"), number);
    }
}
