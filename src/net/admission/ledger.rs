//! Who uses how much: strangers in all, of each owner, and what each origin's authenticated connections vouch for.

use std::{collections::HashMap, net::IpAddr};

use super::Refused;
use crate::{id::Origin, limits::Limits};

#[derive(Debug)]
pub(super) struct Ledger {
    strangers: usize,
    bytes: usize,
    owners: HashMap<Owner, Share>,
    origins: HashMap<Origin, Connections>,
    limits: Limits,
}

/// All processes of a user count together, all connections of an address, and all of whom nothing is known.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Owner {
    User(u32),
    Address(IpAddr),
    Unknown,
}

/// What the strangers of one owner use.
#[derive(Clone, Copy, Default, Debug)]
struct Share {
    strangers: usize,
    bytes: usize,
}

/// The connections of one process or address.
#[derive(Clone, Copy, Default, Debug)]
struct Connections {
    /// Those that have not authenticated themselves.
    silent: usize,
    authenticated: usize,
}

impl Ledger {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            strangers: 0,
            bytes: 0,
            owners: HashMap::new(),
            origins: HashMap::new(),
            limits: limits.clone(),
        }
    }

    /// A connection, of whoever.
    pub(super) fn arrive(&mut self) -> Result<(), Refused> {
        let most = self.limits.unauthenticated_connections;
        if self.strangers >= most {
            return Err(Refused::TooMany(most));
        }
        self.strangers += 1;
        Ok(())
    }

    /// One that has arrived is of this origin. Where it is refused, it still counts as arrived.
    pub(super) fn admit(&mut self, origin: &Origin) -> Result<(), Refused> {
        let most = self.limits.unauthenticated_connections_per_origin;
        let strangers = self.owners.get(&Owner::of(origin)).map_or(0, |share| share.strangers);
        let connections = self.origins.get(origin).copied().unwrap_or_default();
        if strangers >= most && connections.silent >= self.vouched(origin, connections) {
            return Err(Refused::TooManyOfOrigin(most));
        }
        self.strangers -= 1;
        self.change(origin, |connections| connections.silent += 1);
        Ok(())
    }

    /// A connection that has not authenticated itself has ended, or counts as authenticated now.
    pub(super) fn leave(&mut self, origin: Option<&Origin>) {
        match origin {
            Some(origin) => self.change(origin, |connections| connections.silent -= 1),
            None => self.strangers -= 1,
        }
    }

    /// A connection of this origin has authenticated itself.
    pub(super) fn authenticate(&mut self, origin: &Origin) {
        self.change(origin, |connections| connections.authenticated += 1);
    }

    /// That one has ended. What it vouched for stays, and is in the way of others.
    pub(super) fn withdraw(&mut self, origin: &Origin) {
        self.change(origin, |connections| connections.authenticated -= 1);
    }

    /// A silent connection holds other bytes than before. Vouched for or not, it counts.
    pub(super) fn hold(
        &mut self,
        origin: Option<&Origin>,
        before: usize,
        bytes: usize,
    ) -> Result<(), Refused> {
        self.bytes = (self.bytes + bytes).saturating_sub(before);
        let share = origin.map_or(0, |origin| {
            let share = self.owners.entry(Owner::of(origin)).or_default();
            share.bytes = (share.bytes + bytes).saturating_sub(before);
            share.bytes
        });
        let grows = bytes > before;
        if grows && share > self.limits.unauthenticated_bytes_per_origin {
            return Err(Refused::TooManyBytesOfOrigin(self.limits.unauthenticated_bytes_per_origin));
        }
        if grows && self.bytes > self.limits.unauthenticated_bytes {
            return Err(Refused::TooManyBytes(self.limits.unauthenticated_bytes));
        }
        Ok(())
    }

    fn change(&mut self, origin: &Origin, change: impl FnOnce(&mut Connections)) {
        let mut connections = self.origins.get(origin).copied().unwrap_or_default();
        let before = self.strangers_among(origin, connections);
        change(&mut connections);
        let after = self.strangers_among(origin, connections);
        if connections.silent + connections.authenticated == 0 {
            self.origins.remove(origin);
        } else {
            self.origins.insert(*origin, connections);
        }
        self.strangers = self.strangers + after - before;
        let owner = Owner::of(origin);
        let share = self.owners.entry(owner).or_default();
        share.strangers = share.strangers + after - before;
        if share.strangers + share.bytes == 0 {
            self.owners.remove(&owner);
        }
    }

    fn strangers_among(&self, origin: &Origin, connections: Connections) -> usize {
        connections.silent.saturating_sub(self.vouched(origin, connections))
    }

    /// How many silent connections are no strangers. All of whom nothing is known have nothing in common.
    fn vouched(&self, origin: &Origin, connections: Connections) -> usize {
        match origin {
            Origin::Unknown => 0,
            _ => connections.authenticated.saturating_mul(self.limits.vouched_connections),
        }
    }
}

impl Owner {
    fn of(origin: &Origin) -> Self {
        match origin {
            Origin::Process { uid, .. } | Origin::User { uid } => Self::User(*uid),
            Origin::Address(address) => Self::Address(*address),
            Origin::Unknown => Self::Unknown,
        }
    }
}
