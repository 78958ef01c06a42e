//! Messages that we make ourselves: what the proxy, the built-in kernel and the `exec` client say.
//!
//! Contents are the types of the `jupyter-protocol` crate; what is forwarded never passes through here.

use std::sync::Arc;

use bytes::Bytes;
use jupyter_protocol::{
    ErrorOutput, ExecuteReply, ExecutionState, IoPubWelcome, JupyterMessage, JupyterMessageContent,
    ReplyError, ReplyStatus, Status, Stdio, StreamContent, UnknownMessage,
};
use serde_json::{Map, Value, json};

use super::{connection_file::Ports, message::Body};

/// The version of the messaging protocol that we speak.
pub const PROTOCOL_VERSION: &str = "5.5";

/// Who speaks: the `session` and `username` of the headers of our own messages.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageBuilder {
    session: Arc<str>,
    username: Arc<str>,
}

impl MessageBuilder {
    /// A builder with a fresh session.
    pub fn new(username: &str) -> Self {
        Self { session: uuid::Uuid::new_v4().to_string().into(), username: username.into() }
    }

    /// The session that our headers carry.
    pub fn session(&self) -> &str {
        &self.session
    }

    /// From now on, messages have this session: they are said for a kernel whose own have it.
    pub fn take_session(&mut self, session: &str) {
        if *self.session != *session {
            self.session = session.into();
        }
    }

    /// A message of ours in this session.
    pub fn in_own_session(&self, body: Body) -> Body {
        match serde_json::from_slice::<Map<String, Value>>(&body.header) {
            Ok(mut header) if header.get("session").is_none_or(|session| *session != *self.session) => {
                header.insert("session".to_owned(), (*self.session).into());
                Body { header: to_json(&header), countersignature: None, ..body }
            }
            _ => body,
        }
    }

    /// A message with the given content, that answers the request with the header `parent` (JSON; `{}` for none).
    pub fn say(&self, content: impl Into<JupyterMessageContent>, parent: &Bytes) -> Body {
        self.say_with(content, parent, json!({}), Vec::new())
    }

    /// The same with metadata and buffers.
    pub fn say_with(
        &self,
        content: impl Into<JupyterMessageContent>,
        parent: &Bytes,
        metadata: Value,
        buffers: Vec<Bytes>,
    ) -> Body {
        let message = JupyterMessage::new(content, None);
        let parent_header = if parent.is_empty() { Bytes::from_static(b"{}") } else { parent.clone() };
        let header = to_json(&json!({
            "msg_id": message.header.msg_id,
            "msg_type": message.header.msg_type,
            "session": *self.session,
            "username": *self.username,
            // As kernels written in Python say it: with more digits, jupyter_client takes it for no date.
            "date": message.header.date.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string(),
            "version": PROTOCOL_VERSION,
        }));
        let content = to_json(&message.content);
        let metadata = to_json(&metadata);
        Body { header, parent_header, metadata, content, buffers, countersignature: None }
    }

    /// A message whose content is a ready-made JSON object, for types that the crate does not know.
    pub fn say_raw(&self, msg_type: &str, content: Value, parent: &Bytes) -> Body {
        self.say(UnknownMessage { msg_type: msg_type.to_owned(), content }, parent)
    }

    /// The same message as another kernel's reply, `content` being its bytes: how a cached reply is told again.
    pub fn say_again(&self, msg_type: &str, content: Bytes, parent: &Bytes) -> Body {
        Body { content, ..self.say_raw(msg_type, json!({}), parent) }
    }

    /// A `status` on iopub.
    pub fn status(&self, state: ExecutionState, parent: &Bytes) -> Body {
        self.say(Status { execution_state: state }, parent)
    }

    /// What a subscriber hears first (JEP 65).
    pub fn welcome(&self, subscription: &[u8]) -> Body {
        self.say(IoPubWelcome::new(String::from_utf8_lossy(subscription).into_owned()), &Bytes::new())
    }

    /// A line on the stderr stream.
    pub fn notice(&self, text: &str, parent: &Bytes) -> Body {
        self.say(StreamContent { name: Stdio::Stderr, text: format!("{text}\n") }, parent)
    }

    /// An `error` on iopub.
    pub fn error(&self, failure: &Failure, parent: &Bytes) -> Body {
        let Failure { ename, evalue } = failure;
        let traceback = failure.traceback();
        self.say(ErrorOutput { ename: ename.clone(), evalue: evalue.clone(), traceback }, parent)
    }

