//! One connection, as the task that serves it sees it: batches of events in, an outbox out.

use std::{io, os::fd::OwnedFd, pin::Pin};

use bytes::{Bytes, BytesMut};
use tokio::{
    io::AsyncReadExt,
    time::{Duration, Instant, Sleep, sleep, timeout},
};

use super::{
    admission::{Ticket, Voucher},
    outbox::{EchoOutbox, Outbox, SignedOutbox},
    peer_error::PeerError,
    retained::Retention,
    settings::PeerSettings,
    stream::{ReadHalf, Stream},
};
use crate::{
    frames::Frames,
    zmtp::{
        CodecError, Command, Decoder, FrameLimits, Handshake, Item, Local, Remote, SocketType, Step, Version,
    },
};

/// Bytes asked of the socket at once: little while a connection is quiet, more while it is busy.
const SMALL_READ: usize = 4 << 10;
const LARGE_READ: usize = 256 << 10;

/// Commands that we do not know after which a connection is ended: RFC 37 has them ignored, but nobody who speaks our
/// version sends any.
const UNKNOWN_COMMANDS: u32 = 16;

/// How soon after something has been written a PING follows it. From a PING on, libzmq waits for a sign of life, but only until
/// anything else comes: behind the last message there must be another PING.
const PING_BEHIND: Duration = Duration::from_millis(500);

/// What a peer sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// A message.
    Message(Frames),
    /// On an XPUB socket: a subscription, as command (3.1) or message (before).
    Subscribe(Bytes),
    /// On an XPUB socket: the end of a subscription.
    Cancel(Bytes),
    /// The peer has come to what it was asked by [`SignedOutbox::ask`]: what it had sent before that has come.
    Answered(Bytes),
}

/// A connection whose handshake is complete. Dropping it ends the connection, whoever else holds its outbox.
#[derive(Debug)]
pub struct Peer {
    read: ReadHalf,
    buffer: BytesMut,
    decoder: Decoder,
    outbox: Outbox,
    remote: Remote,
    settings: PeerSettings,
    local: SocketType,
    read_size: usize,
    /// How many of its commands meant nothing to us.
    unknown: u32,
    heard: Instant,
    /// When the message that is being received began.
    began: Instant,
    alarm: Pin<Box<Sleep>>,
    /// When a PING has to follow what has been written.
    ping_at: Option<Instant>,
    ticket: Option<Ticket>,
    /// It has shown that it holds the key.
    voucher: Option<Voucher>,
}

impl Peer {
    /// Shakes hands with the other end, within the deadline.
    pub async fn establish(stream: Stream, local: Local, settings: PeerSettings) -> Result<Self, PeerError> {
        let deadline = settings.handshake;
        timeout(deadline, Self::shake_hands(stream, local, settings))
            .await
            .map_err(|_| PeerError::SlowHandshake(deadline))?
    }

    async fn shake_hands(stream: Stream, local: Local, settings: PeerSettings) -> Result<Self, PeerError> {
        let socket = local.socket;
        let (mut read, write) = stream.split();
        let outbox = Outbox::new(write, settings.outbox_bytes, settings.time_to_live);
        let (mut input, mut output) = (BytesMut::with_capacity(512), BytesMut::new());
        let mut handshake = Handshake::start(local, &mut output);
        let remote = loop {
            outbox.push_bytes(&output.split());
            outbox.flush();
            if read.read_buf(&mut input).await? == 0 {
                return Err(PeerError::Torn);
            }
            match handshake.advance(&mut input, &mut output)? {
                Step::Wait(next) => handshake = next,
                Step::Done(remote) => break remote,
            }
        };
        outbox.push_bytes(&output);
        outbox.flush();
        Ok(Self::new(read, outbox, remote, input, socket, settings))
    }

    /// The end of a connection whose handshake was made before; `input` has come since.
    pub(super) fn established(
        stream: Stream,
        remote: Remote,
        input: BytesMut,
        local: SocketType,
        settings: PeerSettings,
    ) -> Self {
        let (read, write) = stream.split();
        let outbox = Outbox::new(write, settings.outbox_bytes, settings.time_to_live);
        Self::new(read, outbox, remote, input, local, settings)
    }

    fn new(
        read: ReadHalf,
        outbox: Outbox,
        remote: Remote,
        input: BytesMut,
        local: SocketType,
        settings: PeerSettings,
    ) -> Self {
        let decoder = Decoder::new(settings.frames);
        if knows_ping(&remote) {
            outbox.knows_ping();
        }
        Self {
            read,
            buffer: input,
            decoder: if remote.version == Version::V2_0 { decoder.without_commands() } else { decoder },
            outbox,
            remote,
            local,
            read_size: SMALL_READ,
            unknown: 0,
            heard: Instant::now(),
            began: Instant::now(),
            alarm: Box::pin(sleep(settings.ping_after)),
            ping_at: None,
            settings,
            ticket: None,
            voucher: None,
        }
    }

