//! The API for those who look after a running fleet: HTTP over a Unix socket that only its own user can open.
//!
//! `server` admits and routes, `handlers` answer, `schema` says in what words; `client` is the other end, for the
//! commands. What is done to kernels is done by the proxy, and nothing here is on a message's way.

mod client;
mod handlers;
mod host_handler;
pub mod hosts;
mod problem;
mod schema;
mod server;
mod show;

pub use client::{AdminClient, CallError};
pub use problem::{Code, Problem};
pub use schema::{
    Asked, Client, ConsideredKernel, ConsideredRuntime, Explanation, Kernel, KernelEndpoint, Outcome,
    Restart, Status, Stopped,
};
pub use server::{Admin, AdminSocket, document};

/// The socket's name in the fleet's own directory.
pub const SOCKET_NAME: &str = "admin.sock";

/// Where the paths of the API's first version begin.
pub const PREFIX: &str = "/api/v1";
