//! One Jupyter connection file; a fleet of kernels behind it.
//!
//! This is the map of the rooms, from the edges down; each imports only from those below it (`tests/layers.rs`).
//! ARCHITECTURE.md follows a message through them.

// What holds whatever comes in: for tests and fuzzing alone.
#[cfg(any(test, fuzzing))]
pub mod laws;

// The edges: what is typed, what is meant, what is run; the API for those who look after the fleet.
pub mod admin;
pub mod app;
pub mod cli;
pub mod config;

// The walk of a message between a client and its kernel.
pub mod proxy;

// What stays on disk for the next `serve`.
pub mod state;

// Kernels as processes; the built-in kernel, and one around llmspell; a client for scripts; a kernel for programs that want one of their own, and
// the kernelspecs by which they start it.
pub mod attach;
pub mod exec;
pub mod fleet;
pub mod kernelspecs;
pub mod llmspell;
pub mod lua;

// A Jupyter kernel, but for its language.
pub mod kernel;

// What cells may say to the fleet; sockets; what can be launched.
pub mod magic;
pub mod net;
pub mod runtimes;

// Decisions: who gets which kernel, who hears what.
pub mod route;

// The wire, and what Jupyter says on it.
pub mod jupyter;
pub mod zmtp;

// Words.
pub mod byte_size;
pub mod channel;
pub mod frames;
pub mod id;
#[cfg(any(test, fuzzing))]
pub mod input;
pub mod limits;
pub mod listing;
pub mod metrics;
pub mod runtime_name;
pub mod shutdown;
