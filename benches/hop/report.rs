//! The figures of a run, and how they are shown.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::{Deserialize, Serialize};

use crate::{
    contenders::Kind,
    machine::Machine,
    measures::{Sample, percentile},
};

/// What a run found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    machine: Option<Machine>,
    series: Vec<Series>,
}

/// One figure of one contender, round by round.
#[derive(Debug, Serialize, Deserialize)]
struct Series {
    figure: String,
    unit: String,
    contender: String,
    rounds: Vec<f64>,
}

impl Results {
    /// Adds what was measured in one round.
    pub fn add(&mut self, contender: Kind, samples: Vec<Sample>) {
        let contender = contender.to_string();
        for Sample { figure, unit, value } in samples {
            match self.series.iter_mut().find(|series| series.is(&figure, &contender)) {
                Some(series) => series.rounds.push(value),
                None => self.series.push(Series {
                    figure,
                    unit: unit.to_owned(),
                    contender: contender.clone(),
                    rounds: vec![value],
                }),
            }
        }
    }

    /// The run is over. The contenders of each figure are brought into their order, for they took turns.
    pub fn finish(&mut self, machine: Machine) {
        self.machine = Some(machine);
        let figures: Vec<String> = self.figures().into_iter().map(str::to_owned).collect();
        let names = Kind::ALL.map(|kind| kind.to_string());
        self.series.sort_by_cached_key(|series| {
            let figure = figures.iter().position(|figure| *figure == series.figure);
            (figure, names.iter().position(|name| *name == series.contender))
        });
    }

    /// How these figures differ from earlier ones.
    pub fn since(&self, before: &Self) -> impl fmt::Display {
        let mut table = empty_table(["figure", "contender", "before", "now", "change", ""]);
        for now in &self.series {
            let Some(then) = before.find(&now.figure, &now.contender) else { continue };
            let change = now.median() / then.median() - 1.0;
            if !change.is_finite() {
                continue;
            }
            table.add_row([
                format!("{} ({})", now.figure, now.unit),
                now.contender.clone(),
                number(then.median()),
                number(now.median()),
                format!("{:+.1} %", change * 100.0),
                if now.overlaps(then) { "ranges overlap" } else { "" }.to_owned(),
            ]);
        }
        right_align(&mut table, &[2, 3, 4]);
        format!("{table}\n")
    }

    fn find(&self, figure: &str, contender: &str) -> Option<&Series> {
        self.series.iter().find(|series| series.is(figure, contender))
    }

    fn figures(&self) -> Vec<&str> {
        let mut figures = Vec::new();
        for series in &self.series {
            if !figures.contains(&series.figure.as_str()) {
                figures.push(&series.figure);
            }
        }
        figures
    }
}

impl fmt::Display for Results {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(machine) = &self.machine {
            writeln!(formatter, "{machine}")?;
        }
        for figure in self.figures() {
            let direct = self.find(figure, &Kind::Direct.to_string());
            let mut table = empty_table(["", "median", "min", "max", "to direct"]);
            let mut unit = "";
            for series in self.series.iter().filter(|series| series.figure == figure) {
                let sorted = series.sorted();
                let ratio = direct.map_or(f64::NAN, |direct| series.ratio(direct));
                table.add_row([
                    series.contender.clone(),
                    number(series.median()),
                    number(percentile(&sorted, 0)),
                    number(percentile(&sorted, 100)),
                    if ratio.is_finite() { format!("{ratio:.2}") } else { String::new() },
                ]);
                unit = &series.unit;
            }
            right_align(&mut table, &[1, 2, 3, 4]);
            writeln!(formatter, "\n{figure} ({unit})\n\n{table}")?;
        }
        Ok(())
    }
}

impl Series {
    fn is(&self, figure: &str, contender: &str) -> bool {
        self.figure == figure && self.contender == contender
    }

    fn sorted(&self) -> Vec<f64> {
        sorted(self.rounds.clone())
    }

    fn median(&self) -> f64 {
        percentile(&self.sorted(), 50)
    }

    /// The median of the rounds' own ratios: what slows a whole round down cancels out.
    fn ratio(&self, direct: &Self) -> f64 {
        let ratios = self.rounds.iter().zip(&direct.rounds).map(|(this, direct)| this / direct);
        percentile(&sorted(ratios.collect()), 50)
    }

    fn overlaps(&self, other: &Self) -> bool {
        let (ours, theirs) = (self.sorted(), other.sorted());
        percentile(&ours, 0) <= percentile(&theirs, 100) && percentile(&theirs, 0) <= percentile(&ours, 100)
    }
}

fn sorted(mut values: Vec<f64>) -> Vec<f64> {
    values.sort_by(f64::total_cmp);
    values
}

fn number(value: f64) -> String {
    let decimals = match value.abs() {
        1000.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

fn empty_table<const N: usize>(header: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header);
    table
}

fn right_align(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
