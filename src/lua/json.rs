//! Lua values as JSON, for displays of JSON types.

use mlua::{Table, Value};
use serde_json::Number;

/// Deeper tables are refused: a cycle, or nothing a frontend could show.
const MAX_DEPTH: usize = 64;

/// Why a value has no JSON form.
#[derive(Debug, thiserror::Error)]
pub(super) enum JsonError {
    #[error("a {0} has no JSON form")]
    Kind(&'static str),
    #[error("a table key is a {0}: only strings and integers can be")]
    Key(&'static str),
    #[error("it is nested deeper than {MAX_DEPTH} levels, or contains itself")]
    Depth,
    #[error("a string in it is not UTF-8")]
    Bytes,
    #[error("infinity and NaN have no JSON form")]
    NotFinite,
    #[error("the text is not JSON: {0}")]
    Text(#[from] serde_json::Error),
    #[error("{0}")]
    Lua(#[from] mlua::Error),
}

/// The JSON form of a value. A string at the top is JSON text already.
pub(super) fn from_lua(value: &Value) -> Result<serde_json::Value, JsonError> {
    match value {
        Value::String(text) => Ok(serde_json::from_slice(&text.as_bytes())?),
        other => convert(other, 0),
    }
}

fn convert(value: &Value, depth: usize) -> Result<serde_json::Value, JsonError> {
    match value {
        Value::Nil => Ok(serde_json::Value::Null),
        Value::Boolean(boolean) => Ok((*boolean).into()),
        Value::Integer(integer) => Ok((*integer).into()),
        Value::Number(number) => Number::from_f64(*number).map(Into::into).ok_or(JsonError::NotFinite),
        Value::String(text) => Ok(text.to_str().map_err(|_| JsonError::Bytes)?.to_owned().into()),
        Value::Table(_) if depth == MAX_DEPTH => Err(JsonError::Depth),
        Value::Table(table) => from_table(table, depth + 1),
        other => Err(JsonError::Kind(other.type_name())),
    }
}

/// A table with a sequence and nothing else is an array; an empty one is an object.
fn from_table(table: &Table, depth: usize) -> Result<serde_json::Value, JsonError> {
    let pairs = table.pairs::<Value, Value>().collect::<Result<Vec<_>, _>>()?;
    if table.raw_len() > 0 && pairs.len() == table.raw_len() {
        let items = (1..=table.raw_len()).map(|index| convert(&table.raw_get(index)?, depth));
        return items.collect::<Result<Vec<_>, _>>().map(Into::into);
    }
    let mut object = serde_json::Map::new();
    for (key, value) in pairs {
        let key = match key {
            Value::String(text) => text.to_str().map_err(|_| JsonError::Bytes)?.to_owned(),
            Value::Integer(integer) => integer.to_string(),
            other => return Err(JsonError::Key(other.type_name())),
        };
        object.insert(key, convert(&value, depth)?);
    }
    Ok(object.into())
}

#[cfg(test)]
mod tests {
    use mlua::Lua;
    use serde_json::json;

    use super::*;

    fn converted(code: &str) -> Result<serde_json::Value, String> {
        from_lua(&Lua::new().load(code).eval().unwrap()).map_err(|problem| problem.to_string())
    }

    #[test]
    fn tables_are_arrays_or_objects() {
        assert_eq!(converted("{1, 'a', {true}}").unwrap(), json!([1, "a", [true]]));
        assert_eq!(converted("{a = {}, [3] = 1.5}").unwrap(), json!({"a": {}, "3": 1.5}));
    }

    #[test]
    fn what_json_cannot_say_is_refused() {
        assert!(converted("{0/0}").unwrap_err().contains("NaN"));
        assert!(converted("{[{}] = 1}").unwrap_err().contains("key is a table"));
        assert!(
            converted("(function() local t = {} t.t = t return t end)()")
                .unwrap_err()
                .contains("contains itself")
        );
        assert!(converted("'{'").unwrap_err().contains("not JSON"));
    }
}
