//! From a started process to a kernel that answers: its five channels, and what it says of itself.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::warn;

use super::{
    optional::OptionalChannels,
    provision::ConnectionInfo,
    regain::{Regained, regain},
};
use crate::{
    channel::Channel,
    id::KernelId,
    jupyter::{
        connection_file::{ConnectionFile, ConnectionFileError, Location, Ports},
        header::{Header, Parent, peek_execution_state},
        message::{Envelope, Unverified, Verified},
        reply::MessageBuilder,
        signature::{BadSignature, Signer},
    },
    limits::Limits,
    net::{DialError, Dialler, Event, Peer, PeerError},
    runtimes::{FileError, read_connection_file},
};

/// How often an announced connection file is looked for.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// How long iopub may stay silent after a reply before the kernel is asked again, for the subscription came too late; at
/// first, for most subscriptions are only a little late. Doubled each time.
const ASK_AGAIN: Duration = Duration::from_millis(5);

/// The longest that it grows to.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// How often it is connected to: some kernels bind, close and bind again while they start.
const CONNECTED: usize = 5;

/// How often it is asked before it is taken as one that says nothing on iopub when it is asked who it is.
const ASKED: usize = 10;

/// A kernel that answers.
#[derive(Debug)]
pub struct Channels {
    /// DEALER to the kernel's shell.
    pub shell: Peer,
    /// SUB to its iopub; the subscription has been seen to work.
    pub iopub: Peer,
    /// DEALER to its stdin and control, with the identity of shell, and REQ to its heartbeat: those that it has.
    pub optional: OptionalChannels,
    /// The kernel's key.
    pub signer: Signer,
    /// The content of its `kernel_info_reply`, JSON; `None` if it was not asked and no earlier `serve` knew.
    pub info: Option<Bytes>,
    /// The routing id under which the kernel knows us on shell, control and stdin.
    pub identity: Bytes,
    /// Where it listens.
    pub ports: Option<Ports>,
    /// The routing ids under which it knows earlier `serve`s, the latest last; none if it owes their clients nothing.
    pub earlier: Vec<Bytes>,
    /// Shell and stdin once more, under those: what the kernel still has to say about the requests of their clients comes
    /// there, if the kernel lets a routing id come back.
    pub past: Regained,
    /// An earlier `serve` launched it. It was not asked who it is, for it may be busy.
    pub is_adopted: bool,
}

/// What an earlier `serve` knew of a kernel that it launched.
#[derive(Clone, Debug)]
pub struct KnownKernel {
    /// The content of its `kernel_info_reply`, JSON, if it had answered.
    pub info: Option<Bytes>,
    /// The routing ids under which the kernel knows that `serve` and those before it, the latest last.
    pub identities: Vec<Bytes>,
    /// Whether it still owes replies.
    pub owes: bool,
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
    /// It says too much of itself.
    #[error(
        "it answered with a kernel_info_reply of {0} bytes; {1} are allowed (kernel_info_bytes in [limits])"
    )]
    LongInfo(usize, usize),
    /// No answer.
    #[error("waiting for {0}")]
    Silent(&'static str),
}

/// Connects to a kernel that is starting, and asks it who it is, until the deadline. A `known` kernel is not asked, for it
/// may be busy: that its sockets answer tells that it lives.
pub async fn connect(
    kernel: &KernelId,
    connection: &ConnectionInfo,
    known: Option<&KnownKernel>,
    limits: &Limits,
    deadline: Instant,
) -> Result<Channels, ConnectError> {
    let file = match connection {
        ConnectionInfo::Given(file) => (**file).clone(),
        ConnectionInfo::Announced(path) => announced(path, deadline).await?,
    };
    for _ in 1..CONNECTED {
        match connect_once(kernel, &file, known, limits, deadline).await {
            Err(error) if error.may_pass() && Instant::now() < deadline => sleep(LOOK_AGAIN).await,
            done => return done,
        }
    }
    connect_once(kernel, &file, known, limits, deadline).await
}

