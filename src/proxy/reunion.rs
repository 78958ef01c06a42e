//! Iopub connections that come in the place of broken ones.
//!
//! The task that serves a subscriber outlives its connection: while it is away, its outbox keeps what it would have been
//! sent. `route` says whose connection has come; the task that has it hands it over to the one that waits.

use std::time::Instant;

use bytes::Bytes;
use dashmap::DashMap;
use tokio::{
    sync::oneshot,
    time::{Duration, sleep},
};
use tracing::{debug, info};

use super::{Proxy, connection::Connection};
use crate::{
    id::{ConnectionId, Origin},
    jupyter::message::{DELIMITER, Envelope, Signed},
    net::{Missed, Peer},
    zmtp::leading_frames,
};

/// How often to look whether one that is away can come back at all.
const LOOK: Duration = Duration::from_secs(1);

/// Who waits for whom.
#[derive(Debug, Default)]
pub(super) struct Reunions {
    /// Those that are away.
    places: DashMap<ConnectionId, Place>,
    /// Those that are there, and may be told to hand their connection over.
    present: DashMap<ConnectionId, oneshot::Sender<Place>>,
}

/// Where a connection goes that comes in a broken one's place.
pub(super) type Place = oneshot::Sender<Newcomer>;

/// A connection, and what it has subscribed to.
#[derive(Debug)]
pub(super) struct Newcomer {
    pub(super) peer: Peer,
    pub(super) topics: Vec<Bytes>,
}

impl Reunions {
    /// A subscriber that is there; returns what tells it to hand its connection over.
    pub(super) fn is_present(&self, subscriber: ConnectionId) -> oneshot::Receiver<Place> {
        let (tell, told) = oneshot::channel();
        self.present.insert(subscriber, tell);
        told
    }

    /// The subscriber's connection has ended; returns where the next one will come.
    fn is_away(&self, subscriber: ConnectionId) -> oneshot::Receiver<Newcomer> {
        let (place, newcomer) = oneshot::channel();
        self.present.remove(&subscriber);
        self.places.insert(subscriber, place);
        newcomer
    }

    /// A connection has come in this subscriber's place.
    pub(super) fn reunite(&self, subscriber: ConnectionId, by: ConnectionId) {
        let place = self.places.remove(&subscriber).map(|(_, place)| place);
        let newcomer = self.present.remove(&by).map(|(_, newcomer)| newcomer);
        if let (Some(place), Some(newcomer)) = (place, newcomer) {
            // Should that have ended meanwhile, the place is empty and the one that waits for it sees it.
            let _ = newcomer.send(place);
        }
    }

    /// The subscriber is gone for good.
    pub(super) fn forget(&self, subscriber: ConnectionId) {
        self.places.remove(&subscriber);
        self.present.remove(&subscriber);
    }
}

impl Proxy {
    /// Keeps the place of a subscriber whose connection has broken until another one has come in it; `None` if none will.
    pub(super) async fn await_newcomer(&self, connection: &Connection) -> Option<Newcomer> {
        let mut newcomer = self.keep_place(connection)?;
        debug!("a subscriber's connection broke: what it misses is kept");
        let since = Instant::now();
        loop {
            tokio::select! {
                came = &mut newcomer => match came {
                    Ok(newcomer) => return Some(newcomer),
                    // It had ended before it could be handed over.
                    Err(_) => newcomer = self.keep_place(connection)?,
                },
                () = sleep(LOOK) => {}
            }
            connection.outbox.give_up();
            let (is_kept, awaited) = {
                let table = self.table.lock();
                (table.keeps_place(connection.id), table.awaited(connection.id))
            };
            let is_over = since.elapsed() > self.patience(awaited) || self.is_stopping();
            let is_kept = is_kept && !is_over && !awaited.is_some_and(has_ended);
            if !is_kept && self.with_table(|table, now| table.give_up_place(connection.id, now)) {
                return None;
            }
        }
    }

    /// How long a listener is waited for. Those of this machine's programs close as a rule, and what a tunnel has lost comes back
    /// soon or from another process: for them it is as long as for their clients.
    fn patience(&self, awaited: Option<Origin>) -> Duration {
        match awaited {
            Some(Origin::Address(_)) => self.limits.expected_for(),
            _ => self.limits.linger(),
        }
    }

    fn keep_place(&self, connection: &Connection) -> Option<oneshot::Receiver<Newcomer>> {
        let newcomer = self.reunions.is_away(connection.id);
        let is_kept = self.with_table(|table, now| table.subscriber_broke_off(connection.id, now));
        self.audience_changed.notify_waiters();
        is_kept.then_some(newcomer)
    }

    /// Goes on with a connection that has come in the broken one's place. `false` if it has ended, too.
    pub(super) fn go_on(&self, connection: &Connection, newcomer: &mut Peer) -> bool {
        let mut lost = 0;
        let resumed = newcomer.resume(&connection.outbox, |missed| {
            lost = missed.messages;
            Some(self.missed_notice(connection, &missed))
        });
        if resumed {
            self.metrics.lost.add(lost);
            info!(lost, "a subscriber is back");
        }
        resumed
    }

    fn missed_notice(&self, connection: &Connection, missed: &Missed) -> (Envelope, Signed) {
        let text =
            format!("[jupyter-fleet: {} messages were lost while this client was away]", missed.messages);
        let notice = self.voice.notice(&text, &parent_of(&missed.first));
        (Envelope::topic("kernel.fleet.stream".into()), connection.profile.signer.sign(notice))
    }
}

/// The parent header of a message as it is sent, if it can be found.
fn parent_of(message: &Bytes) -> Bytes {
    let mut parts = leading_frames(message).skip_while(|frame| frame != DELIMITER);
    parts.nth(3).unwrap_or_default()
}

/// Whether a process of this machine is gone: nobody will come in its place.
fn has_ended(origin: Origin) -> bool {
    let Origin::Process { pid, .. } = origin else { return false };
    let pid = rustix::process::Pid::from_raw(pid);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid) == Err(rustix::io::Errno::SRCH))
}
