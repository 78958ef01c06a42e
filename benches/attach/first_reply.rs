//! How long a new client waits for its first reply.

use std::{
    env, fmt,
    io::Write,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::{
    common::{fleet::Fleet, parts::PROGRAM},
    newcomer::Newcomer,
};

/// Names a Python that has ipykernel.
const PYTHON: &str = "JUPYTER_FLEET_BENCH_PYTHON";

/// Where `integration/run` puts one.
const INTEGRATION_PYTHON: &str = "target/integration-venv/bin/python";

/// How many clients come, one after the other.
pub struct Plan {
    lua: usize,
    ipykernel: usize,
}

impl Plan {
    pub fn full() -> Self {
        Self { lua: 100, ipykernel: 30 }
    }

    pub fn quick() -> Self {
        Self { lua: 3, ipykernel: 1 }
    }
}

/// Where a new client finds its kernel.
#[derive(Debug, Clone, Copy)]
enum Situation {
    /// It is started for the client.
    Cold,
    /// It is one of the pool, which nobody has had.
    Warm,
    /// Somebody else has it, too.
    Shared,
}

impl fmt::Display for Situation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Cold => "cold",
            Self::Warm => "warm pool",
            Self::Shared => "shared kernel",
        })
    }
}

/// Measures both kernels in all situations, and prints a table.
pub fn measure(plan: &Plan, out: &mut dyn Write) -> Result<()> {
    writeln!(out, "first reply of a new client (ms)\n")?;
    writeln!(out, "| kernel | situation | clients | p50 | p99 | max |\n|---|---|---:|---:|---:|---:|")?;
    let lua = format!("'{PROGRAM}', 'lua-kernel', '-f', '{{connection_file}}'");
    measure_kernel("built-in lua", &lua, plan.lua, out)?;
    let Some(python) = python() else {
        return Ok(writeln!(
            out,
            "\nipykernel is left out: {PYTHON} is not set, and there is no {INTEGRATION_PYTHON}"
        )?);
    };
    let ipykernel =
        format!("'{}', '-m', 'ipykernel_launcher', '-f', '{{connection_file}}'", python.display());
    measure_kernel("ipykernel", &ipykernel, plan.ipykernel, out)
}

fn python() -> Option<PathBuf> {
    let integration = Path::new(env!("CARGO_MANIFEST_DIR")).join(INTEGRATION_PYTHON);
    env::var_os(PYTHON).map(PathBuf::from).or_else(|| integration.exists().then_some(integration))
}

fn measure_kernel(name: &str, argv: &str, clients: usize, out: &mut dyn Write) -> Result<()> {
    for situation in [Situation::Cold, Situation::Warm, Situation::Shared] {
        let pool = usize::from(matches!(situation, Situation::Warm));
        // The default, which others may want to be warm, is never used.
        let config = format!(
            "default_runtime = 'unused'\n[runtimes.unused]\nargv = [{argv}]\nlanguage = 'none'\npool = 0\n\
             [runtimes.measured]\nargv = [{argv}]\nlanguage = 'none'\npool = {pool}\n"
        );
        let fleet = Fleet::start(&config)?;
        let taken = take(&fleet, situation, clients);
        let mut times = taken.with_context(|| format!("{name}, {situation}:\n{}", fleet.said()))?;
        times.sort();
        let at = |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied();
        let [p50, p99, max] = [at(50), at(99), times.last().copied()].map(milliseconds);
        writeln!(out, "| {name} | {situation} | {clients} | {p50} | {p99} | {max} |")?;
    }
    Ok(())
}

/// Lets clients come one after the other, each to an idle fleet.
fn take(fleet: &Fleet, situation: Situation, clients: usize) -> Result<Vec<Duration>> {
    let file = &fleet.connection_file;
    let needs = |group: &str| json!({ "runtime": "measured", "group": group });
    if let Situation::Shared = situation {
        let (_host, _) = Newcomer::first_reply(file, "host", needs("shared"))?;
        return (0..clients).map(|number| one(fleet, number, needs("shared"), 1, 1)).collect();
    }
    let reserve = usize::from(matches!(situation, Situation::Warm));
    fleet.wait_for_kernels(reserve, reserve)?;
    let come = |number| one(fleet, number, needs(&format!("group-{number}")), number + 1 + reserve, reserve);
    (0..clients).map(come).collect()
}

/// One client's time, after which the fleet is idle again: `come` kernels have come up, `alive` of them are left.
fn one(fleet: &Fleet, number: usize, needs: Value, come: usize, alive: usize) -> Result<Duration> {
    let (newcomer, time) =
        Newcomer::first_reply(&fleet.connection_file, &format!("newcomer-{number}"), needs)?;
    newcomer.leave()?;
    fleet.wait_for_kernels(come, alive)?;
    Ok(time)
}

fn milliseconds(time: Option<Duration>) -> String {
    time.map_or_else(String::new, |time| format!("{:.1}", time.as_secs_f64() * 1000.0))
}
