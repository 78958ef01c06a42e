//! Completing what is typed behind `%fleet` and `%%fleet`.

use super::{
    command::{COMMANDS, takes_wishes},
    key::Key,
    recognise::MagicLine,
};

/// The names that the fleet knows at the moment.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Vocabulary {
    /// What can be launched.
    pub runtimes: Vec<String>,
    /// Languages of kernels and of what can be launched.
    pub languages: Vec<String>,
    /// Groups that have a kernel.
    pub groups: Vec<String>,
    /// Model providers that a kernel has.
    pub providers: Vec<String>,
    /// Labels that a kernel has.
    pub labels: Vec<String>,
    /// Ids of kernels.
    pub kernels: Vec<String>,
}

/// What may stand in place of a part of the code.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Completions {
    /// Texts for that part.
    pub matches: Vec<String>,
    /// Where that part begins, in code points.
    pub start: usize,
    /// Where it ends: the cursor, in code points.
    pub end: usize,
}

/// What may be typed at the cursor (in code points), which is somewhere behind `%fleet` or `%%fleet` on its line.
/// `None`: it is not, and the kernel completes. As in [`recognise`](super::recognise), lines may follow each other.
pub fn complete(code: &str, cursor: usize, vocabulary: &Vocabulary) -> Option<Completions> {
    let cursor_at = code.char_indices().nth(cursor).map_or(code.len(), |(at, _)| at);
    let (mut line, mut line_at) = (MagicLine::first(code)?, 0);
    while cursor_at > line_at + line.end() && !line.whole_cell {
        line_at += line.end();
        line = MagicLine::first(code.get(line_at..)?)?;
    }
    let typed = code.get(line_at + line.arguments_start()..cursor_at)?;
    if typed.len() > line.arguments.len() || !typed.starts_with(char::is_whitespace) {
        return None;
    }
    let (before, word) = typed.split_at_checked(last_word(typed))?;
    let (matches, part) = match before.split_whitespace().next() {
        _ if line.whole_cell => wishes(before, word, vocabulary),
        None => (commands(word), word),
        Some(command) if takes_wishes(command) => wishes(before.split_once(command)?.1, word, vocabulary),
        Some(_) => (Vec::new(), word),
    };
    let end = cursor.min(code.chars().count());
    Some(Completions { matches, start: end.saturating_sub(part.chars().count()), end })
}

/// Where the word begins that ends at the end of the text. Quotes keep spaces together, as in a shell.
fn last_word(text: &str) -> usize {
    let (mut start, mut quote, mut escaped) = (0, None, false);
    for (at, c) in text.char_indices() {
        match quote {
            _ if escaped => escaped = false,
            None | Some('"') if c == '\\' => escaped = true,
            Some(open) if open == c => quote = None,
            None if matches!(c, '"' | '\'') => quote = Some(c),
            None if c.is_whitespace() => start = at + c.len_utf8(),
            _ => {}
        }
    }
    start
}

fn commands(word: &str) -> Vec<String> {
    COMMANDS
        .map(|(command, ..)| command)
        .into_iter()
        .filter(|command| command.starts_with(word))
        .map(str::to_owned)
        .collect()
}

/// What the word may become behind these wishes, and the part of it that is replaced.
fn wishes<'a>(before: &str, word: &'a str, vocabulary: &Vocabulary) -> (Vec<String>, &'a str) {
    if before.trim_start().starts_with('{') || word.starts_with('{') {
        return (Vec::new(), word);
    }
    match word.split_once('=') {
        Some((name, value)) => match Key::named(name) {
            Some(key) => values(key, value, vocabulary),
            None => (Vec::new(), word),
        },
        None => (words(before, word, vocabulary), word),
    }
}

/// Runtimes, keys and flags that are not there yet.
fn words(before: &str, word: &str, vocabulary: &Vocabulary) -> Vec<String> {
    let said: Vec<Key> = before.split_whitespace().map(key_of).collect();
    let runtimes = vocabulary.runtimes.iter().filter(|_| !said.contains(&Key::Runtime)).cloned();
    let keys = Key::ALL.into_iter().filter(|key| !said.contains(key));
    let keys = keys.map(|key| if key.is_flag() { key.name().to_owned() } else { format!("{}=", key.name()) });
    runtimes.chain(keys).filter(|text| text.starts_with(word)).collect()
}

fn key_of(word: &str) -> Key {
    let name = word.split_once('=').map_or(word, |(name, _)| name);
    Key::named(name).unwrap_or(Key::Runtime)
}

