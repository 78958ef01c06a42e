//! Shims: programs named `python` that choose a Python only when they run, as pyenv, asdf and mise install them.
use std::{
    fs::File,
    io::Read,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use super::environment::Environment;

/// How long a shim may take to answer; the slow ones take half a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Longest answer that is read, in bytes: the longest path of Linux.
const LONGEST_ANSWER: u64 = 4096;

/// Whether a file has the name of a Python: `python`, `python3.12`.
pub(super) fn is_python(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(b"python"))
}

/// Whether a program only stands for a Python: a script, or a link to a program of another name.
pub(super) fn is_shim(program: &Path) -> bool {
    let mut start = [0; 2];
    let is_script =
        File::open(program).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == *b"#!";
    is_script || program.canonicalize().is_ok_and(|target| !is_python(&target))
}

/// The Python that a shim runs: asked from itself, for that depends on files and variables that only the shim knows.
pub(super) fn python_behind(shim: &Path, environment: &Environment) -> Option<PathBuf> {
    let mut child = Command::new(shim)
        .args(["-c", "import sys; print(sys.executable)"])
        .env_clear()
        .envs(environment.variables())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let output = child.stdout.take()?.take(LONGEST_ANSWER);
    let (sender, answer) = mpsc::channel();
    thread::spawn(move || sender.send(read(output)));
    let answer = answer.recv_timeout(PATIENCE).ok();
    // It has answered or taken too long: either way it is of no more use. Without an answer it may already have ended.
    let _ = child.kill();
    let _ = child.wait();
    answer.flatten().filter(|executable| executable.is_file())
}

fn read(mut output: impl Read) -> Option<PathBuf> {
    let mut text = String::new();
    output.read_to_string(&mut text).ok()?;
    Some(PathBuf::from(text.trim_end_matches('\n')))
}
