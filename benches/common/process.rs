//! A process of the bench: started, waited for, ended, its CPU time counted.

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader, Write},
    path::PathBuf,
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{self, Receiver},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use procfs::process::{Stat, all_processes};
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
    stdin: Option<ChildStdin>,
    /// The lines of its stdout.
    lines: Receiver<String>,
    pid: Pid,
    /// Where its stderr goes.
    log: PathBuf,
}

impl Process {
    /// Starts a process and waits until it prints a line that starts with `ready`.
    pub fn start(command: &mut Command, ready: &str, log: PathBuf) -> anyhow::Result<Self> {
        let process = Self::spawn(command, log)?;
        process.hear(ready, PATIENCE).with_context(|| format!("{command:?} did not start"))?;
        Ok(process)
    }

    /// Starts a process.
    pub fn spawn(command: &mut Command, log: PathBuf) -> anyhow::Result<Self> {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(&log)?)
            .spawn()
            .with_context(|| format!("cannot start {:?}", command.get_program()))?;
        let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
        let pid = Pid::from_child(&child);
        let (sender, lines) = mpsc::channel();
        thread::spawn(move || {
            let lines = stdout.into_iter().flat_map(|stdout| BufReader::new(stdout).lines());
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Self { child: Some(child), stdin, lines, pid, log })
    }

    /// Writes a line to its stdin.
    pub fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let stdin = self.stdin.as_mut().context("a process without stdin")?;
        writeln!(stdin, "{line}").context("a process does not listen")
    }

    /// Waits for a line that starts with this; returns the rest of it.
    pub fn hear(&self, start: &str, patience: Duration) -> anyhow::Result<String> {
        let deadline = Instant::now() + patience;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => match line.strip_prefix(start) {
                    Some(rest) => return Ok(rest.to_owned()),
                    None => continue,
                },
                Err(_) => bail!("{start:?} was not said within {patience:?}:\n{}", self.stderr()),
            }
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

    /// CPU time that all its threads have used, in seconds.
    pub fn cpu_seconds(&self) -> anyhow::Result<f64> {
        cpu_seconds(self.pid())
    }

    /// CPU time of the processes that it has started, and that these have, in seconds.
    pub fn cpu_seconds_of_children(&self) -> anyhow::Result<f64> {
        let stats: Vec<Stat> = all_processes()?.filter_map(|process| process.ok()?.stat().ok()).collect();
        let mut family = vec![self.pid()];
        let mut seconds = 0.0;
        while let Some(parent) = family.pop() {
            for child in stats.iter().filter(|stat| stat.ppid == parent) {
                seconds += cpu_seconds(child.pid)?;
                family.push(child.pid);
            }
        }
        Ok(seconds)
    }
}

/// CPU time that all threads of this process have used, in seconds.
pub fn own_cpu_seconds() -> anyhow::Result<f64> {
    cpu_seconds(rustix::process::getpid().as_raw_pid())
}

/// Finer than the clock ticks of `/proc/PID/stat`: the first field of `schedstat` is in nanoseconds.
fn cpu_seconds(pid: i32) -> anyhow::Result<f64> {
    let mut nanoseconds = 0;
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        // A thread may end between two lines; it had nothing to do.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        nanoseconds += text.split(' ').next().unwrap_or_default().parse::<u64>()?;
    }
    Ok(Duration::from_nanos(nanoseconds).as_secs_f64())
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
