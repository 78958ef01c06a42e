//! The fleet's own directory: one `serve` at a time, and where everything in it is.

use std::{
    fs::{File, OpenOptions, TryLockError},
    io::{self, Read, Seek, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use thiserror::Error;

use crate::{
    id::KernelId,
    jupyter::connection_file::ConnectionFile,
    runtimes::{
        FileError, create_private_directory, read_connection_file, write_connection_file, write_private,
    },
};

/// What `serve` says where it runs in the background: a file in the directory.
pub const SERVE_LOG: &str = "serve.log";

/// The journal: a file in the directory.
pub const JOURNAL: &str = "requests.log";

/// The directory, held against any other `serve` for as long as this lives.
#[derive(Debug)]
pub struct StateDirectory {
    path: PathBuf,
    id: String,
    _lock: File,
}

/// Why the directory cannot be had.
#[derive(Debug, Error)]
pub enum StateError {
    /// Another `serve` has it.
    #[error(
        "a fleet is being served from {} already, by process {pid}: connect to that one, stop it (kill {pid}), or set \
         JUPYTER_RUNTIME_DIR to serve another one beside it", path.display()
    )]
    Taken {
        /// The directory.
        path: PathBuf,
        /// The other `serve`.
        pid: String,
    },
    /// It cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The lock cannot be taken.
    #[error("cannot lock {}: {error}", path.display())]
    Lock {
        /// The lock's file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
}

impl StateDirectory {
    /// Makes the directory if it is missing, and takes it.
    ///
    /// # Errors
    /// Another `serve` has it, or it cannot be made.
    pub fn take(path: PathBuf) -> Result<Self, StateError> {
        create_private_directory(&path)?;
        let file = path.join("serve.lock");
        let failed = |error| StateError::Lock { path: file.clone(), error };
        let options = OpenOptions::new().read(true).write(true).create(true).mode(0o600).clone();
        let mut lock = options.open(&file).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut pid = String::new();
                // Whoever has just taken it may not have written its number yet.
                let _ = lock.read_to_string(&mut pid);
                let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
                return Err(StateError::Taken { path, pid });
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let write = |lock: &mut File| {
            lock.set_len(0)?;
            lock.rewind()?;
            writeln!(lock, "{}", std::process::id())
        };
        write(&mut lock).map_err(failed)?;
        let id = fleet_id(&path.join("id"))?;
        Ok(Self { path, id, _lock: lock })
    }

    /// What tells this fleet from all others, on whatever machine and by whatever path.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The directory.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Where the registry is.
    pub fn registry(&self) -> PathBuf {
        self.path.join("registry.json")
    }

    /// Where the journal is.
    pub fn journal(&self) -> PathBuf {
        self.path.join(JOURNAL)
    }

    /// A kernel's own connection file, if it had one.
    pub fn kernel_endpoint(&self, kernel: &KernelId) -> Option<ConnectionFile> {
        read_connection_file(&endpoint_file(&self.registry(), kernel)).ok()
    }

    /// What was published last: clients know these ports and this key.
    pub fn published(&self) -> Option<ConnectionFile> {
        let file = self.path.join("published.json");
        let read = file.exists().then(|| read_connection_file(&file))?;
        read.inspect_err(
            |error| tracing::warn!(%error, "clients of the last serve will have to connect anew"),
        )
        .ok()
    }

    /// Remembers what is published.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn remember_published(&self, published: &ConnectionFile) -> Result<(), FileError> {
        write_connection_file(&self.path.join("published.json"), published)
    }
}

fn fleet_id(file: &Path) -> Result<String, StateError> {
    if let Ok(known) = std::fs::read_to_string(file)
        && !known.trim().is_empty()
    {
        return Ok(known.trim().to_owned());
    }
    let id = uuid::Uuid::new_v4().to_string();
    write_private(file, id.as_bytes())?;
    Ok(id)
}

/// Where a kernel's own connection file is, beside the registry.
pub fn endpoint_file(registry: &Path, kernel: &KernelId) -> PathBuf {
    registry.with_file_name(format!("endpoint-{kernel}.json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_has_the_directory_and_the_other_is_told_who() {
        let home = tempfile::TempDir::new().unwrap();
        let path = home.path().join(".fleet");
        let first = StateDirectory::take(path.clone()).unwrap();
        let refused = StateDirectory::take(path.clone()).unwrap_err().to_string();
        assert!(refused.contains(&format!("process {}", std::process::id())), "{refused}");
        drop(first);
        assert!(StateDirectory::take(path).is_ok());
    }
}
