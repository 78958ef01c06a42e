//! The built-in Lua kernel, as a client on libzmq sees it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]
mod common;

#[path = "lua_kernel/cells.rs"]
mod cells;
#[path = "lua_kernel/input.rs"]
mod input;
#[path = "lua_kernel/publishing.rs"]
mod publishing;
#[path = "lua_kernel/requests.rs"]
mod requests;
#[path = "lua_kernel/strangers.rs"]
mod strangers;
