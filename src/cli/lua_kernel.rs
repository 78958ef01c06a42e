//! `jupyter-fleet lua-kernel`: what can be typed.
use std::path::PathBuf;

use clap::Args;

/// What is typed after `lua-kernel`; it is also what is meant.
#[derive(Debug, Clone, Args)]
pub struct LuaKernelArguments {
    /// The connection file that says where to listen and which key to use
    #[arg(short = 'f', long = "connection-file", value_name = "FILE")]
    pub connection_file: PathBuf,
}
