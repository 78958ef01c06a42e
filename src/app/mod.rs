//! The commands, each from what was typed to its end: the one room that knows all others.

mod exec;
mod lua_kernel;
mod serve;

pub use exec::exec;
pub use lua_kernel::lua_kernel;
pub use serve::serve;
