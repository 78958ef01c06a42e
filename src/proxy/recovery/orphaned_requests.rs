//! What a kernel that was taken over from an earlier `serve` still owes: when that is over, and what is said until then.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use jupyter_protocol::KernelInfoRequest;
use tokio::time::sleep;

use crate::{
    channel::Channel,
    jupyter::{header::Header, reply::Failure},
    proxy::{Proxy, backend::kernel::Kernel, frontend::connection::ReturnAddress},
};

/// Silence of a kernel that was taken over after which those who wait for it are told what that may mean.
const LONG_SILENCE: Duration = Duration::from_secs(5);

impl Proxy {
    /// A kernel that was taken over may still have something to answer. It is asked who it is, and answers in turn. One
    /// that keeps silent runs a long cell, or waits for an answer to a question that nobody heard: who waits is told.
    pub(crate) fn wait_for_the_past(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        let question = self.builder.say(KernelInfoRequest {}, &Bytes::new());
        let Ok(header) = Header::of(&question) else { return };
        if kernel.link.known().is_some_and(|known| known.info.is_none()) {
            // Control answers also while a cell runs, in kernels that know this request there.
            kernel.send(Channel::Control, self.builder.say(KernelInfoRequest {}, &Bytes::new()));
        }
        kernel.ask_who_it_is(header.msg_id.to_string(), question.clone());
        let (proxy, kernel) = (self.clone(), kernel.clone());
        tokio::spawn(async move {
            let was_sent =
                |address: &ReturnAddress| address.is_from_before() && !kernel.cell_queues.kept(address);
            let waiting = loop {
                let said = kernel.said();
                sleep(LONG_SILENCE).await;
                let waiting = proxy.table.lock().outstanding_such(&kernel.id, was_sent);
                if kernel.said() == said || waiting.is_empty() {
                    break waiting;
                }
            };
            let text = "[jupyter-fleet: the fleet was restarted, and this still runs; if it waits for input, interrupt it]";
            for (client, address) in waiting {
                proxy.send_to_client(&client, [proxy.builder.notice(text, &address.header)]);
            }
        });
    }

    /// A kernel that was taken over has come to what we asked it ourselves: whatever it has not answered of what was
    /// asked before will not be answered to us.
    pub(crate) fn past_is_over(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        let waiting = self.with_table(|table, _| {
            table.has_past(&kernel.id, false);
            // What waits for its turn will be sent.
            let was_sent =
                |address: &ReturnAddress| address.is_from_before() && !kernel.cell_queues.kept(address);
            table.take_outstanding(&kernel.id, was_sent)
        });
        let failure = restarted(&format!(
            "{} may have done what was asked, but its reply was lost; it lives, and its variables are intact",
            kernel.name()
        ));
        for request in waiting {
            let info = kernel.link.known().and_then(|known| known.info);
            match info.filter(|_| *request.msg_type == *"kernel_info_request") {
                Some(info) => self.tell_info(Some(kernel), &request.client, &request.address, info),
                None => self.fail(&request.client, &request.msg_type, &request.address, &failure),
            }
        }
        self.recalled_cells_have_ended(kernel);
    }

    /// A kernel has said who it is. Where nobody knew, those who asked are told.
    pub(crate) fn learn_of(self: &Arc<Self>, kernel: &Kernel, info: &[u8]) {
        let info = Bytes::copy_from_slice(info);
        if info.len() <= self.limits.kernel_info_bytes && kernel.link.learn(&info) {
            self.kernel_is_known(kernel, info);
            self.registry_changed.notify_one();
        }
    }
}

/// The error of a request that a restart of the fleet cut off.
pub(crate) fn restarted(what: &str) -> Failure {
    Failure::new("FleetRestarted", format!("the fleet was restarted while this request was waiting: {what}"))
}
