//! Notices to the clients of a kernel that nobody asked for: of its end, and of its restart by someone else.

use std::collections::HashSet;

use bytes::Bytes;

use super::{broadcast::Broadcast, subscriptions::Listeners};
use crate::{
    id::{ClientId, ConnectionId},
    proxy::{Proxy, backend::kernel::Kernel, frontend::connection::ReturnAddress},
    route::{Outstanding, Table},
};

impl Proxy {
    /// Tells each of a kernel's clients and visitors, but one that `knows` it, something under the requests of its own that were lost, else under its last:
    /// frontends show a line nowhere else. Those of whom no request is known are told without.
    pub(crate) fn tell_clients(
        &self,
        table: &Table<ReturnAddress>,
        kernel: &Kernel,
        lost: &[Outstanding<ReturnAddress>],
        text: &str,
        knows: Option<&ClientId>,
    ) {
        let mut told: HashSet<ConnectionId> =
            knows.into_iter().flat_map(|client| table.listeners(client)).collect();
        for client in table.users_of(&kernel.id).into_iter().filter(|client| Some(client) != knows) {
            let parents = self.parents(&client, lost);
            if parents.is_empty() {
                continue;
            }
            let listening = table.listeners(&client).into_iter();
            let connections: Vec<_> = listening.filter_map(|id| self.subscriber(id)).collect();
            told.extend(connections.iter().map(|(connection, _)| connection.id));
            let listeners = Listeners { connections, voice: kernel.fanout().voice().clone() };
            self.send_to_listeners(
                &listeners,
                parents.iter().map(|parent| self.builder.notice(text, parent)),
            );
        }
        let mut fanout = kernel.fanout();
        let envelope = fanout.topic();
        let mut notice = Broadcast::new(fanout.voice().notice(text, &Bytes::new()));
        fanout.publish_where(&envelope, &mut notice, |subscriber| !told.contains(&subscriber.id));
        self.metrics.lost.add(fanout.flush());
    }

    fn parents(&self, client: &ClientId, lost: &[Outstanding<ReturnAddress>]) -> Vec<Bytes> {
        let own = lost.iter().filter(|request| request.client == *client);
        let mut parents: Vec<Bytes> = own.map(|request| request.address.header.clone()).collect();
        if parents.is_empty() {
            parents.extend(self.gates.get(client).and_then(|gate| gate.last_request()));
        }
        parents
    }
}
