//! Values of a JSON object, read as leniently as Python reads them: what works with Jupyter's own clients and kernels has
//! to work here.
//!
//! Python's parser takes `NaN` and `Infinity`, half a surrogate pair, and the last of two values under one key; bytes that are
//! not UTF-8 are replaced. RFC 8259 has none of that.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor},
};
use serde_json::value::RawValue;

/// The JSON text of the values under these keys of a JSON object, however deep other values are nested.
pub(super) fn values<'a, const N: usize>(
    json: &'a [u8],
    keys: [&str; N],
) -> Result<[Option<Cow<'a, str>>; N], serde_json::Error> {
    let strict = strict_values(json, keys);
    if let Ok(found) = strict {
        return Ok(found.map(|value| value.map(|value| Cow::Borrowed(value.get()))));
    }
    let plain = without_words(&String::from_utf8_lossy(json));
    let found = strict_values(plain.as_bytes(), keys)?;
    Ok(found.map(|value| value.map(|value| Cow::Owned(value.get().to_owned()))))
}

/// The same as text: the characters of a string, the digits of a number. `null` counts as absent.
pub(super) fn texts<'a, const N: usize>(
    json: &'a [u8],
    keys: [&str; N],
) -> Result<[Option<Cow<'a, str>>; N], serde_json::Error> {
    Ok(values(json, keys)?.map(|value| value.and_then(text)))
}

fn text(value: Cow<'_, str>) -> Option<Cow<'_, str>> {
    if value == "null" {
        return None;
    }
    // What is no string is taken as it is written.
    match serde_json::from_str::<Text>(&value) {
        Ok(Text(text)) => Some(Cow::Owned(text)),
        Err(_) => Some(value),
    }
}

fn strict_values<'a, const N: usize>(
    json: &'a [u8],
    keys: [&str; N],
) -> Result<[Option<&'a RawValue>; N], serde_json::Error> {
    let mut parser = serde_json::Deserializer::from_slice(json);
    let found = Wanted(keys).deserialize(&mut parser)?;
    parser.end()?;
    Ok(found)
}

/// The words that stand for numbers, replaced by zeros of the same length.
fn without_words(json: &str) -> String {
    let mut plain = String::with_capacity(json.len());
    let mut rest = json;
    while let Some((before, found)) = rest.find(['"', 'N', 'I']).and_then(|at| rest.split_at_checked(at)) {
        plain.push_str(before);
        let word = ["NaN", "Infinity"].into_iter().find(|word| found.starts_with(word));
        let length = word.map_or_else(|| token_length(found), str::len);
        let (token, after) = found.split_at_checked(length).unwrap_or((found, ""));
        match word {
            Some(word) => plain.extend(std::iter::once('0').chain(std::iter::repeat_n(' ', word.len() - 1))),
            None => plain.push_str(token),
        }
        rest = after;
    }
    plain + rest
}

/// The length of the string that a text begins with, quotes included; of one letter, where it begins with none.
fn token_length(text: &str) -> usize {
    let mut escaped = false;
    let is_end = |byte: u8| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    };
    match text.strip_prefix('"') {
        Some(string) => string.bytes().position(is_end).map_or(text.len(), |end| end + 2),
        None => 1,
    }
}

/// The values that are wanted of an object.
struct Wanted<'k, const N: usize>([&'k str; N]);

impl<'de, const N: usize> DeserializeSeed<'de> for Wanted<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn deserialize<D: Deserializer<'de>>(self, parser: D) -> Result<Self::Value, D::Error> {
        parser.deserialize_map(self)
    }
}

impl<'de, const N: usize> Visitor<'de> for Wanted<'_, N> {
    type Value = [Option<&'de RawValue>; N];

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
        let mut found = [None; N];
        while let Some(Text(key)) = map.next_key()? {
            match self.0.iter().zip(&mut found).find(|(wanted, _)| **wanted == key) {
                Some((_, value)) => *value = Some(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }
}

/// A string whose unpaired surrogates are replaced.
struct Text(String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(parser: D) -> Result<Self, D::Error> {
        struct Bytes;
        impl Visitor<'_> for Bytes {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }
            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        parser.deserialize_bytes(Bytes)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    fn read(json: &[u8]) -> Option<[Option<String>; 2]> {
        texts(json, ["id", "type"]).ok().map(|found| found.map(|text| text.map(Cow::into_owned)))
    }

    fn read_id(json: &str) -> Option<String> {
        read(json.as_bytes()).unwrap()[0].clone()
    }

    #[test]
    fn what_python_reads_is_read() {
        for (json, id) in [
            (r#"{"id":"a","x":NaN,"y":[-Infinity,Infinity]}"#, Some("a")),
            (r#"{"x":"NaN \" Infinity","id":"NaN","y":NaN}"#, Some("NaN")),
            (r#"{"id":"a","id":"b"}"#, Some("b")),
            (r#"{"id":"\ud83d\ude00","x":"\ud800"}"#, Some("😀")),
            (r#"{"id":17}"#, Some("17")),
            (r#"{"id":1.5e3}"#, Some("1.5e3")),
            (r#"{"id":true}"#, Some("true")),
            (r#"{"id":null}"#, None),
            (r#"{"\ud800":1}"#, None),
            ("{}", None),
        ] {
            assert_eq!(read_id(json).as_deref(), id, "{json}");
        }
        assert!(read_id(r#"{"id":"a\ud800b"}"#).unwrap().starts_with('a'));
        assert_eq!(read(b"{\"id\":\"a\xff\"}").unwrap()[0].as_deref(), Some("a\u{fffd}"));
    }

    #[test]
    fn depth_is_no_matter() {
        let deep = format!(r#"{{"x":{}{},"id":"a"}}"#, "[".repeat(100_000), "]".repeat(100_000));
        assert_eq!(read_id(&deep).as_deref(), Some("a"));
    }

    #[test]
    fn what_python_refuses_is_refused() {
        for json in [
            "",
            "null",
            "[]",
            "1",
            r#"{"id":"a"}}"#,
            r#"{"id":"a""#,
            r#"{"id":nan}"#,
            r#"{"id":"a",}"#,
            "{'id':1}",
        ] {
            assert!(read(json.as_bytes()).is_none(), "{json}");
        }
    }

    proptest! {
        #[test]
        fn what_is_valid_is_read_as_a_parser_reads_it(id in any::<String>(), x in any::<f64>(), kind in any::<Option<u32>>()) {
            let json = serde_json::json!({ "id": id, "x": [x, { "id": "other" }], "type": kind });
            let expected = [Some(id), kind.map(|number| number.to_string())];
            prop_assert_eq!(read(json.to_string().as_bytes()), Some(expected));
        }

        #[test]
        fn words_are_replaced_outside_of_strings_alone(key in any::<String>(), text in r#"(NaN|Infinity|["\\]|a){0,6}"#) {
            let json = |word: &str| {
                let [key, text] = [&key, &text].map(|text| serde_json::to_string(text).unwrap());
                format!(r#"{{{key}:{word},"text":{text}}}"#)
            };
            let plain = without_words(&json("NaN"));
            prop_assert_eq!(plain.len(), json("NaN").len());
            let [plain, expected] = [plain, json("0")].map(|json| serde_json::from_str::<Value>(&json).unwrap());
            prop_assert_eq!(plain, expected);
        }

        #[test]
        fn no_bytes_panic(bytes in any::<Vec<u8>>()) {
            let _ = read(&bytes);
        }
    }
}
