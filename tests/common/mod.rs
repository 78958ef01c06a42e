//! What black box tests share: a Lua kernel of this process, and a client of it on libzmq.
#![allow(dead_code, reason = "each test crate uses a part of it")]
pub mod client;
pub mod kernel;

pub use client::Client;
pub use kernel::Kernel;
