//! Wishes as they are typed: `runtime=lua group=team-a memory_limit=512M providers=a,b isolated`, or just `lua`.

use super::{MagicError, key::Key};
use crate::{id::KernelId, route::Requirements, runtime_name::RuntimeName};

/// Parses wishes: words as a shell splits them, or one JSON object as in the routing metadata. No text, no wishes.
pub(super) fn parse(text: &str) -> Result<Requirements, MagicError> {
    let text = text.trim();
    if text.starts_with('{') {
        return Ok(Requirements::parse(text)?);
    }
    let mut wishes = Wishes::default();
    for word in shlex::split(text).ok_or(MagicError::OpenQuote)? {
        wishes.add(&word)?;
    }
    Ok(wishes.asked)
}

#[derive(Default)]
struct Wishes {
    asked: Requirements,
    said: Vec<Key>,
}

impl Wishes {
    fn add(&mut self, word: &str) -> Result<(), MagicError> {
        let (key, value) = key_and_value(word)?;
        match (&self.asked.runtime, key) {
            (Some(first), Key::Runtime) => return Err(MagicError::second_runtime(first, value)),
            _ if self.said.contains(&key) => return Err(MagicError::Twice { key: key.name() }),
            _ => self.said.push(key),
        }
        self.set(key, value)
    }

    fn set(&mut self, key: Key, value: &str) -> Result<(), MagicError> {
        if value.is_empty() && key != Key::Group {
            return Err(MagicError::NoValue { key: key.name() });
        }
        let list = || value.split(',').filter(|item| !item.is_empty()).map(str::to_owned).collect();
        let asked = &mut self.asked;
        match key {
            Key::Runtime => {
                value.parse::<RuntimeName>()?;
                asked.runtime = Some(value.to_owned());
            }
            Key::Language => asked.language = Some(value.to_owned()),
            Key::Group => asked.group = Some(value.to_owned()),
            Key::MemoryLimit => asked.memory_limit = Some(value.parse()?),
            Key::Providers => asked.providers = list(),
            Key::Labels => asked.labels = list(),
            Key::Debug => asked.debug = boolean(key, value)?,
            Key::Isolated => asked.isolated = boolean(key, value)?,
            Key::Kernel => asked.kernel = Some(KernelId::from(value)),
        }
        Ok(())
    }
}

/// `key=value`, a flag, or a bare word: a runtime.
fn key_and_value(word: &str) -> Result<(Key, &str), MagicError> {
    if let Some((name, value)) = word.split_once('=') {
        let key = Key::named(name).ok_or_else(|| MagicError::unknown_key(name))?;
        return Ok((key, value));
    }
    match Key::named(word) {
        Some(key) if key.is_flag() => Ok((key, "true")),
        Some(key) => Err(MagicError::NoValue { key: key.name() }),
        None => Ok((Key::Runtime, word)),
    }
}

fn boolean(key: Key, value: &str) -> Result<bool, MagicError> {
    value.parse().map_err(|_| MagicError::not_a_boolean(key.name(), value))
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_set, option, prelude::*};

    use super::*;
    use crate::byte_size::ByteSize;

    #[test]
    fn every_key_is_understood() {
        let typed = "runtime=lua group='team a' memory_limit=512M providers=a,b labels=x, debug isolated=true \
                     kernel=0a1b2c3d language=python # and so on";
        let json = r#"{"runtime": "lua", "group": "team a", "memory_limit": "512M", "providers": ["a", "b"],
            "labels": ["x"], "debug": true, "isolated": true, "kernel": "0a1b2c3d", "language": "python"}"#;
        assert_eq!(parse(typed), Ok(Requirements::parse(json).unwrap()));
        assert_eq!(parse(json), parse(typed));
    }

    #[test]
    fn a_bare_word_is_the_runtime() {
        assert_eq!(parse("debug lua"), parse("runtime=lua debug=true"));
        assert_eq!(parse("lua debug=false"), parse("lua"));
        assert_eq!(parse("  "), Ok(Requirements::default()));
    }

    #[test]
    fn an_empty_group_is_no_group() {
        assert_eq!(parse("group=").unwrap().group.as_deref(), Some(""));
    }

    #[test]
    fn an_error_names_what_is_wrong() {
        for (text, named) in [
            ("runtmie=lua", "`runtime`"),
            ("colour=red", "providers, labels, debug"),
            ("=lua", "``"),
            ("lua bash", "`lua` and `bash`"),
            ("lua runtime=bash", "`lua` and `bash`"),
            ("debug debug", "debug is"),
            ("group=a group=", "group is"),
            ("group", "group=..."),
            ("runtime = lua", "runtime=..."),
            ("labels=", "labels=..."),
            ("debug=maybe", "`maybe`"),
            ("memory_limit=much", "\"much\""),
            ("a/b", "\"a/b\""),
            ("group='a", "quote"),
            (r#"{"runtmie": "lua"}"#, "runtmie"),
            (r#"{"runtime": "lua"} x"#, "trailing"),
        ] {
            let error = parse(text).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    /// Wishes whose names hold nothing that a shell would take apart.
    fn requirements() -> impl Strategy<Value = Requirements> {
        let name = || "[a-z0-9._/-]{1,8}";
        let one = (
            option::of("[a-z][a-z0-9.-]{0,8}9"),
            option::of(name()),
            option::of(name()),
            option::of("[0-9a-f]{8}"),
        );
        let many = (btree_set(name(), 0..3), btree_set(name(), 0..3));
        (one, many, option::of(1..=u64::MAX), any::<(bool, bool)>()).prop_map(|(one, many, bytes, flags)| {
            Requirements {
                runtime: one.0,
                language: one.1,
                group: one.2,
                kernel: one.3.as_deref().map(KernelId::from),
                providers: many.0,
                labels: many.1,
                memory_limit: bytes.and_then(ByteSize::new),
                debug: flags.0,
                isolated: flags.1,
            }
        })
    }

    proptest! {
        #[test]
        fn what_is_displayed_is_read_again(wishes in requirements()) {
            prop_assume!(!wishes.is_nothing());
            prop_assert_eq!(parse(&wishes.to_string()), Ok(wishes));
        }

        #[test]
        fn any_value_can_be_quoted(group in "[^\0]{0,20}") {
            let typed = format!("lua group={}", shlex::try_quote(&group).unwrap());
            prop_assert_eq!(parse(&typed).unwrap().group, Some(group));
        }

    }
}
