//! From what is published on iopub to what a person reads.

use std::{io, sync::Arc};

use serde_json::Value;

use super::terminal::Terminal;

/// Shows the output of one request.
pub(super) struct Show {
    terminal: Arc<dyn Terminal>,
    /// The last text on standard output did not end its line.
    inside_line: bool,
    /// `clear_output` that waits for the next output.
    clears: bool,
    showed_error: bool,
}

impl Show {
    pub fn new(terminal: Arc<dyn Terminal>) -> Self {
        Self { terminal, inside_line: false, clears: false, showed_error: false }
    }

    /// Shows a message of iopub; types that have no text are passed over.
    pub fn message(&mut self, msg_type: &str, content: &Value) -> io::Result<()> {
        match msg_type {
            "stream" => self.stream(text(content, "name"), text(content, "text")),
            "execute_result" | "display_data" | "update_display_data" => self.data(content.get("data")),
            "error" => self.error(content),
            "clear_output" if content.get("wait") == Some(&Value::Bool(true)) => {
                self.clears = true;
                Ok(())
            }
            "clear_output" => self.clear(),
            _ => Ok(()),
        }
    }

    /// Shows the error of a reply, unless it came on iopub as well.
    pub fn error_of_reply(&mut self, reply: &Value) -> io::Result<()> {
        if self.showed_error { Ok(()) } else { self.error(reply) }
    }

    /// Shows the pages of a reply: what IPython answers to `name?`.
    pub fn payload(&mut self, reply: &Value) -> io::Result<()> {
        let payload = reply.get("payload").and_then(Value::as_array);
        let pages = payload.into_iter().flatten().filter(|item| text(item, "source") == "page");
        pages.into_iter().try_for_each(|page| self.data(page.get("data")))
    }

    fn stream(&mut self, name: &str, text: &str) -> io::Result<()> {
        self.clear_if_due()?;
        if name == "stderr" {
            return self.terminal.print_error(text);
        }
        if !text.is_empty() {
            self.inside_line = !text.ends_with('\n');
        }
        self.terminal.print(text)
    }

    /// The plain text of a MIME bundle, on lines of its own; without one, what there would be to see.
    fn data(&mut self, data: Option<&Value>) -> io::Result<()> {
        self.clear_if_due()?;
        let Some(bundle) = data.and_then(Value::as_object) else { return Ok(()) };
        let shown = match bundle.get("text/plain").and_then(Value::as_str) {
            Some(text) => text.to_owned(),
            None if bundle.is_empty() => return Ok(()),
            None => format!("[{}]", bundle.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
        };
        self.end_line()?;
        self.terminal.print(&format!("{shown}\n"))
    }

    fn error(&mut self, content: &Value) -> io::Result<()> {
        self.clear_if_due()?;
        self.end_line()?;
        self.showed_error = true;
        let traceback = content.get("traceback").and_then(Value::as_array);
        let lines: Vec<&str> = traceback.into_iter().flatten().filter_map(Value::as_str).collect();
        let shown = match lines.as_slice() {
            [] => format!("{}: {}", text(content, "ename"), text(content, "evalue")),
            lines => lines.join("\n"),
        };
        if self.terminal.shows_colors() {
            return self.terminal.print_error(&format!("{shown}\n"));
        }
        self.terminal.print_error(&format!("{}\n", anstream::adapter::strip_str(&shown)))
    }

    fn end_line(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.inside_line) { self.terminal.print("\n") } else { Ok(()) }
    }

    fn clear_if_due(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.clears) { self.clear() } else { Ok(()) }
    }

    fn clear(&mut self) -> io::Result<()> {
        self.inside_line = false;
        self.terminal.clear_line()
    }
}

