//! A look into the content of a request that carries code, and the one change that we make to it: other code.

use std::borrow::Cow;

use bytes::Bytes;
use memchr::memmem;
use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};

use super::lenient::{texts, values};

/// The code of an `execute_request`, `complete_request`, `inspect_request` or `is_complete_request` (messaging spec).
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Code<'a> {
    /// The text.
    #[serde(borrow)]
    pub code: Cow<'a, str>,
    /// Where the cursor is in it, in code points; only `complete_request` and `inspect_request` say it.
    #[serde(default)]
    pub cursor_pos: Option<usize>,
}

impl<'a> Code<'a> {
    /// Reads the content of a request. `None`: there is no code in it that could be read, so it is the kernel's affair.
    pub fn peek(content: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(content).ok()
    }
}

/// The content with other code. Everything else stays as it is, byte for byte. `None` where [`Code::peek`] finds none.
pub fn with_code(content: &[u8], code: &str) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct WithCode<'a> {
        #[serde(borrow)]
        code: &'a RawValue,
    }
    Code::peek(content)?;
    let old = serde_json::from_slice::<WithCode<'_>>(content).ok()?.code.get();
    let new = serde_json::to_string(code).ok()?;
    replaced(content, old, &new)
}

/// The content of an `execute_request` whose failure aborts no other cell at the kernel. `None`: it is no JSON object.
/// Everything else stays as it is, byte for byte.
pub fn without_stop_on_error(content: &[u8]) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Asked<'a> {
        #[serde(borrow, default, deserialize_with = "present")]
        stop_on_error: Option<&'a RawValue>,
    }
    if let Some(old) = serde_json::from_slice::<Asked<'_>>(content).ok()?.stop_on_error {
        return replaced(content, old.get(), "false");
    }
    let start = content.iter().position(|byte| *byte == b'{')? + 1;
    let (before, after) = content.split_at_checked(start)?;
    let comma: &[u8] = if after.trim_ascii_start().starts_with(b"}") { b"" } else { b"," };
    Some([before, br#""stop_on_error":false"#, comma, after].concat().into())
}

/// What is there, `null` as well.
fn present<'de, D: Deserializer<'de>>(value: D) -> Result<Option<&'de RawValue>, D::Error> {
    <&RawValue>::deserialize(value).map(Some)
}

/// The text with something new in place of a part that was borrowed from it.
fn replaced(text: &[u8], old: &str, new: &str) -> Option<Bytes> {
    // What was borrowed lies within what it was borrowed from.
    let start = old.as_ptr().addr().checked_sub(text.as_ptr().addr())?;
    let (before, after) = (text.get(..start)?, text.get(start + old.len()..)?);
    Some([before, new.as_bytes(), after].concat().into())
}

/// The language that a `kernel_info_reply` names, if it names one.
pub fn peek_language(info: &[u8]) -> Option<String> {
    let info: Value = serde_json::from_slice(info).ok()?;
    let language = info.get("language_info")?.get("name")?.as_str()?;
    (!language.is_empty()).then(|| language.to_owned())
}

/// Whether there may be a `%fleet` in the code. It is cheap, for it is asked of every cell.
pub fn may_hold_magic(content: &[u8]) -> bool {
    memmem::find(content, b"%fleet").is_some()
}

/// Whether an error of this `execute_request` aborts the cells behind it. It does if nothing is said; not if it is silent,
/// for nobody has typed that.
pub fn stops_on_error(content: &[u8]) -> bool {
    if is_silent(content) {
        return false;
    }
    #[derive(Deserialize)]
    struct Asked {
        stop_on_error: Option<bool>,
    }
    // Hardly any cell says `false`: the code, which may be large, is read for those alone.
    let may_be_false = memmem::find_iter(content, STOP_ON_ERROR)
        .filter_map(|found| content.get(found + STOP_ON_ERROR.len()..)?.trim_ascii_start().strip_prefix(b":"))
        .any(|value| value.trim_ascii_start().starts_with(b"false"));
    let asked = || serde_json::from_slice(content).ok().and_then(|Asked { stop_on_error }| stop_on_error);
    !may_be_false || asked().unwrap_or(true)
}

/// Whether an `execute_request` is silent: sent by a program, and shown nowhere.
pub fn is_silent(content: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Asked {
        silent: Option<bool>,
    }
    let may_be = memmem::find_iter(content, SILENT)
        .filter_map(|found| content.get(found + SILENT.len()..)?.trim_ascii_start().strip_prefix(b":"))
        .any(|value| value.trim_ascii_start().starts_with(b"true"));
    let asked = || serde_json::from_slice(content).ok().and_then(|Asked { silent }| silent);
    may_be && asked().unwrap_or(false)
}

const SILENT: &[u8] = b"\"silent\"";

/// The key with its quotes: within a string, the quotes would be escaped.
const STOP_ON_ERROR: &[u8] = b"\"stop_on_error\"";

/// The `execution_count` of an `execute_reply`, if it says one.
pub fn execution_count(content: &[u8]) -> Option<u64> {
    let [count] = values(content, ["execution_count"]).ok()?;
    count?.parse().ok()
}

/// Whether a reply tells of an error. Old kernels do not say how it went where it went well.
pub fn has_failed(content: &[u8]) -> bool {
    texts(content, ["status"]).is_ok_and(|[status]| status.as_deref() == Some("error"))
}

