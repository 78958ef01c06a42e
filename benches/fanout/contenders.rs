//! What is compared: who tells the subscribers.

use std::fmt;

use anyhow::{Context, Result};
use jupyter_fleet::jupyter::{address::Transport, connection_file::ConnectionFile};
use serde_json::json;
use tempfile::TempDir;

use crate::common::{parts, process::Process, report::DIRECT, session::Session};

/// The contenders, in the order of the tables.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    /// The kernel itself: its PUB socket writes to every subscriber.
    Direct,
    /// `jupyter-fleet serve`, TCP on both sides; the kernel has one subscriber.
    Fleet,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Direct, Self::Fleet];
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Direct => DIRECT,
            Self::Fleet => "jupyter-fleet",
        })
    }
}

/// A contender that runs, with the session that asks it. Fields are dropped in this order.
pub struct Contender {
    pub session: Session,
    pub file: ConnectionFile,
    /// The kernel, or the fleet that started it.
    process: Process,
    kind: Kind,
    _directory: TempDir,
}

/// CPU time in seconds.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    pub hop: f64,
    pub kernel: f64,
}

impl Contender {
    /// Starts all processes and connects.
    pub fn start(kind: Kind) -> Result<Self> {
        let directory = TempDir::new()?;
        let (file, process) = match kind {
            Kind::Direct => parts::start_kernel(directory.path(), "kernel")?,
            Kind::Fleet => {
                let config = parts::synthetic_config(Transport::Tcp)?;
                parts::start_fleet(directory.path(), &config)?
            }
        };
        let session = Session::open(&file, "speaker", &json!({}))?;
        Ok(Self { session, file, process, kind, _directory: directory })
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// What the fan-out has cost until now, wherever it takes place.
    pub fn spent(&self) -> Result<Spent> {
        let process = self.process.cpu_seconds()?;
        Ok(match self.kind {
            Kind::Direct => Spent { hop: 0.0, kernel: process },
            Kind::Fleet => Spent { hop: process, kernel: self.process.cpu_seconds_of_children()? },
        })
    }

    /// Does something with the contender, and tells what its process said where that fails.
    pub fn watch<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        act(self).with_context(|| format!("measuring {}, which said:\n{}", self.kind, self.process.stderr()))
    }
}
