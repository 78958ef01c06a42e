//! The commands, each from what was typed to its end: the one room that knows all others.

mod attach;
mod confine;
mod detach;
mod exec;
mod llmspell_kernel;
mod lua_kernel;
mod serve;
mod start_kernel;

pub use attach::attach;
pub use exec::exec;
pub use llmspell_kernel::{end_with_parent, llmspell_kernel};
pub use lua_kernel::lua_kernel;
pub use serve::serve;
pub use start_kernel::start_kernel;
