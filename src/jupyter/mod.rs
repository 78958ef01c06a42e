//! What Jupyter defines on top of ZeroMQ: connection files, kernelspecs, signatures, messages.
//!
//! Bytes in, values out, and back. No sockets, no files, no clock, and no knowledge of ZMTP belong here.
pub mod address;
pub mod connection_file;
pub mod content;
mod flat_object;
pub mod header;
pub mod kernelspec;
mod lenient;
pub mod message;
pub mod placeholder;
pub mod replay;
pub mod reply;
pub mod scheme;
pub mod signature;

/// What holds for whatever a message or a file says.
#[cfg(any(test, fuzzing))]
pub mod laws {
    pub use super::{
        connection_file::law::connection_file, content::law::content, header::law::header,
        kernelspec::law::kernelspec, message::law::message,
    };
}
