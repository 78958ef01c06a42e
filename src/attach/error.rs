//! Why a host gets no kernel from us at all.

use std::io;

use thiserror::Error;

use crate::{net::BindError, runtimes::FileError};

/// Why a stub could not begin. That there is no fleet is no such reason: the host's cells say so.
#[derive(Debug, Error)]
pub enum AttachError {
    /// The host's connection file cannot be read or used.
    #[error(transparent)]
    File(#[from] FileError),
    /// A socket of the host's connection file could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gives no signals.
    #[error("signals cannot be watched for: {0}")]
    Signal(io::Error),
}
