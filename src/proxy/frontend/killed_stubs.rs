//! Stubs that were killed: by a host that lives on, which has ended or restarted its kernel by that, or together with it.

use std::sync::Arc;

use tokio::{
    select,
    time::{Duration, sleep},
};
use tracing::debug;

use super::endpoint::Endpoint;
use crate::{
    fleet::{ProcessIdentity, ended},
    id::{ClientId, EndpointId, KernelId},
    proxy::Proxy,
    route::{Decision, Request, RequestKind},
};

/// How long after its stub a host may end, if both were ended by the same: a logout, a crash.
const TOGETHER: Duration = Duration::from_secs(1);

/// A host whose stub is gone, and for whose kernel it is not yet known whether it ends.
#[derive(Debug)]
pub(crate) struct Bereft {
    process: Option<ProcessIdentity>,
    endpoint: Arc<Endpoint>,
}

impl Proxy {
    /// A host that starts another stub lives: where its earlier stubs were killed, it was by itself.
    pub(crate) fn end_kernels_of_killed_stubs(self: &Arc<Self>, process: Option<ProcessIdentity>) {
        let Some(process) = process else { return };
        let of_it = |bereft: &Bereft| bereft.process == Some(process);
        let killed: Vec<EndpointId> =
            self.bereft.iter().filter(|bereft| of_it(bereft)).map(|bereft| *bereft.key()).collect();
        for (_, bereft) in killed.iter().filter_map(|id| self.bereft.remove(id)) {
            self.end_kernel_of(&bereft.endpoint);
        }
    }

    /// The stub is gone without a `shutdown_request`. A host that lives on has ended its kernel by that, and one that died with
    /// the stub finds it again.
    pub(crate) async fn stub_is_gone(self: Arc<Self>, endpoint: Arc<Endpoint>, process: ProcessIdentity) {
        let id = endpoint.id;
        self.bereft.insert(id, Bereft { process: Some(process), endpoint: endpoint.clone() });
        select! {
            () = ended(process) => {}
            () = sleep(TOGETHER) => {}
        }
        let undecided = self.bereft.remove_if(&id, |_, bereft| Arc::ptr_eq(&bereft.endpoint, &endpoint));
        if undecided.is_some() && process.is_alive() {
            self.end_kernel_of(&endpoint);
        }
    }

    /// Ends the host's kernel, unless others use it.
    pub(crate) fn end_kernel_of(self: &Arc<Self>, endpoint: &Endpoint) {
        let Some(host) = endpoint.host.as_ref().filter(|_| !self.is_stopping()) else { return };
        let client = ClientId { endpoint: endpoint.id, session: host.client.clone() };
        let request = Request {
            client: &client,
            kind: RequestKind::Shutdown { restart: false },
            defaults: &endpoint.defaults,
            leads_to: None,
            reserve: true,
            shell_session: None,
            answers: "",
        };
        let decision =
            self.with_table(|table, now| table.decide(&request, || Ok(None), KernelId::random, now));
        self.end_visits(&client);
        match decision {
            Decision::Stop(kernel) => {
                self.stop_kernel(&kernel, "its only user has killed the process that stood for it");
            }
            decision => debug!(%decision, "a host has killed its stub"),
        }
    }
}
