//! Finds the kernels that are installed for Jupyter.
use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
};

use crate::{
    jupyter::{
        kernelspec::{Kernelspec, KernelspecError},
        placeholder::{replace_placeholders, replace_variables},
    },
    runtime_name::{InvalidRuntimeName, RuntimeName},
};

use super::{
    environment::Environment,
    process_limits::ProcessLimits,
    python::PythonEnvironment,
    runtime::{ConnectionMode, Launch, Runtime, RuntimeSource, usual_transport},
    search_path::{prefix_of, search_path},
};

/// Largest `kernel.json` that is read, in bytes: real ones have a few hundred.
const LARGEST_KERNELSPEC: u64 = 1 << 20;

/// What was found, and what was not taken.
#[derive(Debug, Default)]
pub struct Discovery {
    /// A runtime per kernelspec, in the order of the search path, and by name within a directory.
    pub runtimes: Vec<Runtime>,
    /// Kernelspecs that cannot be used: to be shown as warnings.
    pub skipped: Vec<SkippedKernelspec>,
}

/// A kernelspec that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("skipped the kernelspec {}: {reason}", path.display())]
pub struct SkippedKernelspec {
    /// Its directory or file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: SkipReason,
}

impl SkippedKernelspec {
    /// What Jupyter calls it: its directory, in lower case.
    pub fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
    }
}

/// Why a kernelspec cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SkipReason {
    /// The directory's name cannot be a runtime's.
    #[error(transparent)]
    Name(#[from] InvalidRuntimeName),
    /// The file cannot be read.
    #[error("it cannot be read: {0}")]
    Unreadable(io::Error),
    /// The file is no kernelspec.
    #[error("it {0}")]
    Kernelspec(KernelspecError),
    /// Another program than the local provisioner must start it.
    #[error("it needs the provisioner {0:?}, but only local processes can be started")]
    Provisioner(String),
}

/// Finds every kernelspec that `jupyter kernelspec list` would show in that environment.
///
/// As with Jupyter, the first of a name counts, even if it turns out to be broken. Python is not started for it, so a
/// `python3` kernel that exists only as an importable ipykernel, without a kernelspec, is not found: every package of
/// ipykernel installs one. Kernelspecs that lead to a fleet are passed over in silence: fleets would launch fleets.
pub fn discover(environment: &Environment) -> Discovery {
    let python = PythonEnvironment::find(environment);
    let mut discovery = Discovery::default();
    let mut seen = BTreeSet::new();
    for directory in search_path(environment, python.as_ref()) {
        for resource_dir in kernelspecs_in(&directory) {
            let found = Found { resource_dir, prefix: prefix_of(&directory).map(Path::to_owned) };
            let taken = found.name().map_err(SkipReason::from).and_then(|name| {
                if !seen.insert(name.clone()) {
                    return Ok(None);
                }
                let runtime = found.runtime(name.clone(), environment, python.as_ref())?;
                if runtime.is_none() {
                    // It leads to a fleet, and to the runtime that it hides from Jupyter.
                    seen.remove(&name);
                }
                Ok(runtime)
            });
            match taken {
                Ok(runtime) => discovery.runtimes.extend(runtime),
                Err(reason) => discovery.skipped.push(SkippedKernelspec { path: found.resource_dir, reason }),
            }
        }
    }
    discovery
}

/// The directories of kernelspecs in one directory of the search path, by name.
pub fn kernelspecs_in(kernels: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(kernels) else { return Vec::new() };
    let paths = entries.flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.join("kernel.json").is_file()).collect();
    found.sort();
    found
}

/// Reads the `kernel.json` in a kernelspec's directory.
///
/// # Errors
/// It cannot be read, or is no kernelspec.
pub fn read_kernelspec(resource_dir: &Path) -> Result<Kernelspec, SkipReason> {
    let mut bytes = Vec::new();
    File::open(resource_dir.join("kernel.json"))
        .and_then(|file| file.take(LARGEST_KERNELSPEC).read_to_end(&mut bytes))
        .map_err(SkipReason::Unreadable)?;
    Kernelspec::parse(&bytes).map_err(SkipReason::Kernelspec)
}

