//! Whom an interrupt is for: the cell that runs, or those of its sender that wait behind another client's.

use std::sync::Arc;

use crate::id::{ClientId, KernelId};
use crate::proxy::{Proxy, frontend::who::Who};

impl Proxy {
    /// A client interrupts. Where its own cells wait behind another's, they are cancelled, and `true` is returned: the cell
    /// that runs goes on.
    pub(crate) fn cancels_waiting(self: &Arc<Self>, client: &ClientId) -> bool {
        let mut cancelled = false;
        for kernel in self.kernels_of(client).iter().filter(|kernel| kernel.cell_queues.keep_waiting(client))
        {
            let waiters = kernel.cell_queues.waiters().unwrap_or_default();
            let waiter = waiters.iter().find(|waiter| waiter.client == *client);
            let text = format!(
                "[jupyter-fleet: not run: it waited for {} in {}, and you interrupted. That cell goes on; interrupt again, or \
                 run %fleet interrupt, to end it]",
                waiter.map_or_else(
                    || Who::default().cell(),
                    |waiter| self.cell_in_words(kernel, &waiter.owner, &waiter.running)
                ),
                kernel.name()
            );
            cancelled |= self.abort_cells(kernel, client, Some(&text)) > 0;
        }
        cancelled
    }

    /// Tells the owner of the cell that runs who interrupts it, unless that is the owner.
    pub(crate) fn tell_interrupted(self: &Arc<Self>, kernel: &KernelId, client: &ClientId, who: &Who) {
        let running = self.kernel(kernel).and_then(|kernel| kernel.cell_queues.running_on_main_shell());
        let Some((owner, cell)) = running else { return };
        if owner == *client {
            return;
        }
        let text = format!("[jupyter-fleet: interrupted by {who}]");
        let address = self.table.lock().address_of(kernel, cell.msg_id.as_str(), cell.session.as_str());
        if let Some(address) = address {
            self.send_to_client(&owner, [self.builder.notice(&text, &address.header)]);
        }
    }
}
