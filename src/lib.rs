//! One Jupyter connection file; a fleet of kernels behind it.
pub mod byte_size;
pub mod channel;
pub mod cli;
pub mod config;
pub mod fleet;
pub mod jupyter;
pub mod runtime_name;
