//! A Lua kernel on ipc sockets in a directory of its own.
use std::{num::NonZeroU16, path::PathBuf, time::Duration};

use jupyter_fleet::{
    channel::Channel,
    jupyter::{
        connection_file::{ConnectionFile, Location, Ports},
        scheme::SecretKey,
    },
    lua::{self, ServeError},
    runtimes::write_connection_file,
};
use tempfile::TempDir;
use tokio::{net::UnixStream, runtime::Runtime, task::JoinHandle, time::timeout};

use super::Client;

/// Longer than anything here takes, on a busy machine.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// The running kernel. Dropping it ends it.
pub struct Kernel {
    pub file: ConnectionFile,
    pub path: PathBuf,
    pub runtime: Runtime,
    serving: JoinHandle<Result<(), ServeError>>,
    _kept: TempDir,
}

/// A connection file for ipc sockets below a directory.
pub fn connection_file(directory: &TempDir, key: &str) -> ConnectionFile {
    let port = |port| NonZeroU16::new(port).unwrap();
    let ports =
        Ports { shell: port(1), iopub: port(2), stdin: port(3), control: port(4), heartbeat: port(5) };
    let prefix = directory.path().join("kernel").display().to_string();
    ConnectionFile::new(Location::Ipc(prefix), ports, SecretKey::new(key)).unwrap()
}

impl Kernel {
    /// Starts a kernel and waits until all its sockets are bound.
    pub fn start() -> Self {
        let kept = TempDir::new().unwrap();
        let file = connection_file(&kept, "a key");
        let path = kept.path().join("kernel.json");
        write_connection_file(&path, &file).unwrap();
        let runtime = Runtime::new().unwrap();
        let serving = runtime.spawn(lua::serve(file.clone()));
        runtime.block_on(async {
            // The heartbeat is bound last.
            let last = file.address(Channel::Heartbeat).to_string();
            let bound = async {
                while UnixStream::connect(last.trim_start_matches("ipc://")).await.is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            };
            timeout(DEADLINE, bound).await.expect("the kernel binds its sockets");
        });
        Self { file, path, runtime, serving, _kept: kept }
    }

    /// A client whose iopub subscription is known to work.
    pub fn client(&self) -> Client {
        Client::connect(&self.file)
    }

    /// Waits for the kernel to end by itself.
    pub fn ended(self) -> Result<(), ServeError> {
        let Self { runtime, serving, .. } = self;
        runtime.block_on(async { timeout(DEADLINE, serving).await }).expect("the kernel ends").unwrap()
    }
}
