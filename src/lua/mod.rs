//! The built-in Lua kernel.
//!
//! Here lives everything that knows Lua: the interpreter, what it prints and asks for, completion, inspection,
//! and the history of one session. [`Interpreter`] is synchronous and belongs to one OS thread; it speaks to the
//! outside through [`Host`], and is stopped through [`InterruptHandle`].
//!
//! [`serve`] makes it a Jupyter kernel.
//!
//! What must not live here: sockets, signatures and message headers outside of the server that speaks for it.

mod chunk;
mod complete;
mod declared;
mod display;
mod failure;
mod glob;
mod history;
mod host;
mod inspect;
mod interpreter;
mod interrupt;
mod is_complete;
mod json;
mod library;
mod names;
mod output;
mod prelude;
mod pretty;
mod quote;
mod server;
mod traceback;

pub use complete::Completion;
pub use history::{History, HistoryAccess, HistoryEntry, HistoryRequest};
pub use host::{Host, InputError, MimeBundle, Stdio};
pub use interpreter::{Interpreter, Outcome, StartError};
pub use interrupt::InterruptHandle;
pub use is_complete::Completeness;
pub use server::{ServeError, serve};
