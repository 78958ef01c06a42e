//! What a kernel finds when the launcher has become it.
#![allow(clippy::unwrap_used, reason = "tests may fail loudly")]

use std::{
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use tempfile::TempDir;

/// Runs `jupyter-fleet start-kernel` with these arguments to its end.
fn start_kernel(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_jupyter-fleet"));
    command.env_clear().env("PATH", "/usr/bin:/bin").arg("start-kernel").args(arguments).output().unwrap()
}

/// What a shell script prints that was started like this.
fn printed(options: &[&str], script: &str) -> String {
    let output = start_kernel(&[options, &["--", "sh", "-c", script]].concat());
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{} {errors}", output.status);
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[test]
fn a_kernel_leads_a_session_of_its_own() {
    let fields = printed(&[], "echo $$; cut -d' ' -f5,6 /proc/$$/stat");
    let (pid, group_and_session) = fields.split_once('\n').unwrap();
    assert_eq!(group_and_session, format!("{pid} {pid}"));
}

#[test]
fn the_leader_is_told_from_what_it_starts() {
    let ids = printed(&[], "echo $$ $JUPYTER_FLEET_PROCESS; sh -c 'echo $JUPYTER_FLEET_PROCESS; true'");
    let (leader, child) = ids.split_once('\n').unwrap();
    assert_eq!(leader, format!("{child} {child}"));
}

#[test]
fn open_files_are_limited_for_what_it_starts_too() {
    assert_eq!(printed(&["--open-files=60:64"], "sh -c 'ulimit -Sn; ulimit -Hn'"), "60\n64");
    assert_eq!(printed(&["--open-files=64"], "ulimit -Sn; ulimit -Hn"), "64\n64");
}

#[test]
fn memory_that_a_process_allocates_is_limited() {
    assert_eq!(printed(&["--memory=268435456"], "ulimit -d; ulimit -v"), "262144\nunlimited");
}

#[test]
fn it_gives_way_to_others() {
    assert_eq!(printed(&["--nice=7"], "cut -d' ' -f19 /proc/$$/stat"), "7");
}

#[test]
fn it_writes_itself_to_its_groups_before_it_becomes_the_program() {
    let directory = TempDir::new().unwrap();
    let files = ["memory", "pids"].map(|name| directory.path().join(name).to_str().unwrap().to_owned());
    for file in &files {
        std::fs::write(file, "").unwrap();
    }
    let options: Vec<&str> = files.iter().flat_map(|file| ["--cgroup", file]).collect();
    assert_eq!(printed(&options, &format!("cat {} {}", files[0], files[1])), "00");
}

#[test]
fn arguments_and_exit_code_are_the_programs_own() {
    let output =
        start_kernel(&["--", "sh", "-c", "echo \"$*\"; exit 7", "sh", "--nice", "-x", "--log=no", "a b"]);
    assert_eq!(output.status.code(), Some(7));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "--nice -x --log=no a b\n");
}

#[test]
fn a_program_that_cannot_be_run_is_named() {
    let directory = TempDir::new().unwrap();
    let text = directory.path().join("text");
    std::fs::write(&text, "no program").unwrap();
    std::fs::set_permissions(&text, std::fs::Permissions::from_mode(0o644)).unwrap();
    for (program, code, reason) in
        [("no-such-kernel", 127, "No such file"), (text.to_str().unwrap(), 126, "Permission denied")]
    {
        let output = start_kernel(&["--", program, "-f", "x.json"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{errors}");
        assert!(
            errors.starts_with("jupyter-fleet: cannot start ") && errors.lines().count() == 1,
            "{errors}"
        );
        assert!(errors.contains(program) && errors.contains(reason), "{errors}");
    }
}

#[test]
fn without_its_limits_it_does_not_start() {
    let output = start_kernel(&["--cgroup", "/no/such/cgroup.procs", "--", "echo", "started"]);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(125), 0));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("join /no/such/cgroup.procs: No such file"), "{errors}");
}
