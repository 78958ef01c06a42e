//! llmspell's process, from its start to its end. One task owns it.

use std::{
    io,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::timeout,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::program::Program;

/// How long the process may take to end after SIGTERM, for which it has no handler.
const FAREWELL: Duration = Duration::from_secs(1);

/// What starts processes of llmspell, and ends all of them. It tells when one has ended by itself.
#[derive(Debug, Clone)]
pub(super) struct Supervisor {
    end: CancellationToken,
    tasks: TaskTracker,
    gone: watch::Sender<Option<String>>,
}

/// A running process. Dropping it ends the process.
#[derive(Debug)]
pub(super) struct Process {
    /// The process is to end.
    stop: CancellationToken,
    ended: CancellationToken,
    _stops: DropGuard,
}

impl Supervisor {
    pub fn new() -> Self {
        Self { end: CancellationToken::new(), tasks: TaskTracker::new(), gone: watch::Sender::new(None) }
    }

    /// Starts a process.
    pub fn start(&self, program: &Program) -> io::Result<Process> {
        let child = command(program).spawn()?;
        let (stop, ended) = (self.end.child_token(), CancellationToken::new());
        self.tasks.spawn(watch(child, stop.clone(), ended.clone(), self.clone()));
        Ok(Process { _stops: stop.clone().drop_guard(), stop, ended })
    }

    /// llmspell is of no more use; the first reason counts.
    pub fn lost(&self, reason: String) {
        self.gone.send_if_modified(|known| {
            let is_first = known.is_none();
            known.get_or_insert(reason);
            is_first
        });
    }

    /// Returns once llmspell is of no more use, with the reason.
    pub fn gone(&self) -> impl Future<Output = String> + use<> {
        let mut gone = self.gone.subscribe();
        async move {
            let reason = gone.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
            reason.unwrap_or_default()
        }
    }

    /// Ends all processes.
    pub async fn end(&self) {
        self.end.cancel();
        self.tasks.close();
        let _ = timeout(2 * FAREWELL, self.tasks.wait()).await;
    }
}

impl Process {
    /// Ends the process; only that stops what runs in it.
    pub async fn stop(&self) {
        self.stop.cancel();
        self.ended.cancelled().await;
    }

    /// Returns once it has ended.
    pub async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Whether it has ended.
    pub fn has_ended(&self) -> bool {
        self.ended.is_cancelled()
    }
}

/// The program in a process group of its own: SIGINT for the adapter's group would end it.
fn command(program: &Program) -> Command {
    // After an upgrade, this program's own file may be gone.
    let mut command = Command::new("/proc/self/exe");
    let parent = std::process::id().to_string();
    command.args(["end-with-parent", "--parent", &parent, "--"]).args(program.argv());
    if let Some(directory) = program.directory() {
        command.current_dir(directory);
    }
    // With more threads, what cells print is published in any order.
    command.env("TOKIO_WORKER_THREADS", "1");
    // What the process itself prints is for the kernel's log.
    command.stdin(Stdio::null()).process_group(0).kill_on_drop(true);
    command
}

async fn watch(mut child: Child, stop: CancellationToken, ended: CancellationToken, supervisor: Supervisor) {
    let _ended = ended.drop_guard();
    tokio::select! {
        biased;
        () = stop.cancelled() => {}
        status = child.wait() => return supervisor.lost(reason(status)),
    }
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
        // The only error is that it has just ended.
        let _ = kill_process(pid, Signal::TERM);
    }
    if timeout(FAREWELL, child.wait()).await.is_err() {
        let _ = child.kill().await;
    }
}

fn reason(status: io::Result<ExitStatus>) -> String {
    match status {
        Ok(status) => format!("llmspell has ended ({status}): what it said is above"),
        Err(error) => format!("llmspell cannot be watched: {error}"),
    }
}
