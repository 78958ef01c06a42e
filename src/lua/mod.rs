//! The built-in Lua kernel.
//!
//! Here lives everything that knows Lua: the interpreter, what it prints and asks for, completion, inspection,
//! and the history of one session.
//!
//! What must not live here: sockets, signatures and message headers outside of the server that speaks for it.

mod glob;
mod history;

pub use history::{History, HistoryAccess, HistoryEntry, HistoryRequest};
