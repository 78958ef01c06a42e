//! What `display(value)` shows.

use mlua::{Lua, Table, Value};

use super::json;
use super::pretty::{self, Metamethods};
use crate::kernel::MimeBundle;

/// Why a value cannot be displayed.
#[derive(Debug, thiserror::Error)]
pub(super) enum DisplayError {
    #[error("the data of {mime} is a {kind}, not text")]
    NotText { mime: String, kind: &'static str },
    #[error("the data of {mime} is binary: encode it as base64 first")]
    Binary { mime: String },
    #[error("the data of {mime} cannot be JSON: {problem}")]
    NotJson { mime: String, problem: String },
    #[error("{0}")]
    Raised(String),
}

/// A table whose keys are all MIME types is a bundle as it stands; any other value is shown as `text/plain`, like a result.
pub(super) fn bundle(lua: &Lua, value: &Value) -> Result<MimeBundle, DisplayError> {
    if let Some(table) = value.as_table()
        && let Some(entries) = mime_entries(table)
    {
        return entries
            .into_iter()
            .map(|(mime, data)| Ok((mime.clone(), data_of(lua, mime, &data)?)))
            .collect();
    }
    let text = pretty::render(lua, value, Metamethods::Run)
        .map_err(|error| DisplayError::Raised(super::failure::message_of(&error)))?;
    Ok(MimeBundle::from_iter([("text/plain".to_owned(), text.into())]))
}

fn mime_entries(table: &Table) -> Option<Vec<(String, Value)>> {
    let mut entries = Vec::new();
    for pair in table.pairs::<Value, Value>() {
        let (Value::String(key), data) = pair.ok()? else { return None };
        let mime = key.to_str().ok()?.to_owned();
        let (kind, subtype) = mime.split_once('/')?;
        if kind.is_empty() || subtype.is_empty() || mime.contains(char::is_whitespace) {
            return None;
        }
        entries.push((mime, data));
    }
    (!entries.is_empty()).then_some(entries)
}

fn data_of(lua: &Lua, mime: String, data: &Value) -> Result<serde_json::Value, DisplayError> {
    if mime == "application/json" || mime.ends_with("+json") {
        return json::from_lua(data)
            .map_err(|problem| DisplayError::NotJson { mime, problem: problem.to_string() });
    }
    let text = match data {
        Value::String(_) | Value::Integer(_) | Value::Number(_) => {
            lua.coerce_string(data.clone()).ok().flatten()
        }
        _ => None,
    };
    let Some(text) = text else {
        return Err(DisplayError::NotText { mime, kind: data.type_name() });
    };
    let text = text.to_str().map_err(|_| DisplayError::Binary { mime })?;
    Ok(text.to_owned().into())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn shown(code: &str) -> Result<serde_json::Value, String> {
        let lua = Lua::new();
        let value: Value = lua.load(code).eval().unwrap();
        bundle(&lua, &value).map(serde_json::Value::Object).map_err(|problem| problem.to_string())
    }

    #[test]
    fn bundles_and_plain_values() {
        assert_eq!(
            shown("{['text/html'] = '<b>x</b>', ['text/plain'] = 5}").unwrap(),
            json!({"text/html": "<b>x</b>", "text/plain": "5"})
        );
        assert_eq!(shown("{a = 1}").unwrap(), json!({"text/plain": "{a = 1}"}));
        assert_eq!(shown("{}").unwrap(), json!({"text/plain": "{}"}));
        assert_eq!(
            shown("{['text/html'] = 'x', 'y'}").unwrap(),
            json!({"text/plain": "{\"y\", [\"text/html\"] = \"x\"}"})
        );
    }

    #[test]
    fn json_comes_from_tables_or_json_text() {
        assert_eq!(
            shown("{['application/geo+json'] = {type = 'Point', coordinates = {1, 2.5}}}").unwrap(),
            json!({"application/geo+json": {"type": "Point", "coordinates": [1, 2.5]}})
        );
        assert_eq!(shown("{['application/json'] = '[1]'}").unwrap(), json!({"application/json": [1]}));
    }

    #[test]
    fn problems_say_what_to_do() {
        assert_eq!(
            shown("{['image/png'] = '\\x89PNG'}").unwrap_err(),
            "the data of image/png is binary: encode it as base64 first"
        );
        assert_eq!(shown("{['text/html'] = {}}").unwrap_err(), "the data of text/html is a table, not text");
        assert_eq!(
            shown("{['application/json'] = {print}}").unwrap_err(),
            "the data of application/json cannot be JSON: a function has no JSON form"
        );
    }
}
