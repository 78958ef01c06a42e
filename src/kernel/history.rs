//! What was run in this session (messaging spec, "History"). Kept in memory: it ends with the kernel.

use std::collections::{HashSet, VecDeque};

use serde::{Deserialize, Serialize};

use super::glob;

/// The oldest cells are forgotten beyond this many.
const MAX_CELLS: usize = 10_000;
/// There is one session in a kernel's life.
const SESSION: i64 = 1;

/// The cells of this session with their results.
#[derive(Debug, Default)]
pub struct History {
    cells: VecDeque<Cell>,
}

#[derive(Debug)]
struct Cell {
    line: u32,
    input: String,
    output: Option<String>,
}

/// The content of a `history_request`. Everything a client may leave out has a default.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct HistoryRequest {
    /// Whether results are wanted as well.
    #[serde(default)]
    pub output: bool,
    /// Which cells.
    #[serde(flatten)]
    pub access: HistoryAccess,
}

/// Which cells a [`HistoryRequest`] wants, by its `hist_access_type`.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "hist_access_type", rename_all = "lowercase")]
pub enum HistoryAccess {
    /// The last ones.
    Tail {
        /// How many; all if absent.
        n: Option<usize>,
    },
    /// From one execution count up to, but without, another.
    Range {
        /// 0 is the current session; a negative number counts back, which finds nothing here.
        session: Option<i64>,
        /// The first execution count.
        start: Option<i64>,
        /// The one after the last; to the end if absent.
        stop: Option<i64>,
    },
    /// Those that match.
    Search {
        /// A glob that must match the whole input; `*` if absent.
        pattern: Option<String>,
        /// How many, counted from the last; all if absent.
        n: Option<usize>,
        /// Whether equal inputs are listed once, as the last of them.
        unique: Option<bool>,
    },
}

/// One item of `history` in a `history_reply`, in the shape it has on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum HistoryEntry {
    /// `(session, line_number, input)`
    Input(i64, u32, String),
    /// `(session, line_number, (input, output))`; the output is null for a cell without result.
    InputOutput(i64, u32, (String, Option<String>)),
}

impl History {
    /// Notes a cell that was run with `store_history`, under its execution count, and what it evaluated to.
    pub fn record(&mut self, execution_count: u32, input: &str, output: Option<&str>) {
        if self.cells.len() == MAX_CELLS {
            self.cells.pop_front();
        }
        let (input, output) = (input.to_owned(), output.map(str::to_owned));
        self.cells.push_back(Cell { line: execution_count, input, output });
    }

    /// The cells that a request wants, oldest first.
    #[must_use]
    pub fn answer(&self, request: &HistoryRequest) -> Vec<HistoryEntry> {
        let cells = match &request.access {
            HistoryAccess::Tail { n } => self.last(*n, |_| true),
            HistoryAccess::Range { session, start, stop } => {
                let current = matches!(session.unwrap_or(0), 0 | SESSION);
                let (start, stop) = (start.unwrap_or(0), stop.unwrap_or(i64::MAX));
                self.last(None, |cell| current && (start..stop).contains(&i64::from(cell.line)))
            }
            HistoryAccess::Search { pattern, n, unique } => {
                let pattern = pattern.as_deref().unwrap_or("*");
                let mut seen = HashSet::new();
                self.last(*n, |cell| {
                    glob::matches(pattern, &cell.input)
                        && (unique != &Some(true) || seen.insert(cell.input.as_str()))
                })
            }
        };
        cells.into_iter().map(|cell| cell.entry(request.output)).collect()
    }

    /// The last `n` wanted cells, oldest first. `wanted` is asked from the newest backwards.
    fn last<'a>(&'a self, n: Option<usize>, mut wanted: impl FnMut(&'a Cell) -> bool) -> Vec<&'a Cell> {
        let newest_first = self.cells.iter().rev().filter(|cell| wanted(cell));
        let mut cells: Vec<_> = newest_first.take(n.unwrap_or(usize::MAX)).collect();
        cells.reverse();
        cells
    }
}

impl Cell {
    fn entry(&self, output: bool) -> HistoryEntry {
        if output {
            HistoryEntry::InputOutput(SESSION, self.line, (self.input.clone(), self.output.clone()))
        } else {
            HistoryEntry::Input(SESSION, self.line, self.input.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn answer(request: Value) -> Value {
        let mut history = History::default();
        for (line, input, output) in
            [(1, "x = 1", None), (2, "x", Some("1")), (3, "y", None), (4, "x", Some("1"))]
        {
            history.record(line, input, output);
        }
        serde_json::to_value(history.answer(&serde_json::from_value(request).unwrap())).unwrap()
    }

    #[test]
    fn tail() {
        assert_eq!(
            answer(json!({"hist_access_type": "tail", "n": 2, "output": true, "raw": true})),
            json!([[1, 3, ["y", null]], [1, 4, ["x", "1"]]])
        );
        assert_eq!(
            answer(json!({"hist_access_type": "tail", "n": 1, "output": false})),
            json!([[1, 4, "x"]])
        );
    }

    #[test]
    fn range() {
        let range = |session: i64, start: i64, stop: Value| {
            answer(json!({"hist_access_type": "range", "session": session, "start": start, "stop": stop}))
        };
        assert_eq!(range(0, 1, json!(3)), json!([[1, 1, "x = 1"], [1, 2, "x"]]));
        assert_eq!(range(1, 3, Value::Null), json!([[1, 3, "y"], [1, 4, "x"]]));
        assert_eq!(range(-1, 0, Value::Null), json!([]));
    }

    #[test]
    fn search() {
        let search = |more: Value| {
            let mut request = json!({"hist_access_type": "search", "pattern": "x*"});
            request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            answer(request)
        };
        assert_eq!(search(json!({})), json!([[1, 1, "x = 1"], [1, 2, "x"], [1, 4, "x"]]));
        assert_eq!(search(json!({"unique": true, "n": 5})), json!([[1, 1, "x = 1"], [1, 4, "x"]]));
        assert_eq!(search(json!({"n": 1})), json!([[1, 4, "x"]]));
        assert_eq!(search(json!({"pattern": "z"})), json!([]));
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let mut history = History::default();
        for line in 0..=u32::try_from(MAX_CELLS).unwrap() {
            history.record(line, "x", None);
        }
        let all = HistoryRequest { output: false, access: HistoryAccess::Tail { n: None } };
        assert_eq!(history.answer(&all).len(), MAX_CELLS);
        assert_eq!(history.answer(&all).first(), Some(&HistoryEntry::Input(1, 1, "x".to_owned())));
    }
}
