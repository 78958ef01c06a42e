//! Choosing the kernel for a client, or the runtime to launch one from.

use super::{Offer, Requirements, Settings, Unmet, refusal::Refusal};
use crate::{byte_size::ByteSize, id::KernelId};

/// A kernel of the fleet, as far as placement looks at it.
#[derive(Clone, Debug)]
pub struct Candidate<'a> {
    /// Its id.
    pub kernel: &'a KernelId,
    /// What it offers.
    pub offer: &'a Offer,
    /// Its memory limit is enforced.
    pub enforced: bool,
    /// Its group.
    pub group: Option<&'a str>,
    /// Nobody has had it yet: it can still join any group, and be anybody's alone.
    pub pristine: bool,
    /// It was given to one client alone.
    pub exclusive: bool,
    /// How many live clients it has.
    pub clients: usize,
    /// How many requests wait for its replies.
    pub load: usize,
    /// Its place in the order of launches.
    pub born: u64,
}

/// Where a client goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Placement {
    /// To a kernel that lives.
    Existing(KernelId),
    /// To a new kernel.
    Spawn {
        /// The index of its runtime.
        runtime: usize,
        /// The most memory that it may use: what the client asked for, else the runtime's own limit.
        memory_limit: Option<ByteSize>,
    },
    /// Nowhere.
    Refused(Refusal),
}

impl Candidate<'_> {
    /// The lowest is taken. One in reserve is like one that is launched: those who need the same share what is there
    /// already.
    pub fn rank(&self) -> (bool, usize, usize, u64) {
        (self.pristine, self.clients, self.load, self.born)
    }

    /// What of the requirements this kernel does not meet; empty if it serves.
    pub fn unmet(&self, requirements: &Requirements) -> Vec<Unmet> {
        let mut unmet = self.offer.unmet(requirements);
        if requirements.memory_limit.is_some() && !(self.enforced && self.offer.memory_limit.is_some()) {
            unmet.push(Unmet::Unlimited);
        }
        if requirements.kernel.as_ref().is_some_and(|asked| asked != self.kernel) {
            unmet.push(Unmet::Kernel);
        }
        // Who names the kernel means that one, whatever group it is in.
        let any_group = self.pristine || (requirements.kernel.is_some() && requirements.group.is_none());
        if !any_group && requirements.group.as_deref() != self.group {
            unmet.push(Unmet::Group(self.group.map(str::to_owned)));
        }
        if self.exclusive || (requirements.isolated && !self.pristine) {
            unmet.push(Unmet::Shared);
        }
        if let Some(most) = self.offer.max_clients.filter(|most| self.clients >= most.get()) {
            unmet.push(Unmet::Full(most.get()));
        }
        unmet
    }
}

/// The least loaded of the kernels that match, else one of those in reserve, else the first runtime that can satisfy
/// (the default one first), else a refusal that says why.
pub fn place(requirements: &Requirements, candidates: &[Candidate<'_>], settings: &Settings) -> Placement {
    let meant = requirements.in_full(settings);
    let matching = candidates.iter().filter(|candidate| candidate.unmet(&meant).is_empty());
    if let Some(best) = matching.min_by_key(|candidate| candidate.rank()) {
        return Placement::Existing(best.kernel.clone());
    }
    match launchable(requirements, candidates, settings) {
        Ok((runtime, memory_limit)) => Placement::Spawn { runtime, memory_limit },
        Err(refusal) => Placement::Refused(refusal),
    }
}

/// The index of the runtime to launch a kernel from, and the most memory that it may use.
pub(super) fn launchable(
    asked: &Requirements,
    candidates: &[Candidate<'_>],
    settings: &Settings,
) -> Result<(usize, Option<ByteSize>), Refusal> {
    let Settings { runtimes, default, .. } = settings;
    let requirements = asked.in_full(settings);
    let default_first = runtimes.get(*default).map(|offer| (*default, offer));
    let in_order = default_first.into_iter().chain(runtimes.iter().enumerate());
    let mut able = in_order.filter(|(_, offer)| offer.unmet(&requirements).is_empty());
    match able.next() {
        Some((runtime, offer)) if requirements.kernel.is_none() => {
            Ok((runtime, requirements.memory_limit.or(offer.memory_limit)))
        }
        _ => Err(Refusal::explain(asked, &requirements, candidates, settings)),
    }
}
