//! What a running cell needs from the outside.

/// A MIME bundle: MIME type to data, as in `display_data` (messaging spec, "Display data").
pub type MimeBundle = serde_json::Map<String, serde_json::Value>;

/// The outside of the language: gets what a cell prints while it runs, and answers its questions.
///
/// All methods are called on the language's own thread, while [`Language::execute`](super::Language::execute) runs.
pub trait Host: Send + Sync {
    /// Some text for `stdout` or `stderr`. Never empty; pieces arrive in the order they were written.
    fn stream(&self, stdio: Stdio, text: &str);

    /// A `display_data`.
    fn display(&self, bundle: MimeBundle);

    /// Asks the person for one line, and blocks until it is there.
    ///
    /// # Errors
    /// When there is nobody to ask, or when the question was interrupted. An implementation has to watch for the
    /// interrupt itself: the language is blocked in this call.
    fn input(&self, prompt: &str, password: bool) -> Result<String, InputError>;
}

/// Where printed text goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stdio {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stdio {
    /// The `name` of a `stream` message.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Stdio::Stdout => "stdout",
            Stdio::Stderr => "stderr",
        }
    }
}

/// Why a question got no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// The request said `allow_stdin: false`.
    #[error(
        "this frontend does not allow input: run the cell from one that can ask, such as a notebook or a console"
    )]
    NotAllowed,
    /// The cell was interrupted while it waited.
    #[error("interrupted while waiting for input")]
    Interrupted,
    /// Anything else; the text is for the person.
    #[error("the input could not be read: {0}")]
    Failed(String),
}