#[cfg(any(test, fuzzing))]
pub(in crate::jupyter) mod law;

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*, sample::select};
    use serde_json::Value;

    use super::*;

    #[test]
    fn only_the_code_changes() {
        let content = r#"{"silent" : false,"code":"a\n1","nested": {"code": 1.0e5}, "x":"\u00e4" }"#;
        let changed = with_code(content.as_bytes(), "b\t\"2\"").unwrap();
        assert_eq!(changed, content.replace(r#""a\n1""#, r#""b\t\"2\"""#));
        assert_eq!(Code::peek(&changed).unwrap(), Code { code: "b\t\"2\"".into(), cursor_pos: None });
    }

    #[test]
    fn the_cursor_is_read() {
        let code = Code::peek(br#"{"code":"ab","cursor_pos":1,"detail_level":0}"#).unwrap();
        assert_eq!((&*code.code, code.cursor_pos), ("ab", Some(1)));
    }

    #[test]
    fn content_without_readable_code_is_left_alone() {
        for content in ["", "{}", "[]", r#"{"code":1}"#, r#"{"code":"\ud800"}"#, r#"{"code":"a","code":"b"}"#]
        {
            assert_eq!(Code::peek(content.as_bytes()), None, "{content}");
        }
    }

    #[test]
    fn only_a_false_of_its_own_keeps_an_error_from_stopping() {
        for (content, stops) in [
            ("{}", true),
            ("nonsense", true),
            (r#"{"stop_on_error":true}"#, true),
            (r#"{"stop_on_error" : false}"#, false),
            (r#"{"code":"stop_on_error","stop_on_error":false}"#, false),
            (r#"{"code":"{\"stop_on_error\":false}"}"#, true),
            (r#"{"user_expressions":{"stop_on_error":false}}"#, true),
            (r#"{"user_expressions":{"a\"stop_on_error":false},"stop_on_error":true}"#, true),
            (r#"{"user_expressions":{"stop_on_error":true},"stop_on_error":false}"#, false),
        ] {
            assert_eq!(stops_on_error(content.as_bytes()), stops, "{content}");
        }
    }

    #[test]
    fn a_cell_can_be_made_to_abort_nothing() {
        for (content, expected) in [
            (r#"{"code":"1"}"#, r#"{"stop_on_error":false,"code":"1"}"#),
            (
                r#"{"code":"1", "stop_on_error" : true, "x":1}"#,
                r#"{"code":"1", "stop_on_error" : false, "x":1}"#,
            ),
            (r#"{"stop_on_error":null}"#, r#"{"stop_on_error":false}"#),
            (" { }", r#" {"stop_on_error":false }"#),
            (r#"{"a":{"stop_on_error":true}}"#, r#"{"stop_on_error":false,"a":{"stop_on_error":true}}"#),
        ] {
            let made = without_stop_on_error(content.as_bytes()).unwrap();
            assert_eq!(made, expected);
            assert!(!stops_on_error(&made));
        }
        assert_eq!(without_stop_on_error(b"[]"), None);
    }

    #[test]
    fn a_reply_counts() {
        assert_eq!(execution_count(br#"{"status":"ok","execution_count":7,"payload":[]}"#), Some(7));
        for content in
            [r#"{"status":"aborted"}"#, r#"{"execution_count":null}"#, r#"{"a":{"execution_count":1}}"#]
        {
            assert_eq!(execution_count(content.as_bytes()), None, "{content}");
        }
    }

    #[test]
    fn a_reply_fails_if_it_says_so() {
        for (content, failed) in [
            (r#"{"status":"error","ename":"E"}"#, true),
            (r#"{"status":"error","user_expressions":{"x":NaN}}"#, true),
            (r#"{"status":"ok"}"#, false),
            (r#"{"status":"aborted"}"#, false),
            (r#"{"content":{"status":"error"}}"#, false),
            ("{}", false),
            ("null", false),
        ] {
            assert_eq!(has_failed(content.as_bytes()), failed, "{content}");
        }
    }

    /// Contents full of what could be mistaken for the key.
    fn content() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<bool>().prop_map(Value::from),
            r#"(stop_on_error|[":, ]|false|\\){0,4}"#.prop_map(Value::from),
        ];
        let key = || select(vec!["stop_on_error", "\"stop_on_error", "code", "stop_on_error\":false,\""]);
        leaf.prop_recursive(3, 12, 4, move |inner| {
            vec((key(), inner), 0..4).prop_map(|entries| {
                entries.into_iter().map(|(key, value)| (key.to_owned(), value)).collect::<Value>()
            })
        })
    }

    proptest! {
        #[test]
        fn stopping_is_read_as_a_parser_reads_it(content in content()) {
            let expected = !matches!(content.get("stop_on_error"), Some(Value::Bool(false)));
            prop_assert_eq!(stops_on_error(content.to_string().as_bytes()), expected);
        }

        #[test]
        fn what_is_written_is_read(old in any::<String>(), new in any::<String>(), silent in any::<bool>()) {
            let content = serde_json::json!({"code": old, "silent": silent}).to_string();
            let changed = with_code(content.as_bytes(), &new).unwrap();
            let expected = serde_json::json!({"code": new, "silent": silent}).to_string();
            prop_assert_eq!(&changed[..], expected.as_bytes());
        }

        #[test]
        fn magic_is_never_missed(before in any::<String>(), after in any::<String>()) {
            let content = serde_json::json!({"code": format!("{before}%fleet{after}")}).to_string();
            prop_assert!(may_hold_magic(content.as_bytes()));
        }
    }
}
