//! Who waits for somebody else's cell is told so, in the cell that waits.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::time::sleep;

use super::{Proxy, cell_queue::Waiter, connection::ReturnAddress, kernel::Kernel};
use crate::{id::ClientId, jupyter::header::username};

/// How often those who wait are looked at.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A cell that waits for less is not told.
const SOON: Duration = Duration::from_secs(2);

/// How long what was told holds.
const TELL_AGAIN: Duration = Duration::from_secs(10);

/// What names a notebook in the environment that Jupyter's server gives to its kernels.
const NOTEBOOK: &str = "JPY_SESSION_NAME";

impl Proxy {
    /// Tells those who wait for others' cells now and again, while anybody waits at this kernel.
    pub(super) fn tell_those_who_wait(self: &Arc<Self>, kernel: &Arc<Kernel>) {
        let (proxy, kernel) = (self.clone(), kernel.clone());
        tokio::spawn(async move {
            let mut told: HashMap<ClientId, Instant> = HashMap::new();
            loop {
                sleep(LOOK_AGAIN).await;
                let Some(waiters) = kernel.cell_queues.waiters() else { return };
                let now = Instant::now();
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
        let running = &waiter.running;
        let (msg_id, session) = (running.msg_id.as_str(), running.session.as_str());
        let address = self.table.lock().address_of(&kernel.id, msg_id, session);
        let whose = address.as_ref().map_or_else(|| "another client's cell".to_owned(), whose_cell);
        let before = match waiter.before {
            0 => "you are next".to_owned(),
            before => format!("{before} before you"),
        };
        let seconds = (now - waiter.running_since).as_secs();
        let text = format!("[jupyter-fleet: waiting for {whose}, running for {seconds} s; {before}]");
        self.send_to_client(&waiter.client, [self.builder.notice(&text, &waiter.header)]);
    }
}

/// How people know a cell: by its client's name, and its notebook's.
fn whose_cell(address: &ReturnAddress) -> String {
    let who = username(&address.header).unwrap_or_else(|| "another client".to_owned());
    match notebook_of(address) {
        Some(notebook) => format!("{who}'s cell in {notebook}"),
        None => format!("{who}'s cell"),
    }
}

fn notebook_of(address: &ReturnAddress) -> Option<String> {
    let environment = address.connection.endpoint.host.as_ref()?.launched_for.environment()?;
    let (_, name) = environment.iter().find(|(name, _)| name == NOTEBOOK)?;
    let name = name.to_string_lossy();
    name.rsplit('/').next().filter(|name| !name.is_empty()).map(str::to_owned)
}
