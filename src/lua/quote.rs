//! Lua strings as they could stand in code.

/// A string as it could stand in code. Bytes that are no text are escapes; those beyond the limit are left out.
pub(super) fn quoted(bytes: &[u8], limit: usize) -> String {
    let shown = bytes.get(..limit.min(bytes.len())).unwrap_or_default();
    let mut quoted = String::from("\"");
    for chunk in shown.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character {
                '"' => quoted.push_str("\\\""),
                '\\' => quoted.push_str("\\\\"),
                '\n' => quoted.push_str("\\n"),
                '\t' => quoted.push_str("\\t"),
                '\r' => quoted.push_str("\\r"),
                control if control.is_control() => {
                    quoted.push_str(&format!("\\u{{{:x}}}", u32::from(control)))
                }
                other => quoted.push(other),
            }
        }
        for byte in chunk.invalid() {
            quoted.push_str(&format!("\\x{byte:02x}"));
        }
    }
    quoted.push('"');
    if shown.len() < bytes.len() {
        quoted.push_str(&format!("... ({} bytes)", bytes.len()));
    }
    quoted
}

#[cfg(test)]
mod tests {
    use mlua::Lua;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_and_the_limit() {
        assert_eq!(quoted("a \"b\" \n é \0".as_bytes(), 99), r#""a \"b\" \n é \u{0}""#);
        assert_eq!(quoted(b"\xff\xfe", 99), r#""\xff\xfe""#);
        assert_eq!(quoted(b"abcdef", 2), "\"ab\"... (6 bytes)");
    }

    proptest! {
        #[test]
        fn lua_reads_back_what_was_quoted(bytes: Vec<u8>) {
            let lua = Lua::new();
            let read: mlua::LuaString = lua.load(quoted(&bytes, usize::MAX)).eval().unwrap();
            prop_assert_eq!(&*read.as_bytes(), bytes.as_slice());
        }
    }
}