fn text<'a>(content: &'a Value, key: &str) -> &'a str {
    content.get(key).and_then(Value::as_str).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;
    use serde_json::json;

    use super::*;

    /// Notes what is shown; errors in brackets, a cleared line as `<`.
    #[derive(Default)]
    struct Paper(Mutex<String>);

    impl Terminal for Paper {
        fn print(&self, text: &str) -> io::Result<()> {
            self.0.lock().push_str(text);
            Ok(())
        }
        fn print_error(&self, text: &str) -> io::Result<()> {
            self.print(&format!("[{text}]"))
        }
        fn clear_line(&self) -> io::Result<()> {
            self.print("<")
        }
        fn shows_colors(&self) -> bool {
            false
        }
        fn read_line(&self, _: &str, _: bool) -> Option<String> {
            None
        }
        fn stop_reading(&self) {}
    }

    fn shown(messages: &[(&str, Value)]) -> String {
        let paper = Arc::new(Paper::default());
        let mut show = Show::new(paper.clone());
        for (msg_type, content) in messages {
            show.message(msg_type, content).unwrap();
        }
        paper.0.lock().clone()
    }

    fn stream(name: &str, text: &str) -> (&'static str, Value) {
        ("stream", json!({ "name": name, "text": text }))
    }

    #[test]
    fn streams_stay_as_they_are_and_results_get_lines_of_their_own() {
        let result = ("execute_result", json!({"data": {"text/plain": "42", "text/html": "<b>"}}));
        assert_eq!(shown(&[stream("stdout", "a\nb"), stream("stderr", "c"), result]), "a\nb[c]\n42\n");
    }

    #[test]
    fn what_has_no_text_is_named() {
        let image = ("display_data", json!({"data": {"image/png": "…", "image/svg+xml": "…"}}));
        let empty = ("display_data", json!({"data": {}}));
        assert_eq!(shown(&[image, empty]), "[image/png, image/svg+xml]\n");
    }

    #[test]
    fn updates_are_shown_again() {
        let shows = |text: &str| json!({"data": {"text/plain": text}, "transient": {"display_id": "1"}});
        let messages = [("display_data", shows("1 of 2")), ("update_display_data", shows("2 of 2"))];
        assert_eq!(shown(&messages), "1 of 2\n2 of 2\n");
    }

    #[test]
    fn a_clear_that_waits_waits_for_output() {
        let now = ("clear_output", json!({"wait": false}));
        let later = ("clear_output", json!({"wait": true}));
        assert_eq!(shown(&[stream("stdout", "1%"), now, stream("stdout", "2%")]), "1%<2%");
        let waited = [stream("stdout", "1%"), later.clone(), stream("stdout", "2%"), later];
        assert_eq!(shown(&waited), "1%<2%");
    }

    #[test]
    fn errors_are_tracebacks_without_colours() {
        let error =
            json!({"ename": "E", "evalue": "v", "traceback": ["\u{1b}[31mE\u{1b}[0m: v", "  line 1"]});
        assert_eq!(shown(&[stream("stdout", "x"), ("error", error)]), "x\n[E: v\n  line 1\n]");
        let bare = json!({"ename": "E", "evalue": "v", "traceback": []});
        assert_eq!(shown(&[("error", bare)]), "[E: v\n]");
    }

    #[test]
    fn an_error_is_shown_once() {
        let paper = Arc::new(Paper::default());
        let mut show = Show::new(paper.clone());
        let error = json!({"ename": "E", "evalue": "v", "traceback": ["E: v"]});
        show.error_of_reply(&error).unwrap();
        show.error_of_reply(&error).unwrap();
        assert_eq!(*paper.0.lock(), "[E: v\n]");
    }

    #[test]
    fn nonsense_is_passed_over() {
        for msg_type in ["stream", "execute_result", "error", "clear_output", "status", "x"] {
            for content in [json!(null), json!([1]), json!({"data": 1, "text": 1, "traceback": {}})] {
                shown(&[(msg_type, content)]);
            }
        }
    }

    #[test]
    fn pages_of_a_reply_are_shown() {
        let paper = Arc::new(Paper::default());
        let page = json!({"source": "page", "data": {"text/plain": "help"}, "start": 0});
        let other = json!({"source": "set_next_input", "text": "x"});
        Show::new(paper.clone()).payload(&json!({ "payload": [other, page] })).unwrap();
        assert_eq!(*paper.0.lock(), "help\n");
    }
}
