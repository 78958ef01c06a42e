use std::fs;

use tempfile::TempDir;

use super::{super::Exceeded, *};
use crate::fleet::provision::Exit;

fn limits(json: &str) -> KernelLimits {
    serde_json::from_str(json).unwrap()
}

/// Confinement by directories that look like cgroups of the older kind.
fn looks_like_v1(root: &Path) -> Confinement {
    let part = |name| Some(root.join(name));
    let group = Group {
        mechanism: Mechanism::CgroupV1,
        memory: part("memory"),
        pids: part("pids"),
        cpu: part("cpu"),
    };
    Confinement::new(Kernels::Legacy(group), Rights::own())
}

#[test]
fn rlimits_say_what_they_do_not_hold() {
    let confinement = Confinement::find(ConfinementChoice::Rlimit, Path::new("/state")).unwrap();
    assert_eq!(confinement.mechanism(), Mechanism::Rlimits);
    let all = limits(r#"{"memory_limit": "512M", "cpu_limit": 2, "max_processes": 64, "open_files": 64}"#);
    let lacks = confinement.lacks(&all);
    let keys: Vec<_> = lacks.iter().filter_map(|lack| lack.split(':').next()).collect();
    assert_eq!(keys, ["memory_limit", "cpu_limit", "max_processes"]);
    assert!(lacks[0].contains("not for shared memory (mmap shared, /dev/shm)"), "{lacks:?}");
    assert_eq!(confinement.memory_rlimit(&all), Some(512 << 20));
    assert_eq!(confinement.lacks(&KernelLimits::default()), [""; 0]);

    let confined = confinement.confine(&KernelId::random(), &all).unwrap();
    assert_eq!(confined.enforcement().lacks, lacks);
    assert_eq!(confined.procs_files().len(), 0);
    assert_eq!(confined.exceeded(&Exit::Signal(9)), None);
}

#[test]
fn a_death_is_laid_to_a_limit_only_if_the_group_says_so() {
    let root = TempDir::new().unwrap();
    let confinement = looks_like_v1(root.path());
    let kernel = KernelId::random();
    let asked = limits(r#"{"memory_limit": "512M", "max_processes": 64}"#);
    let confined = confinement.confine(&kernel, &asked).unwrap();
    let own = |file: &str| root.path().join(file.replace("ID", kernel.as_str()));
    assert_eq!(confinement.memory_rlimit(&asked), None);
    assert_eq!(confined.exceeded(&Exit::Signal(9)), None);

    fs::write(own("pids/ID/pids.events"), "max 3\n").unwrap();
    let text = confined.exceeded(&Exit::Code(1)).unwrap().to_string();
    assert_eq!(text, "its limit of 64 processes and threads was reached (held by cgroup v1)");
    assert_eq!(confined.exceeded(&Exit::Code(0)), None);

    fs::write(own("memory/ID/memory.oom_control"), "oom_kill 1\n").unwrap();
    assert_eq!(confined.exceeded(&Exit::Signal(9)), None, "the whole machine was short of memory");
    fs::write(own("memory/ID/memory.failcnt"), "9\n").unwrap();
    let text = confined.exceeded(&Exit::Signal(9)).unwrap().to_string();
    assert_eq!(text, "memory limit 512M exceeded (held by cgroup v1)");
    assert_eq!(confined.exceeded(&Exit::Code(137)), confined.exceeded(&Exit::Signal(9)));
    assert_eq!(
        confined.exceeded(&Exit::Signal(11)),
        None,
        "a child was killed before, and this is another end"
    );
}

#[test]
fn a_child_that_was_killed_long_ago_is_not_what_ended_its_kernel() {
    let root = TempDir::new().unwrap();
    let confinement = looks_like_v1(root.path());
    let kernel = KernelId::random();
    let asked = limits(r#"{"memory_limit": "300M", "max_processes": 64}"#);
    let confined = confinement.confine(&kernel, &asked).unwrap();
    let own = |file: &str| root.path().join(file.replace("ID", kernel.as_str()));
    let kill_and_refuse = |times: u32| {
        fs::write(own("memory/ID/memory.oom_control"), format!("oom_kill {times}\n")).unwrap();
        fs::write(own("memory/ID/memory.failcnt"), format!("{times}\n")).unwrap();
        fs::write(own("pids/ID/pids.events"), format!("max {times}\n")).unwrap();
    };
    kill_and_refuse(1);
    confined.look();
    let of_memory = |exit: &Exit| matches!(confined.exceeded(exit), Some(Exceeded::Memory { .. }));
    assert!(of_memory(&Exit::Code(1)), "it may have happened just before the look");
    confined.look();
    assert_eq!((confined.exceeded(&Exit::Code(1)), confined.exceeded(&Exit::Unknown)), (None, None));
    kill_and_refuse(2);
    assert!(of_memory(&Exit::Code(1)) && of_memory(&Exit::Unknown));
    confined.look();
    confined.look();
    let told = confined.exceeded(&Exit::Signal(9)).unwrap().with_end(&Exit::Signal(9));
    assert_eq!(told, "was killed: memory limit 300M exceeded (held by cgroup v1; signal 9 (SIGKILL))");
}

#[test]
fn an_adopted_kernel_is_held_by_what_was_written_down() {
    let root = TempDir::new().unwrap();
    let confinement = looks_like_v1(root.path());
    let kernel = KernelId::random();
    let confined = confinement.confine(&kernel, &limits(r#"{"memory_limit": "512M"}"#)).unwrap();
    let memory = root.path().join("memory").join(kernel.as_str());
    fs::write(memory.join("memory.oom_control"), "oom_kill 1\n").unwrap();
    fs::write(memory.join("memory.failcnt"), "9\n").unwrap();

    let written = serde_json::to_string(confined.enforcement()).unwrap();
    let adopted = Confined::again(serde_json::from_str(&written).unwrap());
    assert_eq!(adopted.enforcement(), confined.enforcement());
    assert_eq!(adopted.exceeded(&Exit::Unknown), None, "that was before");
    fs::write(memory.join("memory.oom_control"), "oom_kill 2\n").unwrap();
    fs::write(memory.join("memory.failcnt"), "10\n").unwrap();
    assert!(matches!(adopted.exceeded(&Exit::Unknown), Some(Exceeded::Memory { .. })));
}

#[test]
fn fleets_do_not_share_groups() {
    let names = ["/a/.fleet", "/b/.fleet"].map(|state| group_name(Path::new(state)));
    assert_ne!(names[0], names[1]);
    assert!(names[0].starts_with("jupyter-fleet-") && names[0].len() == 22);
}
