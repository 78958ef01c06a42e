//! A kernel as the walk sees it: what it is, who hears it, what it said of itself.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use jupyter_protocol::ExecutionState;
use parking_lot::{Mutex, MutexGuard};

use super::{
    link::{Link, Pushed},
    running::Running,
};
use crate::{
    byte_size::ByteSize,
    channel::Channel,
    fleet::{KernelHandle, LaunchedFor, ProcessRecord},
    id::{ClientId, EndpointId, KernelId, MsgId, SessionId},
    jupyter::{
        content::execution_count, header::Parent, kernelspec::InterruptMode, message::Body,
        reply::MessageBuilder,
    },
    proxy::{cells::queues::CellQueues, frontend::connection::ReturnAddress, iopub::fanout::Fanout},
    route::CellName,
    runtimes::Runtime,
};

/// Requests for who a kernel is that may wait while it comes up: 1,000 clients may come at once, and ask three times.
const MOST_INFO_WAITERS: usize = 4096;

/// A kernel of the fleet.
#[derive(Debug)]
pub(crate) struct Kernel {
    pub(crate) id: KernelId,
    pub(crate) runtime_index: usize,
    pub(crate) runtime: Arc<Runtime>,
    /// The most memory that it may use.
    pub(crate) memory_limit: Option<ByteSize>,
    pub(crate) handle: KernelHandle,
    /// The host that it was launched for, if one was: its file, and what the kernel's processes get of it.
    pub(crate) host: Option<EndpointId>,
    pub(crate) launched_for: Option<Arc<LaunchedFor>>,
    pub(crate) fanout: Mutex<Fanout>,
    pub(crate) link: Link,
    pub(crate) cell_queues: CellQueues,
    process: Mutex<Option<ProcessRecord>>,
    used: AtomicBool,
    /// The number of our own question who it is, until it is answered.
    asked_who: Mutex<Option<String>>,
    /// The cell after which it was last asked whether it is done, and the number of that question.
    probe: Mutex<Option<(CellName, MsgId)>>,
    /// It has not echoed a ping for too long.
    unresponsive: AtomicBool,
    running: Mutex<Running>,
    /// The request that it published for last, and its client's session: kept for kernels that name no session in parent
    /// headers, and also publish after their reply.
    unnamed_asker: Mutex<Option<(MsgId, SessionId)>>,
    /// The number of its last cell.
    count: AtomicU64,
    /// How often it has said something on iopub, and how often it had when it was last asked whether it is active.
    said: AtomicU64,
    had_said: AtomicU64,
    /// Those who asked who the kernel is before it was known; `None` once it is, or never will be.
    info_waiters: Mutex<Option<Vec<(ClientId, ReturnAddress)>>>,
}

impl Kernel {
    pub(crate) fn new(
        id: KernelId,
        (runtime_index, runtime): (usize, Arc<Runtime>),
        memory_limit: Option<ByteSize>,
        handle: KernelHandle,
        host: Option<(EndpointId, Arc<LaunchedFor>)>,
        voice: MessageBuilder,
    ) -> Self {
        let (host, launched_for) = host.unzip();
        Self {
            fanout: Mutex::new(Fanout::new(&id, voice)),
            id,
            runtime_index,
            runtime,
            memory_limit,
            handle,
            host,
            launched_for,
            link: Link::new(),
            cell_queues: CellQueues::default(),
            process: Mutex::new(None),
            used: AtomicBool::new(false),
            asked_who: Mutex::new(None),
            probe: Mutex::new(None),
            unresponsive: AtomicBool::new(false),
            running: Mutex::default(),
            unnamed_asker: Mutex::default(),
            count: AtomicU64::new(0),
            said: AtomicU64::new(0),
            had_said: AtomicU64::new(0),
            info_waiters: Mutex::new(Some(Vec::new())),
        }
    }

    /// A process has been started for it.
    pub(crate) fn is_launched(&self, process: ProcessRecord) {
        *self.process.lock() = Some(process);
    }

    /// Its latest process.
    pub(crate) fn process(&self) -> Option<ProcessRecord> {
        self.process.lock().clone()
    }

    /// Whether it has not echoed for too long; `true` if that has just changed.
    pub(crate) fn set_unresponsive(&self, unresponsive: bool) -> bool {
        self.unresponsive.swap(unresponsive, Ordering::Relaxed) != unresponsive
    }

