//! What the proxy itself answers, as a kernel would.

use std::sync::Arc;

use bytes::Bytes;
use jupyter_protocol::{ExecutionState, InterruptReply, ReplyStatus, ShutdownReply};
use serde_json::json;
use tokio::time::sleep;
use tracing::info;

use super::{
    connection::{Connection, ReturnAddress},
    sessions::Sessions,
};
use crate::{
    id::{ClientId, KernelId},
    jupyter::{
        header::{Header, HeaderError, Parent},
        message::{Body, Verified},
        reply::{Failure, connect_content},
    },
    metrics::Trouble,
    net::Flushes,
    proxy::{
        Proxy,
        backend::{kernel::Kernel, restart::RestartAsked},
        iopub::fanout::Fanout,
    },
    route::Decision,
};

impl Proxy {
    /// Carries out a decision that forwards nothing.
    pub(crate) fn answer(
        self: &Arc<Self>,
        decision: Decision,
        client: &ClientId,
        msg_type: &str,
        address: ReturnAddress,
    ) {
        match decision {
            // The kernel is gone since the decision was made; its clients have been told.
            Decision::Forward(_) | Decision::Launch(..) => {}
            Decision::KnownInfo(id, _) => match self.kernel(&id) {
                Some(kernel) => self.known_info(&kernel, client, address),
                None => self.fail(client, msg_type, &address, &gone(&id)),
            },
            Decision::RuntimeInfo(runtime) => {
                if let Some(info) = self.infos.get(&runtime).map(|info| info.clone()) {
                    self.tell_info(None, client, &address, info);
                }
            }
            Decision::Connect => self.tell_own(client, &address, self.connect_reply(&address)),
            Decision::Interrupt(id) => {
                if let Some(kernel) = self.kernel(&id) {
                    info!(kernel = %id, session = %client.session, "interrupted");
                    kernel.handle.interrupt();
                }
                self.tell_own(client, &address, self.interrupt_reply(&address.header));
            }
            Decision::NothingToInterrupt => {
                self.tell_own(client, &address, self.interrupt_reply(&address.header))
            }
            Decision::Detached(others) => {
                info!(session = %client.session, others, "detached");
                self.end_visits(client);
                self.tell_shutdown(client, &address, false);
            }
            Decision::Stop(id) => {
                self.end_visits(client);
                self.tell_shutdown(client, &address, false);
                self.stop_kernel(&id, &format!("its last client ({}) asked for it", client.session));
            }
            Decision::Restart(id) => {
                let who = self.who_asked(&address).to_string();
                self.abort_waiting(client);
                self.restart_kernel(&id, &who, RestartAsked::ByRequest(&address));
                self.tell_shutdown(client, &address, true);
            }
            Decision::RestartRefused(id, others) => {
                let failure = restart_refused(&id, others);
                if address.connection.endpoint.host.is_some() {
                    // Hosts do not look at the reply.
                    let text = format!(
                        "[jupyter-fleet: the kernel was not restarted and goes on: {}]",
                        failure.evalue
                    );
                    self.send_to_client(client, [self.builder.notice(&text, &address.header)]);
                }
                self.fail(client, msg_type, &address, &failure);
                self.host_has_its_answer(&address);
            }
            Decision::Unasked => self.metrics.troubles.of(Trouble::Malformed).increment(),
            Decision::Misunderstood(error) => self.refuse(client, msg_type, &address, &error.to_string()),
            Decision::Refused(refusal) => self.refuse(client, msg_type, &address, &refusal.to_string()),
        }
    }

    /// The client leaves: what waits for its turn is not run, and kernels that only it visited are stopped.
    pub(crate) fn end_visits(self: &Arc<Self>, client: &ClientId) {
        self.abort_waiting(client);
        for kernel in self.kernels_of(client) {
            self.abort_cells(&kernel, client, None);
        }
        for kernel in self.with_table(|table, _| table.leave_visited(client)) {
            self.stop_kernel(&kernel, &format!("its last visitor ({}) left", client.session));
        }
    }

    /// No kernel can serve. Whoever asks who the kernel is gets an answer in form all the same, for a console that
    /// gets none ends without a word; its banner says why every cell will fail.
    fn refuse(self: &Arc<Self>, client: &ClientId, msg_type: &str, address: &ReturnAddress, why: &str) {
        info!(session = %client.session, why, "refused");
        if msg_type == "kernel_info_request" {
            let content = json!({
                "status": "ok",
                "protocol_version": crate::jupyter::reply::PROTOCOL_VERSION,
                "implementation": "jupyter-fleet",
                "implementation_version": env!("CARGO_PKG_VERSION"),
                "language_info": { "name": "none", "version": "", "mimetype": "text/plain", "file_extension": ".txt" },
                "banner": format!("jupyter-fleet: {why}\n"),
                "help_links": [],
            });
            return self.tell_info(None, client, address, content.to_string().into());
        }
        let failure = Failure::new("NoMatchingKernel", why);
        match msg_type {
            "execute_request" => self.refuse_cell(client, address, &failure),
            _ => self.fail(client, msg_type, address, &failure),
        }
    }

