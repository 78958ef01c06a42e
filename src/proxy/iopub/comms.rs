//! Which kernel a comm is on: a widget that a cell made elsewhere, or before its client moved, stays there.

use std::{
    borrow::Cow,
    sync::atomic::{AtomicBool, Ordering},
};

use dashmap::DashMap;
use serde::Deserialize;

use crate::{
    id::{ClientId, EndpointId, KernelId, SessionId},
    jupyter::message::Verified,
    proxy::Proxy,
};

/// Comms that are remembered, of all clients together. What is beyond goes to its client's own kernel, which does not
/// know it.
const REMEMBERED: usize = 65_536;

/// The longest name of a comm that is remembered, in bytes: most are 32 hex digits.
const LONGEST_NAME: usize = 256;

/// Which kernel each client's comms are on.
#[derive(Debug, Default)]
pub(crate) struct Comms {
    kernels: DashMap<(ClientId, String), KernelId>,
    used: AtomicBool,
}

impl Comms {
    /// The kernel that a client's comm is on, as far as that is known.
    pub(crate) fn kernel_of(&self, client: &ClientId, message: &Verified) -> Option<KernelId> {
        if !self.used.load(Ordering::Relaxed) {
            return None;
        }
        let comm = comm_id(message)?;
        self.kernels.get(&(client.clone(), comm)).map(|kernel| kernel.clone())
    }

    /// One of the two ends has closed a comm.
    pub(crate) fn closed(&self, client: &ClientId, message: &Verified) {
        if self.used.load(Ordering::Relaxed)
            && let Some(comm) = comm_id(message)
        {
            self.kernels.remove(&(client.clone(), comm));
        }
    }

    fn opened(&self, client: ClientId, kernel: &KernelId, message: &Verified) {
        let Some(comm) = comm_id(message).filter(|_| self.kernels.len() < REMEMBERED) else { return };
        self.kernels.insert((client, comm), kernel.clone());
        self.used.store(true, Ordering::Relaxed);
    }

    /// A kernel's process is gone, and its comms with it.
    pub(crate) fn end(&self, kernel: &KernelId) {
        if self.used.load(Ordering::Relaxed) {
            self.kernels.retain(|_, known| known != kernel);
        }
    }
}

impl Proxy {
    /// A kernel opens or closes a comm in answer to a request with this session.
    pub(crate) fn comm_of(&self, kernel: &KernelId, session: &str, opens: bool, message: &Verified) {
        // Only clients of the published file can go elsewhere: the others lead to one kernel.
        let speaker = ClientId { endpoint: EndpointId::DEFAULT, session: SessionId::from(session) };
        let client = self.spoken_for.get(&speaker).map(|client| client.clone()).unwrap_or(speaker);
        // A kernel may name any session as that of its parent: it must not get what others' clients say to their comms.
        let is_its_client = {
            let table = self.table.lock();
            table.kernel_of(&client) == Some(kernel) || table.visited_by(&client).contains(kernel)
        };
        if !is_its_client {
            return;
        }
        if opens {
            self.comms.opened(client, kernel, message);
        } else {
            self.comms.closed(&client, message);
        }
    }

    /// The kernel that a client's message about a comm goes to, if that is not its own.
    pub(crate) fn comm_elsewhere(&self, client: &ClientId, message: &Verified) -> Option<KernelId> {
        let kernel = self.comms.kernel_of(client, message)?;
        (self.table.lock().kernel_of(client) != Some(&kernel)).then_some(kernel)
    }
}

fn comm_id(message: &Verified) -> Option<String> {
    #[derive(Deserialize)]
    struct Comm<'a> {
        #[serde(borrow)]
        comm_id: Cow<'a, str>,
    }
    let comm: Comm<'_> = serde_json::from_slice(message.body().content()).ok()?;
    (comm.comm_id.len() <= LONGEST_NAME).then(|| comm.comm_id.into_owned())
}
