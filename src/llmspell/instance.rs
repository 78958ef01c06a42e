//! A running llmspell, and the one after it.

use std::{sync::Arc, time::Duration};

use serde_json::{Map, Value};
use thiserror::Error;
use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};

use super::{
    cells::{Answer, call, call_of, failed, load, run_plain},
    client::{Client, ClientError},
    process::{Process, Supervisor},
    program::Program,
};
use crate::{
    jupyter::connection_file::ConnectionFile,
    kernel::{Gone, Host, Outcome},
    lua::{Source, Syntax},
    runtimes::read_connection_file,
};

/// How long llmspell may take to start: half a second is usual.
const START: Duration = Duration::from_secs(50);
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// How long the end of a process may take to be noticed behind that of its connections.
const NOTICED_IN: Duration = Duration::from_secs(1);

/// Why llmspell could not be started.
#[derive(Debug, Error)]
pub enum StartError {
    /// Its process could not be started.
    #[error("llmspell cannot be started: {0}")]
    Spawn(#[from] std::io::Error),
    /// It runs and does not say where it listens.
    #[error("llmspell wrote no connection file within {START:?}")]
    NoFile,
    /// It said where it listens and does not answer there.
    #[error("llmspell cannot be talked to: {0}")]
    Client(String),
    /// It has ended.
    #[error("llmspell ended before it was ready: what it said is above")]
    Ended,
}

/// The llmspell that cells run in: one process after another.
#[derive(Debug)]
pub(super) struct Instance {
    program: Arc<Program>,
    supervisor: Supervisor,
    state: State,
    /// The number of the next call of the prelude.
    next_call: u64,
}

#[derive(Debug)]
enum State {
    Starting(JoinHandle<Option<Running>>),
    Running(Box<Running>),
    Gone,
}

/// A running llmspell.
#[derive(Debug)]
pub(super) struct Running {
    process: Process,
    client: Client,
    /// Whether cells can be called; `None` while the prelude has not been loaded.
    calls: Option<bool>,
}

impl Running {
    /// Starts a process and connects to it. Returns what it says of itself as well.
    pub async fn start(
        program: &Program,
        supervisor: &Supervisor,
    ) -> Result<(Self, Map<String, Value>), StartError> {
        // One of an earlier process would be taken for the next one's.
        let _ = std::fs::remove_file(program.file());
        let deadline = Instant::now() + START;
        let process = supervisor.start(program)?;
        let file = announced(program, &process, deadline).await?;
        let connected = Client::connect(&file, deadline).await;
        let (client, info) = connected.map_err(|error| StartError::Client(error.to_string()))?;
        Ok((Self { process, client, calls: None }, info))
    }
}

/// Waits for the connection file, which is written in place and for all to read.
async fn announced(
    program: &Program,
    process: &Process,
    deadline: Instant,
) -> Result<ConnectionFile, StartError> {
    loop {
        if let Ok(file) = read_connection_file(program.file()) {
            restrict(program)?;
            return Ok(file);
        }
        if process.has_ended() {
            return Err(StartError::Ended);
        }
        if Instant::now() >= deadline {
            return Err(StartError::NoFile);
        }
        sleep(LOOK_AGAIN).await;
    }
}

fn restrict(program: &Program) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(program.file(), std::fs::Permissions::from_mode(0o600))
}

impl Instance {
    pub fn new(program: Arc<Program>, supervisor: Supervisor, running: Running) -> Self {
        Self { program, supervisor, state: State::Running(Box::new(running)), next_call: 1 }
    }

    /// Runs a cell as a call of the prelude's function, where there is one and a source for it; else as it is.
    pub async fn run(
        &mut self,
        code: &str,
        source: Option<&Source>,
        name: &str,
        host: &dyn Host,
    ) -> Result<Outcome, Gone> {
        let Some(source) = source else { return self.run_plain(code, host).await };
        if !self.can_call(host).await? {
            return self.run_plain(code, host).await;
        }
        let id = self.next_call();
        let running = self.running().await?;
        match call(&mut running.client, id, &call_of(id, source, name), host).await {
            Ok(Ok(answer)) => Ok(answer.outcome(name, host)),
            Ok(Err(error)) => {
                // The cell may have taken the function away.
                running.calls = None;
                Ok(failed("LuaError", &error))
            }
            Err(error) => Err(self.broken(&error).await),
        }
    }

    async fn run_plain(&mut self, code: &str, host: &dyn Host) -> Result<Outcome, Gone> {
        match run_plain(&mut self.running().await?.client, code, host).await {
            Ok(outcome) => Ok(outcome),
            Err(error) => Err(self.broken(&error).await),
        }
    }

    /// The names that can follow a path of names.
    pub async fn names(&mut self, path: &[&str], only_functions: bool, host: &dyn Host) -> Option<Answer> {
        if !self.can_call(host).await.ok()? {
            return None;
        }
        let id = self.next_call();
        let path: Vec<String> = path.iter().map(|name| Syntax::quote(name)).collect();
        let code = format!("return __jupyter_fleet.names({id}, {{{}}}, {only_functions})", path.join(", "));
        match call(&mut self.running().await.ok()?.client, id, &code, host).await {
            Ok(answer) => answer.ok(),
            Err(error) => {
                self.broken(&error).await;
                None
            }
        }
    }

    /// Ends the process, which alone stops a cell, and starts the next.
    pub async fn begin_anew(&mut self) {
        if let State::Running(running) = &self.state {
            running.process.stop().await;
            let (program, supervisor) = (self.program.clone(), self.supervisor.clone());
            self.state = State::Starting(tokio::spawn(async move {
                let started = Running::start(&program, &supervisor).await;
                started
                    .map(|(running, _)| running)
                    .inspect_err(|error| supervisor.lost(error.to_string()))
                    .ok()
            }));
        }
    }

    /// Whether cells can be called; loads the prelude where that has not been done.
    async fn can_call(&mut self, host: &dyn Host) -> Result<bool, Gone> {
        let id = self.next_call();
        let running = self.running().await?;
        if let Some(calls) = running.calls {
            return Ok(calls);
        }
        match load(&mut running.client, id, host).await {
            Ok(calls) => {
                running.calls = Some(calls);
                Ok(calls)
            }
            Err(error) => Err(self.broken(&error).await),
        }
    }

    fn next_call(&mut self) -> u64 {
        self.next_call += 1;
        self.next_call
    }

    async fn running(&mut self) -> Result<&mut Running, Gone> {
        if let State::Starting(starting) = &mut self.state {
            self.state = match starting.await {
                Ok(Some(running)) => State::Running(Box::new(running)),
                _ => State::Gone,
            };
        }
        match &mut self.state {
            State::Running(running) => Ok(running),
            State::Starting(_) | State::Gone => Err(Gone),
        }
    }

    /// The connection is of no more use, and so is the process. How the process ended is the better reason.
    async fn broken(&mut self, error: &ClientError) -> Gone {
        if let State::Running(running) = &self.state {
            let _ = timeout(NOTICED_IN, running.process.ended()).await;
        }
        self.supervisor.lost(format!("llmspell cannot be talked to any more: {error}"));
        Gone
    }
}
