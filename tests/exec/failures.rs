//! Kernels that cannot be reached, and code that never ends.
use std::{path::Path, time::Duration};

use jupyter_fleet::{
    exec::{ExecError, Outcome},
    jupyter::scheme::SecretKey,
    runtimes::write_connection_file,
};
use tempfile::TempDir;

use crate::{
    common::{Kernel, kernel::connection_file},
    script::{Script, exec},
};

const SHORT: Option<Duration> = Some(Duration::from_millis(500));

#[track_caller]
fn assert_says_how_to_start_one(error: &ExecError, path: &Path) {
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && text.contains("`jupyter-fleet serve`"), "{text}");
}

#[test]
fn without_a_file_there_is_no_fleet() {
    let path = Path::new("/nowhere/kernel-fleet.json");
    let error = exec(path, "1", None, &Script::answering(&[])).unwrap_err();
    assert!(matches!(error, ExecError::NoFile(_)), "{error:?}");
    assert_says_how_to_start_one(&error, path);
}

#[test]
fn a_file_that_is_left_over_leads_nowhere() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("left-over.json");
    write_connection_file(&path, &connection_file(&directory, "a key")).unwrap();
    let error = exec(&path, "1", SHORT, &Script::answering(&[])).unwrap_err();
    assert!(matches!(error, ExecError::Unreachable { .. }), "{error:?}");
    assert_says_how_to_start_one(&error, &path);
}

#[test]
fn a_file_that_is_none_is_named() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("broken.json");
    std::fs::write(&path, "{").unwrap();
    let error = exec(&path, "1", None, &Script::answering(&[])).unwrap_err();
    assert!(error.to_string().contains("broken.json"), "{error}");
}

#[test]
fn another_key_gets_no_answer() {
    let kernel = Kernel::start();
    let mut file = kernel.file.clone();
    file.key = SecretKey::new("another key");
    let path = kernel.path.with_file_name("another-key.json");
    write_connection_file(&path, &file).unwrap();
    let error = exec(&path, "1", SHORT, &Script::answering(&[])).unwrap_err();
    assert!(matches!(error, ExecError::Silent { .. }), "{error:?}");
    assert!(error.to_string().contains("another-key.json") && error.to_string().contains("key"), "{error}");
}

#[test]
fn code_that_runs_out_of_time_is_interrupted() {
    let kernel = Kernel::start();
    let terminal = Script::answering(&[]);
    let error = exec(&kernel.path, "print('begun') while true do end", SHORT, &terminal).unwrap_err();
    assert!(matches!(error, ExecError::TimedOut(after) if Some(after) == SHORT), "{error:?}");
    assert_eq!(terminal.output(), "begun\n");
    assert_eq!(exec(&kernel.path, "print('free')", None, &terminal).unwrap(), Outcome::Succeeded);
}
