//! Lists for people, and what strangers wrote as it may be shown to them: without what would move a terminal's cursor,
//! colour its text, or turn its direction.

use comfy_table::{Table, presets};

/// The most characters of a cell.
const WIDEST_CELL: usize = 40;

/// An empty table with these headings, without rules.
pub fn table<Heading: ToString>(headings: impl IntoIterator<Item = Heading>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_header(headings.into_iter().map(|heading| heading.to_string()));
    table
}

/// A table's lines, columns two spaces apart.
pub fn lines(mut table: Table) -> Vec<String> {
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The text with `�` for each character that is a command rather than text.
pub fn plain(text: &str) -> String {
    let harmless =
        |c: char| if c.is_control() || turns_direction(c) { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(harmless).collect()
}

/// The same for a cell of a table, cut to 40 characters.
pub fn cell(text: &str) -> String {
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
}
