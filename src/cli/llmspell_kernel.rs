//! `jupyter-fleet llmspell-kernel` and `end-with-parent`: what can be typed.
use std::{ffi::OsString, path::PathBuf};

use clap::Args;

/// What is typed after `llmspell-kernel`; it is also what is meant.
#[derive(Debug, Clone, Args)]
pub struct LlmspellKernelArguments {
    /// The connection file that says where to listen and which key to use
    #[arg(short = 'f', long = "connection-file", value_name = "FILE")]
    pub connection_file: PathBuf,
    /// The connection file that llmspell is to write
    #[arg(long, value_name = "FILE")]
    pub announced: PathBuf,
    /// The command that starts llmspell
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<String>,
}

/// What is typed after `end-with-parent`; it is also what is meant.
#[derive(Debug, Clone, Args)]
pub struct EndWithParentArguments {
    /// The process that starts this
    #[arg(long, value_name = "PID")]
    pub parent: i32,
    /// What to become
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub argv: Vec<OsString>,
}
