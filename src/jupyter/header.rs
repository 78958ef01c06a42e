//! A look into a verified message's JSON, borrowing what it reads: who sent it, what it is, what it answers.

use std::{
    borrow::Cow,
    time::{SystemTime, UNIX_EPOCH},
};

use memchr::memmem;
use serde::Deserialize;
use serde_json::value::RawValue;
use thiserror::Error;

use super::{
    flat_object::strings,
    message::{Body, Verified},
};

/// What routing reads of a message header (messaging spec, "General Message Format").
#[derive(Deserialize, Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// Unique per message, chosen by the sender.
    #[serde(borrow)]
    pub msg_id: Cow<'a, str>,
    /// What the message is.
    #[serde(borrow)]
    pub msg_type: Cow<'a, str>,
    /// The sender's session.
    #[serde(borrow, default)]
    pub session: Cow<'a, str>,
    /// The sender's name.
    #[serde(borrow, default)]
    pub username: Cow<'a, str>,
}

/// What routing reads of a parent header. Kernels leave it `{}` for messages that nobody asked for.
#[derive(Deserialize, Clone, PartialEq, Eq, Debug, Default)]
pub struct Parent<'a> {
    /// The request that is answered.
    #[serde(borrow, default)]
    pub msg_id: Cow<'a, str>,
    /// The session that sent the request.
    #[serde(borrow, default)]
    pub session: Cow<'a, str>,
    /// The request's type.
    #[serde(borrow, default)]
    pub msg_type: Cow<'a, str>,
}

/// A verified message that is no message all the same.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// The header is not JSON, or lacks `msg_id` or `msg_type`.
    #[error("a message whose header cannot be read: {0}")]
    Header(serde_json::Error),
    /// The parent header is not JSON.
    #[error("a message whose parent header cannot be read: {0}")]
    Parent(serde_json::Error),
    /// The metadata is not a JSON object.
    #[error("a message whose metadata cannot be read: {0}")]
    Metadata(serde_json::Error),
}

impl<'a> Header<'a> {
    /// Reads the header of a verified message.
    pub fn peek(message: &'a Verified) -> Result<Self, HeaderError> {
        Self::of(message.body())
    }

    /// Reads the header of a body.
    pub fn of(body: &'a Body) -> Result<Self, HeaderError> {
        Self::of_bytes(&body.header)
    }

    /// Reads a header's JSON.
    pub fn of_bytes(header: &'a [u8]) -> Result<Self, HeaderError> {
        if let Some([Some(msg_id), Some(msg_type), session, username]) =
            strings(header, ["msg_id", "msg_type", "session", "username"])
        {
            let [session, username] = [session, username].map(|text| Cow::Borrowed(text.unwrap_or_default()));
            return Ok(Self { msg_id: msg_id.into(), msg_type: msg_type.into(), session, username });
        }
        serde_json::from_slice(header).map_err(HeaderError::Header)
    }
}

impl Header<'_> {
    /// Whether it is of a cell.
    pub fn is_cell(&self) -> bool {
        self.msg_type == "execute_request"
    }
}

impl<'a> Parent<'a> {
    /// Reads the parent header of a verified message. An empty part, as some kernels send it, is a message without
    /// a parent.
    pub fn peek(message: &'a Verified) -> Result<Self, HeaderError> {
        let parent = &message.body().parent_header;
        if let Some(found) = strings(parent, ["msg_id", "session", "msg_type"]) {
            let [msg_id, session, msg_type] = found.map(|text| Cow::Borrowed(text.unwrap_or_default()));
            return Ok(Self { msg_id, session, msg_type });
        }
        match parent.trim_ascii() {
            b"" | b"null" => Ok(Self::default()),
            text => serde_json::from_slice(text).map_err(HeaderError::Parent),
        }
    }
}

/// The routing metadata of a verified message: the value of `fleet` in its metadata, as JSON text.
pub fn peek_fleet(message: &Verified) -> Result<Option<&str>, HeaderError> {
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow, default)]
        fleet: Option<&'a RawValue>,
    }
    match message.body().metadata.trim_ascii() {
        b"" | b"{}" | b"null" => Ok(None),
        text if memmem::find(text, b"fleet").is_none() => Ok(None),
        text => {
            let metadata: Metadata<'_> = serde_json::from_slice(text).map_err(HeaderError::Metadata)?;
            Ok(metadata.fleet.map(RawValue::get))
        }
    }
}

