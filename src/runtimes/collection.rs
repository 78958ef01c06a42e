//! All runtimes that there are, and which one is the default.
use std::{fmt, sync::Arc};

use crate::runtime_name::RuntimeName;

use super::{
    discovery::SkippedKernelspec,
    runtime::{Launch, Runtime},
};

/// Which runtime is the default where nobody says so, if it is installed.
const USUAL_DEFAULT: &str = "python3";

/// Every runtime, no name twice: those of the config first, then installed kernelspecs, then the built-in `lua`
/// (called `builtin-lua` where another runtime is called `lua`).
#[derive(Debug, Clone)]
pub struct Runtimes {
    all: Vec<Arc<Runtime>>,
    default: Arc<Runtime>,
    skipped: Arc<[SkippedKernelspec]>,
}

/// A runtime was asked for that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no runtime {name}: there are {known}")]
pub struct UnknownRuntime {
    /// The name that was asked for.
    pub name: RuntimeName,
    /// The names that exist.
    pub known: RuntimeNames,
}

/// Names to list in a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeNames(Vec<RuntimeName>);

impl Runtimes {
    /// Puts runtimes together; of two with one name the earlier counts. `builtin` is the built-in Lua kernel.
    ///
    /// # Errors
    /// `default` names a runtime that does not exist. Without it the default is `python3` if there is one, else `lua`.
    pub fn new(
        configured: Vec<Runtime>,
        installed: Vec<Runtime>,
        mut builtin: Runtime,
        default: Option<&RuntimeName>,
    ) -> Result<Self, UnknownRuntime> {
        let mut all: Vec<Arc<Runtime>> = Vec::new();
        for runtime in configured.into_iter().chain(installed).map(Arc::new) {
            if named(&all, runtime.name.as_str()).is_none() {
                all.push(runtime);
            }
        }
        // Whoever installed a kernelspec `lua` means that one; the built-in kernel stays within reach.
        let taken = named(&all, builtin.name.as_str());
        let reachable = taken.is_some_and(|taken| matches!(taken.launch, Launch::BuiltinLua { .. }));
        if taken.is_some() {
            builtin.name = RuntimeName::builtin_lua();
        }
        let builtin = Arc::new(builtin);
        if !reachable && named(&all, builtin.name.as_str()).is_none() {
            all.push(Arc::clone(&builtin));
        }
        let default = match default {
            Some(name) => named(&all, name.as_str()).ok_or_else(|| unknown(&all, name))?,
            None => {
                let lua = RuntimeName::lua();
                named(&all, USUAL_DEFAULT).or_else(|| named(&all, lua.as_str())).unwrap_or(&builtin)
            }
        };
        Ok(Self { default: Arc::clone(default), all, skipped: Arc::default() })
    }

    /// The same, knowing which kernelspecs cannot be used.
    pub fn with_skipped(self, skipped: Vec<SkippedKernelspec>) -> Self {
        Self { skipped: skipped.into(), ..self }
    }

    /// The kernelspecs that cannot be used.
    pub fn skipped(&self) -> &[SkippedKernelspec] {
        &self.skipped
    }

    /// The runtime of that name.
    ///
    /// # Errors
    /// There is none; the error lists those that there are.
    pub fn find(&self, name: &RuntimeName) -> Result<&Arc<Runtime>, UnknownRuntime> {
        named(&self.all, name.as_str()).ok_or_else(|| unknown(&self.all, name))
    }

    /// The runtime of a client that asks for nothing.
    pub fn default_runtime(&self) -> &Arc<Runtime> {
        &self.default
    }

    /// All runtimes, those of the config first.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Runtime>> {
        self.all.iter()
    }

    /// The names of all runtimes, to list in a message.
    pub fn names(&self) -> RuntimeNames {
        names(&self.all)
    }
}

fn named<'a>(all: &'a [Arc<Runtime>], name: &str) -> Option<&'a Arc<Runtime>> {
    all.iter().find(|runtime| runtime.name.as_str() == name)
}

fn names(all: &[Arc<Runtime>]) -> RuntimeNames {
    RuntimeNames::of(all.iter().map(Arc::as_ref))
}

fn unknown(all: &[Arc<Runtime>], name: &RuntimeName) -> UnknownRuntime {
    UnknownRuntime { name: name.clone(), known: names(all) }
}

impl RuntimeNames {
    /// The names of some runtimes.
    pub fn of<'a>(runtimes: impl IntoIterator<Item = &'a Runtime>) -> Self {
        Self(runtimes.into_iter().map(|runtime| runtime.name.clone()).collect())
    }
}

impl fmt::Display for RuntimeNames {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(RuntimeName::as_str).collect();
        formatter.write_str(&names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runtime(name: &str, display_name: &str) -> Runtime {
        let (name, display_name) = (name.parse().unwrap(), display_name.to_owned());
        let launch = Launch::Argv { argv: vec!["kernel".to_owned()], env: [].into(), cwd: None };
        Runtime { name, display_name, launch, ..Runtime::builtin_lua() }
    }

    fn together(
        configured: &[&str],
        installed: &[&str],
        default: Option<&str>,
    ) -> Result<Runtimes, UnknownRuntime> {
        let all = |names: &[&str], from: &str| names.iter().map(|name| runtime(name, from)).collect();
        let default = default.map(|name| name.parse().unwrap());
        let (configured, installed) = (all(configured, "config"), all(installed, "kernelspec"));
        Runtimes::new(configured, installed, Runtime::builtin_lua(), default.as_ref())
    }

    fn default_of(configured: &[&str], installed: &[&str], default: Option<&str>) -> String {
        together(configured, installed, default).unwrap().default_runtime().name.to_string()
    }

    #[test]
    fn config_before_kernelspecs_before_lua() {
        let runtimes = together(&["gpu", "r"], &["python3", "r"], None).unwrap();
        assert_eq!(runtimes.names().to_string(), "gpu, r, python3, lua");
        assert_eq!(runtimes.find(&"R".parse().unwrap()).unwrap().display_name, "config");
    }

    #[test]
    fn a_kernelspec_named_lua_goes_first_and_the_built_in_one_stays_within_reach() {
        let runtimes = together(&[], &["lua"], None).unwrap();
        assert_eq!(runtimes.names().to_string(), "lua, builtin-lua");
        assert_eq!(runtimes.default_runtime().display_name, "kernelspec");
    }

    #[test]
    fn the_default_is_what_is_said_else_python3_else_lua() {
        assert_eq!(default_of(&[], &["python3", "r"], Some("r")), "r");
        assert_eq!(default_of(&["gpu"], &["python3"], None), "python3");
        assert_eq!(default_of(&["gpu"], &["r"], None), "lua");
    }

    #[test]
    fn a_default_that_does_not_exist_lists_what_does() {
        let error = together(&["gpu"], &["r"], Some("python3")).unwrap_err();
        assert_eq!(error.to_string(), "there is no runtime python3: there are gpu, r, lua");
    }
}
