//! A kernel asks for input: the question goes to the client whose request it runs, and to nobody else. Its stdin
//! connection may not have said anything yet: [`super::successor`] tells which one it is.

use tracing::debug;

use super::{Proxy, kernel::Kernel};
use crate::{
    jupyter::{
        header::Parent,
        message::{Envelope, Verified},
    },
    metrics::Trouble,
};

impl Proxy {
    /// Hands an `input_request` to the stdin connection of whoever asked for what the kernel runs.
    pub(super) fn ask_for_input(&self, kernel: &Kernel, message: Verified) {
        let Ok(parent) = Parent::peek(&message) else {
            return self.trouble_with(kernel, Trouble::KernelMalformed, &"a question without a parent");
        };
        let asked = {
            let mut table = self.table.lock();
            let asked = table.input_asked(&kernel.id, &parent.msg_id, &parent.session);
            asked.map(|request| (request.client.clone(), request.address.clone()))
        };
        let Some((client, address)) = asked else { return self.stray(kernel, "a question to nobody") };
        let signed = address.connection.profile.signer.sign(message.into_body());
        let connection = self.stdin_of(&address.connection);
        let sent = connection.map(|connection| connection.send(&Envelope::default(), &signed));
        if !matches!(sent, Some(Ok(()))) {
            debug!(session = %client.session, "a kernel asks for input, but the client has no stdin connection");
            let text = format!(
                "{} asks for input, but this client has no stdin channel: interrupt it",
                kernel.name()
            );
            self.whisper(&client, [self.voice.notice(&text, &address.header)]);
        }
    }
}
