//! What is noted of the steps: how long they take, or, for another tool, where one of them begins and ends.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use crate::{common::series::Sample, message::Size, steps::Step};

pub trait Watch {
    fn watch<T>(&mut self, step: Step, act: impl FnOnce() -> T) -> T;
}

/// Times every step.
#[derive(Debug)]
pub struct Clock([(Step, Duration); Step::ALL.len()]);

impl Default for Clock {
    fn default() -> Self {
        Self(Step::ALL.map(|step| (step, Duration::ZERO)))
    }
}

impl Watch for Clock {
    fn watch<T>(&mut self, step: Step, act: impl FnOnce() -> T) -> T {
        let start = Instant::now();
        let result = black_box(act());
        let took = start.elapsed();
        for (_, spent) in self.0.iter_mut().filter(|(known, _)| *known == step) {
            *spent += took;
        }
        result
    }
}

impl Clock {
    /// The time of each step for each of so many messages.
    pub fn samples(self, size: Size, messages: usize) -> impl Iterator<Item = (Step, Sample)> {
        self.0.into_iter().map(move |(step, spent)| {
            let value = spent.as_secs_f64() * 1e9 / messages as f64;
            (step, Sample { figure: size.to_string(), unit: "ns/message", value })
        })
    }
}

/// Lets one step pass through the function [`counted`].
#[derive(Debug)]
pub struct Counted(pub Step);

impl Watch for Counted {
    fn watch<T>(&mut self, step: Step, act: impl FnOnce() -> T) -> T {
        if step == self.0 { counted(act) } else { black_box(act()) }
    }
}

/// Tools find the step by this function's name: `--toggle-collect='*counted*'`.
#[inline(never)]
fn counted<T>(act: impl FnOnce() -> T) -> T {
    black_box(act())
}
