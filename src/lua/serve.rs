//! The interpreter as the language of a kernel.

use std::sync::Arc;

use thiserror::Error;

use super::{
    info::kernel_info,
    interpreter::{Interpreter, StartError},
};
use crate::{
    jupyter::connection_file::ConnectionFile,
    kernel::{self, Completeness, Completion, Gone, Host, Language, Outcome, Parts},
};

/// Why the Lua kernel could not start, or ended by itself.
#[derive(Debug, Error)]
pub enum ServeError {
    /// There is no interpreter.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The kernel could not be served.
    #[error(transparent)]
    Serve(#[from] kernel::ServeError),
}

/// Serves the Lua kernel that a connection file describes, until it is asked to end.
///
/// # Errors
/// The kernel could not start, or its interpreter crashed.
pub async fn serve(file: ConnectionFile) -> Result<(), ServeError> {
    let language = Interpreter::new()?;
    let interrupt = language.interrupt_handle();
    let parts = Parts { language, interrupt, info: kernel_info() };
    Ok(kernel::serve(&file, parts, std::future::pending()).await?)
}

impl Language for Interpreter {
    fn execute(&mut self, code: &str, execution_count: u32, host: Arc<dyn Host>) -> Result<Outcome, Gone> {
        Ok(Self::execute(self, code, execution_count, host))
    }

    fn evaluate(
        &mut self,
        expression: &str,
        execution_count: u32,
        host: Arc<dyn Host>,
    ) -> Result<Outcome, Gone> {
        Ok(Self::execute(self, &format!("return {expression}"), execution_count, host))
    }

    fn complete(&mut self, code: &str, cursor_pos: usize) -> Completion {
        Self::complete(self, code, cursor_pos)
    }

    fn inspect(&mut self, code: &str, cursor_pos: usize) -> Option<String> {
        Self::inspect(self, code, cursor_pos)
    }

    fn is_complete(&mut self, code: &str) -> Completeness {
        Self::is_complete(self, code)
    }
}
