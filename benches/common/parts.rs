//! The parts that every bench's program can play when it starts itself: the synthetic kernel, and the process that becomes
//! `jupyter-fleet serve`.

use std::{
    env, fs,
    net::{IpAddr, Ipv4Addr, TcpListener},
    num::NonZeroU16,
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::Subcommand;
use jupyter_fleet::{
    channel::Channel,
    jupyter::{
        address::Transport,
        connection_file::{ConnectionFile, Location, Ports},
        scheme::SecretKey,
    },
    runtimes::{read_connection_file, write_connection_file},
};

use super::{
    kernel,
    process::{Process, end_with_parent},
};

/// The program that is measured; also the built-in Lua kernel.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_jupyter-fleet");

/// How `serve` is started.
const SERVE: [&str; 5] = ["serve", "--ephemeral", "--transport", "tcp", "--config"];

#[derive(Debug, Subcommand)]
pub enum Part {
    #[command(hide = true)]
    Kernel {
        #[arg(short = 'f')]
        connection_file: PathBuf,
    },
    #[command(hide = true)]
    Fleet { config: PathBuf },
}

impl Part {
    pub fn play(&self) -> Result<()> {
        end_with_parent()?;
        match self {
            Self::Kernel { connection_file } => kernel::run(&read_connection_file(connection_file)?),
            Self::Fleet { config } => become_fleet(config),
        }
    }
}

/// Starts a synthetic kernel on ports that are free now. The directory is to hold `name`.json and its log.
pub fn start_kernel(directory: &Path, name: &str) -> Result<(ConnectionFile, Process)> {
    let file = free_connection_file(SecretKey::random()?)?;
    let path = directory.join(name).with_extension("json");
    write_connection_file(&path, &file)?;
    let mut command = Command::new(env::current_exe()?);
    let log = path.with_extension("log");
    let process = Process::start(command.arg("kernel").arg("-f").arg(path), "ready", log)?;
    Ok((file, process))
}

/// A connection file with five ports that are free now.
pub fn free_connection_file(key: SecretKey) -> Result<ConnectionFile> {
    let listeners = Channel::ALL.map(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let mut listeners = listeners.into_iter();
    let mut next = || -> Result<NonZeroU16> {
        let listener = listeners.next().context("five ports are enough")??;
        NonZeroU16::new(listener.local_addr()?.port()).context("the system gave no port")
    };
    let ports =
        Ports { shell: next()?, iopub: next()?, stdin: next()?, control: next()?, heartbeat: next()? };
    Ok(ConnectionFile::new(Location::Tcp(IpAddr::V4(Ipv4Addr::LOCALHOST)), ports, Some(key))?)
}

/// Starts `serve` with a config, in a runtime directory of its own.
pub fn start_fleet(directory: &Path, config: &str) -> Result<(ConnectionFile, Process)> {
    let path = directory.join("fleet.toml");
    fs::write(&path, config)?;
    let mut command = Command::new(env::current_exe()?);
    command.arg("fleet").arg(path).env("HOME", directory).env("JUPYTER_RUNTIME_DIR", directory);
    let process = Process::start(&mut command, "Connect with", directory.join("fleet.log"))?;
    Ok((read_connection_file(&published(directory))?, process))
}

/// What `serve` publishes in its runtime directory.
pub fn published(directory: &Path) -> PathBuf {
    directory.join("kernel-fleet.json")
}

/// A config whose only runtime is the synthetic kernel of this program.
pub fn synthetic_config(transport: Transport) -> Result<String> {
    let exe = env::current_exe()?;
    Ok(format!(
        "default_runtime = 'synthetic'\n[runtimes.synthetic]\n\
         argv = ['{}', 'kernel', '-f', '{{connection_file}}']\nlanguage = 'none'\ntransport = '{transport}'\n",
        exe.display()
    ))
}

/// Turns this process into `jupyter-fleet serve`.
fn become_fleet(config: &Path) -> Result<()> {
    Err(Command::new(PROGRAM).args(SERVE).arg(config).exec()).context("cannot start jupyter-fleet")
}
