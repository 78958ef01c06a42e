//! What it takes to get a kernel: the first reply to a new client, cold and from a warm pool.
//!
//! `newcomer` is a client, `first_reply` measures. Each client's time counts as a round of its own. See benches/README.md.

#[path = "../common/mod.rs"]
mod common;
mod first_reply;
mod newcomer;

use std::io;

use clap::Parser;

use common::{
    machine::{Machine, Ticks},
    options::Options,
    parts::Part,
    report::Results,
};
use first_reply::{CONTENDERS, Plan};

#[derive(Debug, Parser)]
#[command(name = "attach")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    #[command(subcommand)]
    part: Option<Part>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(part) => part.play(),
        None => measure(&arguments.options),
    }
}

fn measure(options: &Options) -> anyhow::Result<()> {
    let before = options.before()?;
    let start = Ticks::now()?;
    let plan = if options.quick { Plan::quick() } else { Plan::of_rounds(options.rounds()) };
    let mut results = Results::default();
    first_reply::measure(&plan, &mut results, &mut io::stdout())?;
    results.finish(Machine::since(&start)?, &CONTENDERS);
    options.publish(&results, before, &mut io::stdout())
}
