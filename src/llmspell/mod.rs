//! A kernel around llmspell, which does not speak Jupyter's wire.
//!
//! llmspell 0.14 never replies to `execute_request`, publishes unsigned single frames, ignores interrupts and shutdowns,
//! and hangs when a cell prints much. So the adapter, a process of its own, serves the connection file that the fleet
//! gives it, by the room `kernel`, and drives `llmspell kernel start` behind it (`engine`): a cell is a
//! call of a function that is loaded before the first one (`prelude.lua`), which collects what the cell prints and
//! returns one result. Only the end of the process stops a cell.
//!
//! What must not live here: sockets that clients connect to, and anything that the rest of the fleet would have to know.

mod cells;
mod child;
mod client;
mod engine;
mod info;
mod instance;
mod news;
mod process;
mod program;
mod serve;

pub use child::{ChildError, become_child};
pub use program::Program;
pub use serve::{ServeError, StartError, serve};
