//! What is timed, and how often.

use std::time::Duration;

use anyhow::{Result, ensure};
use clap::ValueEnum;

use crate::{
    client::{Answer, Request},
    common::{
        code::Code,
        series::{Sample, percentile},
    },
    contenders::Contender,
};

const SMALL: usize = 100;
const LARGE: usize = 10_000;
const BULK: usize = 10_000_000;

/// How much is done in one round.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    round_trips: usize,
    small_messages: usize,
    large_messages: usize,
    bulks: usize,
}

impl Plan {
    /// Enough for figures to stand on.
    pub fn full() -> Self {
        Self { round_trips: 2_000, small_messages: 100_000, large_messages: 20_000, bulks: 10 }
    }

    /// Enough to see that everything works.
    pub fn quick() -> Self {
        Self { round_trips: 100, small_messages: 2_000, large_messages: 500, bulks: 2 }
    }
}

/// The measures, in the order of the tables.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Measure {
    KernelInfo,
    Execute,
    SmallStream,
    LargeStream,
    Json,
    Buffers,
}

impl Measure {
    pub const ALL: [Self; 6] =
        [Self::KernelInfo, Self::Execute, Self::SmallStream, Self::LargeStream, Self::Json, Self::Buffers];

    /// Measures a contender once.
    pub fn take(self, contender: &mut Contender, plan: &Plan) -> Result<Vec<Sample>> {
        match self {
            Self::KernelInfo => {
                round_trips("kernel_info", Request::KernelInfo, |answer| answer.reply, contender, plan)
            }
            Self::Execute => {
                let request = Request::Execute(Code::Echo);
                round_trips("execute until reply and idle", request, |answer| answer.done, contender, plan)
            }
            Self::SmallStream => stream("stream of 100 B", plan.small_messages, SMALL, contender),
            Self::LargeStream => stream("stream of 10 KB", plan.large_messages, LARGE, contender),
            Self::Json => bulk("10 MB of JSON", Code::Json { size: BULK }, contender, plan),
            Self::Buffers => bulk("10 MB of buffers", Code::Buffers { size: BULK }, contender, plan),
        }
    }
}

/// Sees to it that a contender carries everything, whole, unaltered and rightly signed, before anything is timed. Its
/// first cell also binds the client to its kernel, where there is a choice.
pub fn check(contender: &mut Contender, plan: &Plan) -> Result<()> {
    let client = &mut contender.client;
    client.verify = true;
    client.round_trip(Request::Execute(Code::Echo))?;
    client.round_trip(Request::KernelInfo)?;
    client.heard_kernel()?;
    let codes = [
        Code::Stream { count: plan.round_trips, size: SMALL },
        Code::Stream { count: plan.round_trips, size: LARGE },
        Code::Json { size: BULK },
        Code::Buffers { size: BULK },
    ];
    for code in codes {
        let answer = client.listen(code)?;
        client.heard_kernel()?;
        let output = code.output();
        let size = output.content.len() + output.buffer.map_or(0, |buffer| buffer.len());
        let (outputs, bytes) = (code.outputs(), code.outputs() * size);
        let came = (answer.outputs, answer.bytes);
        ensure!(came == (outputs, bytes), "of {outputs} outputs ({bytes} bytes) of {code:?} came {came:?}");
    }
    client.verify = false;
    Ok(())
}

/// One request after the other, each when the kernel is idle again.
fn round_trips(
    name: &str,
    request: Request,
    time: fn(Answer) -> Duration,
    contender: &mut Contender,
    plan: &Plan,
) -> Result<Vec<Sample>> {
    let client = &mut contender.client;
    for _ in 0..plan.round_trips / 20 {
        client.round_trip(request)?;
    }
    let mut microseconds = Vec::with_capacity(plan.round_trips);
    let before = contender.cpu_seconds()?;
    for _ in 0..plan.round_trips {
        let client = &mut contender.client;
        let answer = client.round_trip(request)?;
        client.heard_kernel()?;
        microseconds.push(time(answer).as_secs_f64() * 1e6);
    }
    let after = contender.cpu_seconds()?;
    microseconds.sort_by(f64::total_cmp);
    let sample = |percent| Sample {
        figure: format!("{name}, p{percent}"),
        unit: "µs",
        value: percentile(&microseconds, percent),
    };
    let mut samples = vec![sample(50), sample(99)];
    samples.extend(cpu_of_hop(name, "µs/request", before, after, plan.round_trips));
    Ok(samples)
}

/// CPU time of what is between client and kernel for each of so many messages, if something is.
fn cpu_of_hop(
    name: &str,
    unit: &'static str,
    before: Option<f64>,
    after: Option<f64>,
    count: usize,
) -> Option<Sample> {
    let value = (after? - before?) * 1e6 / count.max(1) as f64;
    Some(Sample { figure: format!("{name}, CPU of the hop"), unit, value })
}

fn stream(name: &str, count: usize, size: usize, contender: &mut Contender) -> Result<Vec<Sample>> {
    contender.client.listen(Code::Stream { count: count / 20, size })?;
    let code = Code::Stream { count, size };
    let before = contender.cpu_seconds()?;
    let answer = contender.client.listen(code)?;
    let after = contender.cpu_seconds()?;
    let seconds = answer.done.as_secs_f64();
    let lost = code.outputs().saturating_sub(answer.outputs);
    let sample = |what: &str, unit, value: f64| Sample { figure: format!("{name}, {what}"), unit, value };
    let mut samples = vec![
        sample("rate", "messages/s", answer.outputs as f64 / seconds),
        sample("throughput", "MB/s", (answer.outputs * size) as f64 / seconds / 1e6),
        sample("lost", "messages", lost as f64),
    ];
    samples.extend(cpu_of_hop(name, "µs/message", before, after, answer.outputs));
    Ok(samples)
}

fn bulk(name: &str, code: Code, contender: &mut Contender, plan: &Plan) -> Result<Vec<Sample>> {
    contender.client.listen(code)?;
    let mut rates = Vec::with_capacity(plan.bulks);
    for _ in 0..plan.bulks {
        let answer = contender.client.listen(code)?;
        ensure!(answer.outputs == code.outputs(), "{code:?} was lost");
        rates.push(code.payload() as f64 / answer.done.as_secs_f64() / 1e6);
    }
    rates.sort_by(f64::total_cmp);
    Ok(vec![Sample { figure: name.to_owned(), unit: "MB/s", value: percentile(&rates, 50) }])
}
