//! What is timed, and how much of it.

use std::time::Instant;

use anyhow::{Context, Result};

use crate::{
    audience::Audience,
    common::{
        code::Code,
        process::own_cpu_seconds,
        series::Sample,
        session::{PATIENCE, heard_kernel},
    },
    contenders::Contender,
};

/// Bytes of text in a message.
const SIZE: usize = 100;

/// Messages of the check pass, and of the warm-up.
const FEW: usize = 200;

/// `busy` and `idle`.
const STATUSES: usize = 2;

/// One row: how many listen to how many messages.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    subscribers: usize,
    messages: usize,
}

impl Plan {
    /// All rows, or those with so many subscribers.
    pub fn all(quick: bool, only: &[usize]) -> Vec<Self> {
        let rows = [(1, 100_000), (10, 40_000), (50, 20_000)];
        let share = if quick { 50 } else { 1 };
        rows.into_iter()
            .map(|(subscribers, messages)| Self { subscribers, messages: messages / share })
            .filter(|plan| only.is_empty() || only.contains(&plan.subscribers))
            .collect()
    }
}

/// Has an audience listen to one stream.
pub fn take(contender: &mut Contender, plan: &Plan) -> Result<Vec<Sample>> {
    let mut audience = Audience::gather(&contender.file, &mut contender.session, plan.subscribers)?;
    audience.check(&mut contender.session, Code::Stream { count: FEW, size: SIZE })?;
    let (before, own_before) = (contender.spent()?, own_cpu_seconds()?);
    let start = Instant::now();
    contender.session.execute(Code::Stream { count: plan.messages, size: SIZE })?;
    let lost = audience.count(plan.messages + STATUSES)?;
    let seconds = start.elapsed().as_secs_f64();
    let (after, own_after) = (contender.spent()?, own_cpu_seconds()?);
    heard_kernel(&contender.session.reply().with_context(|| format!("within {PATIENCE:?}"))?)?;

    let delivered = (plan.subscribers * (plan.messages + STATUSES) - lost) as f64;
    let sample = |what: &str, unit, value| {
        let people = if plan.subscribers == 1 { "subscriber" } else { "subscribers" };
        Sample { figure: format!("{} {people}, {what}", plan.subscribers), unit, value }
    };
    let each = |seconds: f64| seconds * 1e6 / delivered;
    let (hop, kernel) = (after.hop - before.hop, after.kernel - before.kernel);
    Ok(vec![
        sample("delivered", "messages/s", delivered / seconds),
        sample("CPU of kernel and hop", "µs/delivered message", each(hop + kernel)),
        sample("CPU of the kernel alone", "µs/delivered message", each(kernel)),
        sample("CPU of the subscribers", "µs/delivered message", each(own_after - own_before)),
        sample("lost", "messages", lost as f64),
    ])
}
