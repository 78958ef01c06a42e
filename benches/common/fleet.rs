//! `jupyter-fleet serve` in a runtime directory of its own, with a config of the bench's.

use std::{
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use jupyter_fleet::jupyter::connection_file::ConnectionFile;
use procfs::process::Process as ProcessFiles;
use tempfile::TempDir;

use super::{parts, process::Process};

/// Time for kernels to come and go.
const PATIENCE: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(2);

/// A running fleet. Fields are dropped in this order.
pub struct Fleet {
    pub process: Process,
    pub connection_file: ConnectionFile,
    directory: TempDir,
}

/// What a process keeps in memory, in bytes.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    /// All its pages that are in memory.
    pub resident: u64,
    /// The same, but of pages that several processes have only its share.
    pub proportional: u64,
}

impl Fleet {
    /// Starts `serve` with this config.
    pub fn start(config: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        let (connection_file, process) = parts::start_fleet(directory.path(), config)?;
        Ok(Self { process, connection_file, directory })
    }

    /// The published file.
    pub fn published(&self) -> PathBuf {
        parts::published(self.directory.path())
    }

    /// Where it keeps all that it keeps; a place for the logs of its clients.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until so many kernels have come up since the start, and all but `alive` of them have gone again.
    #[allow(clippy::disallowed_methods, reason = "this is how a file is waited for")]
    pub fn wait_for_kernels(&self, come: usize, alive: usize) -> Result<()> {
        let start = Instant::now();
        loop {
            let log = self.process.stderr();
            let (up, gone) = (log.matches("kernel is up").count(), log.matches("kernel is gone").count());
            if up == come && gone + alive == come {
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                bail!(
                    "{come} kernels were to come up and {alive} to stay, but {up} came and {gone} went:\n{log}"
                );
            }
            sleep(LOOK_AGAIN);
        }
    }

    /// What `serve` alone keeps in memory, without its kernels.
    pub fn memory(&self) -> Result<Memory> {
        let maps = ProcessFiles::new(self.process.pid())?.smaps_rollup()?;
        let total = |name: &str| -> Result<u64> {
            let maps = maps.memory_map_rollup.0.first().context("a process without memory")?;
            maps.extension.map.get(name).copied().with_context(|| format!("smaps_rollup has no {name}"))
        };
        Ok(Memory { resident: total("Rss")?, proportional: total("Pss")? })
    }

    /// What the fleet said, for a failure's message.
    pub fn said(&self) -> String {
        self.process.stderr()
    }
}
