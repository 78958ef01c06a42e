//! The table `[runtimes.NAME]`: from what is written to a runtime.
use std::{
    collections::{BTreeMap, BTreeSet},
    num::NonZeroUsize,
    path::PathBuf,
};

use serde::Deserialize;

use crate::{
    byte_size::ByteSize,
    jupyter::{endpoint::Transport, kernelspec::InterruptMode},
    runtime_name::RuntimeName,
    runtimes::{ConnectionMode, Launch, Runtime, RuntimeNames, RuntimeSource, usual_transport},
};

use super::{Located, RuntimeProblem, Usual, cull_after::CullAfter};

/// A runtime as it is written: from scratch with `argv`, or what is different from a kernelspec.
///
/// Without `argv` and `kernelspec` it starts from the kernelspec, or the built-in runtime, of its own name.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuntimeTable {
    argv: Option<Vec<String>>,
    kernelspec: Option<RuntimeName>,
    #[serde(default)]
    env: BTreeMap<String, String>,
    cwd: Option<PathBuf>,
    language: Option<String>,
    display_name: Option<String>,
    providers: Option<BTreeSet<String>>,
    labels: Option<BTreeSet<String>>,
    memory_limit: Option<ByteSize>,
    interrupt_mode: Option<InterruptMode>,
    transport: Option<Transport>,
    connection: Option<ConnectionMode>,
    pool: Option<usize>,
    max_clients: Option<usize>,
    cull_after: Option<CullAfter>,
    debugger: Option<bool>,
}

impl RuntimeTable {
    /// The runtime that the table describes.
    pub(super) fn runtime(
        &self,
        name: &Located<RuntimeName>,
        installed: &[Runtime],
        usual: Usual,
    ) -> Result<Runtime, RuntimeProblem> {
        let base = self.base(&name.value, installed)?;
        Ok(Runtime {
            name: name.value.clone(),
            display_name: self.display_name.clone().unwrap_or(base.display_name),
            language: self.language.clone().unwrap_or(base.language),
            launch: self.launch(base.launch),
            providers: self.providers.clone().unwrap_or(base.providers),
            labels: self.labels.clone().unwrap_or(base.labels),
            memory_limit: self.memory_limit.or(base.memory_limit),
            interrupt_mode: self.interrupt_mode.unwrap_or(base.interrupt_mode),
            transport: self.transport.unwrap_or(base.transport),
            connection: self.connection.unwrap_or(base.connection),
            pool: self.pool.or(base.pool),
            max_clients: self.max_clients.map_or(usual.max_clients, NonZeroUsize::new),
            cull_after: self.cull_after.map_or(usual.cull_after, |after| after.0),
            debugger: self.debugger.unwrap_or(base.debugger),
            source: RuntimeSource::Config(name.file.clone()),
        })
    }

    /// What the table starts from.
    fn base(&self, name: &RuntimeName, installed: &[Runtime]) -> Result<Runtime, RuntimeProblem> {
        let find = |wanted: &RuntimeName| installed.iter().find(|runtime| runtime.name == *wanted).cloned();
        match (&self.argv, &self.kernelspec) {
            (Some(_), Some(_)) => Err(RuntimeProblem::ArgvAndKernelspec),
            (Some(argv), None) => self.started_by(name, argv),
            (None, Some(kernelspec)) => find(kernelspec).ok_or_else(|| RuntimeProblem::NoSuchKernelspec {
                kernelspec: kernelspec.clone(),
                known: RuntimeNames::of(installed),
            }),
            (None, None) => {
                let builtin = || Some(Runtime::builtin_lua()).filter(|lua| lua.name == *name);
                find(name).or_else(builtin).ok_or(RuntimeProblem::NothingToStart)
            }
        }
    }

    fn started_by(&self, name: &RuntimeName, argv: &[String]) -> Result<Runtime, RuntimeProblem> {
        if argv.is_empty() {
            return Err(RuntimeProblem::EmptyArgv);
        }
        Ok(Runtime {
            name: name.clone(),
            display_name: name.to_string(),
            language: self.language.clone().ok_or(RuntimeProblem::NoLanguage)?,
            launch: Launch::Argv { argv: argv.to_vec(), env: BTreeMap::new(), cwd: None },
            interrupt_mode: InterruptMode::default(),
            transport: usual_transport(argv),
            ..Runtime::builtin_lua()
        })
    }

    /// The command with the table's variables and directory; the built-in kernel has none to set.
    fn launch(&self, base: Launch) -> Launch {
        match base {
            Launch::BuiltinLua => Launch::BuiltinLua,
            Launch::Argv { argv, mut env, cwd } => {
                env.extend(self.env.clone());
                Launch::Argv { argv, env, cwd: self.cwd.clone().or(cwd) }
            }
        }
    }
}