    /// In a word, whether it can be used.
    pub(crate) fn status(&self) -> &'static str {
        match self.link.status() {
            "gone" => "gone",
            _ if self.is_unresponsive() => "unresponsive",
            status => status,
        }
    }

    /// Whether it has not echoed heartbeats lately.
    pub(crate) fn is_unresponsive(&self) -> bool {
        self.unresponsive.load(Ordering::Relaxed)
    }

    /// Whether this is the number of our own question who it is; it is answered once.
    pub(crate) fn was_asked_who(&self, msg_id: &str) -> bool {
        self.asked_who.lock().take_if(|asked| asked == msg_id).is_some()
    }

    /// Whether it was asked something after this cell.
    pub(crate) fn is_probed_for(&self, cell: &CellName) -> bool {
        self.probe.lock().as_ref().is_some_and(|(probed, _)| probed == cell)
    }

    /// It is asked something after this cell, by the message with this number.
    pub(crate) fn note_probe(&self, cell: CellName, question: MsgId) {
        *self.probe.lock() = Some((cell, question));
    }

    /// The cell after which it was sent the message with this number.
    pub(crate) fn probed(&self, question: &str) -> Option<CellName> {
        let probe = self.probe.lock();
        let (cell, _) = probe.as_ref().filter(|(_, asked)| asked.as_str() == question)?;
        Some(cell.clone())
    }

    pub(crate) fn is_interrupted_by_message(&self) -> bool {
        self.runtime.interrupt_mode == InterruptMode::Message && self.link.is_up()
    }

    /// Asks a process that answers who it is: its reply, to the message with this number, tells that it has come that far.
    pub(crate) fn ask_who_it_is(&self, msg_id: String, request: Body) {
        *self.asked_who.lock() = Some(msg_id);
        self.send(Channel::Shell, request);
    }

    /// Sends a request of our own.
    pub(crate) fn send(&self, channel: Channel, request: Body) {
        if let Pushed::Queued(outbox) = self.link.push(channel, request, self.link.life()) {
            outbox.flush();
        }
    }

    /// Whether this is the first time that somebody got something done by this kernel.
    pub(crate) fn first_use(&self) -> bool {
        !self.used.load(Ordering::Relaxed) && !self.used.swap(true, Ordering::Relaxed)
    }

    /// Whether somebody got something done by it.
    pub(crate) fn was_used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// It says something on iopub.
    pub(crate) fn speaks(&self) {
        self.said.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has said something on iopub.
    pub(crate) fn said(&self) -> u64 {
        self.said.load(Ordering::Relaxed)
    }

    /// One of its processes says what it does.
    pub(crate) fn tells_state(&self, life: u64, parent: &Parent<'_>, state: &ExecutionState) {
        let mut running = self.running.lock();
        if life == self.link.life() {
            running.heard(parent, state);
        }
    }

    /// Whether it says that it runs something.
    pub(crate) fn is_running(&self) -> bool {
        self.running.lock().is_anything()
    }

    /// Whether it runs something, or has said anything since this was last asked.
    pub(crate) fn is_active(&self) -> bool {
        let said = self.said();
        self.had_said.swap(said, Ordering::Relaxed) != said || self.is_running()
    }

    /// Whose request this is, which the kernel names by its number alone; `of_request` knows it until the reply has come.
    pub(crate) fn unnamed_asker(
        &self,
        msg_id: &str,
        of_request: impl FnOnce() -> Option<SessionId>,
    ) -> Option<SessionId> {
        let found = of_request();
        let mut last = self.unnamed_asker.lock();
        if let Some(session) = found {
            *last = Some((MsgId::from(msg_id), session));
        }
        last.as_ref().filter(|(last, _)| last.as_str() == msg_id).map(|(_, session)| session.clone())
    }

    /// Somebody wants to know who the kernel is, as soon as that is known. `None`: it is known now, or never will be; `Some(false)`: too
    /// many wait for it already.
    pub(crate) fn wait_for_info(&self, client: &ClientId, address: &ReturnAddress) -> Option<bool> {
        let mut info_waiters = self.info_waiters.lock();
        let info_waiters = info_waiters.as_mut()?;
        let has_room = info_waiters.len() < MOST_INFO_WAITERS;
        if has_room {
            info_waiters.push((client.clone(), address.clone()));
        }
        Some(has_room)
    }

    /// It has answered a cell with this content.
    pub(crate) fn counts(&self, reply: &[u8]) {
        if let Some(count) = execution_count(reply) {
            self.count.store(count, Ordering::Relaxed);
        }
    }

    /// The number of its last cell; 0 if it has run none.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The process is gone, and what it did; for good, or until the next one comes up.
    pub(crate) fn disconnect(&self, for_good: bool) {
        if !for_good {
            self.info_waiters.lock().get_or_insert_default();
        }
        self.link.disconnect(for_good);
        self.cell_queues.clear();
        self.running.lock().end();
    }

    /// Those who have waited long enough.
    pub(crate) fn take_waiting(&self) -> Vec<(ClientId, ReturnAddress)> {
        self.info_waiters.lock().as_mut().map(std::mem::take).unwrap_or_default()
    }

    /// Those who wanted to know; from now on nobody has to wait.
    pub(crate) fn take_info_waiters(&self) -> Vec<(ClientId, ReturnAddress)> {
        self.info_waiters.lock().take().unwrap_or_default()
    }

    pub(crate) fn fanout(&self) -> MutexGuard<'_, Fanout> {
        self.fanout.lock()
    }

    /// Whether its next process lacks the environment of the program that it was launched for: nobody wrote that down.
    pub(crate) fn lacks_environment(&self) -> bool {
        self.launched_for.as_ref().is_some_and(|host| host.environment().is_none())
    }

    /// How messages name it: id and runtime.
    pub(crate) fn name(&self) -> String {
        format!("kernel {} ({})", self.id, self.runtime.name)
    }
}
