//! What it takes to get a kernel: the first reply to a new client, cold and from a warm pool.
//!
//! `newcomer` is a client, `first_reply` measures. See benches/README.md.

#[path = "../common/mod.rs"]
mod common;
mod first_reply;
mod newcomer;

use std::io::{self, Write};

use clap::Parser;

use common::{
    machine::{Machine, Ticks},
    parts::Part,
};
use first_reply::Plan;

#[derive(Debug, Parser)]
#[command(name = "attach")]
struct Arguments {
    /// Few clients, which only proves that everything works
    #[arg(long)]
    quick: bool,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(part) => part.play(),
        None => measure(arguments.quick, &mut io::stdout()),
    }
}

fn measure(quick: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = Ticks::now()?;
    let plan = if quick { Plan::quick() } else { Plan::full() };
    first_reply::measure(&plan, out)?;
    writeln!(out, "\n{}", Machine::since(&before)?)?;
    Ok(())
}
