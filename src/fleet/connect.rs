//! From a started process to a kernel that answers: its five channels, and what it says of itself.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::warn;

use super::provision::Connection;
use crate::{
    channel::Channel,
    id::KernelId,
    jupyter::{
        connection_file::{ConnectionFile, ConnectionFileError},
        header::{Header, Parent, peek_execution_state},
        message::{Envelope, Unverified, Verified},
        reply::Voice,
        signature::{BadSignature, Signer},
    },
    limits::Limits,
    net::{DialError, Event, Peer, PeerError, PeerSettings, dial},
    runtimes::{FileError, read_connection_file},
    zmtp::{Local, SocketType},
};

/// How often an announced connection file is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long iopub may stay silent after a reply before the kernel is asked again: its subscription came too late.
const ASK_AGAIN: Duration = Duration::from_millis(500);

/// How often it is asked before it is taken as one that says nothing on iopub when it is asked who it is.
const ASKED: usize = 10;

/// A kernel that answers.
#[derive(Debug)]
pub struct Channels {
    /// DEALER to the kernel's shell.
    pub shell: Peer,
    /// SUB to its iopub; the subscription has been seen to work.
    pub iopub: Peer,
    /// DEALER to its stdin, with the identity of shell.
    pub stdin: Peer,
    /// DEALER to its control, with the identity of shell.
    pub control: Peer,
    /// REQ to its heartbeat.
    pub heartbeat: Peer,
    /// The kernel's key.
    pub signer: Signer,
    /// The content of its `kernel_info_reply`, JSON.
    pub info: Bytes,
}

