//! What waits at the stub while there is no fleet, and what the host's clients are told meanwhile.

use std::{path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use jupyter_protocol::{ExecutionState, ReplyStatus, ShutdownReply};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{sync::Notify, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{absence::Absence, connection::Connection, lost::LostRequest};
use crate::{
    frames::Frames,
    id::EndpointId,
    jupyter::{
        connection_file::{ConnectionFile, Ports},
        header::Header,
        message::{Body, Envelope, Unverified, Verified},
        reply::{Failure, MessageBuilder, PROTOCOL_VERSION, connect_content},
        signature::Signer,
    },
    limits::Limits,
    net::{Acceptor, Publisher},
    route::host_client,
};

/// How long what is written at the end may take to leave.
const LAST_WORDS: Duration = Duration::from_millis(200);

/// Under which topic everything is said: clients subscribe to all.
const TOPIC: &[u8] = b"kernel.fleet";

/// What the host's clients have asked while there is no fleet.
#[derive(Debug)]
pub(super) struct Room {
    pub(super) limits: Limits,
    pub(super) acceptor: Acceptor,
    pub(super) publisher: Publisher,
    /// The host's number among the fleet's endpoints.
    pub(super) host: EndpointId,
    /// Something waits that would be answered with an error if there is still no fleet.
    pub(super) wanted: Notify,
    /// The kernel is to be interrupted, by the fleet as soon as there is one.
    pub(super) interrupts: Notify,
    ports: Ports,
    signer: Signer,
    builder: MessageBuilder,
    asked: Mutex<Asked>,
    /// The host needs no kernel any more.
    ended: CancellationToken,
}

#[derive(Debug, Default)]
struct Asked {
    connections: Vec<Arc<Connection>>,
    /// In the order in which they came.
    waiting: Vec<Waiting>,
    bytes: usize,
    /// What the last fleet was asked and has not answered.
    lost: Vec<LostRequest>,
    /// Answers to those whose clients have not connected again yet.
    unclaimed: Vec<(LostRequest, Body)>,
    /// What has been answered in the fleet's place.
    answered: Vec<String>,
}

/// A message that waits for a fleet.
#[derive(Clone, Debug)]
struct Waiting {
    connection: Arc<Connection>,
    /// As it came.
    frames: Frames,
    request: Option<Request>,
    is_told: bool,
}

/// A message that is owed a reply.
#[derive(Clone, Debug)]
struct Request {
    envelope: Envelope,
    /// Its header, JSON: the parent of what is said of it.
    header: Bytes,
    msg_type: String,
}

impl Room {
    /// An empty one, for the host that wrote this file.
    pub(super) fn new(file: &ConnectionFile, path: &Path, limits: Limits) -> Arc<Self> {
        let signer = Signer::new(file.signature_scheme, file.key.as_ref());
        let builder = MessageBuilder::new("jupyter-fleet");
        Arc::new(Self {
            acceptor: Acceptor::new(&limits),
            publisher: Publisher::new(builder.clone(), signer.clone(), Bytes::from_static(TOPIC), &limits),
            host: host_client(path, file).endpoint,
            wanted: Notify::new(),
            interrupts: Notify::new(),
            ports: file.ports(),
            signer,
            builder,
            asked: Mutex::default(),
            ended: CancellationToken::new(),
            limits,
        })
    }

    /// Returns once the host has shut down the kernel that it does not have.
    pub(super) async fn ended(&self) {
        self.ended.cancelled().await;
    }

    /// Gives what was said last the time to leave.
    pub(super) async fn flush(&self) {
        if !self.asked.lock().connections.is_empty() {
            sleep(LAST_WORDS).await;
        }
    }

    /// A connection of a client is there; what is still owed to it is sent.
    pub(super) fn connected(&self, connection: &Arc<Connection>) {
        let unclaimed = {
            let mut asked = self.asked.lock();
            asked.connections.push(connection.clone());
            let (claimed, unclaimed) = std::mem::take(&mut asked.unclaimed)
                .into_iter()
                .partition::<Vec<_>, _>(|(lost, _)| connection.is_of(lost.channel, &lost.identity));
            asked.unclaimed = unclaimed;
            claimed
        };
        for (lost, body) in unclaimed {
            let _ = connection.outbox.send(&lost.envelope, &self.signer.sign(body));
        }
    }

    /// It is gone, or goes to the fleet; returns what waits of it.
    pub(super) fn disconnected(&self, connection: &Arc<Connection>) -> Vec<Frames> {
        let mut asked = self.asked.lock();
        asked.connections.retain(|known| !Arc::ptr_eq(known, connection));
        let (its, others) = std::mem::take(&mut asked.waiting)
            .into_iter()
            .partition::<Vec<_>, _>(|waiting| Arc::ptr_eq(&waiting.connection, connection));
        asked.waiting = others;
        asked.bytes = asked.waiting.iter().map(|waiting| waiting.frames.size()).sum();
        its.into_iter().map(|waiting| waiting.frames).collect()
    }

    /// Takes a message of a client's. `false` if it is no message of anyone who holds the key.
    pub(super) fn receive(&self, connection: &Arc<Connection>, frames: Frames) -> bool {
        let verified =
            Unverified::split(frames.clone()).ok().and_then(|message| self.signer.verify(message).ok());
        let Some(message) = verified else { return false };
        let request = request(&message);
        match request.as_ref().map(|request| request.msg_type.as_str()) {
            Some("connect_request") => {
                self.answer(connection, request.as_ref(), "connect_reply", connect_content(&self.ports));
            }
            Some("interrupt_request") => {
                self.interrupt();
                self.answer(connection, request.as_ref(), "interrupt_reply", json!({ "status": "ok" }));
            }
            Some("shutdown_request") => self.end(connection, request.as_ref()),
            _ => self.keep(Waiting { connection: connection.clone(), frames, request, is_told: false }),
        }
        true
    }

    fn keep(&self, message: Waiting) {
        let size = message.frames.size();
        let is_kept = {
            let mut asked = self.asked.lock();
            let has_room = asked.waiting.is_empty() || asked.bytes + size <= self.limits.held_bytes;
            if has_room {
                asked.bytes += size;
                asked.waiting.push(message.clone());
            }
            has_room
        };
        if is_kept {
            self.wanted.notify_one();
        } else if let Some(request) = &message.request {
            let text = "too much already waits for the fleet: try again when it is there";
            self.fail(&message.connection, request, &Failure::new("TooManyRequests", text));
        }
    }

    /// The fleet went away with these requests.
    pub(super) fn lose(&self, lost: Vec<LostRequest>) {
        self.asked.lock().lost = lost;
    }

    /// The requests that have been answered in the fleet's place, which it is to forget.
    pub(super) fn answered(&self) -> Vec<String> {
        self.asked.lock().answered.clone()
    }

    /// Whether somebody waits for a fleet.
    pub(super) fn is_anything_wanted(&self) -> bool {
        let asked = self.asked.lock();
        !asked.waiting.is_empty() || !asked.lost.is_empty()
    }

    /// Tells those who look at a cell what it waits for, once.
    pub(super) fn tell_waiting(&self, left: Duration) {
        let text = format!(
            "[jupyter-fleet: the fleet does not answer; waiting for it for another {}s. If it has ended, start it again with \
             `jupyter-fleet serve`]",
            left.as_secs()
        );
        let mut asked = self.asked.lock();
        let Asked { waiting, lost, .. } = &mut *asked;
        for waiting in waiting.iter_mut().filter(|waiting| !waiting.is_told) {
            waiting.is_told = true;
            if let Some(request) = waiting.request.as_ref().filter(|request| request.is_cell()) {
                self.say(self.builder.notice(&text, &request.header));
            }
        }
        for lost in lost.iter_mut().filter(|lost| !lost.is_told) {
            lost.is_told = true;
            if lost.msg_type == "execute_request" {
                self.say(self.builder.notice(&text, &lost.header));
            }
        }
    }

    /// Answers all that waits: there is no fleet. `waited`: since one went away.
    pub(super) fn give_up(&self, absence: &Absence, waited: Option<Duration>) {
        let (waiting, lost) = {
            let mut asked = self.asked.lock();
            asked.bytes = 0;
            (std::mem::take(&mut asked.waiting), std::mem::take(&mut asked.lost))
        };
        for lost in lost {
            let failure = absence.fleet_lost(waited.unwrap_or_default());
            self.fail_lost(lost, &failure);
        }
        for Waiting { connection, request, .. } in waiting {
            let Some(request) = request else { continue };
            match waited.filter(|_| request.is_cell()) {
                Some(waited) => self.fail(&connection, &request, &absence.fleet_lost(waited)),
                None => self.refuse(&connection, &request, absence),
            }
        }
    }

    /// Cells that wait are not run; those that the fleet had are interrupted once it is back.
    pub(super) fn interrupt(&self) {
        let (cells, runs) = {
            let mut asked = self.asked.lock();
            let is_cell = |waiting: &Waiting| waiting.request.as_ref().is_some_and(Request::is_cell);
            let (cells, others) =
                std::mem::take(&mut asked.waiting).into_iter().partition::<Vec<_>, _>(is_cell);
            asked.waiting = others;
            (cells, asked.lost.iter().any(|lost| lost.msg_type == "execute_request"))
        };
        for cell in cells {
            let text = "the cell was interrupted while it waited for the fleet: it has not run";
            if let Some(request) = &cell.request {
                self.fail(&cell.connection, request, &Failure::new("Interrupted", text));
            }
        }
        if runs {
            self.interrupts.notify_one();
        }
    }

    /// Answers a request that finds no fleet. Whoever asks who the kernel is gets an answer in form all the same, for a
    /// frontend that gets none gives up without a word; its banner says why every cell will fail.
    fn refuse(&self, connection: &Connection, request: &Request, absence: &Absence) {
        if request.msg_type == "kernel_info_request" {
            let banner = format!("jupyter-fleet: {}\n", absence.no_fleet().evalue);
            return self.answer(connection, Some(request), "kernel_info_reply", no_kernel(&banner));
        }
        self.fail(connection, request, &absence.no_fleet());
    }

    fn end(&self, connection: &Connection, request: Option<&Request>) {
        let Some(request) = request else { return };
        let reply = ShutdownReply { restart: false, status: ReplyStatus::Ok, error: None };
        self.reply(connection, request, self.builder.say(reply, &request.header));
        self.ended.cancel();
    }

    fn answer(&self, connection: &Connection, request: Option<&Request>, msg_type: &str, content: Value) {
        let Some(request) = request else { return };
        self.say(self.builder.status(ExecutionState::Busy, &request.header));
        self.reply(connection, request, self.builder.say_raw(msg_type, content, &request.header));
        self.say(self.builder.status(ExecutionState::Idle, &request.header));
    }

    /// Fails a request as a kernel would: in the cell, and in the reply.
    fn fail(&self, connection: &Connection, request: &Request, failure: &Failure) {
        let parent = &request.header;
        self.say(self.builder.status(ExecutionState::Busy, parent));
        if request.is_cell() {
            self.say(self.builder.error(failure, parent));
        }
        self.reply(connection, request, self.builder.error_reply(&request.msg_type, failure, parent));
        self.say(self.builder.status(ExecutionState::Idle, parent));
    }

    fn fail_lost(&self, lost: LostRequest, failure: &Failure) {
        let parent = lost.header.clone();
        if lost.msg_type == "execute_request" {
            self.say(self.builder.error(failure, &parent));
        }
        let reply = self.builder.error_reply(&lost.msg_type, failure, &parent);
        let connection = {
            let mut asked = self.asked.lock();
            asked.answered.push(lost.msg_id.clone());
            let its = |one: &&Arc<Connection>| one.is_of(lost.channel, &lost.identity);
            let connection = asked.connections.iter().rfind(its).cloned();
            if connection.is_none() {
                asked.unclaimed.push((lost.clone(), reply.clone()));
            }
            connection
        };
        if let Some(connection) = connection {
            let _ = connection.outbox.send(&lost.envelope, &self.signer.sign(reply));
        }
        self.say(self.builder.status(ExecutionState::Idle, &parent));
    }

    fn reply(&self, connection: &Connection, request: &Request, body: Body) {
        // A client that is gone needs none.
        let _ = connection.outbox.send(&request.envelope, &self.signer.sign(body));
    }

    fn say(&self, body: Body) {
        self.publisher.publish_status(Bytes::from_static(TOPIC), body);
    }
}

impl Request {
    fn is_cell(&self) -> bool {
        self.msg_type == "execute_request"
    }
}

fn request(message: &Verified) -> Option<Request> {
    let header = Header::peek(message).ok().filter(|header| header.msg_type.ends_with("_request"))?;
    Some(Request {
        msg_type: header.msg_type.to_string(),
        envelope: message.envelope().detached(),
        header: message.body().header().clone(),
    })
}

/// The content of a `kernel_info_reply` of no kernel (messaging spec, "Kernel info").
fn no_kernel(banner: &str) -> Value {
    json!({
        "status": "ok",
        "protocol_version": PROTOCOL_VERSION,
        "implementation": "jupyter-fleet",
        "implementation_version": env!("CARGO_PKG_VERSION"),
        "language_info": { "name": "none", "version": "", "mimetype": "text/plain", "file_extension": ".txt" },
        "banner": banner,
        "help_links": [],
    })
}
