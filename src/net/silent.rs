//! Connections whose other end is gone, although nothing has told so: found when the peer comes back on another one.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{outbox::SignedOutbox, queue::Progress};

/// How long a host may take to acknowledge anything of what it has been sent. On slow and lossy networks, TCP sends a lost
/// packet several times within this time.
const SILENCE: Duration = Duration::from_secs(2);

/// The first pause between two looks, and the longest.
const LOOK: Duration = Duration::from_millis(5);
const LONGEST_LOOK: Duration = Duration::from_millis(100);

/// Sends each of these peers a PING, and ends the connections of those whose hosts acknowledge nothing. Returns the indices of
/// those that it ended.
///
/// A peer that does not read, or not for a while, is not gone: its host acknowledges what there is room for, and is sent
/// nothing where there is none.
pub async fn end_silent(connections: &[SignedOutbox]) -> Vec<usize> {
    let asked = connections.iter().enumerate().filter_map(|(index, connection)| {
        let before = connection.0.progress()?;
        connection.0.ping();
        Some((index, connection, before))
    });
    let mut waiting: Vec<(usize, &SignedOutbox, Progress)> = asked.collect();
    let (deadline, mut pause) = (Instant::now() + SILENCE, LOOK);
    while !waiting.is_empty() && Instant::now() < deadline {
        sleep(pause).await;
        pause = LONGEST_LOOK.min(pause * 2);
        waiting.retain(|(_, connection, before)| is_silent(connection, *before));
    }
    waiting.iter().for_each(|(_, connection, _)| connection.end());
    waiting.into_iter().map(|(index, ..)| index).collect()
}

/// Whether the connection is open, and its host has acknowledged nothing since then.
fn is_silent(connection: &SignedOutbox, before: Progress) -> bool {
    connection.0.progress().is_some_and(|progress| progress.is_silent_since(before))
}
