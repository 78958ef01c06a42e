//! What it takes to get a kernel, and what a fleet weighs: the first reply to a new client, cold and from a warm pool, and
//! the memory of `serve` with many clients and with many kernels.
//!
//! `fleet` starts `serve`, `newcomer` is a client, `first_reply` and `memory` measure. See benches/README.md.

mod first_reply;
mod fleet;
mod memory;
mod newcomer;

// The bench `hop` needs more of these.
#[path = "../hop/machine.rs"]
#[allow(dead_code)]
mod machine;
#[path = "../hop/process.rs"]
#[allow(dead_code)]
mod process;
#[path = "../hop/wire.rs"]
#[allow(dead_code)]
mod wire;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use clap::{Parser, Subcommand};

use first_reply::Plan;
use machine::{Machine, Ticks};

#[derive(Debug, Parser)]
#[command(name = "attach")]
struct Arguments {
    /// Few clients and kernels, which only proves that everything works
    #[arg(long)]
    quick: bool,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The parts that this program plays when it starts itself.
#[derive(Debug, Subcommand)]
enum Part {
    /// Becomes `serve`
    #[command(hide = true)]
    Fleet { config: PathBuf },
    /// Many clients that ask once, and then only stay
    #[command(hide = true)]
    Crowd { connection_file: PathBuf, clients: usize },
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    match &arguments.part {
        Some(Part::Fleet { config }) => fleet::become_fleet(config),
        Some(Part::Crowd { connection_file, clients }) => {
            memory::play_crowd(connection_file, *clients, &mut io::stdout())
        }
        None => measure(arguments.quick, &mut io::stdout()),
    }
}

fn measure(quick: bool, out: &mut dyn Write) -> anyhow::Result<()> {
    let before = Ticks::now()?;
    let plan = if quick { Plan::quick() } else { Plan::full() };
    first_reply::measure(&plan, out)?;
    let (clients, kernels) = if quick { (20, 3) } else { (1000, 100) };
    memory::measure(clients, kernels, out)?;
    writeln!(out, "\n{}", Machine::since(&before)?)?;
    Ok(())
}
