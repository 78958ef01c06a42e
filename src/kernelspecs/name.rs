//! The name of a kernelspec.
use std::{fmt, str::FromStr};

use crate::runtime_name::RuntimeName;

/// The name of a kernelspec, which is that of its directory, in lower case.
///
/// Source: jupyter_client's documentation, "Kernel specs": ASCII letters, digits, `-`, `.` and `_`, in whatever case.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct KernelspecName(String);

/// Text that cannot be the name of a kernelspec.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} cannot be a kernelspec's name: use ASCII letters, digits, '.', '_' and '-'")]
pub struct InvalidKernelspecName(String);

impl KernelspecName {
    /// What the kernelspec of a runtime and a group is called where nobody says otherwise: `fleet-python3-team-a`.
    pub fn usual(runtime: &RuntimeName, group: Option<&str>, isolated: bool) -> Self {
        let group = group.map(|group| format!("-{}", group.to_ascii_lowercase())).unwrap_or_default();
        let isolated = if isolated { "-isolated" } else { "" };
        let allowed = |c: char| if is_allowed(c) { c } else { '-' };
        Self(format!("fleet-{runtime}{group}{isolated}").chars().map(allowed).collect())
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for KernelspecName {
    type Err = InvalidKernelspecName;

    fn from_str(text: &str) -> Result<Self, InvalidKernelspecName> {
        // A directory of only dots would be another one.
        let is_path = text.chars().all(|c| c == '.');
        if is_path || !text.chars().all(is_allowed) {
            return Err(InvalidKernelspecName(text.to_owned()));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }
}

impl fmt::Display for KernelspecName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

fn is_allowed(c: char) -> bool {
    c.is_ascii_alphanumeric() || "._-".contains(c)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn usual(runtime: &str, group: Option<&str>) -> String {
        KernelspecName::usual(&runtime.parse().unwrap(), group, false).to_string()
    }

    #[test]
    fn usual_names_say_the_runtime_and_the_group() {
        assert_eq!(usual("Python3", None), "fleet-python3");
        assert_eq!(usual("python3", Some("team-a")), "fleet-python3-team-a");
        let isolated = KernelspecName::usual(&"lua".parse().unwrap(), Some("a"), true);
        assert_eq!(isolated.to_string(), "fleet-lua-a-isolated");
        assert_eq!(usual("ir", Some("Büro 7/b")), "fleet-ir-b-ro-7-b");
    }

    #[test]
    fn names_are_those_that_jupyter_takes_and_never_paths() {
        assert_eq!("My-Fleet.1".parse::<KernelspecName>().unwrap().as_str(), "my-fleet.1");
        for wrong in ["", ".", "..", "a/b", "a b", "é"] {
            assert_eq!(wrong.parse::<KernelspecName>(), Err(InvalidKernelspecName(wrong.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn every_usual_name_is_a_name(group in any::<String>()) {
            let name = usual("python3", Some(&group));
            let read = name.parse::<KernelspecName>().unwrap();
            prop_assert_eq!(read.as_str(), name);
        }
    }
}
