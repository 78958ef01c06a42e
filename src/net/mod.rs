//! Sockets: listening, dialling, one task's view of one connection, and what waits to leave on it.
//!
//! Here lives all tokio IO of the wire. Nothing here knows what a message means; routing and Jupyter's rules belong
//! above, bytes and frames below.

mod admission;
mod admit;
mod dial;
mod flushes;
mod handover;
mod listener;
mod origin;
mod outbox;
mod peer;
mod peer_error;
mod queue;
mod retained;
mod run;
mod sent;
mod server;
mod settings;
mod silent;
mod stream;
mod unacknowledged;

pub use admission::Refused;
pub use admit::Acceptor;
pub use dial::{DialError, Dialler, dial};
pub use flushes::Flushes;
pub use handover::HandedOver;
pub use listener::{BindError, Listener};
pub use origin::{Origins, UserNames};
pub use outbox::{EchoOutbox, PushError, SignedOutbox, Undelivered};
pub use peer::{Event, Peer};
pub use peer_error::PeerError;
pub use retained::{Missed, Retention};
pub use run::{Run, WrittenRun};
pub use server::{Incoming, Lost, Publisher, Server, SubscriberOutbox, echo, socket_type};
pub use settings::PeerSettings;
pub use silent::end_silent;
pub use stream::Stream;
