//! The figures of a run, and how they are shown.

use std::fmt;

use comfy_table::{CellAlignment, Table, presets::ASCII_MARKDOWN};
use serde::{Deserialize, Serialize};

use super::{
    machine::Machine,
    series::{Sample, Series},
};

/// The contender that others are compared with, where it takes part.
pub const DIRECT: &str = "direct";

/// What a run found out.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct Results {
    machine: Option<Machine>,
    series: Vec<Series>,
}

impl Results {
    /// Adds what was measured in one round.
    pub fn add(&mut self, contender: impl fmt::Display, samples: Vec<Sample>) {
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

    /// The run is over. The contenders of each figure are brought into this order, for they took turns.
    pub fn finish(&mut self, machine: Machine, contenders: &[impl fmt::Display]) {
        self.machine = Some(machine);
        let figures: Vec<String> = self.figures().into_iter().map(str::to_owned).collect();
        let names: Vec<String> = contenders.iter().map(ToString::to_string).collect();
        self.series.sort_by_cached_key(|series| {
            let figure = figures.iter().position(|figure| *figure == series.figure);
            (figure, names.iter().position(|name| *name == series.contender))
        });
    }

    /// How these figures differ from earlier ones.
    pub fn since(&self, before: &Self) -> impl fmt::Display {
        let head = ["figure", "contender", "before", "now", "change", "to direct: before", "now", ""];
        let mut table = empty_table(head);
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
                before.to_direct(then),
                self.to_direct(now),
                if now.overlaps(then) { "ranges overlap" } else { "" }.to_owned(),
            ]);
        }
        right_align(&mut table, &[2, 3, 4, 5, 6]);
        format!("{table}\n")
    }

    /// The ratio to what had nothing in between, which other machines can be compared by; nothing where there was none.
    fn to_direct(&self, series: &Series) -> String {
        let ratio = self.find(&series.figure, DIRECT).map_or(f64::NAN, |direct| series.ratio(direct));
        if ratio.is_finite() { format!("{ratio:.2}") } else { String::new() }
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
            let direct = self.find(figure, DIRECT);
            let head = ["", "median", "min", "max", "to direct"];
            let columns = head.len() - usize::from(direct.is_none());
            let mut table = empty_table(head.into_iter().take(columns));
            let mut unit = "";
            for series in self.series.iter().filter(|series| series.figure == figure) {
                let row = [
                    series.contender.clone(),
                    number(series.median()),
                    number(series.percentile(0)),
                    number(series.percentile(100)),
                    self.to_direct(series),
                ];
                table.add_row(row.into_iter().take(columns));
                unit = &series.unit;
            }
            right_align(&mut table, &[1, 2, 3, 4]);
            writeln!(formatter, "\n{figure} ({unit})\n\n{table}")?;
        }
        Ok(())
    }
}

fn number(value: f64) -> String {
    let decimals = match value.abs() {
        1000.0.. => 0,
        10.0.. => 1,
        _ => 2,
    };
    format!("{value:.decimals$}")
}

fn empty_table<'a>(header: impl IntoIterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN).set_header(header.into_iter().collect::<Vec<_>>());
    table
}

fn right_align(table: &mut Table, columns: &[usize]) {
    for &column in columns {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
}
