//! What several benches share: the two ends of a line (`kernel` and its language `code`; `session`, a client on `raw` sockets),
//! what they say to each other (`wire`, `incoming`, `frame`, `counter`), the processes of a run (`process`, `parts`, `fleet`),
//! and what becomes of its figures (`options`, `series`, `report`, `saved`, `machine`).
//!
//! What a single bench measures, and how, does not belong here.
#![allow(dead_code, reason = "each bench includes this folder, and none needs all of it")]

pub mod code;
pub mod counter;
pub mod fleet;
pub mod frame;
pub mod incoming;
pub mod kernel;
pub mod machine;
pub mod options;
pub mod parts;
pub mod process;
pub mod raw;
pub mod report;
pub mod saved;
pub mod series;
pub mod session;
pub mod wire;
