//! A kernel to its host, a client to the fleet: what `jupyter-fleet attach` does.
//!
//! Programs that start kernels from kernelspecs write a connection file and start a process that serves it. Here that
//! process serves it by carrying all it is sent to a fleet, as one client of it, and back. A message keeps header,
//! parent header, metadata, content and buffers as the bytes that came; only signature and envelope change. Here lives
//! the way between the two; what the fleet makes of it is decided there.

mod absence;
mod answer;
mod carrier;
mod connection;
mod doors;
mod doubt;
mod error;
mod fleet;
mod in_flight;
mod interrupt;
mod line;
mod name;
mod publisher;
mod receipts;
mod replies;
mod requests;
mod run;
mod start;
mod subscriber;
mod upstream;

pub use error::AttachError;
pub use run::{Options, run};