/// What the value of a key may become, and the part of it that is replaced: the last of a list.
fn values<'a>(key: Key, value: &'a str, vocabulary: &Vocabulary) -> (Vec<String>, &'a str) {
    let flags = ["true", "false"].map(str::to_owned);
    let known = match key {
        Key::Runtime => &vocabulary.runtimes,
        Key::Language => &vocabulary.languages,
        Key::Group => &vocabulary.groups,
        Key::Providers => &vocabulary.providers,
        Key::Labels => &vocabulary.labels,
        Key::Kernel => &vocabulary.kernels,
        Key::Debug | Key::Isolated => flags.as_slice(),
        Key::MemoryLimit => &[],
    };
    let (listed, part) = value.rsplit_once(',').filter(|_| key.is_list()).unwrap_or(("", value));
    let typed = part.trim_start_matches(['"', '\'']);
    let fits = |name: &&String| name.starts_with(typed) && !listed.split(',').any(|other| other == **name);
    (known.iter().filter(fits).filter_map(|name| quoted(name)).collect(), part)
}

/// The name as it must be typed; `None` if it cannot be typed on one line.
fn quoted(name: &str) -> Option<String> {
    let quoted = shlex::try_quote(name).ok()?;
    (!name.chars().any(char::is_control)).then(|| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::magic::{Magic, laws::magic, recognise};

    fn vocabulary() -> Vocabulary {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect();
        Vocabulary {
            runtimes: names(&["bash", "lua", "python3"]),
            languages: names(&["lua", "python"]),
            groups: names(&["team-a", "team b", "bad\n"]),
            providers: names(&["openai", "other"]),
            labels: names(&["gpu"]),
            kernels: names(&["0a1b2c3d"]),
        }
    }

    /// What the text may become, `|` being the cursor.
    fn completed(marked: &str) -> Option<Vec<String>> {
        let (before, after) = marked.split_once('|').unwrap();
        let cursor = before.chars().count();
        let found = complete(&format!("{before}{after}"), cursor, &vocabulary())?;
        assert_eq!(found.end, cursor);
        let kept: String = before.chars().take(found.start).collect();
        Some(found.matches.iter().map(|text| format!("{kept}{text}")).collect())
    }

    #[test]
    fn what_can_be_typed_next() {
        for (marked, expected) in [
            ("%fleet re|", "%fleet restart"),
            ("\n %fleet re|start\nx", "\n %fleet restart"),
            ("%fleet use l|", "%fleet use lua;%fleet use language=;%fleet use labels="),
            ("%%fleet ä p|", "%%fleet ä providers="),
            ("%%fleet runtime=|", "%%fleet runtime=bash;%%fleet runtime=lua;%%fleet runtime=python3"),
            ("%%fleet group=a lua g|", ""),
            ("%fleet new providers=openai,o|", "%fleet new providers=openai,other"),
            ("%fleet new group=team|", "%fleet new group=team-a;%fleet new group='team b'"),
            ("%fleet new group='team |", "%fleet new group='team b'"),
            ("%fleet new debug=t|", "%fleet new debug=true"),
            ("%fleet why kernel=0|", "%fleet why kernel=0a1b2c3d"),
            ("%fleet new is|", "%fleet new isolated"),
            ("%fleet list l|", ""),
            ("%fleet use {|", ""),
            ("%fleet use lua\n\n %fleet sta|\n", "%fleet use lua\n\n %fleet status"),
            ("%fleet use lua\n%%fleet ba|\n%fleet", "%fleet use lua\n%%fleet bash"),
            ("%fleet new nonsense=|", ""),
        ] {
            let expected: Vec<&str> = expected.split(';').filter(|text| !text.is_empty()).collect();
            assert_eq!(completed(marked).unwrap(), expected, "{marked}");
        }
        assert_eq!(completed("%fleet |").unwrap().len(), COMMANDS.len());
    }

    #[test]
    fn elsewhere_the_kernel_completes() {
        for marked in [
            "|",
            "%fl|",
            "%%fle|",
            "%fleet|",
            "%fl|eet use",
            "%fleet|?",
            "\n|\n%fleet ",
            "%fleet \n|",
            "%%fleet lua\n%fleet |",
            "%fleet\n1\n%fleet |",
            "%fleets |",
            "%%time |",
        ] {
            assert_eq!(completed(marked), None, "{marked}");
        }
    }

    proptest! {
        #[test]
        fn the_law_holds(
            code in "[ \n]{0,2}%{1,2}fleet ?[a-z=,'\" ä\\\\\n{]{0,20}|\\PC{0,20}", cursor in 0u8..60
        ) {
            magic(&[&[0, cursor, 0], code.as_bytes()].concat());
        }

        #[test]
        fn any_group_can_be_completed(group in "[^\0-\u{1f}\u{7f}-\u{9f}]{1,12}") {
            let vocabulary = Vocabulary { groups: vec![group.clone()], ..Vocabulary::default() };
            let code = "%fleet use group=";
            let found = complete(code, code.len(), &vocabulary).unwrap();
            let Some(Magic::Line { command, .. }) = recognise(&format!("{code}{}", found.matches[0])) else { panic!() };
            let Ok(super::super::Command::Use(wishes)) = command else { panic!("{command:?}") };
            prop_assert_eq!(wishes.group, Some(group));
        }
    }
}