/// Why a started process is no kernel (yet).
#[derive(Debug, Error)]
pub enum ConnectError {
    /// The announced file never appeared.
    #[error("waiting for it to write {0}")]
    NoFile(String),
    /// The announced file cannot be used.
    #[error(transparent)]
    File(#[from] FileError),
    /// The announced file is refused.
    #[error("the connection file that it wrote {0}")]
    Refused(#[from] ConnectionFileError),
    /// A channel cannot be reached.
    #[error("connecting to {0}: {1}")]
    Dial(Channel, DialError),
    /// A channel broke.
    #[error("talking to it on {0}: {1}")]
    Peer(Channel, PeerError),
    /// A channel was closed.
    #[error("it closed {0}")]
    Closed(Channel),
    /// It signs with another key.
    #[error("it sent on {0} {1}. Its key must be that of its connection file")]
    Key(Channel, BadSignature),
    /// No answer.
    #[error("waiting for {0}")]
    Silent(&'static str),
}

/// Connects to a kernel that is starting, and asks it who it is, until the deadline.
pub async fn connect(
    kernel: &KernelId,
    connection: &Connection,
    limits: &Limits,
    deadline: Instant,
) -> Result<Channels, ConnectError> {
    let file = match connection {
        Connection::Given(file) => (**file).clone(),
        Connection::Announced(path) => announced(path, deadline).await?,
    };
    let signer = Signer::new(file.signature_scheme, file.signing_key()?);
    let identity = Bytes::from(format!("jupyter-fleet-{kernel}"));
    let reach = |channel: Channel, socket: SocketType| {
        let local = Local { socket, identity: identity.clone(), longest_ready: limits.handshake_bytes };
        let endpoint = file.endpoint(channel);
        async move {
            let settings = PeerSettings::new(limits);
            let peer = dial(&endpoint, &local, &settings, deadline).await;
            peer.map_err(|error| ConnectError::Dial(channel, error))
        }
    };
    let (mut shell, mut iopub, stdin, control, heartbeat) = tokio::try_join!(
        reach(Channel::Shell, SocketType::Dealer),
        reach(Channel::IoPub, SocketType::Sub),
        reach(Channel::Stdin, SocketType::Dealer),
        reach(Channel::Control, SocketType::Dealer),
        reach(Channel::Heartbeat, SocketType::Req),
    )?;
    iopub.subscribe(b"");
    let info = ask(&mut shell, &mut iopub, &signer, deadline).await?;
    Ok(Channels { shell, iopub, stdin, control, heartbeat, signer, info })
}

/// Waits for the file that a kernel writes itself. Half a file is waited out: not every kernel renames.
async fn announced(path: &Path, deadline: Instant) -> Result<ConnectionFile, ConnectError> {
    loop {
        let read = if path.exists() { read_connection_file(path).map(Some) } else { Ok(None) };
        let late = Instant::now() >= deadline;
        match read {
            Ok(Some(file)) => return Ok(file),
            Ok(None) if late => return Err(ConnectError::NoFile(path.display().to_string())),
            Err(error) if late => return Err(error.into()),
            _ => sleep(LOOK_AGAIN).await,
        }
    }
}

/// Asks for `kernel_info` until both a reply and something on iopub arrived: a subscription takes effect some time
/// after it was sent, and what the kernel publishes before is lost. What it publishes of our own requests is heard here
/// to the end, so that clients hear nothing of them.
async fn ask(
    shell: &mut Peer,
    iopub: &mut Peer,
    signer: &Signer,
    deadline: Instant,
) -> Result<Bytes, ConnectError> {
    let voice = Voice::new("jupyter-fleet");
    let mut asked = 0;
    loop {
        asked += 1;
        let request = voice.say(jupyter_protocol::KernelInfoRequest {}, &Bytes::new());
        let sent = shell.signed_outbox().send(&Envelope::default(), &signer.sign(request));
        sent.map_err(|_| ConnectError::Closed(Channel::Shell))?;
        let reply = timeout_at(
            deadline,
            first(Channel::Shell, shell, signer, |message| {
                let is_reply =
                    Header::peek(message).is_ok_and(|header| header.msg_type == "kernel_info_reply");
                let ours = Parent::peek(message).is_ok_and(|parent| parent.session == voice.session());
                is_reply && ours
            }),
        );
        let reply = reply.await.map_err(|_| ConnectError::Silent("its kernel_info_reply on shell"))??;
        let asked_for = Parent::peek(&reply).map(|parent| parent.msg_id).unwrap_or_default();
        let mut speaks = false;
        let is_last = |message: &Verified| {
            speaks = true;
            peek_execution_state(message).as_deref() == Some("idle")
                && Parent::peek(message).is_ok_and(|parent| parent.msg_id == asked_for)
        };
        let heard = timeout(ASK_AGAIN, first(Channel::IoPub, iopub, signer, is_last)).await;
        match heard {
            Err(_) if !speaks && asked < ASKED && Instant::now() < deadline => {}
            Err(_) if !speaks => {
                warn!("a kernel answers on shell and says nothing on iopub; its first output may be missed");
                return Ok(Bytes::copy_from_slice(reply.body().content()));
            }
            // One that never says that it is done has at least been heard.
            Err(_) => return Ok(Bytes::copy_from_slice(reply.body().content())),
            Ok(heard) => {
                heard?;
                return Ok(Bytes::copy_from_slice(reply.body().content()));
            }
        }
    }
}

/// The first rightly signed message that is wanted.
async fn first(
    channel: Channel,
    peer: &mut Peer,
    signer: &Signer,
    mut wanted: impl FnMut(&Verified) -> bool,
) -> Result<Verified, ConnectError> {
    let mut batch = Vec::new();
    loop {
        if !peer.next(&mut batch).await.map_err(|error| ConnectError::Peer(channel, error))? {
            return Err(ConnectError::Closed(channel));
        }
        for event in batch.drain(..) {
            let Event::Message(frames) = event else { continue };
            let Ok(message) = Unverified::split(frames) else { continue };
            let message = signer.verify(message).map_err(|error| ConnectError::Key(channel, error))?;
            if wanted(&message) {
                return Ok(message);
            }
        }
    }
}
