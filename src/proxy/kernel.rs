//! A kernel as the walk sees it: where messages to it go, who hears it, what it said of itself.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use jupyter_protocol::ExecutionState;
use parking_lot::{Mutex, MutexGuard};

use super::{connection::ReturnAddress, fanout::Fanout, running::Running};
use crate::{
    byte_size::ByteSize,
    channel::Channel,
    fleet::{KernelHandle, ProcessRecord},
    frames::Frames,
    id::{ClientId, KernelId, Origin},
    jupyter::{
        content::execution_count,
        header::Parent,
        kernelspec::InterruptMode,
        message::{Body, Envelope},
        signature::Signer,
    },
    net::{EchoOutbox, PushError, SignedOutbox},
    runtimes::Runtime,
};

/// Echoes that may be awaited from a kernel's heartbeat.
const PINGS: usize = 1024;

/// A kernel of the fleet.
#[derive(Debug)]
pub(super) struct Kernel {
    pub(super) id: KernelId,
    pub(super) runtime_index: usize,
    pub(super) runtime: Arc<Runtime>,
    /// The most memory that it may use.
    pub(super) memory_limit: Option<ByteSize>,
    pub(super) handle: KernelHandle,
    pub(super) fanout: Mutex<Fanout>,
    link: Mutex<Link>,
    process: Mutex<Option<ProcessRecord>>,
    /// How often it has lost its process: what was meant for one process never reaches the next.
    life: AtomicU64,
    used: AtomicBool,
    /// The number of our own question who it is, until it is answered.
    asked_who: Mutex<Option<String>>,
    /// It has not echoed a ping for too long.
    unresponsive: AtomicBool,
    running: Mutex<Running>,
    /// The number of its last cell.
    count: AtomicU64,
    /// It has said something on iopub since it was last asked whether it is active.
    spoke: AtomicBool,
    /// Those who asked who the kernel is before it was known; `None` once it is, or never will be.
    curious: Mutex<Option<Vec<(ClientId, ReturnAddress)>>>,
}

#[derive(Debug)]
enum Link {
    /// No process answers yet: messages wait.
    Down {
        held: VecDeque<(Channel, Body)>,
        bytes: usize,
    },
    Up(Box<Outboxes>),
    Gone,
}

/// Where a process that answers is reached.
#[derive(Debug)]
pub(super) struct Outboxes {
    pub(super) signer: Signer,
    pub(super) shell: SignedOutbox,
    pub(super) control: SignedOutbox,
    pub(super) stdin: SignedOutbox,
    pub(super) heartbeat: EchoOutbox,
    pub(super) known: Known,
    /// Who sent the pings that have not been echoed, in their order.
    pub(super) pings: VecDeque<Asker>,
    /// When it last echoed, or came up.
    pub(super) echoed: Instant,
}

/// What is known of a process that answers.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// The content of its `kernel_info_reply`, JSON.
    pub(super) info: Bytes,
    /// The routing id under which it knows us.
    pub(super) identity: Bytes,
    /// Its shell port, if it has ports.
    pub(super) port: Option<u16>,
}

/// Who sent a ping.
#[derive(Clone, Debug)]
pub(super) enum Asker {
    /// A client, which wants the echo.
    Client(EchoOutbox),
    /// The proxy, which wants to know whether there is one.
    Ourselves,
}

impl Kernel {
    pub(super) fn new(
        id: KernelId,
        runtime_index: usize,
        runtime: Arc<Runtime>,
        memory_limit: Option<ByteSize>,
        handle: KernelHandle,
    ) -> Self {
        Self {
            fanout: Mutex::new(Fanout::new(&id)),
            id,
            runtime_index,
            runtime,
            memory_limit,
            handle,
            link: Mutex::new(Link::Down { held: VecDeque::new(), bytes: 0 }),
            process: Mutex::new(None),
            life: AtomicU64::new(0),
            used: AtomicBool::new(false),
            asked_who: Mutex::new(None),
            unresponsive: AtomicBool::new(false),
            running: Mutex::default(),
            count: AtomicU64::new(0),
            spoke: AtomicBool::new(false),
            curious: Mutex::new(Some(Vec::new())),
        }
    }

    /// A process has been started for it.
    pub(super) fn is_launched(&self, process: ProcessRecord) {
        *self.process.lock() = Some(process);
    }

    /// Its latest process.
    pub(super) fn process(&self) -> Option<ProcessRecord> {
        self.process.lock().clone()
    }

