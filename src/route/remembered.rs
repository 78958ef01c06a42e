//! What routing knows and the next `serve` must know too: written down here as plain data, and taken up again.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Outstanding, Requirements, Table};
use crate::{
    byte_size::ByteSize,
    id::{ClientId, KernelId, Origin},
};

/// A kernel, as far as routing must remember it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RememberedKernel {
    /// Its id.
    pub id: KernelId,
    /// Its group.
    pub group: Option<String>,
    /// It is one client's alone.
    pub isolated: bool,
    /// Nobody has had it yet.
    pub pristine: bool,
    /// The most memory that it may use.
    pub memory_limit: Option<ByteSize>,
}

/// A client and its kernel.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RememberedClient {
    /// Who.
    #[serde(flatten)]
    pub client: ClientId,
    /// The kernel that it is bound to.
    pub kernel: KernelId,
    /// Where its connections came from.
    pub origins: Vec<Origin>,
    /// The kernels that it visits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub visits: Vec<KernelId>,
    /// The routing metadata that comes with every message of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<Box<str>>,
    /// What it wants, if it has moved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moved: Option<Requirements>,
}

impl<A> Table<A> {
    /// A number that is raised with each change of what is to be remembered.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The kernels, oldest first, each with the index of its runtime.
    pub fn remembered_kernels(&self) -> Vec<(usize, RememberedKernel)> {
        let mut kernels: Vec<_> = self.kernels.iter().collect();
        kernels.sort_by_key(|(_, kernel)| kernel.born);
        let remembered = kernels.into_iter().map(|(id, kernel)| {
            let remembered = RememberedKernel {
                id: id.clone(),
                group: kernel.group.clone(),
                isolated: kernel.exclusive,
                pristine: kernel.pristine,
                memory_limit: kernel.offer.memory_limit,
            };
            (kernel.runtime, remembered)
        });
        remembered.collect()
    }

    /// The clients that are bound to kernels.
    pub fn remembered_clients(&self) -> Vec<RememberedClient> {
        let bound = self.kernels.values().flat_map(|kernel| &kernel.clients);
        bound.filter_map(|client| self.remembered_client(client)).collect()
    }

    /// One client, if it is bound to a kernel.
    pub fn remembered_client(&self, client: &ClientId) -> Option<RememberedClient> {
        let clients = self.audience.clients();
        let kernel = clients.kernel_of(client)?;
        Some(RememberedClient {
            client: client.clone(),
            kernel: kernel.clone(),
            origins: clients.origins_of(client).copied().collect(),
            visits: clients.visits_of(client).cloned().collect(),
            standing: self.standing.get(client).cloned(),
            moved: self.moved.get(client).cloned(),
        })
    }

    /// Enters a kernel of an earlier `serve`, of the runtime with this index, whose memory limit may be `enforced`.
    pub fn recall_kernel(
        &mut self,
        remembered: &RememberedKernel,
        runtime: usize,
        enforced: bool,
    ) -> Option<()> {
        self.launch(&remembered.id, runtime)?;
        let kernel = self.kernels.get_mut(&remembered.id)?;
        kernel.group.clone_from(&remembered.group);
        kernel.exclusive = remembered.isolated;
        kernel.pristine = remembered.pristine;
        kernel.offer.memory_limit = remembered.memory_limit;
        kernel.enforced = enforced;
        Some(())
    }

    /// Binds a client of an earlier `serve` to its kernel, if that is here. It counts as live for as long as one that
    /// has just lost its connections, and listeners where it was are taken for its own.
    pub fn recall_client(&mut self, remembered: &RememberedClient, now: Instant) {
        let Some(kernel) = self.kernels.get_mut(&remembered.kernel) else { return };
        kernel.clients.insert(remembered.client.clone());
        self.audience.recall_client(remembered, now + self.settings.linger);
        self.stands_by(&remembered.client, remembered.standing.as_deref());
        if let Some(moved) = &remembered.moved {
            self.moved.insert(remembered.client.clone(), moved.clone());
        }
        remembered.visits.iter().for_each(|kernel| self.arrive(&remembered.client, kernel));
    }

    /// Who waits for a kernel's replies at such a return address.
    pub fn outstanding_such(&self, id: &KernelId, such: impl Fn(&A) -> bool) -> Vec<(ClientId, A)>
    where
        A: Clone,
    {
        let Some(kernel) = self.kernels.get(id) else { return Vec::new() };
        let requests = kernel.in_flight.iter().filter(|request| such(&request.address));
        requests.map(|request| (request.client.clone(), request.address.clone())).collect()
    }

    /// Takes those of a kernel's outstanding requests out whose return address is such.
    pub fn take_outstanding(&mut self, id: &KernelId, such: impl Fn(&A) -> bool) -> Vec<Outstanding<A>> {
        let Some(kernel) = self.kernels.get_mut(id) else { return Vec::new() };
        let taken = kernel.in_flight.take_such(|request| such(&request.address));
        self.forget_requests(&taken);
        taken
    }
}