/// The `execution_state` of a `status` message's content, if it can be read.
pub fn peek_execution_state(message: &Verified) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Status<'a> {
        #[serde(borrow)]
        execution_state: Cow<'a, str>,
    }
    serde_json::from_slice(&message.body().content).ok().map(|status: Status<'_>| status.execution_state)
}

/// The `restart` of a `shutdown_request`'s content; `false` if absent.
pub fn peek_restart(message: &Verified) -> bool {
    #[derive(Deserialize)]
    struct Shutdown {
        #[serde(default)]
        restart: bool,
    }
    serde_json::from_slice(&message.body().content).is_ok_and(|shutdown: Shutdown| shutdown.restart)
}

/// Whether a header's JSON says that its message was made until then, by the clock of whoever made it. One without a date
/// says nothing.
pub fn was_made_before(header: &[u8], then: SystemTime) -> bool {
    let Ok(header) = serde_json::from_slice::<jupyter_protocol::Header>(header) else { return false };
    let then = then.duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
    // The crate gives the beginning of the epoch where there is no date.
    u128::try_from(header.date.timestamp_micros()).is_ok_and(|made| made > 0 && made <= then)
}

/// The `username` of a header's JSON, if it names one.
pub fn username(header: &[u8]) -> Option<String> {
    let header: Header<'_> = serde_json::from_slice(header).ok()?;
    (!header.username.is_empty()).then(|| header.username.into_owned())
}

#[cfg(any(test, fuzzing))]
pub(in crate::jupyter) mod law;

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::jupyter::message::Envelope;

    fn message(header: &str, parent: &str, metadata: &str, content: &str) -> Verified {
        let part = |text: &str| Bytes::copy_from_slice(text.as_bytes());
        let body = Body {
            header: part(header),
            parent_header: part(parent),
            metadata: part(metadata),
            content: part(content),
            buffers: vec![],
            countersignature: None,
        };
        Verified { envelope: Envelope::default(), body, fingerprint: 0 }
    }

    #[test]
    fn reads_what_routing_needs_and_ignores_the_rest() {
        let header = r#"{"msg_id":"1","msg_type":"execute_request","session":"s\u0031","date":"x","subshell_id":null}"#;
        let message = message(header, "{}", r#"{"other":[1],"fleet":{"runtime":"lua"}}"#, "{}");
        let peeked = Header::peek(&message).unwrap();
        assert_eq!((&*peeked.msg_type, &*peeked.session, &*peeked.username), ("execute_request", "s1", ""));
        assert_eq!(Parent::peek(&message).unwrap(), Parent::default());
        assert_eq!(peek_fleet(&message).unwrap(), Some(r#"{"runtime":"lua"}"#));
    }

    #[test]
    fn only_what_says_that_it_is_older_is_older() {
        let then = UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let rest =
            r#""msg_id":"1","username":"u","session":"s","msg_type":"interrupt_request","version":"5.4""#;
        let older = |date: &str| was_made_before(format!("{{{date}{rest}}}").as_bytes(), then);
        assert!(older(r#""date":"2001-09-09T01:46:39.9Z","#));
        assert!(!older(r#""date":"2001-09-09T01:46:40.1Z","#));
        assert!(!older(r#""date":"yesterday","#));
        assert!(!older(""));
    }

    #[test]
    fn kernels_that_send_no_parent_are_understood() {
        assert_eq!(Parent::peek(&message("{}", "", "{}", "{}")).unwrap(), Parent::default());
        assert_eq!(Parent::peek(&message("{}", "null", "{}", "{}")).unwrap(), Parent::default());
    }

    #[test]
    fn restart_and_state_are_read_from_content() {
        assert!(peek_restart(&message("{}", "", "", r#"{"restart":true}"#)));
        assert!(!peek_restart(&message("{}", "", "", "{}")));
        let status = message("{}", "", "", r#"{"execution_state":"busy"}"#);
        assert_eq!(peek_execution_state(&status).unwrap(), "busy");
    }

    #[test]
    fn a_quick_look_and_the_parser_see_the_same() {
        for (id, session) in [("1", "s"), ("é", ""), (r"\u0031", r"\n")] {
            let json = format!(
                r#"{{"msg_id": "{id}", "msg_type": "stream", "session": "{session}", "version": "5.4"}}"#
            );
            let message = message(&json, &json, "{}", "{}");
            assert_eq!(Header::peek(&message).unwrap(), serde_json::from_str(&json).unwrap());
            assert_eq!(Parent::peek(&message).unwrap(), serde_json::from_str(&json).unwrap());
        }
        assert!(Header::of_bytes(br#"{"msg_id": "1"}"#).is_err());
    }
}
