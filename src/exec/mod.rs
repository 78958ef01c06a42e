//! Running code in a kernel of a fleet, as any Jupyter client would: what `jupyter-fleet exec` does.
//!
//! [`run`] connects, waits for the kernel, runs the code, shows what comes on iopub and asks what the code asks, all
//! through a [`Terminal`]. Here lives the client's side of the messaging spec; what can be typed, and which exit code
//! an [`Outcome`] is, belongs to the command line.

mod client;
mod error;
mod execution;
mod link;
mod questions;
mod run;
mod show;
mod terminal;

pub use error::ExecError;
pub use run::{Options, Outcome, run};
pub use terminal::{ProcessTerminal, Terminal};
