//! A kernel from its start to its end.

use std::{io, sync::Arc, time::Duration};

use serde_json::Value;
use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use super::{connection, interrupt::InterruptHandle, language::Language, running::Kernel, worker::Worker};
use crate::{
    jupyter::connection_file::{ConnectionFile, ConnectionFileError},
    limits::Limits,
    net::{Acceptor, BindError, Server},
};

/// How long a cell that is still running at the end may take to notice that it is interrupted.
const FAREWELL: Duration = Duration::from_secs(1);

/// What a kernel is made of.
#[derive(Debug)]
pub struct Parts<L> {
    /// The language inside.
    pub language: L,
    /// Interrupts the language.
    pub interrupt: InterruptHandle,
    /// The content of the kernel's `kernel_info_reply`.
    pub info: Value,
}

/// Why a kernel ended other than by being asked to.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The connection file asks for something that is refused.
    #[error("the connection file {0}")]
    ConnectionFile(#[from] ConnectionFileError),
    /// A socket could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The system gave no thread or no signals.
    #[error("the kernel could not be set up: {0}")]
    System(#[from] io::Error),
    /// The language's thread is gone.
    #[error("the interpreter ended unexpectedly; its state is lost: restart the kernel")]
    Crashed,
    /// The language ended.
    #[error("{0}")]
    Gone(String),
}

/// Serves the kernel that a connection file describes, until a `shutdown_request` or SIGTERM, or until `gone` says why the
/// language has ended. SIGINT interrupts the running cell.
///
/// # Errors
/// The kernel could not start, or its language ended.
pub async fn serve<L: Language>(
    file: &ConnectionFile,
    parts: Parts<L>,
    gone: impl Future<Output = String>,
) -> Result<(), ServeError> {
    let limits = Limits::default();
    let kernel = Arc::new(Kernel::new(file, parts.info, parts.interrupt, &limits)?);
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Server::bind(file.location(), Some(file.ports())).await?;
    let acceptor = Acceptor::new(&limits);
    let (worker, queue) = Worker::new(parts.language, kernel.clone());
    let finished = worker.start()?;

    let interrupts = async {
        while interrupt.recv().await.is_some() {
            kernel.interrupt();
        }
    };
    let serves =
        server.serve(&acceptor, |incoming| connection::serve(incoming, kernel.clone(), queue.clone()));
    let ended = tokio::select! {
        biased;
        () = kernel.ended() => Ok(()),
        _ = terminate.recv() => Ok(()),
        reason = gone => Err(ServeError::Gone(reason)),
        () = finished.cancelled() => if kernel.has_ended() { Ok(()) } else { Err(ServeError::Crashed) },
        () = interrupts => Ok(()),
        () = serves => Ok(()),
    };
    // A language that is gone has nothing to be interrupted, and the cell's client is told by who sees the kernel end.
    if ended.is_ok() {
        kernel.end();
        let _ = timeout(FAREWELL, finished.cancelled()).await;
    }
    ended
}
