//! What `%fleet help` shows.

use super::{Page, command::COMMANDS, key::Key};

/// The page of `%fleet help`.
pub fn help() -> Page {
    let commands = COMMANDS.map(|(word, follows, does)| {
        [format!("%fleet {word} {follows}").trim_end().to_owned(), does.to_owned()]
    });
    let cell =
        ["%%fleet WISHES".to_owned(), "Run this one cell on a kernel that has what you wish for.".to_owned()];
    let wishes = Key::ALL.map(|key| [key.described().0, key.described().1].map(str::to_owned));
    Page::new()
        .line("On a cell's first line, %fleet speaks to the fleet of kernels rather than to your kernel.")
        .table(["FIRST LINE", "WHAT IT DOES"], commands.into_iter().chain([cell]).collect())
        .line("WISHES are any of these, separated by spaces:")
        .table(["WISH", "ASKS FOR"], wishes.into())
        .line("For example: %fleet use runtime=lua group=team-a")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_and_wish_is_explained() {
        let page = help().show();
        for (word, ..) in COMMANDS {
            assert!(page.plain.contains(&format!("\n%fleet {word}")), "{}", page.plain);
            assert!(page.html.contains(&format!(">%fleet {word}")), "{}", page.html);
        }
        for key in Key::ALL {
            assert!(page.plain.contains(&format!("\n{}", key.name())), "{}", page.plain);
        }
    }
}
