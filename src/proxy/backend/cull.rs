//! Stopping kernels that nobody needs any more, with a warning to whoever is still connected.

use std::{sync::Arc, time::Duration};

use tokio::time::{MissedTickBehavior, interval};

use crate::{
    proxy::{Proxy, frontend::connection::ReturnAddress},
    route::{Cull, Table},
};

impl Proxy {
    /// Looks from time to time which kernels have been idle for too long, until the task is dropped.
    pub async fn cull_idle_kernels(self: Arc<Self>) {
        let mut looks = interval(self.table.lock().cull_interval());
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            looks.tick().await;
            self.cull();
        }
    }

    fn cull(&self) {
        // With the table locked, no request comes between the decision and its announcement, and those who are told
        // still hear the kernel.
        let culls = self.with_table(|table, now| {
            let culls = table.cull(|id| self.kernel(id).is_some_and(|kernel| kernel.is_active()), now);
            for cull in &culls {
                self.announce_cull(table, cull);
                if let Cull::Stop { kernel, .. } = cull {
                    table.release(kernel, now);
                }
            }
            culls
        });
        for cull in culls {
            if let Cull::Stop { kernel, idle } = cull {
                self.stop_kernel(&kernel, &format!("it was idle for {}", whole_seconds(idle)));
            }
        }
    }

    fn announce_cull(&self, table: &Table<ReturnAddress>, cull: &Cull) {
        let (Cull::Warn { kernel: id, .. } | Cull::Stop { kernel: id, .. }) = cull;
        let Some(kernel) = self.kernel(id) else { return };
        let name = kernel.name();
        let text = match cull {
            Cull::Warn { idle, grace, .. } => format!(
                "[jupyter-fleet: {name} has been idle for {} and will be stopped in {}; run anything to keep it]",
                whole_seconds(*idle),
                whole_seconds(*grace)
            ),
            Cull::Stop { idle, .. } => format!(
                "[jupyter-fleet: {name} was stopped: it was idle for {}; the next request gets a new kernel]",
                whole_seconds(*idle)
            ),
        };
        self.tell_clients(table, &kernel, &[], &text, None);
    }
}

/// A span of time for people: nobody wants to know of the milliseconds, unless there is nothing else.
fn whole_seconds(span: Duration) -> humantime::FormattedDuration {
    let seconds = Duration::from_secs(span.as_secs());
    let milliseconds = Duration::from_millis(span.subsec_millis().into());
    humantime::format_duration(if seconds.is_zero() { milliseconds } else { seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_told_as_exactly_as_people_care() {
        let told = |milliseconds| whole_seconds(Duration::from_millis(milliseconds)).to_string();
        assert_eq!([7_200_900, 90_400, 1_999, 200].map(told), ["2h", "1m 30s", "1s", "200ms"]);
    }
}
