//! A kernel's own door: a connection file whose clients land on this kernel and on no other.
//!
//! A listener on iopub never says who it is, so only the port that it connects to tells by which connection file it came:
//! each door has five ports of its own, and a key of its own. Clients and listeners of one door never meet those of
//! another, though they may be one process's. A door stays for as long as its kernel.
//!
//! The door of an isolated kernel lets its holder in: an isolated kernel is kept from those who happen to need the same,
//! and whoever has the door's key was given it for this very kernel.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;
use tracing::info;

use super::{Proxy, profile::Profile};
use crate::{
    id::{KernelId, ProfileId},
    jupyter::{
        connection_file::{Address, ConnectionFile, ConnectionFileError},
        scheme::SecretKey,
    },
    net::{BindError, Server},
    route::Requirements,
    runtimes::{FileError, write_connection_file},
    state::door_file,
};

/// Why a kernel has no door.
#[derive(Debug, Error)]
pub enum DoorError {
    /// It is gone, or never was.
    #[error("there is no kernel {0} in this fleet: it may have ended; look which there are")]
    NoSuchKernel(KernelId),
    /// Its ports cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The connection file cannot be.
    #[error("the door's connection file {0}")]
    File(#[from] ConnectionFileError),
    /// The connection file cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// There is no randomness to make a key of.
    #[error("cannot make a key for the door: {0}")]
    Key(#[from] getrandom::Error),
}

impl Proxy {
    /// Opens the kernel's door, or finds it open: the same connection file whoever asks, while the kernel lives.
    pub async fn open_door(self: &Arc<Self>, kernel: &KernelId) -> Result<ConnectionFile, DoorError> {
        let _one_at_a_time = self.opening.lock().await;
        if let Some(door) = ProfileId::of_door(kernel).and_then(|id| self.profile(id)) {
            return Ok(door.file.clone());
        }
        let runtime =
            self.kernel(kernel).ok_or_else(|| DoorError::NoSuchKernel(kernel.clone()))?.runtime.clone();
        let address = self.door_address(kernel);
        let server = Server::bind(&address, None).await?;
        let mut file = ConnectionFile::new(address, server.ports(), Some(SecretKey::random()?))?;
        file.kernel_name = Some(runtime.name.to_string());
        self.set_up_door(kernel, file.clone(), server)?;
        Ok(file)
    }

    /// Opens a door that an earlier `serve` had opened, with its ports and its key. Clients that come back by it are the
    /// same as before.
    pub async fn reopen_door(
        self: &Arc<Self>,
        kernel: &KernelId,
        file: ConnectionFile,
    ) -> Result<(), DoorError> {
        let _one_at_a_time = self.opening.lock().await;
        file.signing_key()?;
        let server = Server::bind(file.address(), Some(file.ports())).await?;
        self.set_up_door(kernel, file, server)
    }

    /// Writes the connection file of a door that has just been opened, beside the registry; its writer does that too, but
    /// perhaps not yet. Returns where the file is. None is left for a kernel that is gone.
    pub fn write_door(
        &self,
        registry: &Path,
        kernel: &KernelId,
        file: &ConnectionFile,
    ) -> Result<PathBuf, DoorError> {
        let mut on_disk = self.registry_turn.lock();
        let path = door_file(registry, kernel);
        write_connection_file(&path, file)?;
        if ProfileId::of_door(kernel).is_some_and(|id| self.endpoints.contains_key(&id)) {
            // Whoever closes the door from now on has the file removed.
            on_disk.insert(kernel.clone());
            return Ok(path);
        }
        let _ = std::fs::remove_file(&path);
        on_disk.remove(kernel);
        Err(DoorError::NoSuchKernel(kernel.clone()))
    }

    /// All doors that are open.
    pub fn doors(&self) -> Vec<(KernelId, ConnectionFile)> {
        let door = |profile: &Profile| Some((profile.defaults.kernel.clone()?, profile.file.clone()));
        let of_kernels = self.endpoints.iter().filter(|open| open.profile.host.is_none());
        of_kernels.filter_map(|open| door(&open.profile)).collect()
    }

    /// The kernel is gone. Whoever is still connected is told so when they next ask for anything.
    pub(super) fn close_door(&self, kernel: &KernelId) {
        if let Some(door) = ProfileId::of_door(kernel) {
            self.endpoints.remove(&door);
        }
    }

    fn set_up_door(
        self: &Arc<Self>,
        kernel: &KernelId,
        file: ConnectionFile,
        server: Server,
    ) -> Result<(), DoorError> {
        let no_such_kernel = || DoorError::NoSuchKernel(kernel.clone());
        let id = ProfileId::of_door(kernel).ok_or_else(no_such_kernel)?;
        let defaults = Requirements { kernel: Some(kernel.clone()), ..Requirements::default() };
        self.open(Arc::new(Profile::new(id, file, defaults)), server);
        if self.kernel(kernel).is_none() {
            // It ended meanwhile, and closed no door.
            self.close_door(kernel);
            return Err(no_such_kernel());
        }
        self.registry_changed.notify_one();
        info!(%kernel, "its door is open");
        Ok(())
    }

    /// Beside the published sockets: on their address, or in their directory.
    fn door_address(&self, kernel: &KernelId) -> Address {
        match self.published.file.address() {
            Address::Tcp(ip) => Address::Tcp(*ip),
            Address::Ipc(prefix) => {
                let path = Path::new(prefix).with_file_name(format!("door-{kernel}"));
                Address::Ipc(path.to_string_lossy().into_owned())
            }
        }
    }
}
