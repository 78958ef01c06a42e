//! How long a new client waits for its first reply.

use std::{
    env, fmt,
    io::Write,
    path::{Path, PathBuf},
    process::{self, Command},
    time::Duration,
};

use anyhow::{Context, Result};
use jupyter_fleet::{jupyter::scheme::SecretKey, runtimes::write_connection_file};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    common::{
        fleet::Fleet,
        parts::{PROGRAM, free_connection_file},
        process::Process,
        report::{DIRECT, Results},
        series::Sample,
    },
    newcomer::Newcomer,
};

/// Who is compared, in the order of the tables.
pub const CONTENDERS: [&str; 2] = [DIRECT, FLEET];

const FLEET: &str = "jupyter-fleet";

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
    /// Those of so many rounds.
    pub fn of_rounds(rounds: usize) -> Self {
        Self { lua: 15 * rounds, ipykernel: 5 * rounds }
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

/// Measures both kernels in all situations.
pub fn measure(plan: &Plan, results: &mut Results, out: &mut dyn Write) -> Result<()> {
    measure_kernel("built-in lua", &[PROGRAM, "lua-kernel"], plan.lua, results)?;
    match python() {
        Some(python) => {
            let argv = [&python.to_string_lossy(), "-m", "ipykernel_launcher"];
            measure_kernel("ipykernel", &argv, plan.ipykernel, results)
        }
        None => Ok(writeln!(
            out,
            "ipykernel is left out: {PYTHON} is not set, and there is no {INTEGRATION_PYTHON}"
        )?),
    }
}

fn python() -> Option<PathBuf> {
    let integration = Path::new(env!("CARGO_MANIFEST_DIR")).join(INTEGRATION_PYTHON);
    env::var_os(PYTHON).map(PathBuf::from).or_else(|| integration.exists().then_some(integration))
}

fn measure_kernel(name: &str, argv: &[&str], clients: usize, results: &mut Results) -> Result<()> {
    let mut add = |contender, situation, times: Vec<Duration>| {
        let figure = format!("{name}, {situation}: first reply");
        let sample =
            |time: Duration| Sample { figure: figure.clone(), unit: "ms", value: time.as_secs_f64() * 1e3 };
        results.add(contender, times.into_iter().map(sample).collect());
    };
    for situation in [Situation::Cold, Situation::Warm, Situation::Shared] {
        let pool = usize::from(matches!(situation, Situation::Warm));
        let argv: Vec<&str> = argv.iter().copied().chain(["-f", "{connection_file}"]).collect();
        // The default, which others may want to be warm, is never used.
        let config = format!(
            "default_runtime = 'unused'\n[runtimes.unused]\nargv = {argv:?}\nlanguage = 'none'\npool = 0\n\
             [runtimes.measured]\nargv = {argv:?}\nlanguage = 'none'\npool = {pool}\n"
        );
        let fleet = Fleet::start(&config)?;
        let taken = take(&fleet, situation, clients);
        add(FLEET, situation, taken.with_context(|| format!("{name}, {situation}:\n{}", fleet.said()))?);
    }
    add(DIRECT, Situation::Shared, directly(argv, clients).with_context(|| format!("{name}, directly"))?);
    Ok(())
}

/// The same clients straight at a kernel that runs: what their own sockets and the kernel take.
fn directly(argv: &[&str], clients: usize) -> Result<Vec<Duration>> {
    let directory = TempDir::new()?;
    let (file, path) = (free_connection_file(SecretKey::random()?)?, directory.path().join("kernel.json"));
    write_connection_file(&path, &file)?;
    let (program, arguments) = argv.split_first().context("a kernel without a program")?;
    let mut command = Command::new(program);
    // ipykernel ends with the process of this number.
    command.args(arguments).arg("-f").arg(&path).env("JPY_PARENT_PID", process::id().to_string());
    let _kernel = Process::spawn(&mut command, directory.path().join("kernel.log"))?;
    let _host = Newcomer::first_reply(&file, "host", json!({}))?;
    let one = |number| Ok(Newcomer::first_reply(&file, &format!("newcomer-{number}"), json!({}))?.1);
    (0..clients).map(one).collect()
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
