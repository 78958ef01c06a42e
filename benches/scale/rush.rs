//! Many clients, each with a kernel of its own, which all ask at once: straight at their kernels, and through one fleet.

use std::{fmt, time::Duration};

use anyhow::{Context, Result};

use crate::{
    common::{
        report::{DIRECT, Results},
        series::{Sample, percentile, sorted},
    },
    line_up::LineUp,
    player::Player,
};

/// The contenders, in the order of the tables.
#[derive(Debug, Clone, Copy)]
pub enum Kind {
    Direct,
    Fleet,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Direct, Self::Fleet];
}

impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Direct => DIRECT,
            Self::Fleet => "jupyter-fleet",
        })
    }
}

/// Lets both take turns, each time the other one first.
pub fn race(clients: usize, rounds: usize, is_quick: bool, results: &mut Results) -> Result<()> {
    let time = Duration::from_millis(if is_quick { 200 } else { 2_000 });
    let mut line_ups = Vec::new();
    for kind in Kind::ALL {
        line_ups.push((kind, LineUp::start(kind, clients).with_context(|| format!("starting {kind}"))?));
    }
    for round in 0..rounds {
        let (later, sooner) = line_ups.split_at_mut(round % Kind::ALL.len());
        for (kind, line_up) in sooner.iter_mut().chain(later) {
            let taken = take(line_up, time).with_context(|| format!("{kind} said:\n{}", line_up.said()))?;
            results.add(*kind, taken);
        }
    }
    Ok(())
}

/// Has all clients ask for so long.
fn take(line_up: &mut LineUp, time: Duration) -> Result<Vec<Sample>> {
    let before = line_up.cpu_seconds()?;
    line_up.players.iter_mut().try_for_each(|player| player.go(time))?;
    let times = line_up.players.iter().map(Player::times).collect::<Result<Vec<_>>>()?.concat();
    let after = line_up.cpu_seconds()?;
    let (requests, times) = (times.len() as f64, sorted(times));
    let clients = line_up.players.len();
    let sample = |what: &str, unit, value| Sample {
        figure: format!("{clients} busy clients on {clients} kernels, {what}"),
        unit,
        value,
    };
    let mut samples = vec![
        sample("rate of all", "requests/s", requests / time.as_secs_f64()),
        sample("p50", "µs", percentile(&times, 50)),
        sample("p99", "µs", percentile(&times, 99)),
    ];
    if let (Some(before), Some(after)) = (before, after) {
        samples.push(sample("CPU of the hop", "µs/request", (after - before) * 1e6 / requests));
    }
    Ok(samples)
}
