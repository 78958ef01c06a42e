//! What routing is told once, at the start.

use std::time::Duration;

use super::Offer;

/// What routing is told once, at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What can be launched, in order of preference.
    pub runtimes: Vec<Offer>,
    /// The index of the default runtime.
    pub default: usize,
    /// How long a client without connections still counts as live.
    pub linger: Duration,
    /// Requests of one client that may wait for replies.
    pub requests_in_flight: usize,
    /// Clients remembered per kernel.
    pub remembered_clients: usize,
    /// Who may restart a shared kernel.
    pub restart: RestartRight,
}

/// Who may restart a kernel that has several clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RestartRight {
    /// Each of them.
    #[default]
    Anyone,
    /// Only a client that has the kernel to itself.
    Sole,
}
