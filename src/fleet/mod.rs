//! The kernels of the fleet: which runtimes exist, and the processes that run them.
//!
//! Files, directories, processes and their supervision live here. Sockets of clients, and what goes through them, don't.
pub mod directories;
pub mod discovery;
pub mod environment;
pub mod files;
pub mod python;
pub mod restart_right;
pub mod runtime;
pub mod runtimes;
pub mod search_path;
mod shim;
