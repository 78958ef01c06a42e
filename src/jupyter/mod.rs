//! What Jupyter defines on top of ZeroMQ: connection files, kernelspecs, signatures, messages.
//!
//! Bytes in, values out, and back. No sockets, no files, no clock, and no knowledge of ZMTP belong here.
pub mod connection_file;
pub mod content;
pub mod endpoint;
mod flat_object;
pub mod header;
pub mod kernelspec;
pub mod message;
pub mod placeholder;
pub mod replay;
pub mod reply;
pub mod scheme;
pub mod signature;
