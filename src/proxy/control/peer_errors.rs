//! Each kind of trouble is told once per peer, with its reason; what comes after that is counted, and told once a minute:
//! a peer that makes trouble over and over must not fill the log.

use std::{
    collections::HashMap,
    fmt,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use tracing::{debug, info};

use crate::{
    channel::Channel,
    id::{KernelId, Origin},
    metrics::Trouble,
    proxy::{Proxy, backend::kernel::Kernel},
};

/// How often it is told how much more there was.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Kinds of trouble remembered; what goes beyond is told as one number.
const REMEMBERED: usize = 1024;

/// Who makes trouble. Processes of one user are one here: a connect loop has many.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Culprit {
    /// Whoever connects from there.
    Origin(Origin),
    /// A kernel, through all its lives.
    Kernel(KernelId),
}

/// What has been told lately.
#[derive(Debug)]
pub(crate) struct Notices(Mutex<Told>);

#[derive(Debug)]
struct Told {
    since: Instant,
    /// How much more there was since.
    more: HashMap<(Culprit, Trouble), u64>,
    /// Trouble of those that there was no room to remember.
    others: u64,
}

/// How much more trouble there was.
#[derive(PartialEq, Eq, Debug)]
struct More {
    /// Of whom and of which kind; `None` for all who are not remembered.
    of: Option<(Culprit, Trouble)>,
    count: u64,
}

impl Culprit {
    fn of(origin: Origin) -> Self {
        Self::Origin(origin.uid().map_or(origin, |uid| Origin::User { uid }))
    }
}

impl Notices {
    pub(crate) fn new(now: Instant) -> Self {
        Self(Mutex::new(Told { since: now, more: HashMap::new(), others: 0 }))
    }

    /// Whether this is to be told now; else it is counted.
    fn is_news(&self, culprit: Culprit, trouble: Trouble) -> bool {
        let mut told = self.0.lock();
        let key = (culprit, trouble);
        if let Some(more) = told.more.get_mut(&key) {
            *more += 1;
            return false;
        }
        let has_room = told.more.len() < REMEMBERED;
        if has_room {
            told.more.insert(key, 0);
        } else {
            told.others += 1;
        }
        has_room
    }

    /// Once a minute, how much more there was. Trouble that has ceased is forgotten: should it begin anew, that is news.
    fn more(&self, now: Instant) -> Vec<More> {
        let mut told = self.0.lock();
        if now.duration_since(told.since) < AGAIN_AFTER {
            return Vec::new();
        }
        told.since = now;
        told.more.retain(|_, more| *more > 0);
        let known = told.more.iter_mut().map(|(of, more)| (Some(of.clone()), std::mem::take(more)));
        let mut all: Vec<More> = known.map(|(of, count)| More { of, count }).collect();
        let others = std::mem::take(&mut told.others);
        all.extend((others > 0).then_some(More { of: None, count: others }));
        all
    }
}

impl Proxy {
    /// Counts and tells trouble with a client, or with a stranger.
    pub(crate) fn trouble_from(
        &self,
        channel: Channel,
        origin: Origin,
        trouble: Trouble,
        what: &str,
        reason: &dyn fmt::Display,
    ) {
        self.metrics.troubles.of(trouble).increment();
        if self.notices.is_news(Culprit::of(origin), trouble) {
            info!(%channel, %origin, %reason, "{what}");
        } else {
            debug!(%channel, %origin, %reason, "{what}");
        }
    }

    /// Counts and tells trouble with a kernel.
    pub(crate) fn trouble_with(&self, kernel: &Kernel, trouble: Trouble, reason: &dyn fmt::Display) {
        self.metrics.troubles.of(trouble).increment();
        if self.notices.is_news(Culprit::Kernel(kernel.id.clone()), trouble) {
            info!(kernel = %kernel.id, %reason, "the kernel misbehaves");
        } else {
            debug!(kernel = %kernel.id, %reason, "the kernel misbehaves");
        }
    }

    /// Counts iopub messages that a client was too slow for. It is told itself what it misses.
    pub(crate) fn note_loss(&self, kernel: &Kernel, lost: u64) {
        self.metrics.lost.add(lost);
        if lost > 0 {
            self.metrics.troubles.of(Trouble::SlowListener).increment();
            if self.notices.is_news(Culprit::Kernel(kernel.id.clone()), Trouble::SlowListener) {
                info!(kernel = %kernel.id, lost, reason = "a client reads more slowly than its kernel speaks", "output is lost");
            }
        }
    }

    /// Tells how much more trouble there was, once a minute.
    pub(crate) fn tell_more_trouble(&self, now: Instant) {
        for More { of, count } in self.notices.more(now) {
            match of {
                Some((Culprit::Origin(origin), trouble)) => {
                    info!(%origin, ?trouble, count, "more trouble of the same kind");
                }
                Some((Culprit::Kernel(kernel), trouble)) => {
                    info!(%kernel, ?trouble, count, "more trouble of the same kind");
                }
                None => info!(count, "more trouble, of too many peers to tell them apart"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(uid: u32, pid: i32) -> Culprit {
        Culprit::of(Origin::Process { uid, pid })
    }

    #[test]
    fn trouble_is_told_once_per_peer_and_kind() {
        let notices = Notices::new(Instant::now());
        assert!(notices.is_news(process(1, 1), Trouble::BadFrame));
        assert!(!notices.is_news(process(1, 2), Trouble::BadFrame), "another process of the same user");
        assert!(notices.is_news(process(1, 1), Trouble::SlowHandshake));
        assert!(notices.is_news(process(2, 1), Trouble::BadFrame));
        assert!(notices.is_news(Culprit::Kernel(KernelId::from("k")), Trouble::BadFrame));
    }

    #[test]
    fn what_comes_after_is_told_as_a_number_each_minute_until_it_ceases() {
        let start = Instant::now();
        let notices = Notices::new(start);
        for _ in 0..1000 {
            notices.is_news(process(1, 1), Trouble::BadFrame);
        }
        notices.is_news(process(2, 1), Trouble::BadFrame);
        assert_eq!(notices.more(start), []);
        let more = More { of: Some((process(1, 1), Trouble::BadFrame)), count: 999 };
        assert_eq!(notices.more(start + AGAIN_AFTER), [more]);
        assert!(!notices.is_news(process(1, 1), Trouble::BadFrame), "it goes on");
        assert!(notices.is_news(process(2, 1), Trouble::BadFrame), "it had ceased");
        assert_eq!(notices.more(start + 2 * AGAIN_AFTER).len(), 1);
        assert_eq!(notices.more(start + 3 * AGAIN_AFTER), []);
        assert!(notices.is_news(process(1, 1), Trouble::BadFrame));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_rest_is_counted() {
        let start = Instant::now();
        let notices = Notices::new(start);
        let told =
            (0..REMEMBERED as u32 + 7).filter(|uid| notices.is_news(process(*uid, 1), Trouble::BadFrame));
        assert_eq!(told.count(), REMEMBERED);
        assert_eq!(notices.more(start + AGAIN_AFTER), [More { of: None, count: 7 }]);
    }
}
