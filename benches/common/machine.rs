//! Where a run takes place, and how much of the machine others used meanwhile: the greatest noise there is.

use std::{fmt, fs, thread};

use anyhow::Result;
use procfs::{CurrentSI, KernelStats, process::Process};
use serde::{Deserialize, Serialize};

/// The machine of a run.
#[derive(Debug, Serialize, Deserialize)]
pub struct Machine {
    cpu: String,
    cores: usize,
    /// The part of all cores' time that other processes used during the run, in percent.
    others: f64,
}

/// CPU time until now, in clock ticks.
#[derive(Debug)]
pub struct Ticks {
    /// Of all cores, busy or not.
    all: u64,
    /// Of all processes.
    used: u64,
    /// Of this process and of those that it has started and that have ended.
    own: u64,
}

impl Ticks {
    /// The counters as they stand.
    pub fn now() -> Result<Self> {
        let total = KernelStats::current()?.total;
        let used = total.user + total.nice + total.system;
        let elsewhere =
            [total.iowait, total.irq, total.softirq, total.steal].into_iter().flatten().sum::<u64>();
        let stat = Process::myself()?.stat()?;
        let children = u64::try_from(stat.cutime + stat.cstime)?;
        Ok(Self { all: used + total.idle + elsewhere, used, own: stat.utime + stat.stime + children })
    }
}

impl Machine {
    /// This machine during the time since `before`.
    pub fn since(before: &Ticks) -> Result<Self> {
        let now = Ticks::now()?;
        let others = (now.used - before.used).saturating_sub(now.own - before.own);
        let cpuinfo = fs::read_to_string("/proc/cpuinfo")?;
        let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        Ok(Self {
            cpu: model.map_or("an unknown CPU", |(_, name)| name).to_owned(),
            cores: thread::available_parallelism()?.get(),
            others: others as f64 * 100.0 / (now.all - before.all).max(1) as f64,
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { cpu, cores, others } = self;
        write!(formatter, "{cpu}, {cores} cores; other processes used {others:.1} % of them meanwhile")
    }
}
