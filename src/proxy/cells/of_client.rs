//! The cells that a client has at a kernel, in numbers and in words.

use std::{fmt, time::Duration};

/// The cells that a client has at a kernel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct CellsOfClient {
    /// How long one of them has been running.
    pub running_for: Option<Duration>,
    /// How many wait.
    pub waiting: usize,
    /// How many other clients come before the first of those.
    pub before: usize,
}

impl CellsOfClient {
    /// Clients of one kernel sort by it: whose cell runs, those that wait, in order, and the others.
    pub fn order(&self) -> (bool, bool, usize) {
        (self.running_for.is_none(), self.waiting == 0, self.before)
    }
}

impl fmt::Display for CellsOfClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { running_for, waiting, before } = *self;
        let wait = if waiting == 1 { "waits" } else { "wait" };
        match (running_for, waiting, before) {
            (None, 0, _) => write!(f, "-"),
            (None, _, 0) => write!(f, "{waiting} {wait}, next"),
            (None, ..) => write!(f, "{waiting} {wait}, {before} before"),
            (Some(running), 0, _) => write!(f, "runs for {}", whole_seconds(running)),
            (Some(running), ..) => write!(f, "runs for {}, {waiting} {wait}", whole_seconds(running)),
        }
    }
}

fn whole_seconds(time: Duration) -> humantime::FormattedDuration {
    humantime::format_duration(Duration::from_secs(time.as_secs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_read_what_runs_and_what_waits() {
        let seconds = |seconds: u64| Some(Duration::from_millis(seconds * 1000 + 400));
        for (running_for, waiting, before, text) in [
            (None, 0, 0, "-"),
            (None, 1, 0, "1 waits, next"),
            (None, 2, 3, "2 wait, 3 before"),
            (seconds(14), 0, 0, "runs for 14s"),
            (seconds(75), 1, 0, "runs for 1m 15s, 1 waits"),
        ] {
            assert_eq!(CellsOfClient { running_for, waiting, before }.to_string(), text);
        }
    }
}
