//! What a kernel gets of the program that it is launched for: a notebook server that would else have launched it itself.

use std::{ffi::OsString, fmt, sync::Arc};

use parking_lot::Mutex;

/// Environment variables and their values.
pub type Variables = Vec<(OsString, OsString)>;

/// The program that a kernel is launched for. Kernels and their next processes share it, for the environment may be handed
/// over again.
pub struct LaunchedFor {
    /// What the program added to the kernelspec's arguments.
    pub arguments: Vec<String>,
    /// Kept in memory alone: environments hold secrets.
    environment: Mutex<Option<Arc<Variables>>>,
}

impl LaunchedFor {
    /// A program with this environment; `None` if an earlier `serve` knew it.
    pub fn new(arguments: Vec<String>, environment: Option<Arc<Variables>>) -> Self {
        Self { arguments, environment: Mutex::new(environment) }
    }

    /// The program's environment, while it is known.
    pub fn environment(&self) -> Option<Arc<Variables>> {
        self.environment.lock().clone()
    }

    /// The program has told its environment again.
    pub fn set_environment(&self, environment: Arc<Variables>) {
        *self.environment.lock() = Some(environment);
    }
}

impl fmt::Debug for LaunchedFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LaunchedFor").field("arguments", &self.arguments).finish_non_exhaustive()
    }
}
