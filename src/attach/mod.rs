//! The process that a host takes for its kernel: what `jupyter-fleet attach` does.
//!
//! Programs that start kernels from kernelspecs write a connection file and start a process that serves it. This one, the stub,
//! binds the file's five sockets and asks the running `serve` to serve them; the host's clients then talk to `serve`. While no
//! `serve` is there, the stub serves them itself, to say so in the cell. It ends when the host shuts its kernel down.

mod absence;
mod connection;
mod error;
mod fleet;
mod lost;
mod room;
mod run;
mod search;
mod start;

pub use error::AttachError;
pub use run::{Options, run};
