//! The way to a kernel's process: what waits for it while it comes up, and where it is reached once it answers.

use std::{
    collections::VecDeque,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use bytes::Bytes;
use parking_lot::Mutex;

use crate::{
    channel::Channel,
    fleet::Channels,
    frames::Frames,
    jupyter::{
        message::{Body, Envelope},
        signature::Signer,
    },
    net::{EchoOutbox, Peer, PushError, SignedOutbox},
};

/// Echoes that may be awaited from a kernel's heartbeat.
const PINGS: usize = 1024;

/// The way to a kernel's process, through all its lives.
#[derive(Debug)]
pub(crate) struct Link {
    state: Mutex<State>,
    /// How often the kernel has lost its process: what was meant for one process never reaches the next.
    life: AtomicU64,
}

#[derive(Debug)]
enum State {
    /// No process answers yet: messages wait. An earlier `serve` may have known the process.
    Down {
        held: VecDeque<(Channel, Body)>,
        bytes: usize,
        known: Option<Known>,
    },
    Up(Box<Outboxes>),
    Gone,
}

/// Where a process that answers is reached.
#[derive(Debug)]
pub(crate) struct Outboxes {
    pub(crate) signer: Signer,
    pub(crate) shell: SignedOutbox,
    /// Of the three that a kernel may lack, those that it has.
    pub(crate) control: Option<SignedOutbox>,
    pub(crate) stdin: Option<SignedOutbox>,
    pub(crate) heartbeat: Option<EchoOutbox>,
    pub(crate) known: Known,
    /// Who sent the pings that have not been echoed, in their order.
    pub(crate) pings: VecDeque<Asker>,
    /// When it last echoed, or came up.
    pub(crate) echoed: Instant,
}

/// What is known of a process that has answered this `serve` or an earlier one.
#[derive(Clone, Debug)]
pub(crate) struct Known {
    /// The content of its `kernel_info_reply`, JSON.
    pub(crate) info: Option<Bytes>,
    /// The routing ids under which it knows the earlier `serve`s that it may still answer to, and last the latest one.
    pub(crate) identities: Vec<Bytes>,
    /// Its shell port, if it has ports.
    pub(crate) port: Option<u16>,
}

/// Who sent a ping.
#[derive(Clone, Debug)]
pub(crate) enum Asker {
    /// A client, which wants the echo.
    Client(EchoOutbox),
    /// The proxy, which wants to know whether there is one.
    Ourselves,
}

impl Link {
    /// No process answers yet.
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State::down(None)), life: AtomicU64::new(0) }
    }

    /// An earlier `serve` knew this of the process, which is not connected yet. The next `serve` must know it too, should
    /// this one end before it is.
    pub(crate) fn recall(&self, known: Known) {
        *self.state.lock() = State::down(Some(known));
    }

    /// What is known of its process.
    pub(crate) fn known(&self) -> Option<Known> {
        match &*self.state.lock() {
            State::Up(outboxes) => Some(outboxes.known.clone()),
            State::Down { known, .. } => known.clone(),
            State::Gone => None,
        }
    }

    /// The process has said who it is; `true` if that was not known.
    pub(crate) fn learn(&self, info: &Bytes) -> bool {
        match &mut *self.state.lock() {
            State::Up(outboxes) if outboxes.known.info.is_none() => {
                outboxes.known.info = Some(info.clone());
                true
            }
            _ => false,
        }
    }

    /// How long ago it last echoed a ping, or came up; `None` while no process answers. One without a heartbeat is never
    /// silent.
    pub(crate) fn silence(&self, now: Instant) -> Option<Duration> {
        match &*self.state.lock() {
            State::Up(outboxes) if outboxes.heartbeat.is_none() => Some(Duration::ZERO),
            State::Up(outboxes) => Some(now.saturating_duration_since(outboxes.echoed)),
            _ => None,
        }
    }

    /// The channels that a process that answers lacks.
    pub(crate) fn missing(&self) -> Vec<Channel> {
        match &*self.state.lock() {
            State::Up(outboxes) => outboxes.missing(),
            _ => Vec::new(),
        }
    }

    /// The process of this life has bound a channel that it lacked.
    pub(crate) fn attach(&self, life: u64, channel: Channel, peer: &Peer) {
        let mut state = self.state.lock();
        if let State::Up(outboxes) = &mut *state
            && life == self.life()
        {
            outboxes.attach(channel, peer);
        }
    }

    /// The process of this life has closed a channel that it may lack.
    pub(crate) fn detach(&self, life: u64, channel: Channel) {
        let mut state = self.state.lock();
        if let State::Up(outboxes) = &mut *state
            && life == self.life()
        {
            outboxes.detach(channel);
        }
    }
    /// Which of its processes messages are meant for now.
    pub(crate) fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }
    /// Signs a message with the kernel's key and queues it. While no process answers, the message waits for it. A
    /// message that was meant for a process that is gone is dropped: whoever sent it has been told.
    pub(crate) fn push(&self, channel: Channel, body: Body, life: u64) -> Pushed {
        let (signer, outbox) = {
            let mut state = self.state.lock();
            if life != self.life() {
                return Pushed::Dropped;
            }
            match &mut *state {
                State::Gone => return Pushed::Dropped,
                State::Down { held, bytes, .. } => {
                    *bytes += body.size();
                    held.push_back((channel, body));
                    return Pushed::Held;
                }
                State::Up(outboxes) => match outboxes.of(channel) {
                    Some(outbox) => (outboxes.signer.clone(), outbox.clone()),
                    None => return Pushed::NoChannel,
                },
            }
        };
        let signed = signer.sign(body);
        match outbox.push(&Envelope::default(), &signed) {
            Ok(()) => Pushed::Queued(outbox),
            Err(PushError::Full) => Pushed::Full,
            // Its reader notices too, and tells the supervisor; whoever waits is told when the process is gone.
            Err(PushError::Closed) => Pushed::Dropped,
        }
    }
    /// Asks a process that answers to end; one that is only starting is not asked.
    pub(crate) fn ask_to_end(&self, request: Body) {
        let state = self.state.lock();
        if let State::Up(outboxes) = &*state
            && let Some(control) = outboxes.of(Channel::Control)
        {
            // The supervisor insists where the request does not get through.
            let _ = control.send(&Envelope::default(), &outboxes.signer.sign(request));
        }
    }
    /// Whether so much waits for the kernel that a message of that many bytes cannot be taken.
    pub(crate) fn is_overfull(&self, channel: Channel, size: usize, most: usize) -> bool {
        match &*self.state.lock() {
            State::Down { bytes, .. } => *bytes > most,
            State::Up(outboxes) => outboxes.of(channel).is_some_and(|outbox| !outbox.has_room(size)),
            State::Gone => false,
        }
    }
    pub(crate) fn is_up(&self) -> bool {
        matches!(&*self.state.lock(), State::Up(_))
    }
    /// A process answers: what waited goes out, before anything that comes later.
    pub(crate) fn connect(&self, outboxes: Outboxes) {
        let mut state = self.state.lock();
        if let State::Down { held, .. } = &mut *state {
            for (channel, body) in held.drain(..) {
                if let Some(outbox) = outboxes.of(channel) {
                    // If the connection broke already, its reader will tell.
                    let _ = outbox.push_counted(&Envelope::default(), &outboxes.signer.sign(body));
                    outbox.flush();
                }
            }
        }
        *state = State::Up(Box::new(outboxes));
    }
    /// The process is gone. What waited for it is dropped, and so is what was meant for it and comes late.
    pub(crate) fn disconnect(&self, for_good: bool) {
        let mut state = self.state.lock();
        self.life.fetch_add(1, Ordering::AcqRel);
        *state = if for_good { State::Gone } else { State::down(None) };
    }

    /// In a word, whether it can be used.
    pub(crate) fn status(&self) -> &'static str {
        match &*self.state.lock() {
            State::Down { .. } => "starting",
            State::Up(_) => "up",
            State::Gone => "gone",
        }
    }

    /// Sends a ping on for a client; `false` if no process answers now, or it has no heartbeat.
    pub(crate) fn ping(&self, frames: &Frames, asker: Asker) -> bool {
        let mut state = self.state.lock();
        let State::Up(outboxes) = &mut *state else { return false };
        let Some(heartbeat) = &outboxes.heartbeat else { return false };
        if outboxes.pings.len() >= PINGS {
            return true;
        }
        let sent = heartbeat.send(frames).is_ok();
        if sent {
            outboxes.pings.push_back(asker);
        }
        sent
    }
    /// Who sent the ping that is echoed now.
    pub(crate) fn echoed(&self) -> Option<Asker> {
        match &mut *self.state.lock() {
            State::Up(outboxes) => {
                outboxes.echoed = Instant::now();
                outboxes.pings.pop_front()
            }
            _ => None,
        }
    }
}

