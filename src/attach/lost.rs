//! What a fleet had been asked when it went away. Its journal tells: the host's clients talk to the fleet, not to us.

use std::path::Path;

use bytes::Bytes;
use tracing::warn;

use crate::{
    channel::Channel,
    id::EndpointId,
    jupyter::message::Envelope,
    state::{Asked, Journal},
};

/// A request that a fleet had and had not answered.
#[derive(Clone, Debug)]
pub(super) struct LostRequest {
    pub(super) channel: Channel,
    /// The routing id of the connection that it came on.
    pub(super) identity: Bytes,
    pub(super) envelope: Envelope,
    /// Its header, JSON.
    pub(super) header: Bytes,
    pub(super) msg_type: String,
    pub(super) msg_id: String,
    /// The host has been told that it waits for the fleet.
    pub(super) is_told: bool,
}

/// The requests of this host in the journal of the fleet that keeps its files here.
pub(super) fn lost_requests(journal: &Path, host: EndpointId) -> Vec<LostRequest> {
    match Journal::unanswered(journal) {
        Ok(asked) => asked.into_iter().filter(|asked| asked.client.endpoint == host).map(lost).collect(),
        Err(error) => {
            warn!(journal = %journal.display(), %error, "what the fleet was asked cannot be told");
            Vec::new()
        }
    }
}

fn lost(asked: Asked) -> LostRequest {
    let bytes = |digits: &str| Bytes::from(hex::decode(digits).unwrap_or_default());
    LostRequest {
        channel: asked.channel,
        identity: bytes(&asked.identity),
        envelope: Envelope::new(asked.envelope.iter().map(|frame| bytes(frame))),
        header: asked.header.into(),
        msg_type: asked.msg_type,
        msg_id: asked.msg_id,
        is_told: false,
    }
}
