//! Why a client gets the kernel that it gets. The decision itself is the first part of the explanation, so that the
//! two can never disagree.

use std::{fmt, time::Instant};

use super::{Candidate, Offer, Placement, Refusal, Request, Requirements, Settings, Table, Unmet, place};
use crate::{id::KernelId, runtime_name::RuntimeName};

/// Where a client with certain wishes goes, and all that was considered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Explanation {
    /// Where it goes.
    pub placement: Placement,
    /// Why there.
    pub reason: Reason,
    /// What its wishes come to: who names no kind of kernel means the default runtime.
    pub requirements: Requirements,
    /// The kernels that were considered, the oldest first.
    pub kernels: Vec<ConsideredKernel>,
    /// The runtimes that a kernel might have been launched from, in order of preference.
    pub runtimes: Vec<ConsideredRuntime>,
}

/// A kernel that was considered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsideredKernel {
    /// Its id.
    pub kernel: KernelId,
    /// Its runtime.
    pub runtime: RuntimeName,
    /// What of the wishes it does not meet; empty if it serves.
    pub unmet: Vec<Unmet>,
    /// Nobody has had it yet: it is in reserve, and comes after all that are in use.
    pub pristine: bool,
    /// How many live clients it has.
    pub clients: usize,
    /// How many requests wait for its replies.
    pub load: usize,
    /// Its place in the order of launches.
    pub born: u64,
}

/// A runtime that was considered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConsideredRuntime {
    /// Its name.
    pub runtime: RuntimeName,
    /// What of the wishes it does not meet; empty if a kernel can be launched from it.
    pub unmet: Vec<Unmet>,
}

/// Why a kernel was chosen, or none.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Reason {
    /// No other fits.
    Only,
    /// Of this many that fit, the others are only in reserve.
    InUse(usize),
    /// Of this many that fit, it has the fewest clients.
    FewestClients(usize),
    /// Of this many that fit and have as few clients, the fewest requests wait for it.
    LeastBusy(usize),
    /// Of this many that fit and have as few clients and requests, it is the oldest.
    Oldest(usize),
    /// None of this many kernels fits: one is launched.
    Launched(usize),
    /// None fits, and none can be launched.
    Refused,
}

/// Places a client as [`place`] does, and says why.
pub fn explain(
    requirements: &Requirements,
    candidates: &[Candidate<'_>],
    settings: &Settings,
) -> Explanation {
    let placement = place(requirements, candidates, settings);
    let requirements = requirements.in_full(settings);
    let consider = |candidate: &Candidate<'_>| ConsideredKernel {
        kernel: candidate.kernel.clone(),
        runtime: candidate.offer.runtime.clone(),
        unmet: candidate.unmet(&requirements),
        pristine: candidate.pristine,
        clients: candidate.clients,
        load: candidate.load,
        born: candidate.born,
    };
    let mut kernels: Vec<ConsideredKernel> = candidates.iter().map(consider).collect();
    kernels.sort_by_key(|kernel| kernel.born);
    let consider_runtime = |offer: &Offer| {
        let mut unmet = offer.unmet(&requirements);
        unmet.extend(requirements.kernel.is_some().then_some(Unmet::Fresh));
        ConsideredRuntime { runtime: offer.runtime.clone(), unmet }
    };
    let reason = reason(&placement, &kernels);
    Explanation {
        placement,
        reason,
        runtimes: settings.runtimes.iter().map(consider_runtime).collect(),
        requirements,
        kernels,
    }
}

