//! Comms of visitors: a widget that a cell made on a visited kernel lives there, not on its client's own.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};

use dashmap::DashMap;
use serde::Deserialize;

use super::Proxy;
use crate::{
    id::{ClientId, KernelId, ProfileId, SessionId},
    jupyter::message::Verified,
};

/// Comms that are remembered, of all clients together. What is beyond goes to its client's own kernel, which does not
/// know it.
const REMEMBERED: usize = 65_536;

/// Which visited kernel each comm is on.
#[derive(Debug, Default)]
pub(super) struct Comms {
    kernels: DashMap<(ClientId, String), KernelId>,
    used: AtomicBool,
}

impl Comms {
    /// The kernel that a client's comm is on, if it is not the client's own.
    pub(super) fn visited(&self, client: &ClientId, message: &Verified) -> Option<KernelId> {
        if !self.used.load(Ordering::Relaxed) {
            return None;
        }
        let comm = comm_id(message)?;
        self.kernels.get(&(client.clone(), comm)).map(|kernel| kernel.clone())
    }

    fn opened(&self, client: ClientId, kernel: &KernelId, message: &Verified) {
        let Some(comm) = comm_id(message).filter(|_| self.kernels.len() < REMEMBERED) else { return };
        self.kernels.insert((client, comm), kernel.clone());
        self.used.store(true, Ordering::Relaxed);
    }

    /// A kernel's process is gone, and its comms with it.
    pub(super) fn end(&self, kernel: &KernelId) {
        if self.used.load(Ordering::Relaxed) {
            self.kernels.retain(|_, known| known != kernel);
        }
    }
}

impl Proxy {
    /// A kernel opens a comm in answer to a request with this session; visitors' are remembered.
    pub(super) fn comm_opened(&self, kernel: &KernelId, session: &str, message: &Verified) {
        // Only clients of the published file can visit: the others lead to one kernel.
        let speaker = ClientId { profile: ProfileId::DEFAULT, session: SessionId::from(session) };
        let client = self.spoken_for.get(&speaker).map(|client| client.clone()).unwrap_or(speaker);
        if self.table.lock().visited_by(&client).contains(kernel) {
            self.comms.opened(client, kernel, message);
        }
    }
}

fn comm_id(message: &Verified) -> Option<String> {
    #[derive(Deserialize)]
    struct Comm<'a> {
        #[serde(borrow)]
        comm_id: Cow<'a, str>,
    }
    let comm: Comm<'_> = serde_json::from_slice(message.body().content()).ok()?;
    Some(comm.comm_id.into_owned())
}
