//! What llmspell publishes on iopub: one frame of JSON for each message, without topic and signature.

use serde::Deserialize;
use serde_json::Value;

use crate::{frames::Frames, kernel::Stdio};

/// What is read of a message on iopub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum News {
    /// Some text.
    Stream(Stdio, String),
    /// What a cell evaluates to, as text: JSON.
    Result(String),
    /// A cell has ended. Its text may still come.
    Idle,
}

#[derive(Deserialize)]
struct Message {
    header: Header,
    content: Value,
}

#[derive(Deserialize)]
struct Header {
    msg_type: String,
}

impl News {
    /// Reads a message; `None` if it tells nothing new.
    pub fn read(frames: &Frames) -> Option<Self> {
        let Message { header, content } = serde_json::from_slice(frames.last()?).ok()?;
        let text = |pointer: &str| content.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        match header.msg_type.as_str() {
            "stream" => {
                let is_error = text("/name").is_some_and(|name| name == "stderr");
                Some(Self::Stream(if is_error { Stdio::Stderr } else { Stdio::Stdout }, text("/text")?))
            }
            "execute_result" => text("/data/text~1plain").map(Self::Result),
            "status" => text("/execution_state").filter(|state| state == "idle").map(|_| Self::Idle),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(msg_type: &str, content: &Value) -> Option<News> {
        let message = json!({ "parent_header": null, "header": { "msg_type": msg_type }, "metadata": {}, "content": content });
        News::read(&Frames::from_iter([message.to_string().into()]))
    }

    #[test]
    fn what_was_recorded_is_understood() {
        let stream = |name: &str| read("stream", &json!({ "name": name, "text": "hi\n" }));
        assert_eq!(stream("stdout"), Some(News::Stream(Stdio::Stdout, "hi\n".to_owned())));
        assert_eq!(stream("stderr"), Some(News::Stream(Stdio::Stderr, "hi\n".to_owned())));
        let data = json!({ "execution_count": 1, "metadata": {}, "data": { "text/plain": "null" } });
        assert_eq!(read("execute_result", &data), Some(News::Result("null".to_owned())));
        assert_eq!(read("display_data", &data), None);
        assert_eq!(read("status", &json!({ "execution_state": "idle" })), Some(News::Idle));
        assert_eq!(read("status", &json!({ "execution_state": "busy" })), None);
        assert_eq!(News::read(&Frames::from_iter(["nonsense".into()])), None);
    }
}