/// What became of a message for a kernel.
pub(crate) enum Pushed {
    /// It leaves with the next flush of this outbox.
    Queued(SignedOutbox),
    /// It waits for the kernel to come up.
    Held,
    /// It was meant for a process that is gone.
    Dropped,
    /// The kernel does not read what it is sent.
    Full,
    /// The kernel lacks the channel.
    NoChannel,
}

impl State {
    fn down(known: Option<Known>) -> Self {
        Self::Down { held: VecDeque::new(), bytes: 0, known }
    }
}

impl Outboxes {
    /// Those of a process that has just come up.
    pub(crate) fn of_channels(channels: &Channels) -> Self {
        let mut outboxes = Self {
            signer: channels.signer.clone(),
            shell: channels.shell.signed_outbox(),
            control: None,
            stdin: None,
            heartbeat: None,
            known: Known {
                info: channels.info.clone(),
                identities: channels.earlier.iter().chain([&channels.identity]).cloned().collect(),
                port: channels.ports.map(|ports| ports.shell.get()),
            },
            pings: VecDeque::new(),
            echoed: Instant::now(),
        };
        for (channel, peer) in &channels.optional.connected {
            outboxes.attach(*channel, peer);
        }
        outboxes
    }

    fn attach(&mut self, channel: Channel, peer: &Peer) {
        match channel {
            Channel::Control => self.control = Some(peer.signed_outbox()),
            Channel::Stdin => self.stdin = Some(peer.signed_outbox()),
            Channel::Heartbeat => {
                self.heartbeat = Some(peer.echo_outbox());
                self.echoed = Instant::now();
            }
            Channel::Shell | Channel::IoPub => {}
        }
    }

    fn detach(&mut self, channel: Channel) {
        match channel {
            Channel::Control => self.control = None,
            Channel::Stdin => self.stdin = None,
            Channel::Heartbeat => {
                self.heartbeat = None;
                self.pings.clear();
            }
            Channel::Shell | Channel::IoPub => {}
        }
    }

    fn missing(&self) -> Vec<Channel> {
        [
            (Channel::Stdin, self.stdin.is_none()),
            (Channel::Control, self.control.is_none()),
            (Channel::Heartbeat, self.heartbeat.is_none()),
        ]
        .into_iter()
        .filter_map(|(channel, is_missing)| is_missing.then_some(channel))
        .collect()
    }

    /// Where messages of a channel go. Kernels from before there was a control channel are asked on shell.
    fn of(&self, channel: Channel) -> Option<&SignedOutbox> {
        match channel {
            Channel::Shell => Some(&self.shell),
            Channel::Control => Some(self.control.as_ref().unwrap_or(&self.shell)),
            Channel::Stdin => self.stdin.as_ref(),
            Channel::IoPub | Channel::Heartbeat => None,
        }
    }
}
