//! A kernel asks for input: the question goes to the client whose request it runs, and to nobody else.

use std::sync::Arc;

use bytes::Bytes;
use tracing::debug;

use super::{
    Proxy,
    connection::Connection,
    kernel::{Kernel, same_peer},
};
use crate::{
    channel::Channel,
    jupyter::{
        header::Parent,
        message::{Envelope, Verified},
    },
};

impl Proxy {
    /// Hands an `input_request` to the stdin connection of whoever asked for what the kernel runs.
    pub(super) fn ask_for_input(&self, kernel: &Kernel, message: Verified) {
        let Ok(parent) = Parent::peek(&message) else {
            return self.stray(kernel, "a question without a parent");
        };
        let asked = {
            let mut table = self.table.lock();
            let asked = table.input_asked(&kernel.id, &parent.msg_id, &parent.session);
            asked.map(|request| (request.client.clone(), request.address.clone()))
        };
        let Some((client, address)) = asked else { return self.stray(kernel, "a question to nobody") };
        let signed = address.connection.profile.signer.sign(message.into_body());
        let connection = self.stdin_of(&address.connection);
        let sent = connection.map(|connection| connection.send(&Envelope::default(), &signed));
        if !matches!(sent, Some(Ok(()))) {
            debug!(session = %client.session, "a kernel asks for input, but the client has no stdin connection");
            let text = format!(
                "{} asks for input, but this client has no stdin channel: interrupt it",
                kernel.name()
            );
            self.whisper(&client, [self.voice.notice(&text, &address.header)]);
        }
    }

    /// The stdin connection of the client that a shell connection is of: it has not spoken yet, so it is told by the
    /// identity, which a client uses on both, and by its owner.
    fn stdin_of(&self, shell: &Connection) -> Option<Arc<Connection>> {
        self.newest(Channel::Stdin, shell)
    }

    /// The connection that has taken an ended one's place: the client came back.
    pub(super) fn successor(&self, ended: &Connection) -> Option<Arc<Connection>> {
        let newer = self.newest(ended.channel, ended)?;
        (newer.id > ended.id).then_some(newer)
    }

    fn newest(&self, channel: Channel, of: &Connection) -> Option<Arc<Connection>> {
        fn who(connection: &Connection) -> (&crate::id::Origin, &Bytes) {
            (&connection.origin, &connection.identity)
        }
        let fitting = self.connections.iter().filter(|entry| {
            let connection = entry.value();
            connection.channel == channel
                && connection.profile.id == of.profile.id
                && !connection.identity.is_empty()
                && same_peer(who(connection), who(of))
        });
        fitting.max_by_key(|entry| entry.id).map(|entry| entry.value().clone())
    }
}