    /// The error reply to a request of any type.
    pub fn error_reply(&self, request_type: &str, failure: &Failure, parent: &Bytes) -> Body {
        let Failure { ename, evalue } = failure;
        let traceback = failure.traceback();
        if request_type == "execute_request" {
            let error = ReplyError { ename: ename.clone(), evalue: evalue.clone(), traceback };
            let reply = ExecuteReply {
                status: ReplyStatus::Error,
                // Kernels count from 1, and JupyterLab takes 0 for no count: the cell would run for ever there.
                execution_count: jupyter_protocol::ExecutionCount::new(1),
                payload: Vec::new(),
                user_expressions: Some(std::collections::HashMap::new()),
                error: Some(Box::new(error)),
            };
            return self.say(reply, parent);
        }
        let content = json!({ "status": "error", "ename": ename, "evalue": evalue, "traceback": traceback });
        self.say_raw(&reply_type(request_type), content, parent)
    }
}

/// The content of a `connect_reply` (messaging spec, "Connect").
pub fn connect_content(ports: &Ports) -> Value {
    json!({
        "status": "ok",
        "shell_port": ports.shell,
        "iopub_port": ports.iopub,
        "stdin_port": ports.stdin,
        "control_port": ports.control,
        "hb_port": ports.heartbeat,
    })
}

/// Why a request cannot be served, in the form of an exception, as frontends show it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure {
    /// The exception's name.
    pub ename: String,
    /// What happened, and what to do.
    pub evalue: String,
}

impl Failure {
    /// A failure with a name and a sentence.
    pub fn new(ename: &str, evalue: impl Into<String>) -> Self {
        Self { ename: ename.to_owned(), evalue: evalue.into() }
    }

    fn traceback(&self) -> Vec<String> {
        vec![format!("{}: {}", self.ename, self.evalue)]
    }
}

/// The type of the reply to a request, by the naming rule of the messaging spec.
pub fn reply_type(request_type: &str) -> String {
    format!("{}_reply", request_type.strip_suffix("_request").unwrap_or(request_type))
}

fn to_json(value: &impl serde::Serialize) -> Bytes {
    // Only maps with keys that are no strings fail to serialise; none of ours has any.
    serde_json::to_vec(value).unwrap_or_else(|_| b"{}".to_vec()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json_of(part: &Bytes) -> Value {
        serde_json::from_slice(part).unwrap()
    }

    #[test]
    fn a_status_is_what_the_spec_says() {
        let builder = MessageBuilder::new("fleet");
        let parent = Bytes::from_static(b"{\"msg_id\":\"1\"}");
        let body = builder.status(ExecutionState::Busy, &parent);
        assert_eq!(json_of(body.content()), json!({"execution_state": "busy"}));
        assert_eq!(body.parent_header(), &parent);
        let header = json_of(body.header());
        assert_eq!(
            (header["msg_type"].as_str(), header["session"].as_str()),
            (Some("status"), Some(builder.session()))
        );
        let date = header["date"].as_str().unwrap();
        let (seconds, digits) = date.strip_suffix('Z').and_then(|date| date.split_once('.')).unwrap();
        assert_eq!((seconds.len(), digits.len()), ("2001-09-09T01:46:40".len(), 6), "{date}");
    }

    #[test]
    fn an_error_reply_has_its_requests_type() {
        let failure = Failure::new("NoSuchKernel", "there is none");
        let builder = MessageBuilder::new("fleet");
        for (request, reply) in [("execute_request", "execute_reply"), ("complete_request", "complete_reply")]
        {
            let body = builder.error_reply(request, &failure, &Bytes::new());
            assert_eq!(json_of(body.header())["msg_type"], reply);
            let content = json_of(body.content());
            assert_eq!((&content["status"], &content["evalue"]), (&json!("error"), &json!("there is none")));
            assert_eq!(content["traceback"], json!(["NoSuchKernel: there is none"]));
            assert_ne!(content["execution_count"], 0);
        }
    }

    #[test]
    fn a_message_is_said_in_another_session_and_is_else_the_same() {
        let (builder, mut voice) = (MessageBuilder::new("fleet"), MessageBuilder::new("fleet"));
        voice.take_session("a kernel's \"own\"");
        let body = builder.notice("text", &Bytes::from_static(b"{\"msg_id\":\"1\"}"));
        let said = voice.in_own_session(body.clone());
        let (mut before, after) = (json_of(body.header()), json_of(said.header()));
        before["session"] = "a kernel's \"own\"".into();
        assert_eq!(
            (before, body.parent_header(), body.content()),
            (after, said.parent_header(), said.content())
        );
        assert_eq!(voice.in_own_session(said.clone()).header(), said.header());
    }

    #[test]
    fn a_cached_reply_keeps_its_bytes() {
        let content = Bytes::from_static(b"{ \"odd\" :1}");
        let body =
            MessageBuilder::new("fleet").say_again("kernel_info_reply", content.clone(), &Bytes::new());
        assert_eq!(body.content(), &content);
    }
}
