//! What `serve` keeps in memory, and how long many have to wait who come at once.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use crate::{
    common::{fleet::Fleet, process::Process, report::Results, series::Sample},
    crowd,
    player::Player,
};

/// Sessions of one process: five files each.
const CROWD: usize = 1_000;

/// Time for thousands to find their places.
const PATIENCE: Duration = Duration::from_secs(300);

/// With thousands of processes' worth of work on a few cores, shaking hands takes longer than strangers are given.
const CONFIG: &str = "default_runtime = 'lua'\n[runtimes.lua]\npool = 0\n[limits]\nhandshake_ms = 60000\n";

/// Measures a fleet with idle sessions of one kernel.
pub fn of_sessions(sessions: usize, results: &mut Results) -> Result<()> {
    measure(&format!("{sessions} idle sessions of one kernel"), sessions, results, |fleet, directory| {
        let firsts = (0..sessions).step_by(CROWD);
        let start = |first| crowd::start(&fleet.published(), directory, first, CROWD.min(sessions - first));
        let crowds = firsts.map(start).collect::<Result<Vec<_>>>()?;
        let start = Instant::now();
        wait(&crowds, crowd::ANSWERED)?;
        let answered = start.elapsed();
        wait(&crowds, crowd::THERE)?;
        Ok((crowds, answered))
    })
}

/// Measures a fleet with kernels of one client each.
pub fn of_kernels(kernels: usize, results: &mut Results) -> Result<()> {
    measure(&format!("{kernels} kernels of one client each"), kernels, results, |fleet, directory| {
        let start = Instant::now();
        let start_one = |number| Player::start(&fleet.published(), directory, &format!("host-{number}"), "");
        let hosts = (0..kernels).map(start_one).collect::<Result<Vec<_>>>()?;
        hosts.iter().try_for_each(Player::wait_until_answered)?;
        let answered = start.elapsed();
        fleet.wait_for_kernels(kernels, kernels)?;
        Ok((hosts, answered))
    })
}

/// Starts a fleet, has somebody come, and weighs it before and after.
fn measure<T>(
    what: &str,
    count: usize,
    results: &mut Results,
    come: impl FnOnce(&Fleet, &Path) -> Result<(T, Duration)>,
) -> Result<()> {
    let fleet = Fleet::start(CONFIG)?;
    let empty = fleet.memory()?;
    let (guests, answered) =
        come(&fleet, fleet.directory()).with_context(|| format!("with {what}:\n{}", fleet.said()))?;
    let full = fleet.memory()?;
    drop(guests);
    let each = full.resident.saturating_sub(empty.resident) as f64 / count as f64;
    let mut add = |figure: &str, unit, value| {
        results.add(what, vec![Sample { figure: figure.to_owned(), unit, value }]);
    };
    add("memory of serve for each", "kB of RSS", each / 1e3);
    add("memory of serve in all", "MB of RSS", full.resident as f64 / 1e6);
    add("until all that came at once had a reply", "s", answered.as_secs_f64());
    Ok(())
}

fn wait(crowds: &[Process], line: &str) -> Result<()> {
    crowds.iter().try_for_each(|crowd| crowd.hear(line, PATIENCE).map(drop))
}
