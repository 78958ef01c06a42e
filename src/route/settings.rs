//! What routing is told once, at the start.

use std::{num::NonZeroUsize, time::Duration};

use super::Offer;
use crate::byte_size::ByteSize;

/// What routing is told once, at the start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What can be launched, in order of preference.
    pub runtimes: Vec<Offer>,
    /// The index of the default runtime.
    pub default: usize,
    /// What is installed and cannot be launched.
    pub skipped: Vec<Skipped>,
    /// How long a client without connections still counts as live.
    pub linger: Duration,
    /// Requests of one client that may wait for replies.
    pub requests_in_flight: usize,
    /// Clients remembered per kernel.
    pub remembered_clients: usize,
    /// Who may restart a shared kernel.
    pub restart: RestartRight,
    /// How large the fleet may grow.
    pub bounds: Bounds,
    /// How long an isolated kernel outlives its client, where its runtime does not say.
    pub abandoned_after: Duration,
}

/// A kernelspec that cannot be used.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Skipped {
    /// The runtime that it would be, in lower case.
    pub runtime: String,
    /// That it was skipped, where it is, and why: for people.
    pub reason: String,
}

/// How large a fleet may grow. Kernels that are being stopped count no more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Bounds {
    /// The most kernels.
    pub kernels: Option<NonZeroUsize>,
    /// The most that the memory limits of all kernels may come to.
    pub memory: Option<ByteSize>,
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