    /// A message that cannot be read is answered if it says which one it is.
    pub(crate) fn answer_unreadable(
        self: &Arc<Self>,
        connection: &Arc<Connection>,
        known: &mut Sessions,
        message: &Verified,
        error: &HeaderError,
    ) {
        let header = message.body().header();
        let Ok(named) = Parent::of_bytes(header) else { return };
        if named.msg_id.is_empty() {
            return;
        }
        let address = ReturnAddress::of_message(connection.clone(), message);
        let failure = Failure::new("UnreadableMessage", format!("the fleet was sent {error}"));
        let client = self.recognise(connection, known, &named.session).map(|(client, _)| client.clone());
        self.fail(&client.unwrap_or_else(|stranger| stranger), "unknown_request", &address, &failure);
    }

    /// More requests than may wait.
    pub(crate) fn refuse_more(
        self: &Arc<Self>,
        kernel: &Kernel,
        client: &ClientId,
        msg_type: &str,
        address: &ReturnAddress,
    ) {
        let text =
            format!("too much already waits for {}: try again when it has done some of it", kernel.name());
        self.fail(client, msg_type, address, &Failure::new("TooManyRequests", text));
    }

    /// The kernel did not take a request that had been remembered already.
    pub(crate) fn take_back(self: &Arc<Self>, kernel: &Kernel, client: &ClientId, address: &ReturnAddress) {
        let Ok(header) = Header::of_bytes(&address.header) else { return };
        self.table.lock().withdraw(&kernel.id, &header.msg_id, client);
        self.refuse_more(kernel, client, &header.msg_type, address);
    }

    /// Fails a request as a kernel would: in the cell, and in the reply.
    pub(crate) fn fail(
        self: &Arc<Self>,
        client: &ClientId,
        msg_type: &str,
        address: &ReturnAddress,
        failure: &Failure,
    ) {
        if address.is_from_before() && self.keep_failure(client, address, msg_type, failure) {
            return;
        }
        self.send_to_client(client, [self.builder.status(ExecutionState::Busy, &address.header)]);
        self.fail_begun(client, msg_type, address, failure);
    }

    /// The same for a request that is known to be worked on.
    pub(crate) fn fail_begun(
        self: &Arc<Self>,
        client: &ClientId,
        msg_type: &str,
        address: &ReturnAddress,
        failure: &Failure,
    ) {
        let parent = &address.header;
        let is_cell = msg_type == "execute_request";
        self.send_to_client(client, is_cell.then(|| self.builder.error(failure, parent)));
        if msg_type.ends_with("_request") {
            self.reply(client, address, self.builder.error_reply(msg_type, failure, parent));
        }
        self.send_idle(client, parent);
        if is_cell && self.cell_order.is_used() {
            if address.stops_on_error {
                self.abort_waiting(client);
            }
            self.next_in_order(client);
        }
    }

    /// Answers who the kernel is without asking it. While that is not known, it waits a little: most kernels are up soon,
    /// and a client that believes in a prompt too early mistakes the end of one request for that of the next.
    fn known_info(self: &Arc<Self>, kernel: &Arc<Kernel>, client: &ClientId, address: ReturnAddress) {
        match kernel.wait_for_info(client, &address) {
            Some(true) => {
                tokio::spawn(self.clone().tell_info_later(kernel.clone()));
                return;
            }
            Some(false) => {
                let text = format!("too many already ask who {} is, which is not up yet", kernel.name());
                let failure = Failure::new("TooManyRequests", text);
                return self.fail(client, "kernel_info_request", &address, &failure);
            }
            None => {}
        }
        match self.infos.get(&kernel.runtime_index).map(|info| info.clone()) {
            Some(info) => self.tell_info(Some(kernel), client, &address, info),
            None => self.fail(client, "kernel_info_request", &address, &gone(&kernel.id)),
        }
    }

    /// After a while, tells those who wait what is known of the runtime; where nothing is, they wait for the kernel.
    async fn tell_info_later(self: Arc<Self>, kernel: Arc<Kernel>) {
        sleep(self.limits.cold_start()).await;
        let Some(info) = self.infos.get(&kernel.runtime_index).map(|info| info.clone()) else { return };
        for (client, address) in kernel.take_waiting() {
            self.tell_info(Some(&kernel), &client, &address, info.clone());
        }
    }

    /// Answers a `kernel_info_request` with known content.
    pub(crate) fn tell_info(
        self: &Arc<Self>,
        kernel: Option<&Kernel>,
        client: &ClientId,
        address: &ReturnAddress,
        info: Bytes,
    ) {
        let reply = self.builder.say_again("kernel_info_reply", info, &address.header);
        self.tell(kernel, client, address, reply);
    }

