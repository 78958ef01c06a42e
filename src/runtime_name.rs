//! The name of a runtime.
use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

/// The name of a runtime: a kernelspec's directory, a table of the config, or `lua`.
///
/// Names are compared without regard to case, as jupyter_client does for kernelspecs, so this one is in lower case. As there,
/// spaces and letters beyond ASCII are allowed.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RuntimeName(Arc<str>);

impl RuntimeName {
    /// `lua`, the name of the runtime that is built in.
    pub fn lua() -> Self {
        Self("lua".into())
    }

    /// `builtin-lua`, its name where another runtime is called `lua`.
    pub fn builtin_lua() -> Self {
        Self("builtin-lua".into())
    }

    /// The name, in lower case.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a text that somebody typed, in whatever case, is this name.
    pub fn is(&self, text: &str) -> bool {
        text.to_lowercase() == *self.0
    }
}

impl FromStr for RuntimeName {
    type Err = InvalidRuntimeName;

    fn from_str(text: &str) -> Result<Self, InvalidRuntimeName> {
        let forbidden = |c: char| c == '/' || c.is_control();
        if text.is_empty() || text.contains(forbidden) {
            return Err(InvalidRuntimeName { found: text.to_owned() });
        }
        Ok(Self(text.to_lowercase().into()))
    }
}

impl TryFrom<String> for RuntimeName {
    type Error = InvalidRuntimeName;

    fn try_from(text: String) -> Result<Self, InvalidRuntimeName> {
        text.parse()
    }
}

impl From<RuntimeName> for String {
    fn from(name: RuntimeName) -> Self {
        name.as_str().to_owned()
    }
}

impl fmt::Display for RuntimeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

impl fmt::Debug for RuntimeName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{:?}", self.as_str())
    }
}

/// Text that cannot be the name of a runtime.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{found:?} cannot be a runtime's name: it must be text without slashes and control characters")]
pub struct InvalidRuntimeName {
    /// The text that was given.
    pub found: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_compared_in_lower_case() {
        let name: RuntimeName = "Julia-1.11".parse().unwrap();
        assert_eq!(name.as_str(), "julia-1.11");
        assert_eq!(Ok(name), "JULIA-1.11".parse());
    }

    #[test]
    fn what_a_directory_can_be_called_is_a_name_but_for_control_characters() {
        for text in ["a b", "É", "Ядро 1", "..."] {
            let name = text.parse::<RuntimeName>().unwrap();
            assert!(name.is(text) && name.is(name.as_str()), "{name}");
        }
        for text in ["", "../x", "a/b", "a\nb", "a\u{1b}[2J", "a\0"] {
            assert_eq!(text.parse::<RuntimeName>(), Err(InvalidRuntimeName { found: text.to_owned() }));
        }
    }

    #[test]
    fn json_is_the_plain_name() {
        let name: RuntimeName = serde_json::from_str("\"Lua\"").unwrap();
        assert_eq!(serde_json::to_string(&name).unwrap(), "\"lua\"");
        assert!(serde_json::from_str::<RuntimeName>("\"a/b\"").is_err());
    }
}