/// A directory with a `kernel.json` in it.
struct Found {
    resource_dir: PathBuf,
    /// The installation that the directory is a part of.
    prefix: Option<PathBuf>,
}

impl Found {
    fn name(&self) -> Result<RuntimeName, InvalidRuntimeName> {
        let name = self.resource_dir.file_name().unwrap_or_default();
        let not_text = || InvalidRuntimeName { found: name.to_string_lossy().into_owned() };
        name.to_str().ok_or_else(not_text)?.parse()
    }

    fn runtime(
        &self,
        name: RuntimeName,
        environment: &Environment,
        python: Option<&PythonEnvironment>,
    ) -> Result<Option<Runtime>, SkipReason> {
        let spec = read_kernelspec(&self.resource_dir)?;
        if spec.attaches_to_a_fleet() {
            return Ok(None);
        }
        if let Some(provisioner) = spec.provisioner {
            return Err(SkipReason::Provisioner(provisioner));
        }
        let argv = self.command(spec.argv, python);
        let has_display_name = !spec.display_name.is_empty();
        Ok(Some(Runtime {
            display_name: if has_display_name { spec.display_name } else { name.to_string() },
            name,
            language: spec.language,
            transport: usual_transport(&argv),
            launch: Launch::Argv { argv, env: filled(spec.env, environment), cwd: None },
            providers: BTreeSet::new(),
            labels: BTreeSet::new(),
            memory_limit: None,
            process_limits: ProcessLimits::default(),
            interrupt_mode: spec.interrupt_mode,
            connection: ConnectionMode::Given,
            adapter: None,
            pool: None,
            max_clients: None,
            cull_after: None,
            debugger: spec.debugger,
            source: RuntimeSource::Kernelspec(self.resource_dir.clone()),
            resource_dir: Some(self.resource_dir.clone()),
        }))
    }

    /// The command with what is known now: which Python, `{resource_dir}` and `{prefix}`.
    fn command(&self, mut argv: Vec<String>, python: Option<&PythonEnvironment>) -> Vec<String> {
        let resource_dir = self.resource_dir.to_string_lossy();
        let prefix = self.prefix.as_deref().or(python.map(|python| python.prefix.as_path()));
        let prefix = prefix.map(Path::to_string_lossy);
        let mut values = vec![("resource_dir", resource_dir.as_ref())];
        values.extend(prefix.as_deref().map(|prefix| ("prefix", prefix)));
        if let Some(program) = argv.first_mut() {
            self.choose_python(program, python);
        }
        argv.iter().map(|argument| replace_placeholders(argument, &values)).collect()
    }

    /// A bare `python` means the one that the kernelspec was installed with, not whichever is first on `PATH`: Jupyter
    /// takes its own for it, which is the same where one environment holds both.
    fn choose_python(&self, program: &mut String, python: Option<&PythonEnvironment>) {
        if !is_bare_python(program) {
            return;
        }
        let own =
            self.prefix.as_ref().map(|prefix| prefix.join("bin").join(&program)).filter(|own| own.is_file());
        if let Some(chosen) = own.or_else(|| python.map(|python| python.executable.clone())) {
            *program = chosen.to_string_lossy().into_owned();
        }
    }
}

/// `python`, `python3` or `python3.12`, without a directory.
fn is_bare_python(program: &str) -> bool {
    let version = program.strip_prefix("python");
    version.is_some_and(|version| version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.'))
}

/// Variables with the references in them replaced, as Jupyter does when it starts the kernel.
fn filled(env: BTreeMap<String, String>, environment: &Environment) -> BTreeMap<String, String> {
    let variable = |name: &str| environment.variable(name).map(|value| value.to_string_lossy().into_owned());
    env.into_iter().map(|(name, text)| (name, replace_variables(&text, variable))).collect()
}
