//! A process of the bench: started, waited for, ended, its CPU time counted.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::PathBuf,
    process::{Child, ChildStdout, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use anyhow::{Context, bail};
use rustix::process::{Pid, Signal, kill_process, set_parent_process_death_signal};

/// Time to say that it is ready, and to end when asked.
const PATIENCE: Duration = Duration::from_secs(15);

/// Has this process ended by SIGTERM when the one that started it is gone, however that came about.
pub fn end_with_parent() -> io::Result<()> {
    Ok(set_parent_process_death_signal(Some(Signal::TERM))?)
}

/// A running process. Dropping it asks it to end, and kills it if it does not.
#[derive(Debug)]
pub struct Process {
    child: Option<Child>,
    pid: Pid,
    /// Where its stderr goes.
    log: PathBuf,
}

impl Process {
    /// Starts a process and waits until it prints a line that starts with `ready`.
    pub fn start(command: &mut Command, ready: &'static str, log: PathBuf) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let stdout = child.stdout.take();
        let pid = Pid::from_child(&child);
        let process = Self { child: Some(child), pid, log };
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || sender.send(stdout.is_some_and(|stdout| says(stdout, ready))));
        match receiver.recv_timeout(PATIENCE) {
            Ok(true) => Ok(process),
            Ok(false) => bail!("{command:?} ended at once:\n{}", process.stderr()),
            Err(_) => bail!("{command:?} was not ready within {PATIENCE:?}:\n{}", process.stderr()),
        }
    }

    /// What it wrote to stderr.
    pub fn stderr(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id; of what it has become, where it has executed another program.
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_pid()
    }

    /// CPU time that all its threads have used, in seconds. Finer than the clock ticks of `/proc/PID/stat`: the first
    /// field of `schedstat` is in nanoseconds.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        let mut nanoseconds = 0;
        for task in fs::read_dir(format!("/proc/{}/task", self.pid()))? {
            // A thread may end between two lines; it had nothing to do.
            let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
            nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
        }
        Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // Errors mean that it has ended already. It is not reaped before the thread has waited, so the pid is its own.
        let _ = kill_process(self.pid, Signal::TERM);
        let (sender, receiver) = mpsc::channel();
        let waiter = thread::spawn(move || {
            let _ = child.wait();
            let _ = sender.send(());
        });
        if receiver.recv_timeout(PATIENCE).is_err() {
            let _ = kill_process(self.pid, Signal::KILL);
        }
        let _ = waiter.join();
    }
}

fn says(stdout: ChildStdout, wanted: &str) -> bool {
    BufReader::new(stdout).lines().map_while(Result::ok).any(|line| line.starts_with(wanted))
}