    /// What is known of it while it answers.
    pub(super) fn known(&self) -> Option<Known> {
        match &*self.link.lock() {
            Link::Up(outboxes) => Some(outboxes.known.clone()),
            _ => None,
        }
    }

    /// How long ago it last echoed a ping, or came up; `None` while no process answers.
    pub(super) fn silence(&self, now: Instant) -> Option<Duration> {
        match &*self.link.lock() {
            Link::Up(outboxes) => Some(now.saturating_duration_since(outboxes.echoed)),
            _ => None,
        }
    }

    /// Whether it has not echoed for too long; `true` if that has just changed.
    pub(super) fn set_unresponsive(&self, unresponsive: bool) -> bool {
        self.unresponsive.swap(unresponsive, Ordering::Relaxed) != unresponsive
    }

    /// In a word, whether it can be used.
    pub(super) fn status(&self) -> &'static str {
        match &*self.link.lock() {
            Link::Down { .. } if self.unresponsive.load(Ordering::Relaxed) => "unresponsive",
            Link::Down { .. } => "starting",
            Link::Up(_) if self.unresponsive.load(Ordering::Relaxed) => "unresponsive",
            Link::Up(_) => "up",
            Link::Gone => "gone",
        }
    }

    /// Whether it has not echoed heartbeats lately.
    pub(super) fn is_unresponsive(&self) -> bool {
        self.unresponsive.load(Ordering::Relaxed)
    }

    /// Whether this is the number of our own question who it is; it is answered once.
    pub(super) fn was_asked_who(&self, msg_id: &str) -> bool {
        self.asked_who.lock().take_if(|asked| asked == msg_id).is_some()
    }

    /// Which of its processes messages are meant for now.
    pub(super) fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }

    pub(super) fn is_interrupted_by_message(&self) -> bool {
        self.runtime.interrupt_mode == InterruptMode::Message && self.is_up()
    }

    /// Signs a message with the kernel's key and queues it. While no process answers, the message waits for it. A
    /// message that was meant for a process that is gone is dropped: whoever sent it has been told.
    pub(super) fn push(&self, channel: Channel, body: Body, life: u64) -> Pushed {
        let (signer, outbox) = {
            let mut link = self.link.lock();
            if life != self.life() {
                return Pushed::Dropped;
            }
            match &mut *link {
                Link::Gone => return Pushed::Dropped,
                Link::Down { held, bytes } => {
                    *bytes += body.size();
                    held.push_back((channel, body));
                    return Pushed::Held;
                }
                Link::Up(outboxes) => match outboxes.of(channel) {
                    Some(outbox) => (outboxes.signer.clone(), outbox.clone()),
                    None => return Pushed::Dropped,
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

    /// Asks a process that answers who it is: its reply, to the message with this number, tells that it has come that far.
    pub(super) fn ask_who_it_is(&self, msg_id: String, request: Body) {
        *self.asked_who.lock() = Some(msg_id);
        if let Pushed::Queued(outbox) = self.push(Channel::Shell, request, self.life()) {
            outbox.flush();
        }
    }

    /// Asks a process that answers to end; one that is only starting is not asked.
    pub(super) fn ask_to_end(&self, request: Body) {
        let link = self.link.lock();
        if let Link::Up(outboxes) = &*link {
            // The supervisor insists where the request does not get through.
            let _ = outboxes.control.send(&Envelope::default(), &outboxes.signer.sign(request));
        }
    }

    /// Whether so much waits for the kernel that a message of that many bytes cannot be taken.
    pub(super) fn is_overfull(&self, channel: Channel, size: usize, most: usize) -> bool {
        match &*self.link.lock() {
            Link::Down { bytes, .. } => *bytes > most,
            Link::Up(outboxes) => outboxes.of(channel).is_some_and(|outbox| !outbox.has_room(size)),
            Link::Gone => false,
        }
    }

    pub(super) fn is_up(&self) -> bool {
        matches!(&*self.link.lock(), Link::Up(_))
    }

    /// A process answers: what waited goes out, before anything that comes later.
    pub(super) fn connect(&self, outboxes: Outboxes) {
        let mut link = self.link.lock();
        if let Link::Down { held, .. } = &mut *link {
            for (channel, body) in held.drain(..) {
                if let Some(outbox) = outboxes.of(channel) {
                    // If the connection broke already, its reader will tell.
                    let _ = outbox.push_counted(&Envelope::default(), &outboxes.signer.sign(body));
                    outbox.flush();
                }
            }
        }
        *link = Link::Up(Box::new(outboxes));
    }

    /// The process is gone. What waited for it is dropped, and so is what was meant for it and comes late.
    pub(super) fn disconnect(&self, for_good: bool) {
        let mut link = self.link.lock();
        self.life.fetch_add(1, Ordering::AcqRel);
        self.running.lock().end();
        if !for_good {
            self.curious.lock().get_or_insert_default();
        }
        *link = if for_good { Link::Gone } else { Link::Down { held: VecDeque::new(), bytes: 0 } };
    }

    /// Sends a ping on for a client; `false` if no process answers now.
    pub(super) fn ping(&self, frames: &Frames, asker: Asker) -> bool {
        let mut link = self.link.lock();
        let Link::Up(outboxes) = &mut *link else { return false };
        if outboxes.pings.len() >= PINGS {
            return true;
        }
        let sent = outboxes.heartbeat.send(frames).is_ok();
        if sent {
            outboxes.pings.push_back(asker);
        }
        sent
    }

    /// Who sent the ping that is echoed now.
    pub(super) fn echoed(&self) -> Option<Asker> {
        match &mut *self.link.lock() {
            Link::Up(outboxes) => {
                outboxes.echoed = Instant::now();
                outboxes.pings.pop_front()
            }
            _ => None,
        }
    }

    /// Whether this is the first time that somebody got something done by this kernel.
    pub(super) fn first_use(&self) -> bool {
        !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Relaxed)
    }

    /// Whether somebody got something done by it.
    pub(super) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// It says something on iopub.
    pub(super) fn speaks(&self) {
        self.spoke.store(true, Ordering::Relaxed);
    }

    /// One of its processes says what it does.
    pub(super) fn tells_state(&self, life: u64, parent: &Parent<'_>, state: &ExecutionState) {
        let mut running = self.running.lock();
        if life == self.life() {
            running.heard(parent, state);
        }
    }

    /// Whether it says that it runs something.
    pub(super) fn is_running(&self) -> bool {
        self.running.lock().is_anything()
    }

    /// Whether it runs something, or has said anything since this was last asked.
    pub(super) fn is_active(&self) -> bool {
        self.spoke.swap(false, Ordering::Relaxed) || self.is_running()
    }

    /// Somebody wants to know who the kernel is, as soon as that is known. `false`: it is known now, or never will be.
    pub(super) fn wonder(&self, client: &ClientId, address: &ReturnAddress) -> bool {
        let mut curious = self.curious.lock();
        curious.as_mut().map(|curious| curious.push((client.clone(), address.clone()))).is_some()
    }

    /// It has answered a cell with this content.
    pub(super) fn counts(&self, reply: &[u8]) {
        if let Some(count) = execution_count(reply) {
            self.count.store(count, Ordering::Relaxed);
        }
    }

    /// The number of its last cell; 0 if it has run none.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Those who have waited long enough.
    pub(super) fn take_waiting(&self) -> Vec<(ClientId, ReturnAddress)> {
        self.curious.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Those who wanted to know; from now on nobody has to wait.
    pub(super) fn take_curious(&self) -> Vec<(ClientId, ReturnAddress)> {
        self.curious.lock().take().unwrap_or_default()
    }

    pub(super) fn fanout(&self) -> MutexGuard<'_, Fanout> {
        self.fanout.lock()
    }

    /// How messages name it: id and runtime.
    pub(super) fn name(&self) -> String {
        format!("kernel {} ({})", self.id, self.runtime.name)
    }
}

/// What became of a message for a kernel.
pub(super) enum Pushed {
    /// It leaves with the next flush of this outbox.
    Queued(SignedOutbox),
    /// It waits for the kernel to come up.
    Held,
    /// It was meant for a process that is gone.
    Dropped,
    /// The kernel does not read what it is sent.
    Full,
}

impl Outboxes {
    fn of(&self, channel: Channel) -> Option<&SignedOutbox> {
        match channel {
            Channel::Shell => Some(&self.shell),
            Channel::Control => Some(&self.control),
            Channel::Stdin => Some(&self.stdin),
            Channel::IoPub | Channel::Heartbeat => None,
        }
    }
}

/// Whether two connections may be one client's: same owner, same identity.
pub(super) fn same_peer(one: (&Origin, &Bytes), two: (&Origin, &Bytes)) -> bool {
    one.0.same_owner(two.0) && one.1 == two.1
}