async fn connect_once(
    kernel: &KernelId,
    file: &ConnectionFile,
    known: Option<&KnownKernel>,
    limits: &Limits,
    deadline: Instant,
) -> Result<Channels, ConnectError> {
    // A routing id of its own for each time: not every kernel lets one come back while it still knows the last.
    let number = uuid::Uuid::new_v4().simple().to_string();
    let identity = Bytes::from(format!("jupyter-fleet-{kernel}-{}", number.get(..8).unwrap_or_default()));
    let dialler = Dialler::new(file, identity.clone(), limits);
    let reach = async |channel| {
        dialler.dial(channel, deadline).await.map_err(|error| ConnectError::Dial(channel, error))
    };
    let optional = OptionalChannels::dial(dialler.clone(), deadline);
    let (shell, iopub) = tokio::try_join!(reach(Channel::Shell), reach(Channel::IoPub))?;
    let signer = Signer::new(file.signature_scheme, file.signing_key()?);
    let ports = matches!(file.location(), Location::Tcp(_)).then(|| file.ports());
    let earlier = known.filter(|known| known.owes).map(|known| known.identities.clone()).unwrap_or_default();
    let mut channels = Channels {
        shell,
        iopub,
        optional,
        signer,
        info: known.and_then(|known| known.info.clone()),
        identity,
        ports,
        past: regain(earlier.clone(), file, limits).await,
        earlier,
        is_adopted: known.is_some(),
    };
    if known.is_none() {
        channels.ask(limits.kernel_info_bytes, deadline).await?;
    }
    channels.optional.wait_for_all().await;
    Ok(channels)
}

/// Waits for the file that a kernel writes itself. Half a file is waited out: not every kernel renames.
async fn announced(path: &Path, deadline: Instant) -> Result<ConnectionFile, ConnectError> {
    loop {
        let read = if path.exists() { read_connection_file(path).map(Some) } else { Ok(None) };
        let late = Instant::now() >= deadline;
        match read {
            Ok(Some(file)) => return Ok(file),
            Ok(None) if late => return Err(ConnectError::NoFile(path.display().to_string())),
            Err(error) if late || error.is_final() => return Err(error.into()),
            _ => sleep(LOOK_AGAIN).await,
        }
    }
}

impl ConnectError {
    /// Whether the connection file itself is wrong, whatever becomes of the process.
    pub(super) fn is_of_the_file(&self) -> bool {
        matches!(self, Self::File(error) if error.is_final())
    }

    /// Whether the kernel closed its sockets, which it may bind again.
    fn may_pass(&self) -> bool {
        match self {
            Self::Closed(_) => true,
            Self::Peer(_, error) => error.has_left(),
            _ => false,
        }
    }
}

impl Channels {
    /// Asks for `kernel_info` until both a reply and something on iopub arrived: a subscription takes effect some time
    /// after it was sent, and what the kernel publishes before is lost. What it publishes of our own requests is heard
    /// here to the end, so that clients hear nothing of them.
    async fn ask(&mut self, longest: usize, deadline: Instant) -> Result<(), ConnectError> {
        let Self { shell, iopub, signer, .. } = self;
        let builder = MessageBuilder::new("jupyter-fleet");
        let mut pause = ASK_AGAIN;
        let mut hears = false;
        for asked in 1.. {
            let request = builder.say(jupyter_protocol::KernelInfoRequest {}, &Bytes::new());
            let sent = shell.signed_outbox().send(&Envelope::default(), &signer.sign(request));
            sent.map_err(|_| ConnectError::Closed(Channel::Shell))?;
            // Nobody else asks on this connection, and not every kernel says who asked.
            let is_reply = |message: &Verified| {
                Header::peek(message).is_ok_and(|header| header.msg_type == "kernel_info_reply")
            };
            let reply = timeout_at(deadline, first(Channel::Shell, shell, signer, is_reply)).await;
            let reply = reply.map_err(|_| ConnectError::Silent("its kernel_info_reply on shell"))??;
            let info = reply.body().content();
            if info.len() > longest {
                return Err(ConnectError::LongInfo(info.len(), longest));
            }
            self.info = Some(Bytes::copy_from_slice(info));
            let answered = Parent::peek(&reply).map(|parent| parent.msg_id).unwrap_or_default();
            let heard_before = hears;
            let is_last = |message: &Verified| {
                hears = true;
                is_idle_of(message, &answered)
            };
            match timeout(pause, first(Channel::IoPub, iopub, signer, is_last)).await {
                Ok(heard) => return heard.map(|_| ()),
                // Nothing of this can have been missed. A kernel that never says that it is idle is good all the same.
                Err(_) if heard_before => {
                    let rest = first(Channel::IoPub, iopub, signer, |message| is_idle_of(message, &answered));
                    return timeout(LONGEST_PAUSE, rest).await.map_or(Ok(()), |heard| heard.map(|_| ()));
                }
                Err(_) if asked < ASKED && Instant::now() < deadline => pause = LONGEST_PAUSE.min(2 * pause),
                Err(_) => break,
            }
        }
        warn!("a kernel answers on shell and says nothing on iopub; its first output may be missed");
        Ok(())
    }
}

/// Whether a kernel says that it is done with this request.
fn is_idle_of(message: &Verified, msg_id: &str) -> bool {
    peek_execution_state(message).as_deref() == Some("idle")
        && Parent::peek(message).is_ok_and(|parent| parent.msg_id == msg_id)
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

#[cfg(test)]
mod tests;