fn reason(placement: &Placement, kernels: &[ConsideredKernel]) -> Reason {
    let chosen = match placement {
        Placement::Existing(chosen) => chosen,
        Placement::Spawn { .. } => return Reason::Launched(kernels.len()),
        Placement::Refused(_) => return Reason::Refused,
    };
    let fitting: Vec<&ConsideredKernel> = kernels.iter().filter(|kernel| kernel.unmet.is_empty()).collect();
    let Some(best) = fitting.iter().find(|kernel| kernel.kernel == *chosen) else { return Reason::Only };
    let all = fitting.len();
    // Those in reserve come last, whatever else is to be said for them.
    let fitting: Vec<_> = fitting.iter().filter(|kernel| kernel.pristine == best.pristine).collect();
    let as_few_clients = fitting.iter().filter(|kernel| kernel.clients == best.clients).count();
    let as_little_load =
        fitting.iter().filter(|kernel| (kernel.clients, kernel.load) == (best.clients, best.load)).count();
    match fitting.len() {
        1 if all > 1 => Reason::InUse(all),
        1 => Reason::Only,
        fitting if as_few_clients == 1 => Reason::FewestClients(fitting),
        _ if as_little_load == 1 => Reason::LeastBusy(as_few_clients),
        _ => Reason::Oldest(as_little_load),
    }
}

impl Requirements {
    /// What the wishes come to: who names no kind of kernel means the default runtime.
    pub(super) fn in_full(&self, settings: &Settings) -> Self {
        let mut meant = self.clone();
        if !meant.names_a_kind() {
            meant.runtime = settings.runtimes.get(settings.default).map(|offer| offer.runtime.to_string());
        }
        meant
    }
}

impl<A> Table<A> {
    /// Where a client with these wishes goes now, and why.
    ///
    /// Whoever comes by a connection file that `leads_to` one kernel gets that kernel or none, even if it was one client's alone: whoever
    /// opened it meant this very kernel, and gave its key to nobody else.
    pub fn explain(
        &self,
        requirements: &Requirements,
        leads_to: Option<&KernelId>,
        now: Instant,
    ) -> Explanation {
        self.explain_among(self.candidates(now), requirements, leads_to)
    }

    /// The same for a client that sends this request.
    pub fn explain_for(
        &self,
        requirements: &Requirements,
        request: &Request<'_>,
        now: Instant,
    ) -> Explanation {
        let mut candidates = self.candidates(now);
        candidates.retain(|candidate| request.reserve || !candidate.pristine);
        self.explain_among(candidates, requirements, request.leads_to)
    }

    fn explain_among(
        &self,
        mut candidates: Vec<Candidate<'_>>,
        requirements: &Requirements,
        leads_to: Option<&KernelId>,
    ) -> Explanation {
        if let Some(only) = leads_to {
            candidates.retain(|candidate| candidate.kernel == only);
            candidates.iter_mut().for_each(|candidate| candidate.exclusive = false);
        }
        let mut explanation = explain(requirements, &candidates, &self.settings);
        let refusal = match (leads_to, &explanation.placement) {
            (Some(only), _) if requirements.kernel.as_ref() != Some(only) => {
                Some(Refusal::leads_elsewhere(requirements, only, &self.settings.runtimes))
            }
            (_, Placement::Spawn { memory_limit, .. }) => self.room_for(*memory_limit, requirements).err(),
            _ => None,
        };
        if let Some(Refusal::NoRoom(_)) = refusal {
            let able = explanation.runtimes.iter_mut().filter(|runtime| runtime.unmet.is_empty());
            able.for_each(|runtime| runtime.unmet.push(Unmet::NoRoom));
        }
        if let Some(refusal) = refusal {
            (explanation.placement, explanation.reason) = (Placement::Refused(refusal), Reason::Refused);
        }
        explanation
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Only => write!(f, "it is the only kernel that fits"),
            Self::InUse(fitting) => {
                write!(f, "of {fitting} kernels that fit, it is in use, and the others are only in reserve")
            }
            Self::FewestClients(fitting) => {
                write!(f, "of {fitting} kernels that fit, it has the fewest clients")
            }
            Self::LeastBusy(equal) => {
                write!(f, "of {equal} kernels that fit and have as few clients, it is the least busy")
            }
            Self::Oldest(equal) => {
                write!(
                    f,
                    "of {equal} kernels that fit and have as few clients and as little to do, it is the oldest"
                )
            }
            Self::Launched(0) => write!(f, "there is no kernel, so one is launched"),
            Self::Launched(1) => write!(f, "the only kernel does not fit, so one is launched"),
            Self::Launched(kernels) => write!(f, "none of the {kernels} kernels fits, so one is launched"),
            Self::Refused => write!(f, "no kernel fits, and none can be launched"),
        }
    }
}
