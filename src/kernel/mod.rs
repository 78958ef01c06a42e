//! A Jupyter kernel around a language, on the five sockets of a connection file (messaging spec, "Messaging in Jupyter").
//!
//! Here lives what all our kernels have in common: requests in order, statuses, execution counts, aborts after an error,
//! history, questions on stdin, the end. A [`Language`] brings the rest; it speaks to the outside through [`Host`], and is
//! stopped through [`InterruptHandle`].
//!
//! Who runs what: each connection has a task that verifies what it reads; shell's requests go through one queue to the
//! language's own OS thread; control's are answered by the connection's task at once, also while a cell runs. Whoever has
//! something to publish writes it to the subscribers itself.
//!
//! What must not live here: anything that knows a language.

mod cell;
mod cell_host;
mod connection;
mod content;
mod control;
mod glob;
mod history;
mod host;
mod interrupt;
mod language;
mod request;
mod running;
mod serve;
mod stdin;
mod worker;

pub use history::{History, HistoryAccess, HistoryEntry, HistoryRequest};
pub use host::{Host, InputError, MimeBundle, Stdio};
pub use interrupt::InterruptHandle;
pub use language::{Completeness, Completion, Gone, Language, Outcome};
pub use serve::{Parts, ServeError, serve};
