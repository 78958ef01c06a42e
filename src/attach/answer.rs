//! What attach itself answers, as a kernel would.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use jupyter_protocol::{ExecutionState, ReplyStatus, ShutdownReply};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use super::{absence::Absence, carrier::Carrier, in_flight::Request};
use crate::{
    channel::Channel,
    jupyter::{
        message::{Body, Envelope, Verified},
        reply::{Failure, PROTOCOL_VERSION},
    },
};

/// How long the fleet may take to answer a `shutdown_request`. Hosts kill us some seconds later.
const GOODBYE: Duration = Duration::from_secs(5);

/// How long the host's `shutdown_request` waits for the fleet to read what came before it.
const FAREWELL: Duration = Duration::from_secs(2);

/// How long what the fleet says on iopub may come after its reply, and what is written may take to leave.
const LAST_WORDS: Duration = Duration::from_millis(200);

impl Carrier {
    /// Fails a request as a kernel would: in the cell, and in the reply.
    pub(super) fn fail(&self, request: &Request, failure: &Failure) {
        let (parent, msg_type) = (&request.header, request.msg_type());
        self.publisher.say(self.voice.status(ExecutionState::Busy, parent));
        if msg_type == "execute_request" {
            self.publisher.say(self.voice.error(failure, parent));
        }
        self.reply(request, self.voice.error_reply(&msg_type, failure, parent));
        self.publisher.say(self.voice.status(ExecutionState::Idle, parent));
    }

    /// Answers a request that finds no fleet. Who asks who the kernel is gets an answer in form all the same, for a
    /// frontend that gets none gives up without a word; its banner says why every cell will fail.
    pub(super) fn refuse(&self, request: &Request, absence: &Absence) {
        let parent = &request.header;
        match &*request.msg_type() {
            "kernel_info_request" => {
                let banner = format!("jupyter-fleet: {}\n", absence.no_fleet().evalue);
                self.publisher.say(self.voice.status(ExecutionState::Busy, parent));
                self.reply(request, self.voice.say_raw("kernel_info_reply", no_kernel(&banner), parent));
                self.publisher.say(self.voice.status(ExecutionState::Idle, parent));
            }
            "shutdown_request" => self.part(request),
            // Nothing runs.
            "interrupt_request" => {
                self.reply(request, self.voice.say_raw("interrupt_reply", json!({ "status": "ok" }), parent));
            }
            _ => self.fail(request, &absence.no_fleet()),
        }
    }

    /// Tells those who look at a cell what it waits for.
    pub(super) fn tell_waiting(&self, request: &Request, left: Duration) {
        if request.msg_type() == "execute_request" {
            let text = format!(
                "[jupyter-fleet: the fleet does not answer; waiting for it for another {}s. If it has ended, start it \
                 again with `jupyter-fleet serve`]",
                left.as_secs()
            );
            self.publisher.say(self.voice.notice(&text, &request.header));
        }
    }

    /// Sends a reply of our own.
    pub(super) fn reply(&self, request: &Request, body: Body) {
        let signed = self.signer.sign(body);
        let connection = &request.connection;
        if connection.outbox.send(&request.envelope, &signed).is_err() {
            let newer = self.connections.lock().newest(connection.channel, &connection.identity);
            let _ = newer.map(|newer| newer.outbox.send(&request.envelope, &signed));
        }
    }

    /// The host has asked for the end: the fleet answers, or we do.
    pub(super) fn part_when_answered(self: &Arc<Self>, request: &Request) {
        self.parting.store(true, Ordering::Relaxed);
        let (carrier, request) = (self.clone(), request.clone());
        let away = self.upstream.lock().is_away();
        tokio::spawn(async move {
            if !away {
                sleep(GOODBYE).await;
            }
            if carrier.take(&request) {
                warn!("the fleet has not answered the host's shutdown_request; its kernel may go on");
                carrier.part(&request);
            }
        });
    }

    /// Sends the host's `shutdown_request` once the fleet has read what came before it on another channel: it would take
    /// that for a client that has come back.
    pub(super) fn send_last(self: &Arc<Self>, channel: Channel, envelope: Envelope, body: Body) {
        let carrier = self.clone();
        tokio::spawn(async move {
            if !carrier.upstream.lock().is_away() {
                let _ = timeout(FAREWELL, carrier.receipt()).await;
            }
            carrier.send_to_fleet(channel, envelope, body);
        });
    }

    /// The fleet may refuse a restart, and the host, which starts us again all the same, does not look at the reply.
    pub(super) fn tell_refused(&self, reply: &Verified) {
        let Ok(content) = serde_json::from_slice::<Value>(reply.body().content()) else { return };
        let text = |name: &str| content.get(name).and_then(Value::as_str);
        if text("status") == Some("error") {
            let why = text("evalue").unwrap_or("the fleet does not say why");
            warn!("the kernel goes on: {why}");
            let notice = format!("[jupyter-fleet: the kernel was not restarted and goes on: {why}]");
            self.publisher.say(self.voice.notice(&notice, reply.body().parent_header()));
        }
    }

    fn part(&self, request: &Request) {
        let reply = ShutdownReply { restart: false, status: ReplyStatus::Ok, error: None };
        self.reply(request, self.voice.say(reply, &request.header));
        self.ended.cancel();
    }

    /// The fleet has answered the host's `shutdown_request`: we end as a kernel does, once all has been said.
    pub(super) fn end_soon(self: &Arc<Self>) {
        info!("the host has asked for the end");
        let carrier = self.clone();
        tokio::spawn(async move {
            sleep(LAST_WORDS).await;
            carrier.ended.cancel();
        });
    }
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
