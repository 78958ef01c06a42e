//! What can be said to every bench that keeps its figures.

use std::io::Write;

use anyhow::Result;
use clap::Args;

use super::{report::Results, saved};

/// The least number of rounds that medians are taken over.
const ROUNDS: u16 = 5;

#[derive(Debug, Args)]
pub struct Options {
    /// One short round, which only proves that everything works
    #[arg(long)]
    pub quick: bool,
    /// How many rounds
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(i64::from(ROUNDS)..))]
    rounds: u16,
    /// Keep the results under this name, for --compare
    #[arg(long, value_name = "NAME", value_parser = saved::name)]
    save: Option<String>,
    /// Show what changed since the results of this name
    #[arg(long, value_name = "NAME", value_parser = saved::name)]
    compare: Option<String>,
    /// What cargo says to every bench
    #[arg(long, hide = true)]
    bench: bool,
}

impl Options {
    pub fn rounds(&self) -> usize {
        if self.quick { 1 } else { usize::from(self.rounds) }
    }

    /// The results to compare with, read before anything is measured: a wrong name is told at once.
    pub fn before(&self) -> Result<Option<Results>> {
        self.compare.as_deref().map(saved::load).transpose()
    }

    /// Prints the results, then what changed, and keeps them if that is wanted.
    pub fn publish(&self, results: &Results, before: Option<Results>, out: &mut dyn Write) -> Result<()> {
        write!(out, "{results}")?;
        if let Some(before) = before {
            write!(out, "{}", results.since(&before))?;
        }
        if let Some(name) = &self.save {
            writeln!(out, "saved as {}", saved::save(name, results)?.display())?;
        }
        Ok(())
    }
}
