//! Shell-like patterns, as a history search uses them: `*`, `?`, `[a-z]`, `[!a-z]`.

/// Whether the pattern matches the whole text. An unclosed `[` is an ordinary character.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let mut wanted = pattern;
    let mut left = text;
    // After the last `*`: the pattern that follows it, and the text where that was tried last.
    let mut retry: Option<(&str, &str)> = None;
    loop {
        if let Some(after_star) = wanted.strip_prefix('*') {
            retry = Some((after_star, left));
            wanted = after_star;
            continue;
        }
        match (match_one(wanted, left), wanted.is_empty() && left.is_empty()) {
            (_, true) => return true,
            (Some((wanted_rest, left_rest)), _) => (wanted, left) = (wanted_rest, left_rest),
            (None, _) => {
                let Some((after_star, tried)) = retry else { return false };
                let mut shorter = tried.chars();
                if shorter.next().is_none() {
                    return false;
                }
                retry = Some((after_star, shorter.as_str()));
                (wanted, left) = (after_star, shorter.as_str());
            }
        }
    }
}

/// Matches one character, and returns what is left of pattern and text.
fn match_one<'a>(pattern: &'a str, text: &'a str) -> Option<(&'a str, &'a str)> {
    let mut text = text.chars();
    let character = text.next()?;
    if let Some((set, rest)) = set_of(pattern) {
        return in_set(set, character).then_some((rest, text.as_str()));
    }
    let mut pattern = pattern.chars();
    let wanted = pattern.next()?;
    (wanted == '?' || wanted == character).then_some((pattern.as_str(), text.as_str()))
}

/// `[set]rest`; a `]` right after the opening belongs to the set.
fn set_of(pattern: &str) -> Option<(&str, &str)> {
    let inner = pattern.strip_prefix('[')?;
    let first = inner.strip_prefix(['!', '^']).unwrap_or(inner);
    let skipped = inner.len() - first.len() + first.chars().next()?.len_utf8();
    let close = skipped + inner.get(skipped..)?.find(']')?;
    Some((inner.get(..close)?, inner.get(close + 1..)?))
}

fn in_set(set: &str, character: char) -> bool {
    let members = set.strip_prefix(['!', '^']);
    let mut rest: Vec<char> = members.unwrap_or(set).chars().rev().collect();
    let mut found = false;
    while let Some(low) = rest.pop() {
        // A `-` at the end stands for itself.
        if rest.len() >= 2 && rest.last() == Some(&'-') {
            rest.pop();
            found |= rest.pop().is_some_and(|high| (low..=high).contains(&character));
        } else {
            found |= low == character;
        }
    }
    found != members.is_some()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text, expected) in [
            ("", "", true),
            ("", "a", false),
            ("*", "", true),
            ("print*", "print(1)", true),
            ("print", "print(1)", false),
            ("*é?", "xxéy", true),
            ("a*b*c", "aXbXbXc", true),
            ("a*b*c", "aXbX", false),
            ("*a*a*a*a*a*a*b", &"a".repeat(5000), false),
            ("[a-c]x", "bx", true),
            ("[!a-c]x", "bx", false),
            ("[]]", "]", true),
            ("[a-]", "-", true),
            ("[open", "[open", true),
            ("t[[]1]", "t[1]", true),
        ] {
            assert_eq!(matches(pattern, text), expected, "{pattern} on {}", text.len());
        }
    }

    proptest! {
        #[test]
        fn any_pattern_ends(pattern in "[a*?\\[\\]!^é-]{0,20}", text in "[aé\\[\\]-]{0,20}") {
            let wider = format!("*{pattern}*");
            prop_assert!(!matches(&pattern, &text) || matches(&wider, &text));
        }
    }
}
