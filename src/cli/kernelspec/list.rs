//! `jupyter-fleet kernelspec list`.
use std::io::Write;

use clap::Args;
use serde_json::{Value, json};

use crate::{
    cli::{
        exit_code,
        progress::say,
        table::{self, cell, plain, table},
    },
    jupyter::kernelspec::{FleetMark, Kernelspec},
    kernelspecs::{InstalledKernelspec, installed},
    runtimes::Environment,
};

/// What is typed after `kernelspec list`.
#[derive(Debug, Clone, Args)]
#[command(after_help = exit_code::HELP)]
pub(super) struct ListArguments {
    /// Write JSON: an array of objects, in the order in which Jupyter searches
    #[arg(long)]
    json: bool,
}

impl ListArguments {
    pub(super) fn run(self, environment: &Environment, output: &mut dyn Write) -> anyhow::Result<()> {
        let all = installed(environment);
        let ours: Vec<_> = all.iter().filter_map(ours).collect();
        if self.json {
            let all: Vec<Value> = ours.iter().map(description).collect();
            return Ok(writeln!(output, "{}", serde_json::to_string_pretty(&all)?)?);
        }
        if ours.is_empty() {
            say("there are none: install one with `jupyter-fleet kernelspec install`");
            return Ok(());
        }
        let mut rows = table(["NAME", "RUNTIME", "GROUP", "DISPLAY NAME", "IN"]);
        for (one, spec, mark) in &ours {
            let group = mark.group.as_deref().unwrap_or("-");
            rows.add_row([
                plain(one.name.as_str()),
                cell(mark.runtime.as_str()),
                cell(group),
                cell(&spec.display_name),
                plain(&one.path.to_string_lossy()),
            ]);
        }
        Ok(table::write(rows, output)?)
    }
}

type Ours<'a> = (&'a InstalledKernelspec, &'a Kernelspec, &'a FleetMark);

fn ours(one: &InstalledKernelspec) -> Option<Ours<'_>> {
    Some((one, one.spec.as_ref()?, one.mark()?))
}

fn description((one, spec, mark): &Ours<'_>) -> Value {
    json!({
        "name": one.name.as_str(),
        "runtime": mark.runtime,
        "group": mark.group,
        "language": spec.language,
        "display_name": spec.display_name,
        "argv": spec.argv,
        "path": one.path.to_string_lossy(),
    })
}
