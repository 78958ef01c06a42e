//! Whom an interrupt is for: the cell that runs, or those of its sender that wait behind another client's.

use std::sync::Arc;

use bytes::Bytes;

use super::Proxy;
use crate::{
    id::{ClientId, KernelId},
    jupyter::header::username,
};

impl Proxy {
    /// A client interrupts. Where its own cells wait behind another's, they are cancelled, and `true` is returned: the cell
    /// that runs goes on.
    pub(super) fn cancels_waiting(self: &Arc<Self>, client: &ClientId) -> bool {
        let mut cancelled = false;
        for kernel in self.kernels_of(client).iter().filter(|kernel| kernel.cell_queues.keep_waiting(client))
        {
            let text = format!(
                "[jupyter-fleet: not run: it waited for another client's cell in {}, and you interrupted. That cell goes on; \
                 interrupt again to end it]",
                kernel.name()
            );
            cancelled |= self.abort_cells(kernel, client, Some(&text)) > 0;
        }
        cancelled
    }

    /// Tells the owner of the cell that runs who interrupts it, unless that is the owner.
    pub(super) fn tell_interrupted(self: &Arc<Self>, kernel: &KernelId, client: &ClientId, header: &Bytes) {
        let running = self.kernel(kernel).and_then(|kernel| kernel.cell_queues.running_on_main_shell());
        let Some((owner, cell)) = running else { return };
        if owner == *client {
            return;
        }
        let who = username(header).unwrap_or_else(|| "another client".to_owned());
        let text = format!("[jupyter-fleet: interrupted by {who}]");
        let address = self.table.lock().address_of(kernel, cell.msg_id.as_str(), cell.session.as_str());
        if let Some(address) = address {
            self.send_to_client(&owner, [self.builder.notice(&text, &address.header)]);
        }
    }
}
