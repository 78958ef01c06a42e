//! A kernel as the walk sees it: where messages to it go, who hears it, what it said of itself.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use parking_lot::{Mutex, MutexGuard};

use super::{connection::ReturnAddress, fanout::Fanout};
use crate::{
    channel::Channel,
    fleet::KernelHandle,
    frames::Frames,
    id::{ClientId, KernelId, Origin},
    jupyter::{
        kernelspec::InterruptMode,
        message::{Body, Envelope},
        signature::Signer,
    },
    net::{EchoOutbox, SignedOutbox},
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
    pub(super) handle: KernelHandle,
    pub(super) fanout: Mutex<Fanout>,
    link: Mutex<Link>,
    /// How often its process has ended: what was meant for one process never reaches the next.
    life: AtomicU64,
    used: AtomicBool,
    /// Those who asked who the kernel is before it was known.
    curious: Mutex<Vec<(ClientId, ReturnAddress)>>,
}

#[derive(Debug)]
enum Link {
    /// No process answers yet: messages wait.
    Down {
        held: VecDeque<(Channel, Body)>,
        bytes: usize,
    },
    Up(Outboxes),
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
    /// Who sent the pings that have not been echoed, in their order.
    pub(super) pings: VecDeque<EchoOutbox>,
}

impl Kernel {
    pub(super) fn new(
        id: KernelId,
        runtime_index: usize,
        runtime: Arc<Runtime>,
        handle: KernelHandle,
    ) -> Self {
        Self {
            fanout: Mutex::new(Fanout::new(&id)),
            id,
            runtime_index,
            runtime,
            handle,
            link: Mutex::new(Link::Down { held: VecDeque::new(), bytes: 0 }),
            life: AtomicU64::new(0),
            used: AtomicBool::new(false),
            curious: Mutex::default(),
        }
    }

    /// Which of its processes messages are meant for now.
    pub(super) fn life(&self) -> u64 {
        self.life.load(Ordering::Acquire)
    }

    pub(super) fn is_interrupted_by_message(&self) -> bool {
        self.runtime.interrupt_mode == InterruptMode::Message && matches!(&*self.link.lock(), Link::Up(_))
    }

    /// Signs a message with the kernel's key and queues it; returns the outbox that is to be flushed. While no process
    /// answers, the message waits for it. A message that was meant for a process that is gone is dropped: whoever sent
    /// it has been told.
    pub(super) fn push(&self, channel: Channel, body: Body, life: u64) -> Option<SignedOutbox> {
        let (signer, outbox) = {
            let mut link = self.link.lock();
            if life != self.life() {
                return None;
            }
            match &mut *link {
                Link::Gone => return None,
                Link::Down { held, bytes } => {
                    *bytes += body.size();
                    held.push_back((channel, body));
                    return None;
                }
                Link::Up(outboxes) => (outboxes.signer.clone(), outboxes.of(channel)?.clone()),
            }
        };
        let signed = signer.sign(body);
        match outbox.push(&Envelope::default(), &signed) {
            Ok(()) => Some(outbox),
            Err(why) => {
                self.handle.lost(format!("{channel}: {why}"));
                None
            }
        }
    }

    /// Whether so much waits for the kernel that no more can be taken.
    pub(super) fn is_overfull(&self, most: usize) -> bool {
        matches!(&*self.link.lock(), Link::Down { bytes, .. } if *bytes > most)
    }

    /// A process answers: what waited goes out, before anything that comes later.
    pub(super) fn connect(&self, outboxes: Outboxes) {
        let mut link = self.link.lock();
        if let Link::Down { held, .. } = &mut *link {
            for (channel, body) in held.drain(..) {
                if let Some(outbox) = outboxes.of(channel) {
                    // A fresh connection has room; if it broke already, its reader will tell.
                    let _ = outbox.send(&Envelope::default(), &outboxes.signer.sign(body));
                }
            }
        }
        *link = Link::Up(outboxes);
    }

    /// The process is gone. What waited for it is dropped, and so is what was meant for it and comes late.
    pub(super) fn disconnect(&self, for_good: bool) {
        let mut link = self.link.lock();
        self.life.fetch_add(1, Ordering::AcqRel);
        *link = if for_good { Link::Gone } else { Link::Down { held: VecDeque::new(), bytes: 0 } };
    }

    /// Sends a ping on for a client; `false` if no process answers now.
    pub(super) fn ping(&self, frames: &Frames, asker: EchoOutbox) -> bool {
        let mut link = self.link.lock();
        let Link::Up(outboxes) = &mut *link else { return false };
        if outboxes.pings.len() < PINGS && outboxes.heartbeat.send(frames).is_ok() {
            outboxes.pings.push_back(asker);
        }
        true
    }

    /// Who sent the ping that is echoed now.
    pub(super) fn echoed(&self) -> Option<EchoOutbox> {
        match &mut *self.link.lock() {
            Link::Up(outboxes) => outboxes.pings.pop_front(),
            _ => None,
        }
    }

    /// Whether this is the first time that somebody got something done by this kernel.
    pub(super) fn first_use(&self) -> bool {
        !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Relaxed)
    }

    /// Somebody wants to know who the kernel is, as soon as that is known.
    pub(super) fn wonder(&self, client: ClientId, address: ReturnAddress) {
        self.curious.lock().push((client, address));
    }

    /// Those who wanted to know.
    pub(super) fn take_curious(&self) -> Vec<(ClientId, ReturnAddress)> {
        std::mem::take(&mut self.curious.lock())
    }

    pub(super) fn fanout(&self) -> MutexGuard<'_, Fanout> {
        self.fanout.lock()
    }

    /// How messages name it: id and runtime.
    pub(super) fn name(&self) -> String {
        format!("kernel {} ({})", self.id, self.runtime.name)
    }
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
