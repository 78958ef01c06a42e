//! Who waits for somebody else's cell is told so, in the cell that waits.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::queues::Waiter;
use crate::{
    id::ClientId,
    proxy::{Proxy, backend::kernel::Kernel},
};

/// How often those who wait are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A cell that waits for less is not told.
const SOON: Duration = Duration::from_secs(2);

/// A cell that runs for longer may have ended, of a kernel that does not say so.
const LONG: Duration = Duration::from_secs(5);

/// How long what was told holds.
const TELL_AGAIN: Duration = Duration::from_secs(10);

impl Proxy {
    /// Tells those who wait for others' cells now and again, while anybody waits at this kernel.
    pub(crate) fn tell_those_who_wait(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        let (proxy, kernel) = (self.clone(), kernel.clone());
        tokio::spawn(async move {
            let mut told: HashMap<ClientId, Instant> = HashMap::new();
            loop {
                sleep(LOOK_AGAIN).await;
                let Some(waiters) = kernel.cell_queues.waiters() else { return };
                let now = Instant::now();
                if let Some(cell) = kernel.cell_queues.running_for(LONG) {
                    proxy.probe(&kernel, &cell);
                }
                for waiter in waiters {
                    let is_due = told.get(&waiter.client).is_none_or(|last| now - *last >= TELL_AGAIN);
                    if waiter.waits_for_another() && now - waiter.since >= SOON && is_due {
                        proxy.tell_who_waits(&kernel, &waiter, now);
                        told.insert(waiter.client, now);
                    }
                }
            }
        });
    }

    fn tell_who_waits(self: &Arc<Self>, kernel: &Kernel, waiter: &Waiter, now: Instant) {
        let whose = self.cell_in_words(kernel, &waiter.owner, &waiter.running);
        let before = match waiter.before {
            0 => "you are next".to_owned(),
            before => format!("{before} before you"),
        };
        let seconds = (now - waiter.running_since).as_secs();
        let text = format!("[jupyter-fleet: waiting for {whose}, running for {seconds} s; {before}]");
        self.send_to_client(&waiter.client, [self.builder.notice(&text, &waiter.header)]);
    }
}
