//! Kernels are restarted in place, and stopped.

use std::sync::Arc;

use bytes::Bytes;
use jupyter_protocol::{ExecutionState, ShutdownRequest};
use tracing::info;

use super::exit_reason::explain;
use crate::{
    fleet::ExitReason,
    id::{ClientId, KernelId},
    proxy::{
        Proxy,
        frontend::{connection::ReturnAddress, endpoint::Endpoint},
    },
};

/// How a restart was asked for, and so where it is announced.
#[derive(Clone, Copy, Debug)]
pub(crate) enum RestartAsked<'a> {
    /// By this request.
    ByRequest(&'a ReturnAddress),
    /// In a cell of this client's, which shows it.
    InCell(&'a ClientId),
    /// By those who look after the fleet.
    ByOperator,
}

impl RestartAsked<'_> {
    /// The host that asked. It knows of the restart, and JupyterLab takes the status `restarting` for a restart by the server:
    /// it would connect a second time, in the middle of its own.
    fn host(&self) -> Option<&Endpoint> {
        match self {
            Self::ByRequest(address) => {
                Some(&*address.connection.endpoint).filter(|endpoint| endpoint.host.is_some())
            }
            Self::ByOperator | Self::InCell(_) => None,
        }
    }
}

impl Proxy {
    /// Stops a kernel for good: it is asked, then made to.
    pub(crate) fn stop_kernel(&self, id: &KernelId, why: &str) {
        if let Some(kernel) = self.kernel(id) {
            info!(kernel = %id, why, "stopping");
            kernel.link.ask_to_end(self.builder.say(ShutdownRequest { restart: false }, &Bytes::new()));
            kernel.handle.stop();
        }
    }

    /// Restarts a kernel in place, and tells its clients who wanted that. `false` if it is starting: nothing of what it had is left to be thrown away.
    pub(crate) fn restart_kernel(
        self: &Arc<Self>,
        id: &KernelId,
        who: &str,
        asked: RestartAsked<'_>,
    ) -> bool {
        let Some(kernel) = self.kernel(id).filter(|kernel| kernel.link.is_up()) else { return false };
        info!(kernel = %id, who, "restarting");
        let text = format!("[jupyter-fleet: {} is restarted by {who}]", kernel.name());
        if let RestartAsked::ByRequest(address) = asked {
            self.announce(&kernel, [self.builder.notice(&text, &address.header)]);
        }
        kernel.link.ask_to_end(self.builder.say(ShutdownRequest { restart: true }, &Bytes::new()));
        let lost = self.lose_process(&kernel);
        kernel.handle.restart();
        let tell = |knows| self.with_table(|table, _| self.tell_clients(table, &kernel, &lost, &text, knows));
        match asked {
            RestartAsked::ByOperator => tell(None),
            RestartAsked::InCell(client) => tell(Some(client)),
            RestartAsked::ByRequest(_) => {
                for request in &lost {
                    // Frontends show a line only under a cell of their own.
                    self.send_to_client(
                        &request.client,
                        [self.builder.notice(&text, &request.address.header)],
                    );
                }
            }
        }
        self.fail_all(lost, &explain(&kernel, &ExitReason::Restarted, None, true));
        let asker = asked.host().map(|endpoint| endpoint.id);
        self.set_state_for(&kernel, ExecutionState::Restarting, |endpoint| Some(endpoint.id) != asker);
        self.tell_of_lost_environment(&kernel);
        self.set_state(&kernel, ExecutionState::Starting);
        true
    }
}
