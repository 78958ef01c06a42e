//! How much of us strangers may use: connections that have not shown that they hold a key.
//!
//! Iopub and heartbeat connections never can, and stdin connections may stay silent for ever, so each connection that has
//! shown it vouches for some that have not: those of its own process, or of its remote address. Nobody else gains by it,
//! so a process without the key has no more room than before, whatever its user's other processes do.

mod ledger;

use std::sync::Arc;

use parking_lot::Mutex;
use thiserror::Error;

use self::ledger::Ledger;
use crate::{id::Origin, limits::Limits};

/// The counters of all accepted connections.
#[derive(Clone, Debug)]
pub(super) struct Admission(Arc<Mutex<Ledger>>);

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
    ledger: Arc<Mutex<Ledger>>,
    origin: Option<Origin>,
    bytes: usize,
}

/// A connection that has authenticated itself, for as long as it lives.
#[derive(Debug)]
pub(super) struct Voucher {
    ledger: Arc<Mutex<Ledger>>,
    origin: Origin,
}

impl Admission {
    /// Counters at zero.
    pub(super) fn new(limits: &Limits) -> Self {
        Self(Arc::new(Mutex::new(Ledger::new(limits))))
    }

    /// Counts a new connection, of which nothing is known yet.
    pub(super) fn enter(&self) -> Result<Ticket, Refused> {
        self.0.lock().arrive()?;
        Ok(Ticket { ledger: self.0.clone(), origin: None, bytes: 0 })
    }
}

impl Ticket {
    /// Counts the connection to its origin, once that is known.
    pub(super) fn belongs_to(&mut self, origin: &Origin) -> Result<(), Refused> {
        self.ledger.lock().admit(origin)?;
        self.origin = Some(*origin);
        Ok(())
    }

    /// Counts the bytes that the connection holds now, before they are reserved.
    pub(super) fn holds(&mut self, bytes: usize) -> Result<(), Refused> {
        let before = std::mem::replace(&mut self.bytes, bytes);
        self.ledger.lock().hold(self.origin.as_ref(), before, bytes)
    }

    /// The connection has authenticated itself. `None`: nobody knows where it is from, so it vouches for nobody.
    pub(super) fn authenticate(self) -> Option<Voucher> {
        let origin = self.origin?;
        let ledger = self.ledger.clone();
        // In this order nothing that it is about to vouch for is counted among strangers in between.
        ledger.lock().authenticate(&origin);
        drop(self);
        Some(Voucher { ledger, origin })
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let mut ledger = self.ledger.lock();
        // Less is never refused.
        let _ = ledger.hold(self.origin.as_ref(), self.bytes, 0);
        ledger.leave(self.origin.as_ref());
    }
}

impl Drop for Voucher {
    fn drop(&mut self) {
        self.ledger.lock().withdraw(&self.origin);
    }
}

#[cfg(test)]
mod tests;
