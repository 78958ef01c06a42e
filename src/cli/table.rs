//! Lists for people.

use std::{
    io::{self, Write},
    time::Duration,
};

use comfy_table::{Table, presets};
use indicatif::HumanDuration;

use crate::fleet::seconds_since_epoch;

/// The most characters of a cell.
const WIDEST_CELL: usize = 40;

/// An empty table with these headings, without lines.
pub(super) fn table<const COLUMNS: usize>(headings: [&str; COLUMNS]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings);
    table
}

/// Writes a table, columns two spaces apart.
pub(super) fn write(mut table: Table, output: &mut (impl Write + ?Sized)) -> io::Result<()> {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().try_for_each(|line| writeln!(output, "{}", line.trim_end()))
}

/// What clients wrote, without what would move a terminal's cursor, colour its text, or turn its direction.
pub(super) fn plain(text: &str) -> String {
    let harmless =
        |c: char| if c.is_control() || turns_direction(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(harmless).collect()
}

/// The same for a cell of a table, cut to [`WIDEST_CELL`].
pub(super) fn cell(text: &str) -> String {
    let mut cut: String = plain(text).chars().take(WIDEST_CELL).collect();
    if text.chars().nth(WIDEST_CELL).is_some() {
        cut.pop();
        cut.push('…');
    }
    cut
}

/// The characters of Unicode's property `Bidi_Control` (UAX #9): text behind them may be shown where it is not.
fn turns_direction(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// How long ago a time was that is given in seconds since 1970-01-01 UTC, in words.
pub(super) fn ago(time: u64) -> String {
    HumanDuration(Duration::from_secs(seconds_since_epoch().saturating_sub(time))).to_string()
}

/// `1 client`, `2 clients`.
pub(super) fn count(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_clients_wrote_reaches_the_terminal_as_a_command() {
        assert_eq!(plain("a\u{202e}b\u{2066}c\u{200f}"), "a\u{fffd}b\u{fffd}c\u{fffd}");
        assert_eq!(plain("team\u{1b}[2J\r\n"), "team\u{fffd}[2J\u{fffd}\u{fffd}");
    }

    #[test]
    fn a_long_cell_is_cut() {
        assert_eq!(cell(&"ä".repeat(40)), "ä".repeat(40));
        assert_eq!(cell(&"ä".repeat(41)), format!("{}…", "ä".repeat(39)));
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([count(0, "client"), count(1, "client")], ["0 clients", "1 client"]);
    }
}
