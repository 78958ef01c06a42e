//! The laws that hold for whatever bytes a stranger sends or a file holds: one list of them, for all who check them.
//!
//! A law is a function of any bytes that panics if they break it. It stands beside the code that it is about, in its
//! `law.rs`, and is compiled for tests and for fuzzing alone. `tests/fuzz` runs each for as long as one likes; the tests here
//! run each for a moment, over its seeds, what comes of changing them, and bytes at random.

pub use crate::{
    jupyter::laws::{connection_file, content, header, kernelspec, message},
    magic::laws::magic,
    route::laws::requirements,
    state::laws::{journal, registry},
    zmtp::laws::{codec, command, greeting, handshake},
};

/// A law and its name, which is also that of its fuzz target and of the directory of its seeds.
pub type Named = (&'static str, fn(&[u8]));

/// All laws.
pub const ALL: [Named; 13] = [
    ("codec", codec),
    ("command", command),
    ("connection_file", connection_file),
    ("content", content),
    ("greeting", greeting),
    ("handshake", handshake),
    ("header", header),
    ("journal", journal),
    ("kernelspec", kernelspec),
    ("magic", magic),
    ("message", message),
    ("registry", registry),
    ("requirements", requirements),
];

#[cfg(test)]
mod tests;
