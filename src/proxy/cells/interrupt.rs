//! Whom an interrupt is for: the cell that runs, or those of its sender that wait behind another client's.

use std::{sync::Arc, time::Duration};

use tokio::time::sleep;

use crate::{
    id::{ClientId, KernelId},
    net::Flushes,
    proxy::{
        Proxy,
        frontend::{
            gate::{Gate, Held},
            who::Who,
        },
    },
};

/// How long an interrupt waits to see whether the end follows, where none of the host's own cells runs. Hosts send an
/// interrupt before each `shutdown_request`, milliseconds apart, and do not know that others may use the kernel.
const HESITATION: Duration = Duration::from_millis(200);

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

    /// Keeps an interrupt back that a host may have sent only because it is about to end its kernel, while others use it.
    /// Gives back one that is meant.
    pub(crate) fn hesitate(
        self: &Arc<Self>,
        (client, gate): (&ClientId, &Arc<Gate>),
        held: Held,
    ) -> Option<Held> {
        let is_hosts = held.connection.endpoint.host.is_some();
        if !is_hosts || self.table.lock().runs_cells(client, false) {
            return Some(held);
        }
        let (proxy, client, gate) = (self.clone(), client.clone(), gate.clone());
        tokio::spawn(async move {
            sleep(HESITATION).await;
            let host = held.connection.endpoint.host.as_ref();
            if host.is_some_and(|host| host.has_parted()) {
                let address = held.address();
                return proxy.reply(&client, &address, proxy.interrupt_reply(&address.header));
            }
            let mut flushes = Flushes::default();
            proxy.pass((&client, &gate), held, None, &mut flushes);
            flushes.flush();
        });
        None
    }
}
