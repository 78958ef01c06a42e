//! The commands that look after a running fleet: what can be typed, and whom they ask.

use std::{
    fmt,
    io::{self, Write},
    str::FromStr,
    time::Duration,
};

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::{
    clients::ClientsArguments,
    connect::ConnectArguments,
    exec::parse_seconds,
    list::ListArguments,
    logs::LogsArguments,
    restart::{InterruptArguments, RestartArguments},
    spawn::SpawnArguments,
    status::StatusArguments,
    stop::StopArguments,
    why::WhyArguments,
};
use crate::{
    admin::{AdminClient, CallError},
    runtimes::{Directories, Environment},
};

/// How long the fleet may take to answer what it knows.
pub(super) const ANSWER: Duration = Duration::from_secs(20);

/// What can be done to a running fleet.
#[derive(Debug, Subcommand)]
pub enum Operation {
    /// List the kernels of the running fleet
    List(ListArguments),
    /// List who uses the kernels: whose cells run, and whose wait
    Clients(ClientsArguments),
    /// Launch a kernel for clients to come, and print its id
    Spawn(SpawnArguments),
    /// Stop kernels, and wait until they are gone
    Stop(StopArguments),
    /// Restart a kernel in place; its clients stay and are told
    Restart(RestartArguments),
    /// Interrupt what a kernel runs
    Interrupt(InterruptArguments),
    /// Show what a kernel has printed outside of cells
    Logs(LogsArguments),
    /// Write a connection file whose clients land on one kernel, and print its path
    Connect(ConnectArguments),
    /// Say which kernel a client gets, and why
    Why(WhyArguments),
    /// Show the running fleet: where it is, what it has done, what it allows
    Status(StatusArguments),
}

/// Longest beginning of an id, in characters; ids have 8.
const LONGEST_PREFIX: usize = 64;

/// The beginning of a kernel's id, or all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KernelPrefix(String);

/// How long to wait for something that takes its time.
#[derive(Debug, Clone, Args)]
pub(super) struct TimeoutArguments {
    /// Give up waiting after this time
    #[arg(long, value_name = "SECONDS", value_parser = parse_seconds, default_value = "180")]
    pub(super) timeout: Duration,
}

/// What a command has at hand.
pub(super) struct Fleet<'a> {
    pub(super) client: AdminClient,
    pub(super) directories: Directories,
    pub(super) environment: &'a Environment,
    pub(super) out: &'a mut dyn Write,
}

/// Runs a command.
///
/// # Errors
/// No fleet is running, the fleet says no, or `out` cannot be written to.
pub fn run(operation: Operation, environment: &Environment, out: &mut dyn Write) -> anyhow::Result<()> {
    let directories = Directories::of(environment);
    let client = AdminClient::new(&directories.state());
    let mut fleet = Fleet { client, directories, environment, out };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(async {
        match operation {
            Operation::List(arguments) => arguments.run(&mut fleet).await,
            Operation::Clients(arguments) => arguments.run(&mut fleet).await,
            Operation::Spawn(arguments) => arguments.run(&mut fleet).await,
            Operation::Stop(arguments) => arguments.run(&mut fleet).await,
            Operation::Restart(arguments) => arguments.run(&mut fleet).await,
            Operation::Interrupt(arguments) => arguments.run(&mut fleet).await,
            Operation::Logs(arguments) => arguments.run(&mut fleet).await,
            Operation::Connect(arguments) => arguments.run(&mut fleet).await,
            Operation::Why(arguments) => arguments.run(&mut fleet).await,
            Operation::Status(arguments) => arguments.run(&mut fleet).await,
        }
    });
    ended.or_else(unless_nobody_reads)
}

impl Fleet<'_> {
    /// Writes an answer as indented JSON.
    pub(super) fn write_json(&mut self, answer: &impl serde::Serialize) -> anyhow::Result<()> {
        Ok(writeln!(self.out, "{}", serde_json::to_string_pretty(answer)?)?)
    }
}

/// Why a kernel is not up: it failed, or nobody knows yet.
pub(super) fn waited_for(kernel: &str, error: CallError) -> anyhow::Error {
    match error {
        // It is the kernel that takes its time: the fleet has answered before.
        CallError::TooLate(waited) => anyhow!(
            "{kernel} is not up yet, after {waited:?}. It lives on: `jupyter-fleet list` shows it, `stop` ends it, and \
             --timeout waits longer"
        ),
        error => error.into(),
    }
}

/// Whoever reads the output may have seen enough.
pub(super) fn unless_nobody_reads(error: anyhow::Error) -> anyhow::Result<()> {
    let cause = error.downcast_ref::<io::Error>();
    if cause.is_some_and(|cause| cause.kind() == io::ErrorKind::BrokenPipe) { Ok(()) } else { Err(error) }
}

impl FromStr for KernelPrefix {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_one = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        if text.len() > LONGEST_PREFIX {
            return Err("an id is not that long");
        }
        if is_one { Ok(Self(text.to_owned())) } else { Err("an id is made of letters and digits") }
    }
}

impl fmt::Display for KernelPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::{super::exit_code, *};

    #[test]
    fn a_kernel_that_takes_its_time_is_no_missing_fleet() {
        let late = waited_for("kernel k1 (lua)", CallError::TooLate(Duration::from_secs(1)));
        assert!(late.to_string().contains("kernel k1 (lua) is not up yet, after 1s. It lives on"), "{late}");
        assert_eq!(exit_code::of(&late), exit_code::FAILED);
        let frozen = anyhow::Error::from(CallError::TooLate(ANSWER));
        assert_eq!(exit_code::of(&frozen), exit_code::NO_FLEET);
    }

    #[test]
    fn an_id_never_leaves_its_place_in_a_path() {
        for wrong in ["", "a/b", "..", "a b", "%2e", "ä"] {
            assert!(wrong.parse::<KernelPrefix>().is_err(), "{wrong}");
        }
        assert!(
            "a".repeat(65).parse::<KernelPrefix>().is_err() && "a".repeat(64).parse::<KernelPrefix>().is_ok()
        );
        assert_eq!("0a1B".parse::<KernelPrefix>().unwrap().to_string(), "0a1B");
    }
}
