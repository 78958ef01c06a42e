//! Each kind of trouble is told once per origin and minute: a peer that makes it over and over must not fill the log.

use std::{
    collections::HashSet,
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use crate::id::Origin;

/// After which trouble is told again.
const AGAIN_AFTER: Duration = Duration::from_secs(60);

/// Kinds of trouble remembered; beyond that, nothing new is told until the next minute.
const REMEMBERED: usize = 1024;

/// What has been told lately.
#[derive(Debug)]
pub(super) struct Notices(Mutex<(Instant, HashSet<(Origin, String)>)>);

impl Notices {
    pub(super) fn new(now: Instant) -> Self {
        Self(Mutex::new((now, HashSet::new())))
    }

    /// Whether this is to be told. Processes of one user are one origin here: a connect loop has many.
    pub(super) fn is_news(&self, origin: &Origin, what: &str, now: Instant) -> bool {
        let owner = origin.uid().map_or(*origin, |uid| Origin::User { uid });
        let mut told = self.0.lock();
        if now.duration_since(told.0) >= AGAIN_AFTER {
            *told = (now, HashSet::new());
        }
        told.1.len() < REMEMBERED && told.1.insert((owner, what.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_once_a_minute_per_origin_and_kind() {
        let start = Instant::now();
        let notices = Notices::new(start);
        let (one, two) = (Origin::Process { uid: 1, pid: 1 }, Origin::Process { uid: 1, pid: 2 });
        assert!(notices.is_news(&one, "torn", start));
        assert!(!notices.is_news(&two, "torn", start), "another process of the same user");
        assert!(notices.is_news(&one, "slow", start));
        assert!(notices.is_news(&Origin::User { uid: 2 }, "torn", start));
        assert!(notices.is_news(&one, "torn", start + AGAIN_AFTER));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let start = Instant::now();
        let notices = Notices::new(start);
        let told =
            (0..2 * REMEMBERED).filter(|kind| notices.is_news(&Origin::Unknown, &kind.to_string(), start));
        assert_eq!(told.count(), REMEMBERED);
    }
}
