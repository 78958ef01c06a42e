//! Lists for people.

use std::{
    io::{self, Write},
    time::Duration,
};

use comfy_table::{Table, presets};
use indicatif::HumanDuration;

use crate::fleet::seconds_since_epoch;

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

/// What clients wrote, without what would move a terminal's cursor or colour its text.
pub(super) fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
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
        assert_eq!(plain("team\u{1b}[2J\r\n"), "team\u{fffd}[2J\u{fffd}\u{fffd}");
    }

    #[test]
    fn one_is_not_many() {
        assert_eq!([count(0, "client"), count(1, "client")], ["0 clients", "1 client"]);
    }
}
