//! What all parts of the running kernel share.

use bytes::Bytes;
use jupyter_protocol::ExecutionState;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{interrupt::InterruptHandle, request::Request, stdin::Stdin};
use crate::{
    id::KernelId,
    jupyter::{
        connection_file::{ConnectionFile, ConnectionFileError, Ports},
        message::Body,
        reply::{Failure, MessageBuilder, reply_type},
        signature::Signer,
    },
    limits::Limits,
    net::Publisher,
};

/// The running kernel: how it speaks, how it is interrupted, how it ends.
#[derive(Debug)]
pub(super) struct Kernel {
    id: KernelId,
    pub signer: Signer,
    pub builder: MessageBuilder,
    pub publisher: Publisher,
    pub stdin: Stdin,
    pub ports: Ports,
    /// The content of its `kernel_info_reply`.
    pub info: Value,
    pub most_bad_messages: u32,
    interrupt: InterruptHandle,
    end: CancellationToken,
}

impl Kernel {
    pub fn new(
        file: &ConnectionFile,
        info: Value,
        interrupt: InterruptHandle,
        limits: &Limits,
    ) -> Result<Self, ConnectionFileError> {
        let signer = Signer::new(file.signature_scheme, file.signing_key()?);
        let (id, builder) = (KernelId::random(), MessageBuilder::new("kernel"));
        Ok(Self {
            info,
            publisher: Publisher::new(
                builder.clone(),
                signer.clone(),
                topic_of(&id, "stream.stderr"),
                limits,
            ),
            id,
            signer,
            builder,
            stdin: Stdin::new(interrupt.clone()),
            ports: file.ports(),
            most_bad_messages: limits.bad_messages,
            interrupt,
            end: CancellationToken::new(),
        })
    }

    /// Begins a cell: forgets an earlier interrupt.
    pub fn begin_cell(&self) {
        self.interrupt.begin_cell();
    }

    /// Stops the running cell, also where it waits for input.
    pub fn interrupt(&self) {
        self.interrupt.interrupt();
        self.stdin.interrupted();
    }

    /// Ends the kernel: nothing new is begun, and what runs is interrupted.
    pub fn end(&self) {
        self.end.cancel();
        self.interrupt();
    }

    pub fn has_ended(&self) -> bool {
        self.end.is_cancelled()
    }

    pub async fn ended(&self) {
        self.end.cancelled().await;
    }

    /// Says on iopub that work on a request begins, does it, and says that it is done: the spec wants it around every
    /// request.
    pub fn while_busy<T>(&self, request: &Request, work: impl FnOnce() -> T) -> T {
        self.busy(request);
        let done = work();
        self.idle(request);
        done
    }

    /// Says on iopub that work on a request begins.
    pub fn busy(&self, request: &Request) {
        self.publish_status(ExecutionState::Busy, request);
    }

    /// Says on iopub that work on a request is done.
    pub fn idle(&self, request: &Request) {
        self.publish_status(ExecutionState::Idle, request);
    }

    /// Sends the reply to a request back the way it came.
    pub fn reply(&self, request: &Request, content: Value) {
        let reply = self.builder.say_raw(&reply_type(&request.msg_type), content, &request.header);
        self.send(request, reply);
    }

    /// The same for a request that cannot be served.
    pub fn refuse(&self, request: &Request, failure: &Failure) {
        self.send(request, self.builder.error_reply(&request.msg_type, failure, &request.header));
    }

    /// Publishes something that a request led to, under the topic of its type.
    pub fn publish(&self, msg_type: &str, content: Value, parent: &Bytes) {
        self.publish_as(msg_type, msg_type, content, parent);
    }

    /// Publishes what a cell prints.
    pub fn publish_stream(&self, name: &str, text: &str, parent: &Bytes) {
        self.publish_as(&format!("stream.{name}"), "stream", json!({ "name": name, "text": text }), parent);
    }

    fn publish_as(&self, topic: &str, msg_type: &str, content: Value, parent: &Bytes) {
        self.publisher.publish(topic_of(&self.id, topic), self.builder.say_raw(msg_type, content, parent));
    }

    fn publish_status(&self, state: ExecutionState, request: &Request) {
        let status = self.builder.status(state, &request.header);
        self.publisher.publish_status(topic_of(&self.id, "status"), status);
    }

    fn send(&self, request: &Request, body: Body) {
        request.sender.send(&request.envelope, &self.signer.sign(body));
    }
}

/// The topic of a message, `kernel.<id>.<kind>`, as ipykernel has it.
fn topic_of(id: &KernelId, kind: &str) -> Bytes {
    format!("kernel.{id}.{kind}").into()
}
