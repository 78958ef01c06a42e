//! A verified request, and the way back to who sent it.

use bytes::Bytes;
use serde::de::DeserializeOwned;
use tracing::{debug, warn};

use crate::{
    id::Origin,
    jupyter::{
        header::Header,
        message::{Envelope, Signed, Verified},
        reply::Failure,
    },
    net::{PushError, SignedOutbox},
};

/// A request on shell or control.
#[derive(Debug)]
pub(super) struct Request {
    pub msg_type: String,
    pub msg_id: String,
    pub session: String,
    /// Its header, for the parent headers of what it leads to.
    pub header: Bytes,
    pub envelope: Envelope,
    pub sender: Sender,
    content: Bytes,
}

/// The connection that a request came from.
#[derive(Clone, Debug)]
pub(super) struct Sender {
    /// Its ZeroMQ identity: a client has the same on shell and on stdin.
    pub identity: Bytes,
    pub origin: Origin,
    pub outbox: SignedOutbox,
}

impl Request {
    /// Reads the header. A message without a readable one cannot be answered, and is dropped.
    pub fn read(message: Verified, sender: &Sender) -> Option<Self> {
        let header =
            Header::peek(&message).inspect_err(|error| warn!(%error, "a message is dropped")).ok()?;
        let (msg_type, msg_id) = (header.msg_type.into_owned(), header.msg_id.into_owned());
        let session = header.session.into_owned();
        let envelope = message.envelope().detached();
        let (header, content) = (message.body().header().clone(), message.body().content().clone());
        Some(Self { msg_type, msg_id, session, header, envelope, sender: sender.clone(), content })
    }

    /// Reads the content, or says what is wrong with it.
    pub fn content<T: DeserializeOwned>(&self) -> Result<T, Failure> {
        serde_json::from_slice(&self.content).map_err(|error| {
            Failure::new(
                "BadRequest",
                format!("the content of this {} cannot be read: {error}", self.msg_type),
            )
        })
    }
}

impl Sender {
    /// Sends a message there. One that does not read what it asked for is cut off.
    pub fn send(&self, envelope: &Envelope, message: &Signed) {
        match self.outbox.send(envelope, message) {
            Ok(()) => {}
            Err(PushError::Closed) => debug!(origin = %self.origin, "the client left before its reply"),
            Err(PushError::Full) => {
                warn!(origin = %self.origin, "a client that does not read its replies is disconnected");
                self.outbox.close();
            }
        }
    }
}
