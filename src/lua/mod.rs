//! The built-in Lua kernel.
//!
//! Here lives everything that knows Lua: the interpreter, what it prints and asks for, completion, inspection.
//! [`Interpreter`] is synchronous and belongs to one OS thread. [`serve`] makes it a Jupyter kernel, by the room `kernel`.
//!
//! What must not live here: sockets, signatures and message headers.

mod chunk;
mod complete;
mod declared;
mod display;
mod failure;
mod info;
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
mod serve;
mod syntax;
mod traceback;

pub use interpreter::{Interpreter, StartError};
pub use serve::{ServeError, serve};
pub use syntax::{Source, Syntax};
