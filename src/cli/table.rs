//! Lists for people, as commands write them.

use std::{
    io::{self, Write},
    time::Duration,
};

use comfy_table::Table;
use indicatif::HumanDuration;

pub(super) use crate::listing::{cell, plain, table};
use crate::{fleet::seconds_since_epoch, listing::lines};

/// Writes a table, columns two spaces apart.
pub(super) fn write(table: Table, output: &mut (impl Write + ?Sized)) -> io::Result<()> {
    lines(table).iter().try_for_each(|line| writeln!(output, "{line}"))
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
    fn one_is_not_many() {
        assert_eq!([count(0, "client"), count(1, "client")], ["0 clients", "1 client"]);
    }
}
