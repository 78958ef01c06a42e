//! What the fleet shows in a cell: sentences and tables, as text and as HTML.

use html_escape::encode_text;

use crate::listing::{self, plain};

/// A page: sentences and tables, one below the other. Whatever strangers wrote may stand in it: control characters
/// are made visible, and in HTML nothing of it is markup.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Page {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Line(String),
    Table { headings: Vec<String>, rows: Vec<Vec<String>> },
}

/// A page as it is shown: the two forms of one `display_data`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Shown {
    /// `text/plain`.
    pub plain: String,
    /// `text/html`, without scripts, classes, and styles that are not needed.
    pub html: String,
}

impl Page {
    /// An empty page.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more sentence.
    #[must_use]
    pub fn line(mut self, text: impl AsRef<str>) -> Self {
        self.parts.push(Part::Line(plain(text.as_ref())));
        self
    }

    /// With one more table; one without rows is left out.
    #[must_use]
    pub fn table<const COLUMNS: usize>(
        mut self,
        headings: [&str; COLUMNS],
        rows: Vec<[String; COLUMNS]>,
    ) -> Self {
        if rows.is_empty() {
            return self;
        }
        let rows = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
        self.parts.push(Part::Table { headings: headings.map(str::to_owned).into(), rows });
        self
    }

    /// Both forms.
    pub fn show(&self) -> Shown {
        Shown { plain: self.plain(), html: self.parts.iter().map(Part::html).collect() }
    }

    /// Lines, with an empty one around each table.
    fn plain(&self) -> String {
        let mut text = String::new();
        let mut before: Option<&Part> = None;
        for part in &self.parts {
            match (before, part) {
                (None, _) => {}
                (Some(Part::Line(_)), Part::Line(_)) => text.push('\n'),
                _ => text.push_str("\n\n"),
            }
            text.push_str(&part.plain());
            before = Some(part);
        }
        text
    }
}

impl Part {
    fn plain(&self) -> String {
        match self {
            Self::Line(text) => text.clone(),
            Self::Table { headings, rows } => {
                let mut table = listing::table(headings);
                table.add_rows(rows);
                listing::lines(table).join("\n")
            }
        }
    }

    fn html(&self) -> String {
        match self {
            Self::Line(text) => format!("<p>{}</p>", encode_text(text)),
            Self::Table { headings, rows } => {
                let body: String = rows.iter().map(|row| html_row(row, "td")).collect();
                let head = html_row(headings, "th");
                format!("<table><thead>{head}</thead><tbody>{body}</tbody></table>")
            }
        }
    }
}

/// Jupyter's own style for tables in outputs aligns them to the right, which suits numbers only.
fn html_row(cells: &[String], tag: &str) -> String {
    let cell = |text: &String| format!("<{tag} style=\"text-align: left\">{}</{tag}>", encode_text(text));
    format!("<tr>{}</tr>", cells.iter().map(cell).collect::<String>())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sentences_and_tables_stand_below_each_other() {
        let rows = vec![["lua".to_owned(), "1".to_owned()], ["python3".to_owned(), "12".to_owned()]];
        let shown = Page::new().line("One.").line("Two.").table(["RUNTIME", "N"], rows).line("Three.").show();
        assert_eq!(shown.plain, "One.\nTwo.\n\nRUNTIME  N\nlua      1\npython3  12\n\nThree.");
        let table = "<table><thead><tr><th>RUNTIME</th><th>N</th></tr></thead><tbody><tr><td>lua</td><td>1</td></tr>\
                     <tr><td>python3</td><td>12</td></tr></tbody></table>";
        let html = shown.html.replace(" style=\"text-align: left\"", "");
        assert_eq!(html, format!("<p>One.</p><p>Two.</p>{table}<p>Three.</p>"));
    }

    #[test]
    fn a_table_without_rows_is_left_out() {
        assert_eq!(Page::new().table(["A"], vec![]), Page::new());
        assert_eq!(Page::new().show().plain, "");
    }

    #[test]
    fn what_strangers_wrote_is_neither_markup_nor_a_command() {
        let evil = "<script>alert(1)</script>&amp;\u{1b}[2J\u{202e}\n";
        let shown = Page::new().line(evil).table(["A"], vec![[evil.to_owned()]]).show();
        let harmless = "&lt;script&gt;alert(1)&lt;/script&gt;&amp;amp;\u{fffd}[2J\u{fffd}\u{fffd}";
        assert_eq!(shown.html.matches(harmless).count(), 2, "{}", shown.html);
        assert!(!shown.plain.contains(['\u{1b}', '\u{202e}']), "{}", shown.plain);
    }

    proptest! {
        #[test]
        fn the_only_markup_is_ours(line in any::<String>(), value in any::<String>()) {
            let tags = |page: Page| page.show().html.matches('<').count();
            let empty = Page::new().line("").table(["A"], vec![[String::new()]]);
            prop_assert_eq!(tags(Page::new().line(line).table(["A"], vec![[value]])), tags(empty));
        }
    }
}
