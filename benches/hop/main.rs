//! What a hop costs: one client and one synthetic kernel, directly and through each contender, in one run.
//!
//! `contenders` starts them, `client` and `kernel` are the two ends, `measures` says what is timed, `report` prints it.
//! Client, kernel and contender are processes of their own: this program plays all parts but `jupyter-fleet` itself.
//! See benches/README.md.

mod client;
mod code;
mod contenders;
mod kernel;
mod machine;
mod measures;
mod process;
mod pumps;
mod relay;
mod report;
mod saved;
mod wire;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Parser, Subcommand};
use jupyter_fleet::runtimes::read_connection_file;

use contenders::{Contender, Kind};
use machine::{Machine, Ticks};
use measures::{Measure, Plan};
use report::Results;

/// The least number of rounds that medians are taken over.
const ROUNDS: u16 = 5;

#[derive(Debug, Parser)]
#[command(name = "hop")]
struct Arguments {
    /// One short round, which only proves that everything works
    #[arg(long)]
    quick: bool,
    /// How many rounds
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(i64::from(ROUNDS)..))]
    rounds: u16,
    /// Take only this measure; may be given several times
    #[arg(long, value_name = "MEASURE")]
    only: Vec<Measure>,
    /// Keep the results under this name, for --compare
    #[arg(long, value_name = "NAME", value_parser = saved::name)]
    save: Option<String>,
    /// Show what changed since the results of this name
    #[arg(long, value_name = "NAME", value_parser = saved::name)]
    compare: Option<String>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts that this program plays when it starts itself.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Kernel {
        #[arg(short = 'f')]
        connection_file: PathBuf,
    },
    #[command(hide = true)]
    ZmqProxy { frontend: PathBuf, backend: PathBuf },
    #[command(hide = true)]
    ZeromqPump { frontend: PathBuf, backend: PathBuf },
    #[command(hide = true)]
    Relay { frontend: PathBuf, backend: PathBuf },
    #[command(hide = true)]
    Fleet { config: PathBuf },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(part) => play(part),
        None => race(&arguments, &mut io::stdout()),
    }
}

fn play(part: &Part) -> anyhow::Result<()> {
    process::end_with_parent()?;
    match part {
        Part::Kernel { connection_file } => kernel::run(&read_connection_file(connection_file)?),
        Part::ZmqProxy { frontend, backend } => {
            pumps::zmq_proxy(&read_connection_file(frontend)?, &read_connection_file(backend)?)
        }
        Part::ZeromqPump { frontend, backend } => {
            pumps::zeromq_pump(&read_connection_file(frontend)?, &read_connection_file(backend)?)
        }
        Part::Relay { frontend, backend } => {
            relay::run(&read_connection_file(frontend)?, &read_connection_file(backend)?)
        }
        Part::Fleet { config } => contenders::become_fleet(config),
    }
}

/// Runs all contenders against each other. In every round each measure is taken of all of them, one right after the
/// other, and each time another one begins: what disturbs the machine disturbs them alike.
fn race(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = arguments.compare.as_deref().map(saved::load).transpose()?;
    let (plan, rounds) =
        if arguments.quick { (Plan::quick(), 1) } else { (Plan::full(), usize::from(arguments.rounds)) };
    let measures = if arguments.only.is_empty() { Measure::ALL.to_vec() } else { arguments.only.clone() };
    let start = Ticks::now()?;
    let mut contenders = Kind::ALL.into_iter().map(Contender::start).collect::<Result<Vec<_>, _>>()?;
    for contender in &mut contenders {
        contender.watch(|contender| measures::check(contender, &plan))?;
    }
    let mut results = Results::default();
    for round in 0..rounds {
        writeln!(out, "round {} of {rounds}", round + 1)?;
        for (index, measure) in measures.iter().enumerate() {
            let first = (round + index) % contenders.len();
            let (later, sooner) = contenders.split_at_mut(first);
            for contender in sooner.iter_mut().chain(later) {
                let taken = contender.watch(|contender| measure.take(contender, &plan))?;
                results.add(contender.kind(), taken);
            }
        }
    }
    drop(contenders);
    results.finish(Machine::since(&start)?);
    write!(out, "{results}")?;
    if let Some(before) = before {
        write!(out, "{}", results.since(&before))?;
    }
    if let Some(name) = &arguments.save {
        writeln!(out, "saved as {}", saved::save(name, &results)?.display())?;
    }
    Ok(())
}
