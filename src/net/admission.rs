//! How much of us strangers may use before they have shown that they hold a key.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use thiserror::Error;

use crate::{id::Origin, limits::Limits};

/// The counters of all connections that have not authenticated themselves.
#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Counters>);

#[derive(Debug)]
struct Counters {
    connections: AtomicUsize,
    bytes: AtomicUsize,
    per_owner: Mutex<HashMap<Owner, Share>>,
    limits: Limits,
}

/// What the connections of one owner use.
#[derive(Clone, Copy, Default, Debug)]
struct Share {
    connections: usize,
    bytes: usize,
}

/// All processes of a user count together, all connections of an address, and all of whom nothing is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Owner {
    User(u32),
    Address(std::net::IpAddr),
    Unknown,
}

/// Why a connection was not admitted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum Refused {
    /// The total is reached.
    #[error("{0} connections have not authenticated themselves yet: no more are accepted for now")]
    TooMany(usize),
    /// One owner's share is reached.
    #[error("{0} connections of this origin have not authenticated themselves yet")]
    TooManyOfOrigin(usize),
    /// What strangers sent already fills the memory that they may use.
    #[error("connections that have not authenticated themselves sent {0} bytes: no more is read for now")]
    TooManyBytes(usize),
    /// One owner's share of that memory is used up.
    #[error(
        "connections of this origin that have not authenticated themselves sent {0} bytes: no more is read of it for now"
    )]
    TooManyBytesOfOrigin(usize),
}

/// A place among the unauthenticated; given back when dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    counters: Arc<Counters>,
    owner: Option<Owner>,
    bytes: usize,
}

impl Admission {
    /// Counters at zero.
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Counters {
            connections: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            per_owner: Mutex::default(),
            limits: limits.clone(),
        }))
    }

    /// Counts a new connection, of which nothing is known yet.
    pub(super) fn enter(&self) -> Result<Ticket, Refused> {
        let most = self.0.limits.unauthenticated_connections;
        if self.0.connections.fetch_add(1, Ordering::Relaxed) >= most {
            self.0.connections.fetch_sub(1, Ordering::Relaxed);
            return Err(Refused::TooMany(most));
        }
        Ok(Ticket { counters: self.0.clone(), owner: None, bytes: 0 })
    }
}

impl Ticket {
    /// Counts the connection to its origin, once that is known.
    pub(super) fn belongs_to(&mut self, origin: &Origin) -> Result<(), Refused> {
        let owner = match origin {
            Origin::Process { uid, .. } | Origin::User { uid } => Owner::User(*uid),
            Origin::Address(address) => Owner::Address(*address),
            Origin::Unknown => Owner::Unknown,
        };
        let most = self.counters.limits.unauthenticated_connections_per_origin;
        let mut per_owner = self.counters.per_owner.lock();
        let share = per_owner.entry(owner).or_default();
        if share.connections >= most {
            return Err(Refused::TooManyOfOrigin(most));
        }
        share.connections += 1;
        drop(per_owner);
        self.owner = Some(owner);
        Ok(())
    }

    /// Counts the bytes that the connection holds now, before they are reserved.
    pub(super) fn holds(&mut self, bytes: usize) -> Result<(), Refused> {
        let total = self.counters.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes - self.bytes;
        self.counters.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let grows = bytes > self.bytes;
        let before = std::mem::replace(&mut self.bytes, bytes);
        let share = self.count_share(before);
        if grows && share > self.counters.limits.unauthenticated_bytes_per_origin {
            return Err(Refused::TooManyBytesOfOrigin(self.counters.limits.unauthenticated_bytes_per_origin));
        }
        if grows && total > self.counters.limits.unauthenticated_bytes {
            return Err(Refused::TooManyBytes(self.counters.limits.unauthenticated_bytes));
        }
        Ok(())
    }
}

impl Ticket {
    /// Counts what the connection holds to its owner; returns what the owner's connections hold together.
    fn count_share(&self, before: usize) -> usize {
        let Some(owner) = self.owner else { return 0 };
        let mut per_owner = self.counters.per_owner.lock();
        let share = per_owner.entry(owner).or_default();
        share.bytes = (share.bytes + self.bytes).saturating_sub(before);
        share.bytes
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.counters.connections.fetch_sub(1, Ordering::Relaxed);
        self.counters.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        let Some(owner) = self.owner else { return };
        let mut per_owner = self.counters.per_owner.lock();
        if let Some(share) = per_owner.get_mut(&owner) {
            share.connections -= 1;
            share.bytes = share.bytes.saturating_sub(self.bytes);
            if share.connections == 0 {
                per_owner.remove(&owner);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission() -> Admission {
        Admission::new(&Limits {
            unauthenticated_connections: 3,
            unauthenticated_connections_per_origin: 2,
            unauthenticated_bytes: 100,
            unauthenticated_bytes_per_origin: 50,
            ..Limits::default()
        })
    }

    #[test]
    fn places_are_bounded_and_given_back() {
        let admission = admission();
        let tickets: Vec<_> = (0..3).map(|_| admission.enter().unwrap()).collect();
        assert_eq!(admission.enter().unwrap_err(), Refused::TooMany(3));
        drop(tickets);
        assert!(admission.enter().is_ok());
    }

    #[test]
    fn one_origin_cannot_take_all_places() {
        let admission = admission();
        let mut tickets: Vec<_> = (0..3).map(|_| admission.enter().unwrap()).collect();
        let mine = |pid| Origin::Process { uid: 7, pid };
        assert!(tickets[0].belongs_to(&mine(1)).is_ok());
        assert!(tickets[1].belongs_to(&mine(2)).is_ok());
        assert_eq!(tickets[2].belongs_to(&mine(3)), Err(Refused::TooManyOfOrigin(2)));
        assert!(tickets[2].belongs_to(&Origin::User { uid: 8 }).is_ok());
        tickets.remove(0);
        assert!(admission.enter().unwrap().belongs_to(&mine(4)).is_ok());
    }

    #[test]
    fn bytes_are_bounded_over_all_and_given_back() {
        let admission = admission();
        let (mut one, mut two) = (admission.enter().unwrap(), admission.enter().unwrap());
        assert!(one.holds(60).is_ok());
        assert!(two.holds(40).is_ok());
        assert_eq!(two.holds(41), Err(Refused::TooManyBytes(100)));
        assert!(two.holds(10).is_ok(), "giving back is always allowed");
        drop(one);
        assert!(two.holds(100).is_ok());
    }

    #[test]
    fn one_origin_cannot_take_all_bytes() {
        let admission = admission();
        let (mut one, mut two) = (admission.enter().unwrap(), admission.enter().unwrap());
        assert!(
            one.belongs_to(&Origin::User { uid: 7 }).is_ok()
                && two.belongs_to(&Origin::User { uid: 7 }).is_ok()
        );
        assert!(one.holds(30).is_ok());
        assert_eq!(two.holds(21), Err(Refused::TooManyBytesOfOrigin(50)));
        drop(one);
        assert!(two.holds(50).is_ok());
    }
}
