//! Rust source as far as paths need it: words and punctuation, without comments and literals.

/// A word or a punctuation mark.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token<'a> {
    /// `::` is one token; else a word, or one character.
    pub text: &'a str,
    /// Its line, from 1.
    pub line: usize,
}

/// The tokens of a source text.
pub fn tokens(source: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let (mut rest, mut line) = (source, 1);
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest);
        let length = if length > 0 {
            length
        } else {
            let length = word_or_mark(rest, first);
            tokens.push(Token { text: &rest[..length], line });
            length
        };
        line += rest[..length].matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

fn is_word(character: char) -> bool {
    character.is_alphanumeric() || character == '_'
}

fn word_or_mark(rest: &str, first: char) -> usize {
    match rest.find(|character| !is_word(character)) {
        Some(0) if rest.starts_with("::") => 2,
        Some(0) => first.len_utf8(),
        Some(length) => length,
        None => rest.len(),
    }
}

/// The length of the blank, comment or literal that a text starts with; 0 if it starts with none.
fn skipped(rest: &str) -> usize {
    if rest.starts_with(char::is_whitespace) {
        return rest.find(|character: char| !character.is_whitespace()).unwrap_or(rest.len());
    }
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    if rest.starts_with('\'') {
        return character(rest);
    }
    string(rest)
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let step = &rest[at..];
        if step.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if step.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += step.chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// A character; 0 for a lifetime's tick.
fn character(rest: &str) -> usize {
    let mut inside = rest[1..].char_indices();
    match (inside.next(), inside.next()) {
        (Some((_, '\\')), Some((escaped, _))) => {
            let from = 1 + escaped + 1;
            rest[from..].find('\'').map_or(rest.len(), |end| from + end + 1)
        }
        (Some(_), Some((at, '\''))) => 1 + at + 1,
        _ => 0,
    }
}

/// A string, raw or not; 0 if it is none.
fn string(rest: &str) -> usize {
    let prefix = rest.find(|character: char| !"bcr".contains(character)).unwrap_or(rest.len());
    let (kind, after) = rest.split_at(prefix);
    let hashes = after.len() - after.trim_start_matches('#').len();
    let raw = kind.ends_with('r');
    if kind.len() > 2 || !after[hashes..].starts_with('"') || (hashes > 0 && !raw) {
        return 0;
    }
    let start = prefix + hashes + 1;
    if raw {
        let end = format!("\"{}", "#".repeat(hashes));
        return rest[start..].find(&end).map_or(rest.len(), |at| start + at + end.len());
    }
    let mut escaped = false;
    for (at, character) in rest[start..].char_indices() {
        match character {
            '"' if !escaped => return start + at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    rest.len()
}

#[test]
fn comments_and_literals_are_no_words() {
    let source =
        "a /* b /* c */ d */ // e\n'f' '\\'' '\\u{1}' \"g \\\" \\\\\" r#\"h \" i\"# b\"j\" br\"k\\\" l::m";
    let texts: Vec<&str> = tokens(source).into_iter().map(|token| token.text).collect();
    assert_eq!(texts, ["a", "l", "::", "m"]);
}

#[test]
fn lifetimes_raw_words_and_lines_are_kept() {
    let found: Vec<_> =
        tokens("<'a>\n\nr#type '_'\n\"1\n2\" é;").into_iter().map(|t| (t.text, t.line)).collect();
    let expected =
        [("<", 1), ("'", 1), ("a", 1), (">", 1), ("r", 3), ("#", 3), ("type", 3), ("é", 5), (";", 5)];
    assert_eq!(found, expected);
}
