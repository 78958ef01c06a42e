//! What a hop costs: one client and one synthetic kernel, directly and through each contender, in one run.
//!
//! `contenders` starts them, `client` and `common/kernel` are the two ends, `measures` says what is timed.
//! Client, kernel and contender are processes of their own: this program plays all parts but `jupyter-fleet` itself.
//! See benches/README.md.

mod client;
#[path = "../common/mod.rs"]
mod common;
mod contenders;
mod measures;
mod pumps;
mod relay;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Parser, Subcommand};
use jupyter_fleet::runtimes::read_connection_file;

use common::{
    machine::{Machine, Ticks},
    options::Options,
    parts, process,
    report::Results,
};
use contenders::{Contender, Kind};
use measures::{Measure, Plan};

#[derive(Debug, Parser)]
#[command(name = "hop")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Take only this measure; may be given several times
    #[arg(long, value_name = "MEASURE")]
    only: Vec<Measure>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts that this program plays when it starts itself.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(flatten)]
    Common(parts::Part),
    #[command(hide = true)]
    ZmqProxy { frontend: PathBuf, backend: PathBuf },
    #[command(hide = true)]
    ZeromqPump { frontend: PathBuf, backend: PathBuf },
    #[command(hide = true)]
    Relay { frontend: PathBuf, backend: PathBuf },
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
        Part::Common(part) => part.play(),
        Part::ZmqProxy { frontend, backend } => {
            pumps::zmq_proxy(&read_connection_file(frontend)?, &read_connection_file(backend)?)
        }
        Part::ZeromqPump { frontend, backend } => {
            pumps::zeromq_pump(&read_connection_file(frontend)?, &read_connection_file(backend)?)
        }
        Part::Relay { frontend, backend } => {
            relay::run(&read_connection_file(frontend)?, &read_connection_file(backend)?)
        }
    }
}

/// Runs all contenders against each other. In every round each measure is taken of all of them, one right after the
/// other, and each time another one begins: what disturbs the machine disturbs them alike.
fn race(arguments: &Arguments, out: &mut dyn Write) -> anyhow::Result<()> {
    let options = &arguments.options;
    let (before, rounds) = (options.before()?, options.rounds());
    let plan = if options.quick { Plan::quick() } else { Plan::full() };
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
    results.finish(Machine::since(&start)?, &Kind::ALL);
    options.publish(&results, before, out)
}
