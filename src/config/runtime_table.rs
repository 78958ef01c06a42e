//! The table `[runtimes.NAME]`: from what is written to a runtime.
use std::{
    collections::{BTreeMap, BTreeSet},
    num::{NonZeroU32, NonZeroUsize},
    path::PathBuf,
};

use serde::Deserialize;

use crate::{
    byte_size::ByteSize,
    jupyter::{address::Transport, kernelspec::InterruptMode},
    runtime_name::RuntimeName,
    runtimes::{
        Adapter, ConnectionMode, Cores, Launch, Nice, ProcessLimits, Runtime, RuntimeNames, RuntimeSource,
        usual_transport,
    },
};

use super::{Located, RuntimeProblem, Usual, count, cull_after::CullAfter};

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
    cpu_limit: Option<Cores>,
    #[serde(default, deserialize_with = "count::processes")]
    max_processes: Option<NonZeroU32>,
    #[serde(default, deserialize_with = "count::files")]
    open_files: Option<NonZeroU32>,
    nice: Option<Nice>,
    interrupt_mode: Option<InterruptMode>,
    transport: Option<Transport>,
    connection: Option<ConnectionMode>,
    adapter: Option<Adapter>,
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
        let mut base = self.base(&name.value, installed)?;
        if self.adapter.is_some() {
            base = adapted(base)?;
        }
        Ok(Runtime {
            name: name.value.clone(),
            display_name: self.display_name.clone().unwrap_or(base.display_name),
            language: self.language.clone().unwrap_or(base.language),
            launch: self.launch(base.launch),
            providers: self.providers.clone().unwrap_or(base.providers),
            labels: self.labels.clone().unwrap_or(base.labels),
            memory_limit: self.memory_limit.or(base.memory_limit),
            process_limits: self.process_limits(base.process_limits),
            interrupt_mode: self.interrupt_mode.unwrap_or(base.interrupt_mode),
            transport: self.transport.unwrap_or(base.transport),
            connection: self.connection.filter(|_| self.adapter.is_none()).unwrap_or(base.connection),
            adapter: self.adapter,
            pool: self.pool.or(base.pool),
            max_clients: self.max_clients.map_or(usual.max_clients, NonZeroUsize::new),
            cull_after: self.cull_after.map_or(usual.cull_after, |after| after.0),
            debugger: self.debugger.unwrap_or(base.debugger),
            source: RuntimeSource::Config(name.file.clone()),
            resource_dir: base.resource_dir,
        })
    }

    fn process_limits(&self, base: ProcessLimits) -> ProcessLimits {
        ProcessLimits {
            cpu_limit: self.cpu_limit.or(base.cpu_limit),
            max_processes: self.max_processes.or(base.max_processes),
            open_files: self.open_files.or(base.open_files),
            nice: self.nice.or(base.nice),
        }
    }

    /// What the table starts from.
    fn base(&self, name: &RuntimeName, installed: &[Runtime]) -> Result<Runtime, RuntimeProblem> {
        let find = |wanted: &RuntimeName| installed.iter().find(|runtime| runtime.name == *wanted).cloned();
        match (&self.argv, &self.kernelspec) {
            (Some(_), Some(_)) => Err(RuntimeProblem::ArgvAndKernelspec),
            (Some(argv), None) => self.started_by(name, argv),
            (None, Some(kernelspec)) => {
                find(kernelspec).or_else(|| builtin(kernelspec)).ok_or_else(|| no_such(kernelspec, installed))
            }
            (None, None) => find(name).or_else(|| builtin(name)).ok_or(RuntimeProblem::NothingToStart),
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

    /// What is started, with the table's variables and directory.
    fn launch(&self, mut base: Launch) -> Launch {
        let (Launch::BuiltinLua { env, cwd } | Launch::Argv { env, cwd, .. }) = &mut base;
        env.extend(self.env.clone());
        if self.cwd.is_some() {
            cwd.clone_from(&self.cwd);
        }
        base
    }
}

/// The same with an adapter, which is a process of ours: it takes the connection that it is given, knows ipc, and is told
/// of an interrupt in order.
fn adapted(base: Runtime) -> Result<Runtime, RuntimeProblem> {
    let Launch::Argv { argv, .. } = &base.launch else { return Err(RuntimeProblem::AdapterWithoutCommand) };
    if argv.iter().any(|word| word.split_whitespace().any(|part| part == "--daemon")) {
        return Err(RuntimeProblem::AdapterOfDaemon);
    }
    let (transport, connection) = (Transport::Ipc, ConnectionMode::Given);
    Ok(Runtime { transport, connection, interrupt_mode: InterruptMode::Message, ..base })
}

/// The kernel that is part of this program, by either of its names.
fn builtin(name: &RuntimeName) -> Option<Runtime> {
    [RuntimeName::lua(), RuntimeName::builtin_lua()].contains(name).then(Runtime::builtin_lua)
}

fn no_such(kernelspec: &RuntimeName, installed: &[Runtime]) -> RuntimeProblem {
    let lua = Some(Runtime::builtin_lua()).filter(|lua| installed.iter().all(|known| known.name != lua.name));
    let known = RuntimeNames::of(installed.iter().chain(&lua));
    RuntimeProblem::NoSuchKernelspec { kernelspec: kernelspec.clone(), known }
}
