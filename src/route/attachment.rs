//! What a connection says of itself before it says anything else: whose it is, whatever sessions speak on it.
//!
//! A process that carries the messages of several Jupyter sessions, as `jupyter-fleet attach` does for its host, is one
//! client: its sessions share one kernel, leave it together, and count once. It says so in the application metadata of
//! its connections (RFC 37, READY), so that the messages pass as they are. Whoever may sign messages may say whose they
//! are; it says nothing about a connection on which none is signed.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::{Requirements, RequirementsError};
use crate::id::SessionId;

/// The name of the property that holds an [`Attachment`], as JSON.
pub const ATTACHMENT: &str = "X-Jupyter-Fleet-Attachment";

/// Whose the messages of a connection are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Attachment {
    /// The client that all sessions on this connection are.
    pub client: SessionId,
    /// What it wants where its messages do not say.
    pub requirements: Requirements,
    /// Where kernels that are launched for it begin: beside its notebook.
    pub directory: Option<PathBuf>,
}

/// An attachment that cannot be understood.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum AttachmentError {
    /// It is not what it has to be.
    #[error("the connection's {ATTACHMENT} cannot be understood: {0}")]
    Unreadable(String),
    /// Its wishes make no sense.
    #[error(transparent)]
    Requirements(#[from] RequirementsError),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    client: String,
    #[serde(default)]
    fleet: Map<String, Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    directory: Option<PathBuf>,
}

impl Attachment {
    /// The JSON text for a client with this name and these wishes, an object as in the metadata of messages. A directory
    /// whose name is no text is left out.
    pub fn text(client: &str, fleet: &Map<String, Value>, directory: Option<&Path>) -> String {
        let directory = directory.filter(|directory| directory.to_str().is_some()).map(Path::to_owned);
        let text = Text { client: client.to_owned(), fleet: fleet.clone(), directory };
        serde_json::to_string(&text).unwrap_or_default()
    }

    /// Parses the property's value.
    ///
    /// # Errors
    /// It is no such text, or its wishes cannot be understood.
    pub fn parse(value: &[u8]) -> Result<Self, AttachmentError> {
        let unreadable = |error: serde_json::Error| AttachmentError::Unreadable(error.to_string());
        let Text { client, fleet, directory } = serde_json::from_slice(value).map_err(unreadable)?;
        if client.is_empty() {
            return Err(AttachmentError::Unreadable("its client has no name".to_owned()));
        }
        let requirements = Requirements::parse(&Value::Object(fleet).to_string())?;
        Ok(Self { client: SessionId::from(client.as_str()), requirements, directory })
    }
}

#[cfg(any(test, fuzzing))]
pub(in crate::route) mod law;

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let fleet = json!({"runtime": "lua", "group": "team \"a\""});
        let text = Attachment::text("me", fleet.as_object().unwrap(), Some(Path::new("/here")));
        let attachment = Attachment::parse(text.as_bytes()).unwrap();
        assert_eq!(attachment.client, SessionId::from("me"));
        assert_eq!(attachment.directory.as_deref(), Some(Path::new("/here")));
        assert_eq!(attachment.requirements, Requirements::parse(&fleet.to_string()).unwrap());
    }

    #[test]
    fn nonsense_is_named() {
        for (text, named) in [
            ("{}", "client"),
            (r#"{"client": ""}"#, "no name"),
            (r#"{"client": "c", "colour": 1}"#, "colour"),
            (r#"{"client": "c", "fleet": {"runtmie": "x"}}"#, "runtmie"),
        ] {
            let error = Attachment::parse(text.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
    }
}
