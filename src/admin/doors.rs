//! The files of kernels that have a connection file of their own. Each is there for as long as its kernel.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use crate::{
    id::KernelId,
    jupyter::connection_file::ConnectionFile,
    proxy::Proxy,
    runtimes::{FileError, write_connection_file},
};

/// The connection files that were written for kernels.
#[derive(Debug)]
pub(super) struct Doors {
    directory: PathBuf,
    open: Arc<Mutex<HashSet<KernelId>>>,
}

/// One file; it goes with its owner.
struct DoorFile {
    path: PathBuf,
    kernel: KernelId,
    open: Arc<Mutex<HashSet<KernelId>>>,
}

impl Doors {
    /// Files go to this directory, Jupyter's own, so that `--existing ID` finds them.
    pub(super) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), open: Arc::default() }
    }

    /// Writes the file of a kernel, and removes it when the kernel is gone.
    pub(super) fn publish(
        &self,
        proxy: &Arc<Proxy>,
        kernel: &KernelId,
        file: &ConnectionFile,
    ) -> Result<PathBuf, FileError> {
        // Not a name with `fleet` in it: `--existing fleet` takes the newest match of `*fleet*`.
        let path = self.directory.join(format!("kernel-{kernel}.json"));
        write_connection_file(&path, file)?;
        if self.open.lock().insert(kernel.clone()) {
            let file = DoorFile { path: path.clone(), kernel: kernel.clone(), open: self.open.clone() };
            let proxy = proxy.clone();
            tokio::spawn(async move {
                proxy.gone(&file.kernel).await;
                drop(file);
            });
        }
        Ok(path)
    }
}

impl Drop for DoorFile {
    fn drop(&mut self) {
        self.open.lock().remove(&self.kernel);
        // Whoever removed it before has done our work.
        let _ = std::fs::remove_file(&self.path);
    }
}
