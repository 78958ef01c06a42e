//! Which connection gets what waits for a routing id: who may take whose place.
//!
//! Anyone may announce any routing id, and a client's own is no secret: jupyter_client makes it of the session, which each
//! message bears. But a client that connects again says nothing at first, neither on shell, where it waits for a reply, nor
//! on stdin, where it waits for questions. So a connection gets what waits for its routing id
//!
//! - if it is of the process that asked, or, where the process cannot be told, of that user or remote address, or
//! - if it belongs to that user or address at all, and a message on it has shown that it holds the key.
//!
//! It must have come by the same connection file. While the connection lives on which something was asked, the reply goes
//! there and to no other. Among several, those of the process that asked go first, and the newest of them.
//!
//! A tunnel may have a process for each channel, so a stdin connection that says nothing stands in another process than
//! its shell. Who asked over a shell connection that lives, and has nothing else from its process, gets questions on a
//! stdin connection of its user. A client that is no tunnel's has its iopub and heartbeat there too.

use std::sync::{Arc, atomic::Ordering};

use bytes::Bytes;
use dashmap::DashMap;

use crate::{
    channel::Channel,
    id::{EndpointId, Origin},
    net::end_silent,
    proxy::{Proxy, frontend::connection::Connection},
};

/// The connections for requests that live, by their routing ids.
#[derive(Debug, Default)]
pub(crate) struct RoutingIds(DashMap<Bytes, Vec<Arc<Connection>>>);

impl RoutingIds {
    pub(crate) fn add(&self, connection: &Arc<Connection>) {
        if connection.channel != Channel::IoPub && !connection.identity.is_empty() {
            self.0.entry(connection.identity.clone()).or_default().push(connection.clone());
        }
    }

    pub(crate) fn remove(&self, connection: &Connection) {
        self.0.remove_if_mut(&connection.identity, |_, bearers| {
            bearers.retain(|bearer| bearer.id != connection.id);
            bearers.is_empty()
        });
    }

    fn bearers(&self, identity: &Bytes) -> Vec<Arc<Connection>> {
        self.0.get(identity).map(|bearers| bearers.clone()).unwrap_or_default()
    }
}

impl Connection {
    /// Whether it gets what waits for this routing id, which something was asked with from there.
    pub(crate) fn takes_over(&self, endpoint: EndpointId, origin: &Origin, identity: &Bytes) -> bool {
        self.may_be(endpoint, origin, identity)
            && (self.origin == *origin || self.holds_key.load(Ordering::Relaxed))
    }

    /// Whether it claims this routing id, and belongs to the same user or remote address.
    fn may_be(&self, endpoint: EndpointId, origin: &Origin, identity: &Bytes) -> bool {
        self.endpoint.id == endpoint
            && !identity.is_empty()
            && self.identity == *identity
            && self.origin.same_owner(origin)
    }
}

impl Proxy {
    /// A remote client that comes back may be here before the end of its earlier connection is known: where that one's host
    /// does not answer, it has ended.
    pub(crate) async fn end_silent_predecessors(&self, connection: &Connection) {
        let is_predecessor = |earlier: &Arc<Connection>| {
            let Connection { channel, endpoint, origin, identity, id, .. } = &**earlier;
            *channel == connection.channel
                && *id < connection.id
                && matches!(origin, Origin::Address(_))
                && connection.takes_over(endpoint.id, origin, identity)
        };
        let bearers = self.routing_ids.bearers(&connection.identity).into_iter();
        let predecessors: Vec<_> =
            bearers.filter(is_predecessor).map(|earlier| earlier.outbox.clone()).collect();
        end_silent(&predecessors).await;
    }

    /// The connection that has replaced an ended one: the client came back.
    pub(crate) fn replacement_of(&self, ended: &Connection) -> Option<Arc<Connection>> {
        let Connection { endpoint, origin, identity, .. } = ended;
        self.best(ended, |one| {
            one.channel == ended.channel && one.id > ended.id && one.takes_over(endpoint.id, origin, identity)
        })
    }

