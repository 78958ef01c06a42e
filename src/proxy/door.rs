//! A connection file of its own for one kernel.

use std::sync::Arc;

use thiserror::Error;

use super::Proxy;
use crate::{id::KernelId, jupyter::connection_file::ConnectionFile};

/// Why a kernel gets no connection file of its own.
#[derive(Debug, Error)]
pub enum DoorError {
    /// It is gone.
    #[error("there is no kernel {0}")]
    NoSuchKernel(KernelId),
}

impl Proxy {
    /// Opens ports whose clients all land on this kernel.
    ///
    /// # Errors
    /// There is no such kernel.
    pub async fn open_door(self: &Arc<Self>, kernel: &KernelId) -> Result<ConnectionFile, DoorError> {
        self.kernel(kernel).ok_or_else(|| DoorError::NoSuchKernel(kernel.clone()))?;
        Ok(self.published.clone())
    }
}
