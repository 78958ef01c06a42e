//! `start-kernel`: becomes a kernel.

use std::process::ExitCode;

use crate::cli::start_kernel::StartKernelArguments;

/// Becomes the kernel's program; returns only if that cannot be, with the exit code that shells give it.
#[expect(clippy::print_stderr, reason = "the kernel's log, for the person who looks for the cause")]
pub fn start_kernel(arguments: StartKernelArguments) -> ExitCode {
    let error = arguments.meaning().exec();
    eprintln!("jupyter-fleet: {error}");
    ExitCode::from(error.exit_code())
}
