//! The built-in Lua kernel on its five sockets (messaging spec 5.5).
//!
//! Who runs what: each connection has a task that verifies what it reads; shell's requests go through one queue to
//! the interpreter's own OS thread; control's are answered by the connection's task at once, also while a cell runs.
//! Whoever has something to publish writes it to the subscribers itself.

mod cell;
mod cell_host;
mod connection;
mod content;
mod control;
mod info;
mod kernel;
mod request;
mod stdin;
mod worker;

use std::{io, time::Duration};

use thiserror::Error;
use tokio::{
    signal::unix::{SignalKind, signal},
    time::timeout,
};

use self::{kernel::Kernel, worker::Worker};
use super::interpreter::{Interpreter, StartError};
use crate::{
    jupyter::connection_file::{ConnectionFile, ConnectionFileError},
    limits::Limits,
    net::{BindError, Gatehouse, Server},
};

/// How long a cell that is still running at the end may take to notice that it is interrupted.
const FAREWELL: Duration = Duration::from_secs(1);

/// Why the kernel could not start, or ended by itself.
#[derive(Debug, Error)]
pub enum ServeError {
    /// The connection file asks for something that is refused.
    #[error("the connection file {0}")]
    ConnectionFile(#[from] ConnectionFileError),
    /// A socket could not be bound.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// There is no interpreter.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The system gave no thread or no signals.
    #[error("the kernel could not be set up: {0}")]
    System(#[from] io::Error),
    /// The interpreter's thread is gone.
    #[error("the Lua interpreter ended unexpectedly; its state is lost: restart the kernel")]
    Crashed,
}

/// Serves the kernel that a connection file describes, until a `shutdown_request` or SIGTERM. SIGINT interrupts the
/// running cell.
///
/// # Errors
/// The kernel could not start, or its interpreter crashed.
pub async fn serve(file: ConnectionFile) -> Result<(), ServeError> {
    let limits = Limits::default();
    let interpreter = Interpreter::new()?;
    let kernel = Kernel::new(&file, interpreter.interrupt_handle(), &limits)?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let server = Server::bind(file.address(), Some(file.ports())).await?;
    let gatehouse = Gatehouse::new(&limits);
    let (worker, queue) = Worker::new(interpreter, kernel.clone());
    let finished = worker.start()?;

    let interrupts = async {
        while interrupt.recv().await.is_some() {
            kernel.interrupt();
        }
    };
    let ended = tokio::select! {
        () = server.serve(&gatehouse, |incoming| connection::serve(incoming, kernel.clone(), queue.clone())) => Ok(()),
        () = kernel.ended() => Ok(()),
        _ = terminate.recv() => Ok(()),
        () = finished.cancelled() => if kernel.has_ended() { Ok(()) } else { Err(ServeError::Crashed) },
        () = interrupts => Ok(()),
    };
    kernel.end();
    let _ = timeout(FAREWELL, finished.cancelled()).await;
    ended
}
