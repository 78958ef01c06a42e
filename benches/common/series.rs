//! Figures, round by round.

use serde::{Deserialize, Serialize};

/// One figure of one contender in one round.
#[derive(Debug)]
pub struct Sample {
    pub figure: String,
    pub unit: &'static str,
    pub value: f64,
}

/// One figure of one contender in all rounds.
#[derive(Debug, Serialize, Deserialize)]
pub struct Series {
    pub figure: String,
    pub unit: String,
    pub contender: String,
    pub rounds: Vec<f64>,
}

impl Series {
    pub fn is(&self, figure: &str, contender: &str) -> bool {
        self.figure == figure && self.contender == contender
    }

    pub fn median(&self) -> f64 {
        self.percentile(50)
    }

    /// The value below which so many percent of the rounds' values lie.
    pub fn percentile(&self, percent: usize) -> f64 {
        percentile(&sorted(self.rounds.clone()), percent)
    }

    /// The median of the rounds' own ratios: what slows a whole round down cancels out.
    pub fn ratio(&self, direct: &Self) -> f64 {
        let ratios = self.rounds.iter().zip(&direct.rounds).map(|(this, direct)| this / direct);
        percentile(&sorted(ratios.collect()), 50)
    }

    /// Whether the ranges of the rounds overlap.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.percentile(0) <= other.percentile(100) && other.percentile(0) <= self.percentile(100)
    }
}

/// The value below which so many percent of the sorted values lie.
pub fn percentile(sorted: &[f64], percent: usize) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get(last * percent / 100).copied().unwrap_or(f64::NAN)
}

/// The values in their order.
pub fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}