    /// Another descriptor of the connection's socket.
    pub(super) fn socket(&self) -> io::Result<OwnedFd> {
        self.read.socket()
    }

    /// Nothing more is written on this connection, and its socket stays open. `false` if it has ended, or if something waits to be
    /// written: the other process could not go on in the middle.
    pub(super) fn release_socket(&self) -> bool {
        self.outbox.release_socket()
    }

    /// What has been read and not been served, behind what is held.
    pub(super) fn unread(&mut self, held: Bytes) -> Bytes {
        let mut unread = BytesMut::from(held);
        self.decoder.write_unfinished(&mut unread);
        unread.extend_from_slice(&self.buffer.split());
        unread.freeze()
    }

    /// Puts the peer under the limits for strangers until [`Self::trust`].
    pub(super) fn distrust(&mut self, ticket: Ticket, longest_message: usize) {
        let FrameLimits { frame, parts, .. } = self.settings.frames;
        let limits = FrameLimits { frame: frame.min(longest_message), message: longest_message, parts };
        self.decoder.set_limits(limits);
        self.ticket = Some(ticket);
        self.set_alarm();
    }

    /// The peer has shown that it holds the key.
    pub fn trust(&mut self) {
        if let Some(ticket) = self.ticket.take() {
            self.decoder.set_limits(self.settings.frames);
            self.voucher = ticket.authenticate();
        }
    }

    /// From now on, what is not delivered when the connection ends is retained, and so is what is queued afterwards:
    /// see [`SignedOutbox::hand_over`] and [`SignedOutbox::take_undelivered`].
    pub fn retain(&self, retention: Retention) {
        self.outbox.retain(retention);
    }

    /// What the handshake told of the peer.
    pub fn remote(&self) -> &Remote {
        &self.remote
    }

    /// Where signed messages to the peer go.
    pub fn signed_outbox(&self) -> SignedOutbox {
        SignedOutbox(self.outbox.clone())
    }

    /// Where echoed frames to the peer go.
    pub fn echo_outbox(&self) -> EchoOutbox {
        EchoOutbox(self.outbox.clone())
    }

    /// Subscribes to all messages that start with `topic`, in the form that the peer's version knows.
    pub fn subscribe(&self, topic: &[u8]) {
        if self.remote.version >= Version::V3_1 {
            self.outbox.push_command(&Command::Subscribe(Bytes::copy_from_slice(topic)));
        } else {
            let length = u8::try_from(topic.len() + 1).unwrap_or(u8::MAX);
            self.outbox.push_bytes(&[&[0, length, 1][..], topic].concat());
        }
        self.outbox.flush();
    }

    /// Waits for what the peer sends next and appends all that has arrived to `batch`.
    ///
    /// `false` is a clean end: the peer closed the connection between two messages. Cancelling loses nothing.
    pub async fn next(&mut self, batch: &mut Vec<Event>) -> Result<bool, PeerError> {
        loop {
            self.decode(batch)?;
            if !batch.is_empty() {
                return Ok(true);
            }
            if self.buffer.is_empty() {
                self.buffer = BytesMut::new();
                if let Some(ticket) = &mut self.ticket {
                    ticket.holds(self.decoder.held())?;
                }
            }
            tokio::select! {
                biased;
                readable = self.read.readable() => readable?,
                () = self.outbox.drain() => return Ok(false),
                () = &mut self.alarm => {
                    self.ring()?;
                    continue;
                }
                () = self.outbox.ping_is_due() => {
                    self.ping_at.get_or_insert(Instant::now() + PING_BEHIND);
                    self.set_alarm();
                    continue;
                }
            }
            if self.read().await? == Some(0) {
                return if self.decoder.is_inside(&self.buffer) { Err(PeerError::Torn) } else { Ok(false) };
            }
        }
    }

