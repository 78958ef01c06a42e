//! A kernel's own endpoint: a connection file whose clients land on this kernel and on no other.
//!
//! A listener on iopub never says who it is, so only the port that it connects to tells by which connection file it came:
//! each has five ports of its own, and a key of its own. Clients and listeners of one endpoint never meet those of
//! another, though they may be one process's. It stays for as long as its kernel.
//!
//! The endpoint of an isolated kernel lets its holder in: an isolated kernel is kept from those who happen to need the same,
//! and whoever has its key was given it for this very kernel.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use thiserror::Error;
use tracing::info;

use crate::{
    id::{EndpointId, KernelId},
    jupyter::{
        connection_file::{ConnectionFile, ConnectionFileError, Location},
        scheme::SecretKey,
    },
    net::{BindError, Server},
    proxy::{Proxy, frontend::endpoint::Endpoint},
    route::Requirements,
    runtimes::{FileError, write_connection_file},
    state::endpoint_file,
};

/// Why a kernel has no endpoint of its own.
#[derive(Debug, Error)]
pub enum EndpointError {
    /// It is gone, or never was.
    #[error("there is no kernel {0} in this fleet: it may have ended; look which there are")]
    NoSuchKernel(KernelId),
    /// Its ports cannot be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The connection file cannot be.
    #[error("the kernel's own connection file {0}")]
    File(#[from] ConnectionFileError),
    /// The connection file cannot be written.
    #[error(transparent)]
    Write(#[from] FileError),
    /// There is no randomness to make a key of.
    #[error("cannot make a key for the kernel's own connection file: {0}")]
    Key(#[from] getrandom::Error),
}

impl Proxy {
    /// Opens the kernel's own endpoint, or finds it open: the same connection file whoever asks, while the kernel lives.
    pub async fn open_kernel_endpoint(
        self: &Arc<Self>,
        kernel: &KernelId,
    ) -> Result<ConnectionFile, EndpointError> {
        let _one_at_a_time = self.opening.lock().await;
        if let Some(open) = EndpointId::of_kernel(kernel).and_then(|id| self.endpoint(id)) {
            return Ok(open.file.clone());
        }
        let runtime =
            self.kernel(kernel).ok_or_else(|| EndpointError::NoSuchKernel(kernel.clone()))?.runtime.clone();
        let address = self.endpoint_location(kernel);
        let server = Server::bind(&address, None).await?;
        let mut file = ConnectionFile::new(address, server.ports(), Some(SecretKey::random()?))?;
        file.kernel_name = Some(runtime.name.to_string());
        self.set_up_door(kernel, file.clone(), server)?;
        Ok(file)
    }

    /// Opens an endpoint that an earlier `serve` had opened, with its ports and its key. Clients that come back by it are the
    /// same as before.
    pub async fn reopen_kernel_endpoint(
        self: &Arc<Self>,
        kernel: &KernelId,
        file: ConnectionFile,
    ) -> Result<(), EndpointError> {
        let _one_at_a_time = self.opening.lock().await;
        file.signing_key()?;
        let server = Server::bind(file.location(), Some(file.ports())).await?;
        self.set_up_door(kernel, file, server)
    }

    /// Writes the connection file of an endpoint that has just been opened, beside the registry; its writer does that too, but
    /// perhaps not yet. Returns where the file is. None is left for a kernel that is gone.
    pub fn write_kernel_endpoint(
        &self,
        registry: &Path,
        kernel: &KernelId,
        file: &ConnectionFile,
    ) -> Result<PathBuf, EndpointError> {
        let mut on_disk = self.registry_turn.lock();
        let path = endpoint_file(registry, kernel);
        write_connection_file(&path, file)?;
        if EndpointId::of_kernel(kernel).is_some_and(|id| self.endpoints.contains_key(&id)) {
            // Whoever closes it from now on has the file removed.
            on_disk.insert(kernel.clone());
            return Ok(path);
        }
        let _ = std::fs::remove_file(&path);
        on_disk.remove(kernel);
        Err(EndpointError::NoSuchKernel(kernel.clone()))
    }

    /// The open endpoints of kernels.
    pub fn kernel_endpoints(&self) -> Vec<(KernelId, ConnectionFile)> {
        let file = |endpoint: &Endpoint| Some((endpoint.defaults.kernel.clone()?, endpoint.file.clone()));
        let of_kernels = self.endpoints.iter().filter(|open| open.endpoint.host.is_none());
        of_kernels.filter_map(|open| file(&open.endpoint)).collect()
    }

    /// The kernel is gone. Whoever is still connected is told so when they next ask for anything.
    pub(crate) fn close_kernel_endpoint(&self, kernel: &KernelId) {
        if let Some(id) = EndpointId::of_kernel(kernel) {
            self.endpoints.remove(&id);
        }
    }

    fn set_up_door(
        self: &Arc<Self>,
        kernel: &KernelId,
        file: ConnectionFile,
        server: Server,
    ) -> Result<(), EndpointError> {
        let no_such_kernel = || EndpointError::NoSuchKernel(kernel.clone());
        let id = EndpointId::of_kernel(kernel).ok_or_else(no_such_kernel)?;
        let defaults = Requirements { kernel: Some(kernel.clone()), ..Requirements::default() };
        self.open(Arc::new(Endpoint::new(id, file, defaults)), server);
        if self.kernel(kernel).is_none() {
            // It ended meanwhile, and closed no endpoint.
            self.close_kernel_endpoint(kernel);
            return Err(no_such_kernel());
        }
        self.registry_changed.notify_one();
        info!(%kernel, "its own connection file is open");
        Ok(())
    }

    /// Beside the published sockets: on their address, or in their directory.
    fn endpoint_location(&self, kernel: &KernelId) -> Location {
        match self.published.file.location() {
            Location::Tcp(ip) => Location::Tcp(*ip),
            Location::Ipc(prefix) => {
                let path = Path::new(prefix).with_file_name(format!("endpoint-{kernel}"));
                Location::Ipc(path.to_string_lossy().into_owned())
            }
        }
    }
}
