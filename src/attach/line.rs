//! The four connections to a fleet.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::time::{Instant, timeout};

use super::absence::Absence;
use crate::{
    channel::Channel,
    jupyter::{
        connection_file::ConnectionFile,
        message::{Body, Envelope, Unverified},
        signature::Signer,
    },
    limits::Limits,
    net::{DialError, Event, Peer, PeerSettings, SignedOutbox, dial_for},
    route::ATTACHMENT,
    runtimes::read_connection_file,
    zmtp::{Local, SocketType},
};

/// How long it is tried again to connect where nobody listens.
const TRY: Duration = Duration::from_millis(500);

/// How long one try may take: a host that says nothing may be far away, and its network slow.
const CONNECT: Duration = Duration::from_secs(4);

/// How long whoever listens may take until it has said something that only the fleet can say.
const FIRST_WORD: Duration = Duration::from_secs(5);

/// Where messages to the fleet are written.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) signer: Signer,
    shell: SignedOutbox,
    stdin: SignedOutbox,
    control: SignedOutbox,
}

/// A limit that the fleet's own are below: 4 GiB, or as many frames.
const WIDE: usize = 1 << 32;

/// How we present ourselves to the fleet.
#[derive(Clone, Debug)]
pub(super) struct Card {
    /// The routing id on shell, control and stdin: one, so that what is asked on one channel can be asked back on
    /// another, and so that the fleet knows us again.
    pub(super) identity: Bytes,
    /// Whose all messages are ([`ATTACHMENT`]).
    pub(super) attachment: Bytes,
}

/// A line that was just connected, with its ends that are read.
pub(super) struct Dialled {
    pub(super) line: Arc<Line>,
    pub(super) peers: [(Channel, Peer); 4],
    /// What has come on shell already.
    pub(super) early: Vec<Event>,
    pub(super) file: ConnectionFile,
}

impl Line {
    /// The outbox of a channel that requests are sent on.
    pub(super) fn outbox(&self, channel: Channel) -> &SignedOutbox {
        match channel {
            Channel::Stdin => &self.stdin,
            Channel::Control => &self.control,
            _ => &self.shell,
        }
    }

    /// A line that has ended.
    #[cfg(test)]
    pub(super) fn closed() -> Self {
        let closed = SignedOutbox::closed;
        Self {
            signer: Signer::new(Default::default(), None),
            shell: closed(),
            stdin: closed(),
            control: closed(),
        }
    }

    /// Writes what is queued.
    pub(super) fn flush(&self) {
        for outbox in [&self.shell, &self.stdin, &self.control] {
            outbox.flush();
        }
    }
}

impl Dialled {
    /// Reads the fleet's connection file, connects, and waits for a first message that the fleet has signed: others
    /// may listen there, and a fleet may turn us away after the handshake. `question` is one that it answers at once.
    pub(super) async fn dial(
        path: &Path,
        card: &Card,
        limits: &Limits,
        question: Body,
    ) -> Result<Self, Absence> {
        let silent = |_| Absence::Silent { path: path.to_owned(), within: FIRST_WORD };
        let dialled = async {
            let mut dialled = Self::connect(path, card, limits).await?;
            dialled.greet(path, question).await?;
            Ok(dialled)
        };
        timeout(FIRST_WORD, dialled).await.map_err(silent)?
    }

    async fn connect(path: &Path, card: &Card, limits: &Limits) -> Result<Self, Absence> {
        if !path.exists() {
            return Err(Absence::NoFile(path.to_owned()));
        }
        let file = read_connection_file(path)?;
        let key = file.signing_key().map_err(|cause| Absence::Unsafe { path: path.into(), cause })?;
        let signer = Signer::new(file.signature_scheme, key);
        let begun = Instant::now();
        let dial = |channel| dial_channel(channel, &file, card, limits, begun);
        let (shell, iopub, stdin, control) = tokio::try_join!(
            dial(Channel::Shell),
            dial(Channel::IoPub),
            dial(Channel::Stdin),
            dial(Channel::Control),
        )
        .map_err(|cause| Absence::Unreachable { path: path.to_owned(), cause })?;
        if [&shell, &stdin, &control].iter().any(|peer| peer.remote().socket != SocketType::Router) {
            // Who connects to a free port may by chance be given that very port, and so be connected to itself.
            return Err(Absence::Strange(path.to_owned()));
        }
        iopub.subscribe(b"");
        let line = Line {
            signer,
            shell: shell.signed_outbox(),
            stdin: stdin.signed_outbox(),
            control: control.signed_outbox(),
        };
        let peers = [
            (Channel::Shell, shell),
            (Channel::IoPub, iopub),
            (Channel::Stdin, stdin),
            (Channel::Control, control),
        ];
        Ok(Self { line: Arc::new(line), peers, early: Vec::new(), file })
    }

    /// Asks the question and waits for whatever the fleet has signed.
    async fn greet(&mut self, path: &Path, question: Body) -> Result<(), Absence> {
        let turned_away = || Absence::TurnedAway(path.to_owned());
        let Self { line, peers: [(_, shell), ..], early, .. } = self;
        let sent = line.shell.send(&Envelope::default(), &line.signer.sign(question));
        sent.map_err(|_| turned_away())?;
        while early.is_empty() {
            let mut batch = Vec::new();
            if !shell.next(&mut batch).await.is_ok_and(|more| more) {
                return Err(turned_away());
            }
            early.extend(batch.into_iter().filter(|event| is_signed(event, &line.signer)));
        }
        Ok(())
    }

    /// Whether this is the fleet that was there before, or one that goes on where it ended.
    pub(super) fn is_same_fleet(&self, before: &ConnectionFile) -> bool {
        let what = |file: &ConnectionFile| (file.address().clone(), file.ports(), file.key.clone());
        what(&self.file) == what(before)
    }
}

fn is_signed(event: &Event, signer: &Signer) -> bool {
    let Event::Message(frames) = event else { return false };
    Unverified::split(frames.clone()).is_ok_and(|message| signer.verify(message).is_ok())
}

async fn dial_channel(
    channel: Channel,
    file: &ConnectionFile,
    card: &Card,
    limits: &Limits,
    begun: Instant,
) -> Result<Peer, DialError> {
    let socket = if channel == Channel::IoPub { SocketType::Sub } else { SocketType::Dealer };
    let mut local = Local::new(socket, card.identity.clone(), limits.handshake_bytes);
    local.properties = vec![(Bytes::from_static(ATTACHMENT.as_bytes()), card.attachment.clone())];
    // Whatever the fleet lets pass, also by a config with wider limits than usual, passes here.
    let limits = Limits { frame_bytes: WIDE, message_bytes: WIDE, message_parts: WIDE, ..limits.clone() };
    let settings = PeerSettings::new(&limits);
    dial_for(&file.endpoint(channel), &local, &settings, begun + TRY, begun + CONNECT).await
}
