//! Clients and kernels that stand ready, each client with a kernel of its own.

use std::path::PathBuf;

use anyhow::Result;
use jupyter_fleet::jupyter::address::Transport;
use tempfile::TempDir;

use crate::{
    common::{
        code::Code,
        parts::{self, published},
        process::Process,
    },
    player::Player,
    rush::Kind,
};

/// Fields are dropped in this order.
pub struct LineUp {
    pub players: Vec<Player>,
    /// The fleet, if there is one.
    pub between: Option<Process>,
    _kernels: Vec<Process>,
    _directory: TempDir,
}

impl LineUp {
    /// Starts them, and waits until every client has had its first reply.
    pub fn start(kind: Kind, clients: usize) -> Result<Self> {
        let directory = TempDir::new()?;
        let path = directory.path();
        let (mut files, mut kernels, mut between) = (Vec::new(), Vec::new(), None);
        match kind {
            Kind::Direct => {
                for number in 0..clients {
                    let name = format!("kernel-{number}");
                    kernels.push(parts::start_kernel(path, &name)?.1);
                    files.push(path.join(name).with_extension("json"));
                }
            }
            Kind::Fleet => {
                let (_, fleet) = parts::start_fleet(path, &parts::synthetic_config(Transport::Tcp)?)?;
                between = Some(fleet);
                files.resize(clients, published(path));
            }
        }
        let start = |(number, file): (usize, &PathBuf)| {
            Player::start(file, path, &format!("player-{number}"), &Code::Echo.to_string())
        };
        let players = files.iter().enumerate().map(start).collect::<Result<Vec<_>>>()?;
        players.iter().try_for_each(Player::wait_until_answered)?;
        Ok(Self { players, between, _kernels: kernels, _directory: directory })
    }

    /// CPU seconds of what is between clients and kernels.
    pub fn cpu_seconds(&self) -> Result<Option<f64>> {
        self.between.as_ref().map(Process::cpu_seconds).transpose()
    }

    /// What the fleet said, for a failure's message.
    pub fn said(&self) -> String {
        self.between.as_ref().map(Process::stderr).unwrap_or_default()
    }
}
