//! What the kernel says of itself: what llmspell says, and what it leaves out.

use serde_json::{Map, Value, json};

use crate::jupyter::reply::PROTOCOL_VERSION;

/// Whether cells are Lua.
pub(super) fn is_lua(info: &Map<String, Value>) -> bool {
    info.get("language_info").and_then(|language| language.get("name")).is_some_and(|name| name == "lua")
}

/// The content of a `kernel_info_reply` (messaging spec, "Kernel info"), from that of llmspell's own.
pub(super) fn kernel_info(mut info: Map<String, Value>) -> Value {
    if is_lua(&info)
        && let Some(Value::Object(language)) = info.get_mut("language_info")
    {
        for (key, value) in
            [("mimetype", "text/x-lua"), ("pygments_lexer", "lua"), ("codemirror_mode", "lua")]
        {
            language.entry(key).or_insert_with(|| value.into());
        }
    }
    let defaults = json!({
        "implementation": "llmspell",
        "implementation_version": "",
        "language_info": { "name": "", "version": "", "mimetype": "text/plain", "file_extension": ".txt" },
        "banner": "llmspell",
        "help_links": [],
    });
    for (key, value) in defaults.as_object().into_iter().flatten() {
        info.entry(key).or_insert_with(|| value.clone());
    }
    // What is served is ours.
    let ours = json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "debugger": false,
        "supported_features": [],
    });
    info.extend(ours.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())));
    info.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_completed() {
        let recorded = json!({
            "protocol_version": "5.3",
            "implementation": "llmspell",
            "implementation_version": "0.14.1",
            "language_info": { "name": "lua", "version": "5.4", "file_extension": ".lua" },
            "banner": "LLMSpell Kernel v0.14.1 (lua)",
        });
        let info = kernel_info(recorded.as_object().unwrap().clone());
        assert_eq!((&info["status"], &info["implementation"]), (&json!("ok"), &json!("llmspell")));
        assert_eq!(info["language_info"]["mimetype"], "text/x-lua");
        assert_eq!(info["language_info"]["version"], "5.4");
        assert_eq!(info["protocol_version"], PROTOCOL_VERSION);
    }
}
