//! Who speaks on a connection, and what the journal is told of it before anything is done.

use std::sync::Arc;

use tracing::Span;

use super::{
    connection::{Connection, ReturnAddress},
    gate::Gate,
};
use crate::{
    id::{ClientId, EndpointId, SessionId},
    jupyter::{header::Header, message::Verified, reply::Failure},
    proxy::Proxy,
    route::Table,
    state::{Asked, Entry},
};

/// Requests that no client waits for without an end: they are asked again at the next key, or done without. After a crash of `serve`
/// nobody is told of them.
const ASKED_AGAIN: [&str; 5] =
    ["complete_request", "inspect_request", "is_complete_request", "history_request", "comm_info_request"];

/// The clients that have spoken on one connection: one, as a rule.
pub(crate) type Sessions = Vec<(ClientId, Arc<Gate>)>;

impl Proxy {
    /// Finds the client that a session is, and brings it to the table the first time. `Err`: too many speak on the connection.
    pub(crate) fn recognise<'a>(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        known: &'a mut Sessions,
        session: &str,
    ) -> Result<&'a (ClientId, Arc<Gate>), ClientId> {
        if let Some(client) = &connection.client {
            self.speaks_as(connection.endpoint.id, client, session);
        }
        let unnamed =
            (connection.client.is_none() && session.is_empty()).then(|| connection.unnamed_session());
        let session = connection.client.as_ref().map_or(session, SessionId::as_str);
        let session = unnamed.as_deref().unwrap_or(session);
        let found = known.iter().position(|(client, _)| client.session.as_str() == session);
        let client = || ClientId { endpoint: connection.endpoint.id, session: SessionId::from(session) };
        if found.is_none() && known.len() >= self.limits.sessions_per_connection {
            return Err(client());
        }
        let index = found.unwrap_or_else(|| {
            let client = client();
            Span::current().record("session", session);
            let gate = self.client_arrived(connection, &client);
            known.push((client, gate));
            known.len() - 1
        });
        #[expect(clippy::indexing_slicing, reason = "the index was just found or made")]
        Ok(&known[index])
    }

    /// Refuses a message of one session too many.
    pub(crate) fn refuse_session(
        self: &Arc<Self>,
        client: &ClientId,
        msg_type: &str,
        address: &ReturnAddress,
    ) {
        let most = self.limits.sessions_per_connection;
        let text =
            format!("{most} sessions speak on this connection already, and no more may: use another one");
        self.fail(client, msg_type, address, &Failure::new("TooManySessions", text));
    }

    /// Remembers a session that speaks for a client of another name.
    pub(crate) fn speaks_as(&self, endpoint: EndpointId, client: &SessionId, session: &str) {
        if session.is_empty() || client.as_str() == session {
            return;
        }
        let client_of = |session| ClientId { endpoint, session };
        let spoken = client_of(SessionId::from(session));
        if !self.spoken_for.contains_key(&spoken) && self.spoken_for.len() < self.limits.remembered_clients {
            self.spoken_for.insert(spoken, client_of(client.clone()));
        }
    }

    /// Whether requests with this session are the client's.
    pub(crate) fn speaks_for(&self, client: &ClientId, session: &str) -> bool {
        let spoken = || ClientId { endpoint: client.endpoint, session: SessionId::from(session) };
        client.session.as_str() == session
            || (!self.spoken_for.is_empty()
                && self.spoken_for.get(&spoken()).is_some_and(|known| *known == *client))
    }

    /// Notes a request that a reply is due to.
    pub(crate) fn note(
        &self,
        connection: &Connection,
        client: &ClientId,
        header: &Header<'_>,
        message: &Verified,
        stops_on_error: bool,
    ) -> Entry {
        if !header.msg_type.ends_with("_request") || ASKED_AGAIN.contains(&&*header.msg_type) {
            return Entry::NONE;
        }
        self.journal.asked(&Asked {
            client: client.clone(),
            channel: connection.channel,
            origin: connection.origin,
            msg_type: header.msg_type.to_string(),
            msg_id: header.msg_id.to_string(),
            identity: hex::encode(&connection.identity),
            envelope: message.envelope().frames().iter().map(hex::encode).collect(),
            header: String::from_utf8_lossy(message.body().header()).into_owned(),
            kernel: None,
            stops_on_error,
            waits: None,
        })
    }

    /// Notes which kernels a client has and visits, if it has one.
    pub(crate) fn note_binding(
        &self,
        table: &Table<ReturnAddress>,
        connection: &Connection,
        client: &ClientId,
    ) {
        let Some(mut remembered) = table.remembered_client(client) else { return };
        remembered.origins = vec![connection.origin];
        self.journal.bound(&remembered);
    }
}
