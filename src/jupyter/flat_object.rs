//! A quick look into JSON objects as headers nearly always are: plain strings under plain keys.
//!
//! Headers are read several times for each message, and most of what a JSON parser costs there is being ready for anything.
//! Whatever is out of the ordinary here, let alone wrong, is left to the parser.

use memchr::memchr2;

/// The strings under these keys of a JSON object (RFC 8259) that holds strings without escapes, `null` and booleans alone.
///
/// `None` for all other text, be it JSON or not, and where one of the keys comes twice or holds no string.
pub(super) fn strings<'a, const N: usize>(json: &'a [u8], keys: [&str; N]) -> Option<[Option<&'a str>; N]> {
    // Within strings they would be wrong, and nobody writes headers in several lines. Looking at all of them is faster than
    // stopping at the first.
    if json.iter().fold(false, |found, byte| found | byte.is_ascii_control()) {
        return None;
    }
    let mut rest = Rest(std::str::from_utf8(json).ok()?);
    let mut found = [None; N];
    rest.token("{")?;
    if rest.token("}").is_none() {
        loop {
            let key = rest.string()?;
            rest.token(":")?;
            let wanted = keys.iter().zip(&mut found).find(|(wanted, _)| **wanted == key);
            match wanted {
                Some((_, Some(_))) => return None,
                Some((_, value)) => *value = Some(rest.string()?),
                None => rest.value()?,
            }
            if rest.token(",").is_none() {
                rest.token("}")?;
                break;
            }
        }
    }
    rest.0.bytes().all(|byte| byte == b' ').then_some(found)
}

/// What has not been read yet.
struct Rest<'a>(&'a str);

impl<'a> Rest<'a> {
    /// Takes what is due next, which spaces may stand before.
    fn token(&mut self, token: &str) -> Option<()> {
        while let Some(rest) = self.0.strip_prefix(' ') {
            self.0 = rest;
        }
        self.0 = self.0.strip_prefix(token)?;
        Some(())
    }

    fn string(&mut self) -> Option<&'a str> {
        self.token("\"")?;
        let end = memchr2(b'"', b'\\', self.0.as_bytes())?;
        let (string, rest) = self.0.split_at_checked(end)?;
        self.0 = rest.strip_prefix('"')?;
        Some(string)
    }

    /// Passes over a value that nobody wants.
    fn value(&mut self) -> Option<()> {
        // A string without an end is no word, whatever it begins with.
        if self.0.trim_start_matches(' ').starts_with('"') {
            return self.string().map(drop);
        }
        ["null", "true", "false"].into_iter().find_map(|word| self.token(word))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    const KEYS: [&str; 2] = ["msg_id", "msg_type"];

    /// What the parser makes of it.
    fn parsed(json: &[u8]) -> Option<[Option<String>; 2]> {
        let object: BTreeMap<String, Value> = serde_json::from_slice(json).ok()?;
        Some(KEYS.map(|key| object.get(key).and_then(Value::as_str).map(str::to_owned)))
    }

    fn read(json: &[u8]) -> Option<[Option<String>; 2]> {
        strings(json, KEYS).map(|found| found.map(|value| value.map(str::to_owned)))
    }

    #[test]
    fn headers_as_they_are_written_are_read() {
        for json in [
            r#"{"msg_id": "1_é", "msg_type": "stream", "username": "u", "date": "x", "subshell_id": null, "o": true}"#,
            r#"{"msg_type":"stream","msg_id":"1_é"} "#,
        ] {
            assert_eq!(strings(json.as_bytes(), KEYS), Some([Some("1_é"), Some("stream")]), "{json}");
        }
        assert_eq!(strings(b" { } ", KEYS), Some([None, None]));
    }

    #[test]
    fn all_else_is_left_to_the_parser() {
        for json in [
            r#"{"msg_id":"a\u0031"}"#,
            r#"{"msg_id":null}"#,
            r#"{"msg_id":"1","msg_id":"2"}"#,
            r#"{"other":1}"#,
            r#"{"other":{"msg_id":"1"}}"#,
            "{\"msg_id\":\"a\nb\"}",
            "{\n}",
            r#"{"msg_id":"1",}"#,
            r#"{"msg_id":"1"}}"#,
            r#"{"msg_id" "1"}"#,
            r#"{"msg_id":"1"#,
            r#"{"msg_id":"1","other":"true}"#,
            r#"["msg_id"]"#,
            "",
        ] {
            assert_eq!(strings(json.as_bytes(), KEYS), None, "{json}");
        }
        assert_eq!(strings(b"{\"msg_id\":\"\xff\"}", KEYS), None);
    }

    proptest! {
        #[test]
        fn what_is_read_is_what_the_parser_reads(
            pieces in proptest::collection::vec(
                proptest::sample::select(vec![
                    "{", "}", "\"", ":", ",", " ", "\\", "\n", "é", "null", "true", "1", "[", "]",
                    "\"msg_id\":", "\"msg_type\":\"x\"", "\"a\"", "\"b\":\"c\",",
                ]),
                0..14,
            ),
            wrapped in any::<bool>(),
        ) {
            let text = pieces.concat();
            let text = if wrapped { format!("{{{text}}}") } else { text };
            if let Some(found) = read(text.as_bytes()) {
                prop_assert_eq!(Some(found), parsed(text.as_bytes()));
            }
        }

        #[test]
        fn any_header_of_plain_strings_is_read(
            id in "[^\"\\\\\u{0}-\u{1f}\u{7f}]{0,20}",
            kind in "[a-z_]{0,20}",
            spaces in " {0,2}",
        ) {
            let json = format!(r#"{{{spaces}"msg_id":{spaces}"{id}"{spaces},"x":"y",{spaces}"msg_type":"{kind}"{spaces}}}"#);
            prop_assert_eq!(read(json.as_bytes()), Some([Some(id), Some(kind)]));
        }
    }
}