    /// The stdin connection of the client that a shell connection is of.
    pub(crate) fn stdin_of(&self, shell: &Connection) -> Option<Arc<Connection>> {
        let Connection { endpoint, origin, identity, .. } = shell;
        let is_stdin = |one: &Connection| one.channel == Channel::Stdin;
        let own = self.best(shell, |one| is_stdin(one) && one.takes_over(endpoint.id, origin, identity));
        own.or_else(|| {
            let tunnelled = self.stands_alone(shell);
            self.best(shell, |one| tunnelled && is_stdin(one) && one.may_be(endpoint.id, origin, identity))
        })
    }

    /// Whether a connection lives, and is the only one of its process, as a tunnel's end is.
    fn stands_alone(&self, shell: &Connection) -> bool {
        let of_its_process = self.connections.iter().filter(|one| one.origin == shell.origin);
        let ids: Vec<_> = of_its_process.map(|one| one.id).take(2).collect();
        ids == [shell.id]
    }

    fn best(&self, asker: &Connection, fits: impl Fn(&Connection) -> bool) -> Option<Arc<Connection>> {
        let bearers = self.routing_ids.bearers(&asker.identity).into_iter();
        let fitting = bearers.filter(|one| fits(one) && !one.outbox.is_closed());
        fitting.max_by_key(|one| (one.origin == asker.origin, one.id))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{
        jupyter::{
            connection_file::{ConnectionFile, Location, Ports},
            scheme::SecretKey,
        },
        proxy::{frontend::endpoint::Endpoint, reconnect::expected::connection_before},
        route::Requirements,
    };

    const ASKER: Origin = Origin::Process { uid: 1, pid: 1 };

    /// A connection to shell that came by this connection file, with this routing id.
    pub(in crate::proxy) fn connection(
        endpoint: EndpointId,
        origin: Origin,
        identity: &'static str,
    ) -> Arc<Connection> {
        let port = std::num::NonZeroU16::MIN;
        let ports = Ports { shell: port, iopub: port, stdin: port, control: port, heartbeat: port };
        let address = Location::Tcp([127, 0, 0, 1].into());
        let file = ConnectionFile::new(address, ports, SecretKey::new("key")).unwrap();
        let endpoint = Endpoint::new(endpoint, file, Requirements::default());
        connection_before(Channel::Shell, Arc::new(endpoint), origin, Bytes::from_static(identity.as_bytes()))
    }

    fn takes_over(origin: Origin, identity: &'static str, holds_key: bool) -> bool {
        let connection = connection(EndpointId::DEFAULT, origin, identity);
        assert!(!holds_key || connection.shows_key());
        connection.takes_over(EndpointId::DEFAULT, &ASKER, &Bytes::from_static(b"me"))
    }

    #[test]
    fn the_process_that_asked_need_not_say_anything() {
        assert!(takes_over(ASKER, "me", false));
        assert!(!takes_over(ASKER, "you", true));
    }

    #[test]
    fn another_process_of_the_user_must_have_shown_the_key() {
        let other = Origin::Process { uid: 1, pid: 2 };
        assert!(!takes_over(other, "me", false));
        assert!(takes_over(other, "me", true));
        assert!(!takes_over(Origin::User { uid: 1 }, "me", false), "its process is hidden");
    }

    #[test]
    fn another_user_gets_nothing_with_any_key() {
        assert!(!takes_over(Origin::Process { uid: 2, pid: 1 }, "me", true));
        assert!(!takes_over(Origin::Unknown, "me", true));
    }

    #[test]
    fn without_a_routing_id_or_by_another_file_nothing_is_taken_over() {
        let anonymous = connection(EndpointId::DEFAULT, ASKER, "");
        assert!(!anonymous.takes_over(EndpointId::DEFAULT, &ASKER, &Bytes::new()));
        let by_another_file = connection(EndpointId(7), ASKER, "me");
        assert!(!by_another_file.takes_over(EndpointId::DEFAULT, &ASKER, &Bytes::from_static(b"me")));
    }

    #[test]
    fn the_key_is_shown_once() {
        let connection = connection(EndpointId::DEFAULT, ASKER, "me");
        assert!(connection.shows_key());
        assert!(!connection.shows_key());
    }
}