    fn decode(&mut self, batch: &mut Vec<Event>) -> Result<(), PeerError> {
        loop {
            let item = match self.decoder.decode(&mut self.buffer) {
                Ok(Some(item)) => item,
                Ok(None) => return Ok(()),
                // It has been read, and would not be met again.
                Err(error @ (CodecError::Command(_) | CodecError::CommandInsideMessage)) => {
                    return Err(error.into());
                }
                // What came before is served first: it may even be what makes the rest admissible.
                Err(_) if !batch.is_empty() => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            match item {
                Item::Message(frames) => batch.push(self.message(frames)?),
                Item::Command(command) => batch.extend(self.command(command)?),
            }
        }
    }

    /// A message to an XPUB socket is a subscription in the form of ZMTP 2.0 and 3.0.
    fn message(&self, frames: Frames) -> Result<Event, PeerError> {
        if self.local != SocketType::XPub {
            return Ok(Event::Message(frames));
        }
        let misplaced = PeerError::Misplaced("a message to a socket that takes subscriptions");
        let Some(first) = frames.first() else { return Err(misplaced) };
        match first.first() {
            Some(1) => Ok(Event::Subscribe(first.slice(1..))),
            Some(0) => Ok(Event::Cancel(first.slice(1..))),
            _ => Err(misplaced),
        }
    }

    fn command(&mut self, command: Command) -> Result<Option<Event>, PeerError> {
        let is_xpub = self.local == SocketType::XPub;
        match command {
            Command::Subscribe(topic) if is_xpub => return Ok(Some(Event::Subscribe(topic))),
            Command::Cancel(topic) if is_xpub => return Ok(Some(Event::Cancel(topic))),
            Command::Subscribe(_) | Command::Cancel(_) => return Err(PeerError::Misplaced("a subscription")),
            Command::Ready(_) => return Err(PeerError::Misplaced("another READY")),
            Command::Error(_) => return Err(PeerError::Misplaced("an ERROR")),
            Command::Ping(_, context) => {
                self.outbox.push_pong(context).map_err(|_| PeerError::Deaf)?;
                self.outbox.flush();
            }
            Command::Pong(context) if context.is_empty() => {}
            Command::Pong(context) => return Ok(Some(Event::Answered(context))),
            Command::Unknown(_) => {
                self.unknown += 1;
                if self.unknown > UNKNOWN_COMMANDS {
                    return Err(PeerError::Misplaced("many commands that nobody knows"));
                }
            }
        }
        Ok(None)
    }

    /// Reads what is there; `None` if it was nothing after all. Waiting is for [`Self::next`], which has more to wait for.
    async fn read(&mut self) -> Result<Option<usize>, PeerError> {
        let inside = self.decoder.is_inside(&self.buffer);
        // However much the peer announces, never more than twice what has arrived, or four times of one that holds the key:
        // each time that the buffer grows, it is copied.
        let growth = if self.ticket.is_some() { 1 } else { 3 };
        let most = (self.buffer.len() * growth).max(self.read_size);
        let room = self.decoder.missing().clamp(self.read_size, most);
        if let Some(ticket) = &mut self.ticket {
            ticket.holds(self.decoder.held() + self.buffer.len() + room)?;
        }
        self.buffer.reserve(room);
        let read = tokio::select! {
            biased;
            read = self.read.read_buf(&mut self.buffer) => read?,
            () = std::future::ready(()) => return Ok(None),
        };
        self.read_size = if read >= self.read_size { LARGE_READ.min(self.read_size * 4) } else { SMALL_READ };
        self.heard = Instant::now();
        if !inside {
            self.began = self.heard;
        }
        Ok(Some(read))
    }

    /// The alarm rang: a stranger's message must be whole by now, and a silent peer is asked for a sign of life.
    ///
    /// Nobody is given up for not answering: libzmq does not read while its own queue is full, and a stopped process
    /// not at all, yet both come back. Hosts that are gone are found by TCP's keepalive. Whoever has been asked goes on being
    /// asked, for by then it may count on it that it hears of us within the time to live.
    fn ring(&mut self) -> Result<(), PeerError> {
        let inside = self.decoder.is_inside(&self.buffer);
        if self.ticket.is_some() && inside && self.began.elapsed() >= self.settings.stranger_message {
            return Err(PeerError::Slow(self.began.elapsed()));
        }
        let now = Instant::now();
        let is_over = |at: Instant| now >= at + self.settings.ping_after;
        let is_silent = is_over(self.heard) || self.pinged().is_some_and(is_over);
        if (knows_ping(&self.remote) && is_silent) || self.ping_at.is_some_and(|at| at <= now) {
            self.ping_at = None;
            self.outbox.ping();
        }
        self.set_alarm();
        Ok(())
    }

    fn set_alarm(&mut self) {
        let now = Instant::now();
        let heard = self.pinged().map_or(self.heard, |pinged| pinged.min(self.heard));
        let silent_at = heard + self.settings.ping_after;
        let ping_at = if silent_at > now { silent_at } else { now + self.settings.ping_after };
        let late_at = self.ticket.as_ref().map(|_| now + self.settings.stranger_message);
        let at = [late_at, self.ping_at].into_iter().flatten().fold(ping_at, Instant::min);
        self.alarm.as_mut().reset(at);
    }

    fn pinged(&self) -> Option<Instant> {
        self.outbox.pinged().map(Instant::from_std)
    }
}

fn knows_ping(remote: &Remote) -> bool {
    remote.version >= Version::V3_1
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.outbox.end();
    }
}
