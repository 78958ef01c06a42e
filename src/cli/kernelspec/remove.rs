//! `jupyter-fleet kernelspec remove`.
use std::io::Write;

use anyhow::bail;
use clap::Args;

use crate::{
    cli::{exit_code, progress::say},
    kernelspecs::{InstalledKernelspec, KernelspecName, installed, installed_in, remove},
    runtimes::Environment,
};

use super::PlaceArguments;

/// What is typed after `kernelspec remove`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub(super) struct RemoveArguments {
    /// The names of the kernelspecs
    #[arg(value_name = "NAME", required_unless_present = "all", conflicts_with = "all")]
    names: Vec<KernelspecName>,
    /// Remove all that jupyter-fleet has written
    #[arg(long)]
    all: bool,
    // Without one, wherever Jupyter finds them.
    #[command(flatten)]
    place: PlaceArguments,
}

impl RemoveArguments {
    pub(super) fn run(self, environment: &Environment, output: &mut dyn Write) -> anyhow::Result<()> {
        let found = match self.place.directory(environment)? {
            Some(directory) => installed_in(&directory),
            None => installed(environment),
        };
        let chosen = self.chosen(&found)?;
        if chosen.is_empty() {
            say("there are none to remove");
        }
        for kernelspec in chosen {
            remove(kernelspec)?;
            writeln!(output, "Removed {}", kernelspec.path.display())?;
        }
        Ok(())
    }

    fn chosen<'a>(&self, found: &'a [InstalledKernelspec]) -> anyhow::Result<Vec<&'a InstalledKernelspec>> {
        if self.all {
            return Ok(found.iter().filter(|one| one.mark().is_some()).collect());
        }
        let named = |name: &KernelspecName| match found.iter().find(|one| one.name == *name) {
            Some(one) => Ok(one),
            None => bail!(
                "there is no kernelspec {name}: `jupyter-fleet kernelspec list` shows those that there are"
            ),
        };
        self.names.iter().map(named).collect()
    }
}
