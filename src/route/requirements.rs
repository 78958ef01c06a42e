//! What a client asks for: the object `fleet` in a message's metadata.

use std::{collections::BTreeSet, fmt};

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::{byte_size::ByteSize, id::KernelId};

/// What a client asks for. What is absent is not asked for.
#[derive(Serialize, Deserialize, Clone, Default, PartialEq, Eq, Debug)]
#[serde(default, deny_unknown_fields)]
pub struct Requirements {
    /// The runtime's name.
    pub runtime: Option<String>,
    /// The kernel's language.
    pub language: Option<String>,
    /// Providers that the kernel must have, all of them.
    pub providers: BTreeSet<String>,
    /// The least memory that the kernel must be allowed.
    pub memory_limit: Option<ByteSize>,
    /// Labels that the kernel must have, all of them.
    pub labels: BTreeSet<String>,
    /// Whether a debugger is needed.
    pub debug: bool,
    /// Kernels are shared within a group only; no group is a group of its own.
    pub group: Option<String>,
    /// Whether nobody else may have the kernel.
    pub isolated: bool,
    /// One kernel, by its id.
    pub kernel: Option<KernelId>,
}

/// Routing metadata that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error(
    "the routing metadata `fleet` cannot be understood: {0}. It may hold runtime, language, providers, \
     memory_limit, labels, debug, group, isolated and kernel"
)]
pub struct RequirementsError(String);

impl RequirementsError {
    /// The metadata around it cannot be read.
    pub fn unreadable(error: &dyn fmt::Display) -> Self {
        Self(error.to_string())
    }
}

impl Requirements {
    /// Parses the value of `fleet`, JSON. An unknown key is an error: a misspelt wish must not go unheard.
    pub fn parse(json: &str) -> Result<Self, RequirementsError> {
        serde_json::from_str(json).map_err(|error| RequirementsError(error.to_string()))
    }

    /// One kernel, whatever it is.
    pub fn of_kernel(kernel: KernelId) -> Self {
        Self { kernel: Some(kernel), ..Self::default() }
    }

    /// Whether nothing is asked for.
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// These, and where they say nothing, those.
    pub fn over(self, defaults: &Self) -> Self {
        let all = |own: BTreeSet<String>, more: &BTreeSet<String>| own.union(more).cloned().collect();
        Self {
            runtime: self.runtime.or_else(|| defaults.runtime.clone()),
            language: self.language.or_else(|| defaults.language.clone()),
            providers: all(self.providers, &defaults.providers),
            memory_limit: self.memory_limit.or(defaults.memory_limit),
            labels: all(self.labels, &defaults.labels),
            debug: self.debug || defaults.debug,
            group: self.group.or_else(|| defaults.group.clone()),
            isolated: self.isolated || defaults.isolated,
            kernel: self.kernel.or_else(|| defaults.kernel.clone()),
        }
    }

    /// Whether anything is said about what the kernel is, rather than about how it is shared or how large it may grow.
    /// Who says nothing of that kind gets the default runtime, as whoever opens a kernel without metadata does.
    pub fn names_a_kind(&self) -> bool {
        self.runtime.is_some()
            || self.language.is_some()
            || self.kernel.is_some()
            || self.debug
            || !self.providers.is_empty()
            || !self.labels.is_empty()
    }
}

impl fmt::Display for Requirements {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |set: &BTreeSet<String>| set.iter().cloned().collect::<Vec<_>>().join(",");
        let texts = [
            ("runtime", self.runtime.clone()),
            ("language", self.language.clone()),
            ("providers", (!self.providers.is_empty()).then(|| list(&self.providers))),
            ("memory_limit", self.memory_limit.map(|limit| limit.to_string())),
            ("labels", (!self.labels.is_empty()).then(|| list(&self.labels))),
            ("debug", self.debug.then(|| "true".to_owned())),
            ("group", self.group.clone()),
            ("isolated", self.isolated.then(|| "true".to_owned())),
            ("kernel", self.kernel.as_ref().map(ToString::to_string)),
        ];
        let said: Vec<String> =
            texts.into_iter().filter_map(|(name, text)| Some(format!("{name}={}", text?))).collect();
        f.write_str(if said.is_empty() { "nothing in particular" } else { "" })?;
        f.write_str(&said.join(" "))
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::route) mod law;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_object_of_the_design() {
        let json =
            r#"{"runtime": "lua", "providers": ["openai"], "memory_limit": "512M", "group": "team-a"}"#;
        let parsed = Requirements::parse(json).unwrap();
        assert_eq!(parsed.to_string(), "runtime=lua providers=openai memory_limit=512M group=team-a");
        assert_eq!(Requirements::parse("{}").unwrap().to_string(), "nothing in particular");
    }

    #[test]
    fn defaults_lie_beneath_what_is_asked_for() {
        let parse = |json| Requirements::parse(json).unwrap();
        let defaults = parse(r#"{"kernel": "k0", "group": "a", "labels": ["gpu"]}"#);
        assert_eq!(Requirements::default().over(&defaults), defaults);
        let asked = parse(r#"{"group": "b", "labels": ["big"], "debug": true}"#).over(&defaults);
        assert_eq!(asked.to_string(), "labels=big,gpu debug=true group=b kernel=k0");
        assert_eq!(parse("{}").over(&Requirements::default()), Requirements::default());
    }

    #[test]
    fn a_misspelt_key_is_named_with_those_that_exist() {
        let error = Requirements::parse(r#"{"runtmie": "lua"}"#).unwrap_err().to_string();
        assert!(error.contains("runtmie") && error.contains("memory_limit"), "{error}");
    }
}
