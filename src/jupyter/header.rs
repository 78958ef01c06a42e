//! A look into a verified message's JSON, borrowing what it reads: who sent it, what it is, what it answers.

use std::{borrow::Cow, sync::Arc};

use memchr::memmem;
use thiserror::Error;

use super::{
    flat_object::strings,
    lenient::{texts, values},
    message::{Body, Verified},
};
use crate::id::{MsgId, SessionId};

/// What routing reads of a message header (messaging spec, "General Message Format"). A number counts as its digits; what
/// is absent or `null` is empty.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header<'a> {
    /// Unique per message, chosen by the sender.
    pub msg_id: Cow<'a, str>,
    /// What the message is; never empty.
    pub msg_type: Cow<'a, str>,
    /// The sender's session.
    pub session: Cow<'a, str>,
    /// The sender's name.
    pub username: Cow<'a, str>,
}

/// The subshell that a message is for (JEP 91); `None` for the main shell.
pub fn subshell_of(header: &[u8]) -> Option<String> {
    const KEY: &str = "subshell_id";
    memmem::find(header, KEY.as_bytes())?;
    let [id] = texts(header, [KEY]).ok()?;
    id.map(Cow::into_owned).filter(|id| !id.is_empty())
}

/// What routing reads of a parent header. Kernels leave it `{}` for messages that nobody asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Parent<'a> {
    /// The request that is answered.
    pub msg_id: Cow<'a, str>,
    /// The session that sent the request.
    pub session: Cow<'a, str>,
    /// The request's type.
    pub msg_type: Cow<'a, str>,
}

/// A verified message that is no message all the same.
#[derive(Debug, Error)]
pub enum HeaderError {
    /// The header is no JSON object.
    #[error("a message whose header cannot be read: {0}")]
    Header(serde_json::Error),
    /// The header does not say what the message is.
    #[error("a message whose header has no msg_type")]
    NoType,
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
        const KEYS: [&str; 4] = ["msg_id", "msg_type", "session", "username"];
        let found = match strings(header, KEYS) {
            Some(found) => found.map(|text| text.map(Cow::Borrowed)),
            None => texts(header, KEYS).map_err(HeaderError::Header)?,
        };
        let [msg_id, msg_type, session, username] = found.map(Option::unwrap_or_default);
        if msg_type.is_empty() {
            return Err(HeaderError::NoType);
        }
        Ok(Self { msg_id, msg_type, session, username })
    }
}

impl Header<'_> {
    /// Whether it is of a cell.
    pub fn is_cell(&self) -> bool {
        self.msg_type == "execute_request"
    }

    /// What is kept of it beside its message.
    pub fn heading(&self) -> Heading {
        Heading {
            msg_id: MsgId::from(&*self.msg_id),
            session: SessionId::from(&*self.session),
            msg_type: (*self.msg_type).into(),
        }
    }
}

/// What a message is called, read once when it comes and kept beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Heading {
    /// Its number.
    pub msg_id: MsgId,
    /// The sender's session.
    pub session: SessionId,
    /// What it is.
    pub msg_type: Arc<str>,
}

impl Heading {
    /// Whether it is of a cell.
    pub fn is_cell(&self) -> bool {
        *self.msg_type == *"execute_request"
    }
}

impl<'a> Parent<'a> {
    /// Reads the parent header of a verified message. An empty part, as some kernels send it, is a message without
    /// a parent.
    pub fn peek(message: &'a Verified) -> Result<Self, HeaderError> {
        Self::of_bytes(&message.body().parent_header)
    }

    /// Reads a parent header's JSON; or, whatever a header lacks, what would be the parent of a reply to its message.
    pub fn of_bytes(parent: &'a [u8]) -> Result<Self, HeaderError> {
        const KEYS: [&str; 3] = ["msg_id", "session", "msg_type"];
        let found = match strings(parent, KEYS) {
            Some(found) => found.map(|text| text.map(Cow::Borrowed)),
            None if matches!(parent.trim_ascii(), b"" | b"null") => return Ok(Self::default()),
            None => texts(parent, KEYS).map_err(HeaderError::Parent)?,
        };
        let [msg_id, session, msg_type] = found.map(Option::unwrap_or_default);
        Ok(Self { msg_id, session, msg_type })
    }
}

/// The routing metadata of a verified message: the value of `fleet` in its metadata, as JSON text.
pub fn peek_fleet(message: &Verified) -> Result<Option<Cow<'_, str>>, HeaderError> {
    let metadata = message.body().metadata.trim_ascii();
    if memmem::find(metadata, b"fleet").is_none() {
        return Ok(None);
    }
    let [fleet] = values(metadata, ["fleet"]).map_err(HeaderError::Metadata)?;
    Ok(fleet.filter(|fleet| fleet != "null"))
}

/// The `execution_state` of a `status` message's content, if it can be read.
pub fn peek_execution_state(message: &Verified) -> Option<Cow<'_, str>> {
    let [state] = texts(&message.body().content, ["execution_state"]).ok()?;
    state
}

/// The `restart` of a `shutdown_request`'s content; `false` if absent.
pub fn peek_restart(message: &Verified) -> bool {
    values(&message.body().content, ["restart"]).is_ok_and(|[restart]| restart.as_deref() == Some("true"))
}

/// What jupyter_client calls a user whose name it does not know.
const UNNAMED: &str = "username";

/// The `username` of a header's JSON, if it names one.
pub fn username(header: &[u8]) -> Option<String> {
    let username = Header::of_bytes(header).ok()?.username;
    (!username.is_empty() && username != UNNAMED).then(|| username.into_owned())
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
        assert_eq!(peek_fleet(&message).unwrap().as_deref(), Some(r#"{"runtime":"lua"}"#));
    }

    #[test]
    fn headers_that_stock_clients_read_are_read() {
        for (header, msg_id, session) in [
            (r#"{"msg_id":17,"msg_type":"stream","username":null,"date":1.5,"version":null}"#, "17", ""),
            (r#"{"msg_id":"a","msg_type":"stream","session":42,"date":NaN}"#, "a", "42"),
            (r#"{"msg_id":null,"msg_type":"stream","session":null,"username":{"first":"Ada"}}"#, "", ""),
            (r#"{"msg_type":"stream"}"#, "", ""),
        ] {
            let read = Header::of_bytes(header.as_bytes()).unwrap();
            assert_eq!(
                (&*read.msg_id, &*read.session, &*read.msg_type),
                (msg_id, session, "stream"),
                "{header}"
            );
            let message = message("{}", header, "{}", "{}");
            let parent = Parent::peek(&message).unwrap();
            assert_eq!((&*parent.msg_id, &*parent.session), (msg_id, session), "{header}");
        }
    }

    #[test]
    fn a_message_says_what_it_is() {
        for header in [r#"{"msg_id": "1"}"#, r#"{"msg_id": "1", "msg_type": null}"#, r#"{"msg_type": ""}"#] {
            assert!(matches!(Header::of_bytes(header.as_bytes()), Err(HeaderError::NoType)), "{header}");
        }
        assert!(matches!(Header::of_bytes(b"[]"), Err(HeaderError::Header(_))));
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
}
