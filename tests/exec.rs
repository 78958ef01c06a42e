//! Running code as `jupyter-fleet exec` does: against the Lua kernel, and against kernels that behave oddly.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests may fail loudly"
)]
mod common;

#[path = "exec/failures.rs"]
mod failures;
#[path = "exec/fake.rs"]
mod fake;
#[path = "exec/odd_kernels.rs"]
mod odd_kernels;
#[path = "exec/runs.rs"]
mod runs;
#[path = "exec/script.rs"]
mod script;
