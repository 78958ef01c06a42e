//! What a subscriber whose connection is lost has still to be sent: bounded in bytes and in time, and what does not fit
//! is counted.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};

use super::sent::Encoded;

/// How much of a dropped message is remembered: its envelope and headers.
const BEGINNING: usize = 16 << 10;

/// How much is retained for a peer whose connection ends, and what counts as delivered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retention {
    /// Most bytes.
    pub bytes: usize,
    /// The longest that a message is retained.
    pub time: Duration,
    /// The peer is on another host: only what that host's TCP has acknowledged counts as delivered. On this machine, all
    /// that was sent counts, for it is in the peer's socket at once, and is acknowledged later.
    pub is_remote: bool,
}

/// Messages that were not retained.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Missed {
    /// How many.
    pub messages: u64,
    /// The first of them as it would have been sent, or its beginning.
    pub first: Bytes,
}

/// Whole messages, oldest first, each with the time since when it is retained.
#[derive(Debug)]
pub(super) struct Retained {
    retention: Retention,
    messages: VecDeque<(Instant, Encoded)>,
    bytes: usize,
    missed: Missed,
}

impl Retained {
    /// Begins with what a connection had not delivered when it ended.
    pub(super) fn new(retention: Retention, undelivered: Vec<Encoded>, now: Instant) -> Self {
        let bytes = undelivered.iter().map(|message| message.size).sum();
        let messages = undelivered.into_iter().map(|message| (now, message)).collect();
        Self { retention, messages, bytes, missed: Missed::default() }
    }

    /// One more message; the oldest make room.
    pub(super) fn push(&mut self, message: Encoded, now: Instant) {
        self.bytes += message.size;
        self.messages.push_back((now, message));
        self.expire(now);
    }

    /// Drops what is too old or too much, the oldest first.
    pub(super) fn expire(&mut self, now: Instant) {
        let Retention { bytes, time, .. } = self.retention;
        while let Some((since, _)) = self.messages.front() {
            if self.bytes <= bytes && now.duration_since(*since) <= time {
                return;
            }
            let Some((_, oldest)) = self.messages.pop_front() else { return };
            self.bytes -= oldest.size;
            if self.missed.messages == 0 {
                self.missed.first = beginning(&oldest);
            }
            self.missed.messages += 1;
        }
    }

    /// What was not retained, and what was.
    pub(super) fn take(self) -> (Missed, Vec<Encoded>) {
        (self.missed, self.messages.into_iter().map(|(_, message)| message).collect())
    }

    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

fn beginning(message: &Encoded) -> Bytes {
    let mut beginning = BytesMut::new();
    for chunk in &message.chunks {
        let room = BEGINNING - beginning.len();
        beginning.extend_from_slice(chunk.get(..room).unwrap_or(chunk));
    }
    beginning.freeze()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const RETENTION: Retention = Retention { bytes: 100, time: Duration::from_secs(60), is_remote: false };

    fn message(number: u8, size: usize) -> Encoded {
        [Bytes::from(vec![number; size])].into_iter().collect()
    }

    proptest! {
        /// Whatever comes when: what is retained are the latest messages, in order, within both bounds, and with what is
        /// counted as missed they are all there were.
        #[test]
        fn the_latest_messages_are_retained_within_the_bounds_and_the_others_are_counted(
            undelivered in prop::collection::vec(1..60_usize, 0..5),
            later in prop::collection::vec((1..60_usize, 0..20_u64), 0..30),
        ) {
            let start = Instant::now();
            let sizes = undelivered.iter().copied().chain(later.iter().map(|(size, _)| *size));
            let all: Vec<Encoded> = (0..).zip(sizes).map(|(number, size)| message(number, size)).collect();
            let (first, others) = all.split_at(undelivered.len());
            let mut retained = Retained::new(RETENTION, first.to_vec(), start);
            let mut now = start;
            let mut times = vec![start; first.len()];
            for (message, (_, pause)) in others.iter().zip(&later) {
                now += Duration::from_secs(*pause);
                times.push(now);
                retained.push(message.clone(), now);
            }
            retained.expire(now);
            prop_assert!(retained.bytes() <= RETENTION.bytes);
            let (missed, kept) = retained.take();
            let dropped = usize::try_from(missed.messages).unwrap();
            prop_assert_eq!(&all[dropped..], &kept[..]);
            prop_assert!(times[dropped..].iter().all(|since| now - *since <= RETENTION.time));
            if let Some(last) = dropped.checked_sub(1) {
                let bytes: usize = all[last..].iter().map(|message| message.size).sum();
                let had_to_go = bytes > RETENTION.bytes || now - times[last] > RETENTION.time;
                prop_assert!(had_to_go, "message {last} was dropped without need");
                prop_assert_eq!(&missed.first, &all[0].chunks[0]);
            }
        }
    }

    #[test]
    fn of_a_large_message_only_the_beginning_is_remembered() {
        let mut retained = Retained::new(RETENTION, vec![message(1, 2 * BEGINNING)], Instant::now());
        retained.expire(Instant::now());
        assert_eq!(retained.take().0.first.len(), BEGINNING);
    }
}
