//! One Jupyter connection file; a fleet of kernels behind it.
pub mod byte_size;
pub mod channel;
pub mod cli;
pub mod config;
pub mod fleet;
pub mod frames;
pub mod id;
pub mod jupyter;
pub mod limits;
pub mod lua;
pub mod net;
pub mod route;
pub mod runtime_name;
pub mod runtimes;
pub mod zmtp;
