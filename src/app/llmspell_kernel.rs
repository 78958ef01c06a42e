//! `llmspell-kernel`: a kernel around llmspell. `end-with-parent`: what llmspell is started by.

use std::process::ExitCode;

use crate::{
    cli::llmspell_kernel::{EndWithParentArguments, LlmspellKernelArguments},
    llmspell::{self, Program},
    runtimes::read_connection_file,
};

/// Runs the kernel until it is shut down.
pub fn llmspell_kernel(arguments: LlmspellKernelArguments) -> anyhow::Result<()> {
    let file = read_connection_file(&arguments.connection_file)?;
    let program = Program::new(arguments.argv, arguments.announced)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(llmspell::serve(&file, program))?)
}

/// Becomes the program; returns only if that cannot be.
#[expect(clippy::print_stderr, reason = "the kernel's log, for the person who looks for the cause")]
pub fn end_with_parent(arguments: EndWithParentArguments) -> ExitCode {
    let error = llmspell::become_child(arguments.parent, arguments.argv);
    eprintln!("jupyter-fleet: {error}");
    ExitCode::FAILURE
}
