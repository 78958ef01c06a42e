//! What stands for something else in a kernelspec: `{name}` in its command, `$NAME` in its environment.

/// Replaces `{name}` by the value of that name, in one pass; what has no value stays as it is, braces and all.
///
/// Jupyter knows `{connection_file}`, `{resource_dir}` and `{prefix}` (jupyter_client, `KernelManager.format_kernel_cmd`).
pub fn replace_placeholders(argument: &str, values: &[(&str, &str)]) -> String {
    let mut replaced = String::with_capacity(argument.len());
    let mut rest = argument;
    while let Some((before, after)) = rest.split_once('{') {
        replaced.push_str(before);
        let named = after.split_once('}').and_then(|(name, tail)| Some((value_of(name, values)?, tail)));
        match named {
            Some((value, tail)) => {
                replaced.push_str(value);
                rest = tail;
            }
            None => {
                replaced.push('{');
                rest = after;
            }
        }
    }
    replaced + rest
}

fn value_of<'a>(name: &str, values: &[(&str, &'a str)]) -> Option<&'a str> {
    values.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// Replaces `$NAME` and `${NAME}` by variables, and `$$` by `$`; what names no variable stays as it is.
///
/// This is how jupyter_client fills a kernelspec's `env` (`string.Template.safe_substitute` of Python).
pub fn replace_variables(text: &str, variable: impl Fn(&str) -> Option<String>) -> String {
    let mut replaced = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        replaced.push_str(before);
        let named = reference(after).and_then(|(name, tail)| Some((variable(name)?, tail)));
        match (after.strip_prefix('$'), named) {
            (Some(tail), _) => {
                replaced.push('$');
                rest = tail;
            }
            (None, Some((value, tail))) => {
                replaced.push_str(&value);
                rest = tail;
            }
            (None, None) => {
                replaced.push('$');
                rest = after;
            }
        }
    }
    replaced + rest
}

/// The name at the start of what follows a `$`, and what comes behind it.
fn reference(after: &str) -> Option<(&str, &str)> {
    if let Some(braced) = after.strip_prefix('{') {
        return braced.split_once('}').filter(|(name, _)| identifier_length(name) == name.len());
    }
    after.split_at_checked(identifier_length(after)).filter(|(name, _)| !name.is_empty())
}

fn identifier_length(text: &str) -> usize {
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        return 0;
    }
    text.find(|character: char| !character.is_ascii_alphanumeric() && character != '_').unwrap_or(text.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn with_variables(text: &str) -> String {
        replace_variables(text, |name| match name {
            "HOME" => Some("/home/ada".to_owned()),
            "_x1" => Some("$HOME".to_owned()),
            _ => None,
        })
    }

    #[test]
    fn known_placeholders_are_replaced_once() {
        let values = [("connection_file", "/run/{port}.json"), ("port", "7")];
        for (argument, replaced) in [
            ("{connection_file}", "/run/{port}.json"),
            ("--port={port}/{port}", "--port=7/7"),
            ("{unknown} {", "{unknown} {"),
            ("{{port}}", "{7}"),
            ("{a{port}", "{a7"),
            ("plain}", "plain}"),
        ] {
            assert_eq!(replace_placeholders(argument, &values), replaced);
        }
    }

    #[test]
    fn variables_are_replaced_once() {
        for (text, replaced) in [
            ("$HOME/x", "/home/ada/x"),
            ("${HOME}x", "/home/adax"),
            ("$_x1", "$HOME"),
            ("$$HOME", "$HOME"),
            ("$NONE ${NONE} $1 ${", "$NONE ${NONE} $1 ${"),
            ("ends with $", "ends with $"),
            ("${HO ME}", "${HO ME}"),
        ] {
            assert_eq!(with_variables(text), replaced);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_without_signs_nothing_changes(text in any::<String>()) {
            let replaced = replace_placeholders(&with_variables(&text), &[("a", "b")]);
            let plain = !text.contains(['$', '{']);
            prop_assert!(!plain || replaced == text);
        }
    }
}
