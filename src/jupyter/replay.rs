//! Telling a replayed message from a new one, by its signature, as jupyter_client does.

use std::collections::{HashSet, VecDeque};

/// The fingerprints of the latest messages.
#[derive(Debug)]
pub struct Replays {
    seen: HashSet<u128>,
    order: VecDeque<u128>,
    remembered: usize,
}

impl Replays {
    /// A memory for that many messages.
    pub fn new(remembered: usize) -> Self {
        Self { seen: HashSet::new(), order: VecDeque::new(), remembered }
    }

    /// Remembers a message. `false`: it has come before.
    pub fn is_new(&mut self, fingerprint: u128) -> bool {
        if !self.seen.insert(fingerprint) {
            return false;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > self.remembered
            && let Some(oldest) = self.order.pop_front()
        {
            self.seen.remove(&oldest);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_while_it_is_remembered() {
        let mut replays = Replays::new(2);
        assert!(replays.is_new(1) && replays.is_new(2));
        assert!(!replays.is_new(1));
        assert!(replays.is_new(3), "forgets the oldest");
        assert!(replays.is_new(1));
        assert_eq!(replays.order.len(), 2);
        assert_eq!(replays.seen.len(), 2);
    }
}
