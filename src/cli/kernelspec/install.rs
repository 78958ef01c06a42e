//! `jupyter-fleet kernelspec install`.
use std::{env, io::Write, path::Path, sync::Arc};

use anyhow::Context;
use clap::Args;

use crate::{
    cli::{ConfigArguments, exit_code, progress::say, runtimes::find_runtimes},
    config::Config,
    kernelspecs::{Destination, FleetKernelspec, KernelspecName, install, install_unless_another},
    runtime_name::RuntimeName,
    runtimes::{Environment, PythonEnvironment, Runtime, Runtimes, search_path},
};

use super::{PlaceArguments, UsageError};

/// What is typed after `kernelspec install`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub(super) struct InstallArguments {
    /// One for each runtime (see `jupyter-fleet runtimes`)
    #[arg(long, conflicts_with_all = ["runtimes", "name", "display_name"])]
    all: bool,
    /// One for this runtime; may be given several times [default: the default runtime]
    #[arg(long = "runtime", value_name = "NAME")]
    runtimes: Vec<RuntimeName>,
    /// What Jupyter calls it [default: fleet-RUNTIME, or fleet-RUNTIME-GROUP]
    #[arg(long)]
    name: Option<KernelspecName>,
    /// What people see [default: the runtime's own, with "(fleet)" or "(fleet, GROUP)"]
    #[arg(long, value_name = "NAME")]
    display_name: Option<String>,
    /// Its notebooks share their kernel within this group only
    #[arg(long)]
    group: Option<String>,
    /// Each notebook gets a kernel that nobody else has
    #[arg(long)]
    isolated: bool,
    /// Start a fleet where none is running when a notebook is opened: that of Jupyter's runtime directory
    #[arg(long)]
    start: bool,
    /// The config file.
    #[command(flatten)]
    config: ConfigArguments,
    #[command(flatten)]
    place: PlaceArguments,
}

impl InstallArguments {
    pub(super) fn run(self, environment: &Environment, output: &mut dyn Write) -> anyhow::Result<()> {
        self.check()?;
        let config = Config::load(self.config.file.as_deref(), environment)?;
        let runtimes = find_runtimes(&config, environment, None)?;
        let directory = match self.place.directory(environment)? {
            Some(directory) => directory,
            None => Destination::User.directory(environment)?,
        };
        let program = env::current_exe().context("cannot find this program's own file")?;
        for runtime in self.chosen(&runtimes)? {
            let (name, spec) = self.kernelspec(&runtime, is_variant(&runtime, &runtimes), &program)?;
            let path = match self.name {
                Some(_) => install(&spec, &name, &directory)?,
                None => install_unless_another(&spec, &name, &directory)?,
            };
            writeln!(output, "Installed kernelspec {name} in {}", path.display())?;
        }
        if !is_searched(&directory, environment) {
            say(&format!(
                "Jupyter does not look for kernelspecs in {} (see `jupyter --paths`)",
                directory.display()
            ));
        }
        Ok(())
    }

    fn check(&self) -> Result<(), UsageError> {
        match (self.runtimes.len(), &self.name, &self.display_name) {
            (0 | 1, ..) | (_, None, None) => Ok(()),
            (_, Some(_), _) => Err(UsageError("--name")),
            (_, None, Some(_)) => Err(UsageError("--display-name")),
        }
    }

    fn chosen(&self, runtimes: &Runtimes) -> anyhow::Result<Vec<Arc<Runtime>>> {
        if self.all {
            return Ok(runtimes.iter().cloned().collect());
        }
        if self.runtimes.is_empty() {
            return Ok(vec![runtimes.default_runtime().clone()]);
        }
        let found = self.runtimes.iter().map(|name| Ok(runtimes.find(name)?.clone()));
        found.collect()
    }

    fn kernelspec(
        &self,
        runtime: &Runtime,
        is_variant: bool,
        program: &Path,
    ) -> anyhow::Result<(KernelspecName, FleetKernelspec)> {
        let group = self.group.as_deref();
        let mut spec = FleetKernelspec::new(runtime, group, self.isolated, program);
        if is_variant {
            spec = spec.saying_which(runtime);
        }
        let usual = || KernelspecName::usual(&runtime.name, group, self.isolated);
        if let Some(display_name) = &self.display_name {
            spec.display_name.clone_from(display_name);
        }
        spec.start = self.start;
        Ok((self.name.clone().unwrap_or_else(usual), spec))
    }
}

/// Whether a runtime of the config looks like the kernelspec that it starts from, or like another one that does.
fn is_variant(runtime: &Runtime, runtimes: &Runtimes) -> bool {
    let starts_from = runtime.resource_dir.as_ref().and_then(|directory| directory.file_name());
    starts_from.is_some_and(|name| !name.eq_ignore_ascii_case(runtime.name.as_str()))
        && runtimes
            .iter()
            .any(|other| other.name != runtime.name && other.display_name == runtime.display_name)
}

fn is_searched(directory: &Path, environment: &Environment) -> bool {
    let python = PythonEnvironment::find(environment);
    search_path(environment, python.as_ref()).iter().any(|searched| searched == directory)
}
