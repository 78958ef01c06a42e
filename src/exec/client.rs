//! The client's end of a kernel's channels.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use bytes::Bytes;
use jupyter_protocol::UnknownMessage;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::time::{Instant, timeout, timeout_at};

use super::{error::ExecError, link::Link};
use crate::{
    channel::Channel,
    jupyter::{
        connection_file::ConnectionFile,
        header::Header,
        message::{Body, Verified},
        reply::MessageBuilder,
        signature::Signer,
    },
    limits::Limits,
    net::Dialler,
    runtimes::read_connection_file,
};

/// How long a fleet that is said to run may take to accept connections.
const CONNECT: Duration = Duration::from_secs(3);

/// How long iopub may stay silent after a reply before the kernel is asked again: its subscription came too late.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// A kernel that has answered, and whose iopub is known to be heard.
pub(super) struct Client {
    pub shell: Link,
    pub iopub: Link,
    pub stdin: Link,
    pub control: Link,
    builder: MessageBuilder,
    metadata: Value,
}

/// What is read of a `kernel_info_reply`.
#[derive(Deserialize, Default)]
#[serde(default)]
struct KernelInfo {
    status: String,
    evalue: String,
    implementation: String,
    banner: String,
}

impl Client {
    /// Connects to the kernel that a file describes and waits until it is ready.
    pub async fn connect(
        path: &Path,
        fleet: Option<Map<String, Value>>,
        deadline: Instant,
    ) -> Result<Self, ExecError> {
        if !path.exists() {
            return Err(ExecError::NoFile(path.to_owned()));
        }
        let file = read_connection_file(path)?;
        let begun = Instant::now();
        let mut client = Self::dial(path, &file, fleet, deadline.min(begun + CONNECT)).await?;
        let silent = |missing| ExecError::Silent { path: path.to_owned(), missing, waited: begun.elapsed() };
        loop {
            let asked = client.request("kernel_info_request", json!({}));
            client.shell.send(asked)?;
            let reply = client.shell.find(is_info);
            let reply = timeout_at(deadline, reply).await.map_err(|_| silent("kernel_info_request"))??;
            check(&reply)?;
            match timeout(ASK_AGAIN, client.iopub.find(|_| true)).await {
                Ok(heard) => return heard.map(|_| client),
                Err(_) if Instant::now() >= deadline => return Err(silent("subscription of iopub")),
                Err(_) => {}
            }
        }
    }

    async fn dial(
        path: &Path,
        file: &ConnectionFile,
        fleet: Option<Map<String, Value>>,
        deadline: Instant,
    ) -> Result<Self, ExecError> {
        let key = file.signing_key().map_err(|cause| ExecError::Unsafe { path: path.into(), cause })?;
        let signer = Signer::new(file.signature_scheme, key);
        let builder = MessageBuilder::new(&std::env::var("USER").unwrap_or_else(|_| "username".to_owned()));
        // One identity on all channels: it is how a kernel finds the stdin that belongs to a request on shell.
        let identity = Bytes::copy_from_slice(builder.session().as_bytes());
        let dialler = Dialler::new(file, identity, &Limits::default());
        let dial = |channel| Link::dial(channel, &dialler, &signer, deadline);
        let (iopub, shell, stdin, control) = tokio::try_join!(
            dial(Channel::IoPub),
            dial(Channel::Shell),
            dial(Channel::Stdin),
            dial(Channel::Control),
        )
        .map_err(|cause| ExecError::Unreachable { path: PathBuf::from(path), cause })?;
        let metadata = fleet.map_or_else(|| json!({}), |fleet| json!({ "fleet": fleet }));
        Ok(Self { shell, iopub, stdin, control, builder, metadata })
    }

    /// A message that answers nothing.
    pub fn request(&self, msg_type: &str, content: Value) -> Body {
        self.message(msg_type, content, &Bytes::new())
    }

    /// A message with the routing metadata.
    pub fn message(&self, msg_type: &str, content: Value, parent: &Bytes) -> Body {
        let content = UnknownMessage { msg_type: msg_type.to_owned(), content };
        self.builder.say_with(content, parent, self.metadata.clone(), Vec::new())
    }
}

fn is_info(message: &Verified) -> bool {
    Header::peek(message).is_ok_and(|header| header.msg_type == "kernel_info_reply")
}

/// A fleet that has no kernel for this client says so in a reply of its own.
fn check(reply: &Verified) -> Result<(), ExecError> {
    let info: KernelInfo = serde_json::from_slice(reply.body().content()).unwrap_or_default();
    if info.status == "error" {
        return Err(ExecError::Refused(info.evalue));
    }
    if info.implementation == "jupyter-fleet" {
        let why = info.banner.trim().trim_start_matches("jupyter-fleet: ");
        return Err(ExecError::Refused(why.to_owned()));
    }
    Ok(())
}
