//! `%fleet` and `%%fleet`: what a cell may say to the fleet instead of to its kernel, and how the fleet answers.
//!
//! Text in, values out: it is recognised, completed and put into pages here. Carrying it out belongs above: there are
//! no sockets, no clock and no tables of kernels here.

mod command;
mod complete;
mod error;
mod help;
mod key;
mod page;
mod recognise;
mod wishes;

pub use command::Command;
pub use complete::{Completions, Vocabulary, complete};
pub use error::MagicError;
pub use help::help;
pub use page::{Page, Shown};
pub use recognise::{Magic, recognise};

/// What holds for whatever a cell says.
#[cfg(any(test, fuzzing))]
pub mod laws {
    pub use super::recognise::law::magic;
}
