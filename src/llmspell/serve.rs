//! The adapter from its start to its end.

use std::sync::Arc;

use thiserror::Error;

use super::{
    engine::Engine,
    info::{is_lua, kernel_info},
    instance::{Instance, Running},
    process::Supervisor,
    program::Program,
};
use crate::{
    jupyter::connection_file::ConnectionFile,
    kernel::{self, InterruptHandle, Parts},
};

pub use super::instance::StartError;

/// Why the kernel could not start, or ended by itself.
#[derive(Debug, Error)]
pub enum ServeError {
    /// llmspell did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The kernel could not be served, or llmspell ended.
    #[error(transparent)]
    Serve(#[from] kernel::ServeError),
}

/// Starts llmspell and serves the kernel that a connection file describes, until it is asked to end. llmspell ends with it.
///
/// # Errors
/// llmspell did not start, or ended by itself.
pub async fn serve(file: &ConnectionFile, program: Program) -> Result<(), ServeError> {
    let (program, supervisor) = (Arc::new(program), Supervisor::new());
    let (running, info) = Running::start(&program, &supervisor).await?;
    let interrupt = InterruptHandle::default();
    let instance = Instance::new(program, supervisor.clone(), running);
    let language = Engine::new(instance, interrupt.clone(), is_lua(&info));
    let parts = Parts { language, interrupt, info: kernel_info(info) };
    let served = kernel::serve(file, parts, supervisor.gone()).await;
    supervisor.end().await;
    Ok(served?)
}
