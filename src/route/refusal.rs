//! Why no kernel can serve a client, in words for the person at the other end.

use std::fmt;

use super::{Candidate, NoRoom, Offer, Requirements, Settings, Skipped, Unmet};
use crate::id::KernelId;

/// Runtimes or kernels that a refusal lists, at most.
pub(super) const LISTED: usize = 12;

/// Why no kernel serves a client.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Nothing that exists or could be launched has what was asked for.
    NoMatch(NoMatch),
    /// A kernel could be launched if the fleet were allowed to grow.
    NoRoom(NoRoom),
}

/// What was asked, what is missing, and which runtimes exist.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NoMatch {
    asked: String,
    missing: Vec<String>,
    /// What to change, where that is known.
    advice: Option<String>,
    runtimes: Vec<String>,
}

impl Refusal {
    /// `requirements` are what `asked` comes to: who names no kind of kernel means the default runtime.
    pub(super) fn explain(
        asked: &Requirements,
        requirements: &Requirements,
        candidates: &[Candidate<'_>],
        settings: &Settings,
    ) -> Self {
        let missing = missing(requirements, candidates, settings);
        let advice = advice(requirements, candidates, &settings.runtimes);
        let runtimes = names(&settings.runtimes);
        Self::NoMatch(NoMatch { asked: asked.to_string(), missing, advice, runtimes })
    }

    /// Another kernel was asked for than the one that the client's connection file leads to.
    pub(super) fn leads_elsewhere(asked: &Requirements, only: &KernelId, runtimes: &[Offer]) -> Self {
        let missing = vec![format!("this connection file leads to kernel {only} and to no other")];
        Self::NoMatch(NoMatch { asked: asked.to_string(), missing, advice: None, runtimes: names(runtimes) })
    }
}

fn names(runtimes: &[Offer]) -> Vec<String> {
    runtimes.iter().map(Offer::to_string).collect()
}

fn missing(requirements: &Requirements, candidates: &[Candidate<'_>], settings: &Settings) -> Vec<String> {
    let Settings { runtimes, skipped, .. } = settings;
    if let Some(kernel) = &requirements.kernel {
        return match candidates.iter().find(|candidate| candidate.kernel == kernel) {
            Some(candidate) => vec![lacks(&format!("kernel {kernel}"), &candidate.unmet(requirements))],
            None => vec![format!("there is no kernel {kernel}")],
        };
    }
    if let Some(name) = &requirements.runtime {
        return match runtimes.iter().find(|offer| offer.runtime.is(name)) {
            Some(offer) => vec![lacks(&format!("runtime {name}"), &offer.unmet(requirements))],
            None => vec![no_runtime(name, skipped)],
        };
    }
    let each = runtimes.iter().take(LISTED);
    each.map(|offer| lacks(offer.runtime.as_str(), &offer.unmet(requirements))).collect()
}

/// What to change where only the memory limit does not do.
fn advice(requirements: &Requirements, candidates: &[Candidate<'_>], runtimes: &[Offer]) -> Option<String> {
    let asked = requirements.memory_limit?;
    let is_memory = |unmet: &Vec<Unmet>| matches!(unmet[..], [Unmet::Memory { .. } | Unmet::Unlimited]);
    if let Some(kernel) = &requirements.kernel {
        let candidate = candidates.iter().find(|candidate| candidate.kernel == kernel);
        let unmet = candidate.map(|candidate| candidate.unmet(requirements)).filter(is_memory);
        return unmet
            .map(|_| "Leave out kernel to get another one, or memory_limit to get this one".to_owned());
    }
    let short = runtimes.iter().find(|offer| is_memory(&offer.unmet(requirements)))?;
    Some(format!(
        "Ask for less, or set memory_limit = \"{asked}\" for runtime {} in the fleet's config",
        short.runtime
    ))
}

fn no_runtime(name: &str, skipped: &[Skipped]) -> String {
    let wanted = name.to_lowercase();
    match skipped.iter().find(|skipped| skipped.runtime == wanted) {
        Some(skipped) => format!("there is no runtime {name} ({})", skipped.reason),
        None => format!("there is no runtime {name}"),
    }
}

fn lacks(who: &str, unmet: &[Unmet]) -> String {
    let reasons: Vec<String> = unmet.iter().map(ToString::to_string).collect();
    format!("{who} {}", reasons.join(" and "))
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMatch(reason) => reason.fmt(f),
            Self::NoRoom(reason) => reason.fmt(f),
        }
    }
}

impl fmt::Display for NoMatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no kernel of this fleet can serve what was asked for ({}): ", self.asked)?;
        write!(f, "{}. ", self.missing.join("; "))?;
        self.advice.iter().try_for_each(|advice| write!(f, "{advice}. "))?;
        write!(f, "Runtimes here: {}", self.runtimes.join(", "))
    }
}
