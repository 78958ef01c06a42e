//! Who may restart a kernel.
use serde::Deserialize;

/// Which clients may restart the kernel that they are bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartRight {
    /// Every client, though the others lose their state with it.
    #[default]
    Anyone,
    /// Only a client that has the kernel to itself.
    Sole,
}
