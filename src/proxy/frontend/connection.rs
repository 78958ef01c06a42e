//! A client's connection, as the rest of the walk sees it: where it comes from and where messages to it go.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::watch;

use super::endpoint::Endpoint;
use crate::{
    channel::Channel,
    id::{ClientId, ConnectionId, Origin, SessionId},
    jupyter::message::{Envelope, Signed, Verified},
    net::{PushError, SignedOutbox},
    route::{Request, RequestKind},
    state::Entry,
};

/// One accepted connection of a signed channel.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) channel: Channel,
    pub(crate) origin: Origin,
    /// What the peer announced; a client uses one identity on shell, control and stdin.
    pub(crate) identity: Bytes,
    /// By which connection file it came, whose key signs the messages on it.
    pub(crate) endpoint: Arc<Endpoint>,
    /// Whose all messages on it are, whatever their sessions.
    pub(crate) client: Option<SessionId>,
    /// Whether a message on it has shown that the peer holds the key.
    pub(crate) holds_key: AtomicBool,
    pub(crate) heir_of: InheritedClients,
    pub(crate) outbox: SignedOutbox,
    questions: Questions,
}

/// What a peer is asked by PING: how often it has been asked, and how many of them it has come to.
#[derive(Debug, Default)]
struct Questions {
    asked: AtomicU64,
    answered: watch::Sender<u64>,
}

/// The clients of connections that ended after this one had come in their place: they count as connected by this one. `None`
/// once it has ended itself.
#[derive(Debug)]
pub(crate) struct InheritedClients(Mutex<Option<Vec<ClientId>>>);

impl Default for InheritedClients {
    fn default() -> Self {
        Self(Mutex::new(Some(Vec::new())))
    }
}

impl InheritedClients {
    /// `false`: the connection has ended, too.
    pub(crate) fn add(&self, clients: &[ClientId]) -> bool {
        let mut inherited = self.0.lock();
        let Some(inherited) = &mut *inherited else { return false };
        inherited.extend_from_slice(clients);
        true
    }

    /// The connection has ended; returns whom it had inherited.
    pub(crate) fn end(&self) -> Vec<ClientId> {
        self.0.lock().take().unwrap_or_default()
    }
}

impl Connection {
    pub(crate) fn new(
        id: ConnectionId,
        channel: Channel,
        (origin, identity): (Origin, Bytes),
        endpoint: Arc<Endpoint>,
        outbox: SignedOutbox,
    ) -> Self {
        Self {
            id,
            channel,
            origin,
            identity,
            client: endpoint.host.as_ref().map(|host| host.client.clone()),
            endpoint,
            holds_key: AtomicBool::new(false),
            heir_of: InheritedClients::default(),
            outbox,
            questions: Questions::default(),
        }
    }

    /// What routing is to know of a message on it.
    pub(crate) fn request<'a>(&'a self, client: &'a ClientId, kind: RequestKind) -> Request<'a> {
        Request {
            client,
            kind,
            defaults: &self.endpoint.defaults,
            leads_to: self.endpoint.defaults.kernel.as_ref(),
            reserve: self.endpoint.host.as_ref().is_none_or(|host| host.takes_warm_kernels),
            shell_session: None,
            answers: "",
        }
    }

    /// The session of a client whose headers name none. Its connections to the other channels have the same: clients use
    /// one routing id on all of them, and one without routing ids is taken to be the only one of its process.
    pub(crate) fn unnamed_session(&self) -> String {
        match (&*self.identity, self.origin) {
            ([], Origin::Process { pid, .. }) => format!("process-{pid}"),
            ([], _) => format!("connection-{}", self.id.0),
            (identity, _) => format!("routing-id-{}", hex::encode(identity)),
        }
    }

    /// A message on it was signed with the key; `true` if it is the first one.
    pub(crate) fn shows_key(&self) -> bool {
        !self.holds_key.load(Ordering::Relaxed) && !self.holds_key.swap(true, Ordering::Relaxed)
    }

    /// Asks the peer for a sign of life, and returns when it has given one: all that it had sent before that has come. At
    /// once if it cannot be asked.
    pub(crate) async fn answers_ping(&self) {
        let mut answered = self.questions.answered.subscribe();
        let question = self.questions.asked.fetch_add(1, Ordering::Relaxed) + 1;
        if self.outbox.ask(Bytes::copy_from_slice(&question.to_be_bytes())) {
            // It cannot fail: the sender lives as long as this connection.
            let _ = answered.wait_for(|latest| *latest >= question).await;
        }
    }

    /// The peer has come to what it was asked with this context.
    pub(crate) fn has_answered(&self, context: &[u8]) {
        let asked = self.questions.asked.load(Ordering::Relaxed);
        let question = context.try_into().map(u64::from_be_bytes).ok().filter(|question| *question <= asked);
        if let Some(question) = question {
            self.questions.answered.send_if_modified(|latest| {
                let is_newer = question > *latest;
                *latest = question.max(*latest);
                is_newer
            });
        }
    }

    /// Queues and writes a message.
    pub(crate) fn send(&self, envelope: &Envelope, message: &Signed) -> Result<(), PushError> {
        self.outbox.send(envelope, message)
    }
}

/// Where the reply to a request goes, and what it answers.
#[derive(Clone, Debug)]
pub(crate) struct ReturnAddress {
    pub(crate) connection: Arc<Connection>,
    /// What the client put before the delimiter.
    pub(crate) envelope: Envelope,
    /// The request's header, JSON: the parent of what we say ourselves.
    pub(crate) header: Bytes,
    /// Where the journal notes that it waits.
    pub(crate) entry: Entry,
    /// Whether it is a cell whose failure ends those that wait behind it.
    pub(crate) stops_on_error: bool,
}

impl ReturnAddress {
    /// The address of a message that has come on a connection, and that the journal knows nothing of.
    pub(crate) fn of_message(connection: Arc<Connection>, message: &Verified) -> Self {
        let header = Bytes::copy_from_slice(message.body().header());
        Self { envelope: message.envelope().detached(), header, ..Self::of_nothing(connection) }
    }

    /// The address of what has been sent on a connection, whatever it answers.
    pub(crate) fn of_nothing(connection: Arc<Connection>) -> Self {
        let (envelope, header) = (Envelope::default(), Bytes::new());
        Self { connection, envelope, header, entry: Entry::NONE, stops_on_error: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{EndpointId, SessionId};

    #[test]
    fn clients_are_inherited_by_connections_that_live() {
        let clients = [ClientId { endpoint: EndpointId::DEFAULT, session: SessionId::from("mine") }];
        let inherited = InheritedClients::default();
        assert!(inherited.add(&clients));
        assert_eq!(inherited.end(), clients);
        assert!(!inherited.add(&clients), "who has it then says that it has left");
        assert_eq!(inherited.end(), []);
    }
}
