//! A kernel asks for input: the question goes to the client whose request it runs, and to nobody else. Its stdin
//! connection may not have said anything yet: [`crate::proxy::reconnect::identity`] tells which one it is. Where there is none, the question
//! waits for it, and the client is told that it does.

use std::sync::Arc;

use tracing::debug;

use super::kernel::Kernel;
use crate::{
    id::{ClientId, KernelId},
    jupyter::{
        header::{Header, Parent},
        message::{Body, Envelope, Verified},
    },
    metrics::Trouble,
    net::PushError,
    proxy::{Proxy, frontend::connection::ReturnAddress, reconnect::undelivered::Item},
};

impl Proxy {
    /// Hands an `input_request` to the stdin connection of whoever asked for what the kernel runs.
    pub(crate) fn ask_for_input(self: &Arc<Self>, kernel: &Kernel, message: Verified) {
        let Ok(parent) = Parent::peek(&message) else {
            return self.trouble_with(
                kernel,
                Trouble::KernelMalformed,
                &"on stdin: a question without a parent",
            );
        };
        let question = Header::peek(&message).map(|header| header.msg_id).unwrap_or_default();
        let asked = {
            let mut table = self.table.lock();
            let asked = table.input_asked(&kernel.id, (&parent.msg_id, &parent.session), &question);
            asked.map(|request| (request.client.clone(), request.address.clone()))
        };
        let Some((client, address)) = asked else { return self.stray(kernel, "a question to nobody") };
        if !self.ask(&kernel.id, &client, &address, message.into_body()) {
            debug!(session = %client.session, "a kernel asks for input, but the client has no stdin connection");
            let text = format!(
                "{} asks for input, but this client has no stdin channel: interrupt it",
                kernel.name()
            );
            self.send_to_client(&client, [self.builder.notice(&text, &address.header)]);
        }
    }

    /// The same for a question that has waited for its client, if the kernel still wants to know.
    pub(crate) fn ask_again(
        self: &Arc<Self>,
        kernel: &KernelId,
        client: &ClientId,
        address: &ReturnAddress,
        question: Body,
    ) {
        let Ok(asked) = Header::of_bytes(&address.header) else { return };
        let number = Header::of(&question).map(|header| header.msg_id.into_owned()).unwrap_or_default();
        let request = (&*asked.msg_id, &*asked.session);
        if self.table.lock().input_asked(kernel, request, &number).is_some() {
            self.ask(kernel, client, address, question);
        }
    }

    /// Whether the question could be handed over. Else it waits for the client's stdin connection.
    fn ask(
        self: &Arc<Self>,
        kernel: &KernelId,
        client: &ClientId,
        address: &ReturnAddress,
        question: Body,
    ) -> bool {
        let signed = address.connection.endpoint.signer.sign(question);
        let waiting = self.reconnecting.lock();
        let stdin = self.stdin_of(&address.connection);
        match stdin.as_ref().map(|stdin| (stdin, stdin.send(&Envelope::default(), &signed))) {
            Some((_, Ok(()))) => true,
            Some((stdin, Err(why @ PushError::Full))) => {
                drop(waiting);
                let (channel, origin) = (stdin.channel, stdin.origin);
                self.trouble_from(channel, origin, Trouble::UnreadReplies, "a question was lost", &why);
                true
            }
            Some((_, Err(PushError::Closed))) | None => {
                let item = Item::Question(kernel.clone(), signed.body().clone());
                self.keep(waiting, client, address, item);
                false
            }
        }
    }
}
