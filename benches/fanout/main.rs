//! What it takes to tell many: one synthetic kernel and its subscribers, on libzmq's own PUB and through the fleet.
//!
//! `contenders` starts them, `audience` are the subscribers, `measures` says what is timed. See benches/README.md.

mod audience;
#[path = "../common/mod.rs"]
mod common;
mod contenders;
mod measures;

use std::io::{self, Write};

use anyhow::Result;
use clap::Parser;

use common::{
    machine::{Machine, Ticks},
    options::Options,
    parts::Part,
    report::Results,
};
use contenders::{Contender, Kind};
use measures::Plan;

#[derive(Debug, Parser)]
#[command(name = "fanout")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Measure only so many subscribers; may be given several times
    #[arg(long, value_name = "SUBSCRIBERS")]
    only: Vec<usize>,
    #[command(subcommand)]
    part: Option<Part>,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(part) => part.play(),
        None => race(&arguments, &mut io::stdout()),
    }
}

/// In each round, each number of subscribers is measured with both contenders, and each time another one begins.
fn race(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    let options = &arguments.options;
    let (before, rounds) = (options.before()?, options.rounds());
    let plans = Plan::all(options.quick, &arguments.only);
    let start = Ticks::now()?;
    let mut contenders = Kind::ALL.into_iter().map(Contender::start).collect::<Result<Vec<_>>>()?;
    let mut results = Results::default();
    for round in 0..rounds {
        writeln!(out, "round {} of {rounds}", round + 1)?;
        for (index, plan) in plans.iter().enumerate() {
            let first = (round + index) % contenders.len();
            let (later, sooner) = contenders.split_at_mut(first);
            for contender in sooner.iter_mut().chain(later) {
                let taken = contender.watch(|contender| measures::take(contender, plan))?;
                results.add(contender.kind(), taken);
            }
        }
    }
    drop(contenders);
    results.finish(Machine::since(&start)?, &Kind::ALL);
    options.publish(&results, before, out)
}
