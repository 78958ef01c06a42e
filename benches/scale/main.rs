//! What a fleet weighs, and how much of it can be busy at once: the memory of `serve` with thousands of idle sessions and
//! with hundreds of kernels, and the rate of many clients on as many kernels.
//!
//! `crowd` and `player` are the clients, in processes of their own; `weight` and `rush` measure. See benches/README.md.

#[path = "../common/mod.rs"]
mod common;
mod crowd;
mod files;
mod line_up;
mod player;
mod rush;
mod weight;

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

use common::{
    machine::{Machine, Ticks},
    options::Options,
    parts,
    report::Results,
};

#[derive(Debug, Parser)]
#[command(name = "scale")]
struct Arguments {
    #[command(flatten)]
    options: Options,
    /// Take only this measure; may be given several times
    #[arg(long, value_name = "MEASURE")]
    only: Vec<Measure>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// The measures, in the order of the tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    /// 1,000 and 5,000 idle sessions of one kernel
    Sessions,
    /// 200 kernels of one client each
    Kernels,
    /// 50 busy clients on 50 kernels
    Busy,
}

/// The parts that this program plays when it starts itself.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(flatten)]
    Common(parts::Part),
    /// Sessions that ask once, and then only stay
    #[command(hide = true)]
    Crowd { connection_file: PathBuf, first: usize, sessions: usize },
    /// A session of its own group that asks as often as it is told to
    #[command(hide = true)]
    Player { connection_file: PathBuf, name: String, cell: String },
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let out = &mut io::stdout();
    match &arguments.part {
        Some(Part::Common(part)) => part.play(),
        Some(Part::Crowd { connection_file, first, sessions }) => {
            crowd::play(connection_file, *first, *sessions, out)
        }
        Some(Part::Player { connection_file, name, cell }) => player::play(connection_file, name, cell, out),
        None => measure(&arguments, out),
    }
}

fn measure(arguments: &Arguments, out: &mut dyn Write) -> Result<()> {
    let options = &arguments.options;
    let before = options.before()?;
    let is_wanted = |measure| arguments.only.is_empty() || arguments.only.contains(&measure);
    let start = Ticks::now()?;
    let mut results = Results::default();
    if is_wanted(Measure::Sessions) {
        let most = files::most_sessions()?;
        for sessions in if options.quick { [10, 50] } else { [1_000, 5_000] } {
            if sessions > most {
                writeln!(
                    out,
                    "{sessions} sessions are more files than a process may open here: {most} come"
                )?;
            }
            weight::of_sessions(sessions.min(most), &mut results)?;
        }
    }
    if is_wanted(Measure::Kernels) {
        weight::of_kernels(if options.quick { 4 } else { 200 }, &mut results)?;
    }
    if is_wanted(Measure::Busy) {
        let clients = if options.quick { 4 } else { 50 };
        rush::race(clients, options.rounds(), options.quick, &mut results)?;
    }
    results.finish(Machine::since(&start)?, &rush::Kind::ALL);
    options.publish(&results, before, out)
}
