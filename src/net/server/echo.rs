//! The heartbeat.

use super::super::{
    peer::{Event, Peer},
    peer_error::PeerError,
};

/// Echoes what a connection to the heartbeat sends, until it ends.
///
/// # Errors
/// The connection broke.
pub async fn echo(peer: &mut Peer) -> Result<(), PeerError> {
    let (outbox, mut batch) = (peer.echo_outbox(), Vec::new());
    while peer.next(&mut batch).await? {
        for event in batch.drain(..) {
            if let Event::Message(frames) = event
                && outbox.send(&frames).is_err()
            {
                return Ok(());
            }
        }
    }
    Ok(())
}
