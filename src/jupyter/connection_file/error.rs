//! What can be wrong with a connection file.
use crate::jupyter::{
    address::{NotAnIp, UnknownTransport},
    scheme::UnknownScheme,
};

use super::LONGEST_IPC_PATH;

/// Why a connection file cannot be used. The text goes after the file's name, and says all: there is no `source`.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionFileError {
    /// Not JSON at all, or cut short.
    #[error("is not JSON ({0}): it may still be being written, or is not a connection file")]
    NotJson(serde_json::Error),
    /// JSON, but no object.
    #[error("is not a JSON object, so it is not a connection file")]
    NotAnObject,
    /// A key that every connection file has is not there.
    #[error("has no {field:?}: it is not a connection file, or not a whole one")]
    MissingField {
        /// The key.
        field: &'static str,
    },
    /// A known key with a value of another type.
    #[error("{field:?} must be {expected}")]
    WrongType {
        /// The key.
        field: &'static str,
        /// The type that it must have, in words.
        expected: &'static str,
    },
    /// A port that no socket can have.
    #[error("{field:?} is {found}, but a port is a whole number from 1 to 65535")]
    BadPort {
        /// The key.
        field: &'static str,
        /// The number that was found.
        found: String,
    },
    /// `transport` is neither tcp nor ipc.
    #[error("\"transport\": {0}")]
    Transport(UnknownTransport),
    /// `signature_scheme` is unknown.
    #[error("\"signature_scheme\": {0}")]
    Scheme(UnknownScheme),
    /// `ip` of a TCP connection file is no address.
    #[error("\"ip\": {0}")]
    Ip(NotAnIp),
    /// A Unix socket cannot have such a path.
    #[error(
        "\"ip\" leads to the socket path {path:?} of {} bytes, but a Unix socket's may have {LONGEST_IPC_PATH} \
         at most: use a shorter directory (JUPYTER_RUNTIME_DIR)", path.len()
    )]
    IpcPathTooLong {
        /// The path of the channel whose path is too long.
        path: String,
    },
    /// A path with a NUL byte names no file.
    #[error("\"ip\" holds a NUL character, which no path can have")]
    IpcPathWithNul,
    /// Keys for CurveZMQ, which would otherwise be dropped silently, and with them the encryption.
    #[error("has {field:?}, but CURVE is not supported yet: start the kernel without CurveZMQ keys")]
    Curve {
        /// The key.
        field: String,
    },
    /// An empty key where everybody on the machine can connect.
    #[error("\"key\" is empty: unsigned messages over TCP would let anybody on this machine run code")]
    UnsignedOverTcp,
}
