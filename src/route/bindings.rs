//! Which client has which kernel, and which clients are remembered.

use std::time::{Duration, Instant};

use super::{Requirements, Table};
use crate::id::{ClientId, KernelId, Origin};

impl<A> Table<A> {
    /// A shell or control connection has authenticated itself as this client's.
    pub fn client_connected(&mut self, client: &ClientId, origin: Origin) {
        let is_news = !self.origins_of(client).contains(&origin);
        self.audience.client_connected(client, origin);
        if is_news && self.kernel_of(client).is_some() {
            self.revision += 1;
        }
    }

    /// One of the client's shell or control connections has ended. Its binding stays.
    pub fn client_disconnected(&mut self, client: &ClientId, now: Instant) {
        self.audience.client_disconnected(client, now, self.settings.linger);
        self.forget_stranger(client);
    }

    /// The same where nobody can come back in the client's place: it counts no more.
    pub fn client_left_for_good(&mut self, client: &ClientId, now: Instant) {
        self.audience.client_disconnected(client, now, Duration::ZERO);
        self.forget_stranger(client);
    }

    /// Whether the client has a shell or control connection.
    pub fn is_connected(&self, client: &ClientId) -> bool {
        self.audience.clients().is_connected(client)
    }

    /// The kernel that a client is bound to.
    pub fn kernel_of(&self, client: &ClientId) -> Option<&KernelId> {
        self.audience.clients().kernel_of(client)
    }

    /// Live clients of the kernel other than this one.
    pub fn others(&self, id: &KernelId, client: &ClientId, now: Instant) -> usize {
        let Some(kernel) = self.kernels.get(id) else { return 0 };
        let others = kernel.users().filter(|other| *other != client);
        others.filter(|other| self.audience.clients().is_live(other, now)).count()
    }

    /// The clients that are bound to the kernel.
    pub fn clients_of(&self, id: &KernelId) -> Vec<ClientId> {
        self.kernels.get(id).map(|kernel| kernel.clients.iter().cloned().collect()).unwrap_or_default()
    }

    /// The clients that are bound to the kernel, and those that visit it.
    pub fn users_of(&self, id: &KernelId) -> Vec<ClientId> {
        self.kernels.get(id).map(|kernel| kernel.users().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn bind(&mut self, client: &ClientId, id: &KernelId, requirements: &Requirements) {
        self.claim(id, requirements);
        self.leave(client, id);
        let Some(kernel) = self.kernels.get_mut(id) else { return };
        kernel.clients.insert(client.clone());
        self.revision += 1;
        kernel.idle.interrupt();
        self.audience.bind(client, Some(id.clone()));
        self.forget_oldest(id);
    }

    /// Whoever has a kernel first decides with whom it is shared.
    pub(super) fn claim(&mut self, id: &KernelId, requirements: &Requirements) {
        if let Some(kernel) = self.kernels.get_mut(id).filter(|kernel| kernel.pristine) {
            kernel.pristine = false;
            kernel.exclusive = requirements.isolated;
            kernel.group.clone_from(&requirements.group);
            self.revision += 1;
        }
    }

    pub(super) fn unbind(&mut self, client: &ClientId) {
        let kernel = self.kernel_of(client).cloned();
        if let Some(kernel) = kernel.and_then(|id| self.kernels.get_mut(&id)) {
            kernel.clients.remove(client);
        }
        self.choices.remove(client);
        self.revision += 1;
        self.audience.bind(client, None);
        self.forget_stranger(client);
    }

    pub(super) fn unbind_all(&mut self, id: &KernelId) {
        for client in self.clients_of(id) {
            self.unbind(&client);
        }
    }

    /// Clients that are long gone are remembered in case they come back, but not without end.
    fn forget_oldest(&mut self, id: &KernelId) {
        let Some(kernel) = self.kernels.get(id) else { return };
        if kernel.clients.len() <= self.settings.remembered_clients {
            return;
        }
        let gone = kernel.clients.iter().filter(|client| !self.audience.clients().is_connected(client));
        if let Some(oldest) = gone.min_by_key(|client| self.audience.clients().counts_until(client)).cloned()
        {
            self.unbind(&oldest);
        }
    }

    /// A client that has neither a kernel nor a connection is nobody.
    fn forget_stranger(&mut self, client: &ClientId) {
        if self.kernel_of(client).is_none() && !self.audience.clients().is_connected(client) {
            self.forget_wishes(client);
            self.audience.forget_client(client);
        }
    }
}
