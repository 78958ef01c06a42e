//! What a runtime, and each kernel launched from it, has to offer; and what of a wish it does not meet.

use std::{collections::BTreeSet, fmt, num::NonZeroUsize, time::Duration};

use super::Requirements;
use crate::{byte_size::ByteSize, runtime_name::RuntimeName};

/// What clients may ask a runtime for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Offer {
    /// Its name.
    pub runtime: RuntimeName,
    /// Its language; empty if that is not known yet.
    pub language: String,
    /// Its providers.
    pub providers: BTreeSet<String>,
    /// Its labels.
    pub labels: BTreeSet<String>,
    /// The most memory a kernel may use; `None` is unlimited.
    pub memory_limit: Option<ByteSize>,
    /// Whether it has a debugger.
    pub debugger: bool,
    /// The most clients of one kernel; `None` is no bound.
    pub max_clients: Option<NonZeroUsize>,
    /// After which idle time a kernel is stopped; `None` is never.
    pub cull_after: Option<Duration>,
}

/// One thing asked for that does not hold.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Unmet {
    /// It is not of this runtime, which was asked for.
    Runtime(String),
    /// It speaks another language.
    Language(String),
    /// It lacks providers.
    Providers(Vec<String>),
    /// It lacks labels.
    Labels(Vec<String>),
    /// It has no memory limit that is enforced, and one was asked for.
    Unlimited,
    /// Its memory limit is lower.
    Memory {
        /// What it may use.
        limit: ByteSize,
    },
    /// It has no debugger.
    Debugger,
    /// It belongs to another group.
    Group(Option<String>),
    /// Others have it, or someone has it for himself.
    Shared,
    /// It has as many clients as it takes.
    Full(usize),
    /// It is not the kernel that was asked for.
    Kernel,
    /// A kernel that is launched would not be the one that was asked for.
    Fresh,
    /// A kernel could be launched if the fleet were allowed to grow.
    NoRoom,
}

impl Offer {
    /// What of the requirements a kernel that is launched with this would not meet; empty if it serves. Where nothing here
    /// limits its memory, the limit that was asked for does.
    pub fn unmet(&self, requirements: &Requirements) -> Vec<Unmet> {
        let mut unmet = Vec::new();
        if let Some(asked) = &requirements.runtime
            && !self.runtime.is(asked)
        {
            unmet.push(Unmet::Runtime(asked.clone()));
        }
        if requirements.language.as_deref().is_some_and(|asked| !asked.eq_ignore_ascii_case(&self.language)) {
            unmet.push(Unmet::Language(self.language.clone()));
        }
        let missing = |asked: &BTreeSet<String>, has| asked.difference(has).cloned().collect::<Vec<_>>();
        let providers = missing(&requirements.providers, &self.providers);
        if !providers.is_empty() {
            unmet.push(Unmet::Providers(providers));
        }
        let labels = missing(&requirements.labels, &self.labels);
        if !labels.is_empty() {
            unmet.push(Unmet::Labels(labels));
        }
        if let (Some(asked), Some(limit)) = (requirements.memory_limit, self.memory_limit)
            && limit < asked
        {
            unmet.push(Unmet::Memory { limit });
        }
        if requirements.debug && !self.debugger {
            unmet.push(Unmet::Debugger);
        }
        unmet
    }
}

impl fmt::Display for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.language.as_str() {
            "" => self.runtime.fmt(f),
            language => write!(f, "{} ({language})", self.runtime),
        }
    }
}

impl fmt::Display for Unmet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = |list: &[String]| if list.len() == 1 { "" } else { "s" };
        match self {
            Self::Runtime(asked) => write!(f, "is not runtime {asked}"),
            Self::Language(has) if has.is_empty() => write!(f, "does not say which language it speaks"),
            Self::Language(has) => write!(f, "speaks {has}"),
            Self::Providers(missing) => {
                write!(f, "lacks the provider{} {}", plural(missing), missing.join(", "))
            }
            Self::Labels(missing) => write!(f, "lacks the label{} {}", plural(missing), missing.join(", ")),
            Self::Unlimited => write!(f, "has no enforced memory limit"),
            Self::Memory { limit } => write!(f, "is limited to {limit} of memory"),
            Self::Debugger => write!(f, "has no debugger"),
            Self::Group(Some(has)) => write!(f, "belongs to the group {has}"),
            Self::Group(None) => write!(f, "belongs to no group"),
            Self::Shared => write!(f, "is another client's"),
            Self::Full(1) => write!(f, "already has its 1 client"),
            Self::Full(most) => write!(f, "already has its {most} clients"),
            Self::Kernel => write!(f, "is another kernel"),
            Self::Fresh => write!(f, "would be another kernel"),
            Self::NoRoom => write!(f, "would do, but there is no room"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_client_is_not_many() {
        let told = [1, 2].map(|most| Unmet::Full(most).to_string());
        assert_eq!(told, ["already has its 1 client", "already has its 2 clients"]);
    }
}
