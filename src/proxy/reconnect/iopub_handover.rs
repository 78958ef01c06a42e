//! Iopub connections that break, and those that take over from them.
//!
//! The task of a subscriber outlives its connection for a while. Until then, the outbox retains what the subscriber would be
//! sent. `route` says which connection takes over. That one gets what was retained, and then takes the place of the lost one
//! with each kernel.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use tokio::time::{Duration, sleep};
use tracing::{debug, info};

use crate::{
    id::{ConnectionId, KernelId, Origin},
    jupyter::message::{DELIMITER, Envelope, Signed},
    net::{Missed, end_silent},
    proxy::{Proxy, frontend::connection::Connection},
    zmtp::leading_frames,
};

/// How often to look whether a lost subscriber is still waited for.
const LOOK: Duration = Duration::from_secs(1);

impl Proxy {
    /// A remote client that comes back may be here before the end of its earlier connection is known. Those of the same place
    /// whose host does not answer have ended: this one may take over from them.
    pub(crate) async fn end_silent_neighbours(&self, connection: &Connection) {
        let Origin::Address(_) = connection.origin else { return };
        let neighbours = self.table.lock().neighbours(connection.endpoint.id, connection.origin);
        let neighbours: Vec<Arc<Connection>> = neighbours
            .into_iter()
            .filter_map(|id| self.connections.get(&id).map(|one| one.clone()))
            .collect();
        let outboxes: Vec<_> = neighbours.iter().map(|neighbour| neighbour.outbox.clone()).collect();
        end_silent(&outboxes).await;
        // Also those that have ended meanwhile, whose own tasks may not have come to say so.
        for neighbour in neighbours.iter().filter(|neighbour| neighbour.outbox.is_retaining()) {
            self.with_table(|table, now| table.subscriber_lost(neighbour.id, now));
        }
    }

    /// The subscriber's connection has broken. Returns when another one has taken over (`true`), or none is expected any more.
    pub(crate) async fn await_replacement(&self, connection: &Connection) -> bool {
        let lost_at = Instant::now();
        let patience = self.patience_for(connection.origin);
        let mut is_lost = self.with_table(|table, now| table.subscriber_lost(connection.id, now));
        self.audience_changed.notify_waiters();
        if !is_lost {
            return false;
        }
        debug!("a subscriber's connection broke: messages are retained for it");
        while is_lost && lost_at.elapsed() < patience && !has_ended(connection.origin) && !self.is_stopping()
        {
            sleep(LOOK).await;
            connection.outbox.expire();
            is_lost = self.table.lock().is_lost(connection.id);
        }
        !is_lost
    }

    /// The clients of a place come back one after the other. Until they had time to, whoever took over from this subscriber hears all that it heard.
    pub(crate) async fn end_inheritance(&self, connection: &Connection) {
        sleep(self.limits.linger()).await;
        self.with_table(|table, _| table.end_inheritance(connection.id));
    }

    /// How long another connection is waited for. Programs of this machine close theirs, as a rule; a relay among them may break.
    fn patience_for(&self, origin: Origin) -> Duration {
        match origin {
            Origin::Address(_) => self.limits.expected_for(),
            _ => self.limits.linger(),
        }
    }

    /// A connection takes over from a lost one. Called with the table locked.
    pub(crate) fn hand_over(&self, lost: ConnectionId, by: ConnectionId, kernels: &[KernelId]) {
        let (Some((lost, _)), Some((connection, topics))) = (self.subscriber(lost), self.subscriber(by))
        else {
            return;
        };
        let mut missing = 0;
        lost.outbox.hand_over(&connection.outbox, |missed| {
            missing = missed.messages;
            Some(self.missed_notice(&connection, &missed))
        });
        for kernel in kernels.iter().filter_map(|id| self.kernel(id)) {
            kernel.fanout().replace(lost.id, &connection, &topics);
        }
        self.metrics.lost.add(missing);
        info!(missing, "a subscriber is back");
    }

    fn missed_notice(&self, connection: &Connection, missed: &Missed) -> (Envelope, Signed) {
        let text =
            format!("[jupyter-fleet: {} messages were lost while this client was away]", missed.messages);
        let notice = self.builder.notice(&text, &parent_of(&missed.first));
        (Envelope::topic("kernel.fleet.stream".into()), connection.endpoint.signer.sign(notice))
    }
}

/// The parent header of a message as it is sent, if it can be found.
fn parent_of(message: &Bytes) -> Bytes {
    let mut parts = leading_frames(message).skip_while(|frame| frame != DELIMITER);
    parts.nth(3).unwrap_or_default()
}

/// Whether a process of this machine has ended: it does not come back.
fn has_ended(origin: Origin) -> bool {
    let Origin::Process { pid, .. } = origin else { return false };
    let pid = rustix::process::Pid::from_raw(pid);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}