    /// Answers what the client's kernel would answer.
    pub(crate) fn tell_own(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress, reply: Body) {
        self.tell(self.own_kernel(client).as_deref(), client, address, reply);
    }

    /// Answers as kernels do, between a `busy` and an `idle`. Where the kernel itself is busy, that is told last: frontends
    /// show whatever came last.
    fn tell(
        self: &Arc<Self>,
        kernel: Option<&Kernel>,
        client: &ClientId,
        address: &ReturnAddress,
        reply: Body,
    ) {
        let status = |state| self.builder.status(state, &address.header);
        let listeners = self.listeners(client);
        // From here on, nothing of the kernel's comes in between. (The table is never locked after a fanout.)
        let fanout = kernel.map(Kernel::fanout);
        let last = kernel.zip(fanout.as_ref()).and_then(|(kernel, fanout)| self.busy_state(kernel, fanout));
        self.send_to_listeners(&listeners, [status(ExecutionState::Busy)]);
        let mut flushes = Flushes::default();
        self.deliver(client, address, listeners.voice.in_own_session(reply), &mut flushes);
        flushes.flush();
        self.send_to_listeners(&listeners, std::iter::once(status(ExecutionState::Idle)).chain(last));
        drop(fanout);
        self.journal.write();
    }

    /// Tells a client that a request with this header is done, and then whether its kernel is still busy.
    pub(crate) fn send_idle(&self, client: &ClientId, parent: &Bytes) {
        let listeners = self.listeners(client);
        let kernel = self.own_kernel(client);
        let fanout = kernel.as_deref().map(Kernel::fanout);
        let last = kernel
            .as_deref()
            .zip(fanout.as_ref())
            .and_then(|(kernel, fanout)| self.busy_state(kernel, fanout));
        let idle = self.builder.status(ExecutionState::Idle, parent);
        self.send_to_listeners(&listeners, std::iter::once(idle).chain(last));
    }

    /// What a busy kernel says of itself, unless what it was busy with has ended with its process.
    fn busy_state(&self, kernel: &Kernel, fanout: &Fanout) -> Option<Body> {
        let is_busy = *fanout.state() == ExecutionState::Busy || kernel.cell_queues.are_busy();
        let is_busy = is_busy && kernel.link.is_up();
        is_busy.then(|| self.builder.status(ExecutionState::Busy, &Bytes::new()))
    }

    /// The client's own kernel, and those that it visits.
    pub(crate) fn kernels_of(&self, client: &ClientId) -> Vec<Arc<Kernel>> {
        let ids: Vec<KernelId> = {
            let table = self.table.lock();
            table.kernel_of(client).cloned().into_iter().chain(table.visited_by(client)).collect()
        };
        ids.iter().filter_map(|id| self.kernel(id)).collect()
    }

    fn own_kernel(&self, client: &ClientId) -> Option<Arc<Kernel>> {
        let own = self.table.lock().kernel_of(client).cloned();
        own.and_then(|id| self.kernel(&id))
    }

    /// Sends a reply of our own.
    pub(crate) fn reply(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress, body: Body) {
        let own = self.table.lock().kernel_of(client).cloned();
        let body = self.voice(own.as_ref()).in_own_session(body);
        let mut flushes = Flushes::default();
        self.deliver(client, address, body, &mut flushes);
        flushes.flush();
        self.journal.write();
    }

    /// The ports of the connection file that the client came by.
    fn connect_reply(&self, address: &ReturnAddress) -> Body {
        let ports = address.connection.endpoint.file.ports();
        self.builder.say_raw("connect_reply", connect_content(&ports), &address.header)
    }

    pub(crate) fn interrupt_reply(&self, parent: &Bytes) -> Body {
        self.builder.say(InterruptReply::new(), parent)
    }

    /// The reply to a `shutdown_request`, on its channel and, as kernels do, on iopub; there to the requester alone.
    /// They are two messages: clients refuse a signature that has come before.
    fn tell_shutdown(self: &Arc<Self>, client: &ClientId, address: &ReturnAddress, restart: bool) {
        let reply = || {
            let reply = ShutdownReply { restart, status: ReplyStatus::Ok, error: None };
            self.builder.say(reply, &address.header)
        };
        self.send_to_client(client, [self.builder.status(ExecutionState::Busy, &address.header)]);
        self.reply(client, address, reply());
        self.send_to_client(client, [reply()]);
        self.send_idle(client, &address.header);
        self.host_has_its_answer(address);
    }
}

pub(crate) fn restart_refused(id: &KernelId, others: usize) -> Failure {
    Failure::new(
        "RestartRefused",
        format!(
            "kernel {id} has {others} other clients, and here only a sole client may restart: interrupt it, ask the \
             others to leave, or set restart = \"anyone\" in the config of the fleet"
        ),
    )
}

fn gone(id: &KernelId) -> Failure {
    Failure::new("KernelGone", format!("kernel {id} ended just now; ask again"))
}
