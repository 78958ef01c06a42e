//! What a message costs between the sockets: cutting, splitting, verifying, peeking, signing and writing it.
//!
//! `message` is what comes, `steps` takes it through, `watch` times or counts. No sockets. See benches/README.md.

#[path = "../common/mod.rs"]
mod common;
mod message;
mod steps;
mod watch;

use std::io::{self, Write};

use anyhow::Result;
use clap::Parser;

use common::{
    machine::{Machine, Ticks},
    options::Options,
    report::Results,
};
use message::{Size, Wire};
use steps::Step;
use watch::{Clock, Counted};

#[derive(Debug, Parser)]
#[command(name = "codec")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Time nothing: take so many messages to the step that --only names, once, for a tool that counts instructions
    #[arg(long, value_name = "MESSAGES", requires = "only")]
    count: Option<usize>,
    /// The step that is counted
    #[arg(long, value_name = "STEP", requires = "count")]
    only: Option<Step>,
    /// Which message is counted
    #[arg(long, value_enum, default_value_t = Size::Small, requires = "count")]
    size: Size,
    /// Count without a key: nothing is hashed
    #[arg(long, requires = "count")]
    unsigned: bool,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match (arguments.count, arguments.only) {
        (Some(messages), Some(step)) => {
            steps::walk(&Wire::new(arguments.size, messages, !arguments.unsigned)?, &mut Counted(step))
        }
        _ => time(&arguments.options, &mut io::stdout()),
    }
}

/// Takes batches of messages through all steps, round by round.
fn time(options: &Options, out: &mut dyn Write) -> Result<()> {
    let before = options.before()?;
    let batches = if options.quick { 5 } else { 400 };
    let wires = Size::ALL
        .into_iter()
        .map(|size| Ok((size, Wire::new(size, size.batch(), true)?)))
        .collect::<Result<Vec<_>>>()?;
    let start = Ticks::now()?;
    let mut results = Results::default();
    for _ in 0..options.rounds() {
        for (size, wire) in &wires {
            let mut clock = Clock::default();
            for _ in 0..batches {
                steps::walk(wire, &mut clock)?;
            }
            for (step, sample) in clock.samples(*size, batches * size.batch()) {
                results.add(step, vec![sample]);
            }
        }
    }
    results.finish(Machine::since(&start)?, &Step::ALL);
    options.publish(&results, before, out)
}
