//! Interrupts that are not meant for what runs.
//!
//! Hosts send one before each `shutdown_request`, to have the kernel listen, and do not know that others may be at work
//! on it. And what was sent to an earlier process of ours waits in the host's socket until there is another.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;
use tracing::debug;

use super::{carrier::Carrier, in_flight::Request};
use crate::{
    channel::Channel,
    jupyter::{
        message::{Body, Envelope},
        reply::Failure,
    },
};

/// How long an interrupt waits to see whether the end follows, where none of the host's own cells runs. Hosts take
/// milliseconds from one to the other.
const HESITATION: Duration = Duration::from_millis(200);

impl Carrier {
    /// Keeps an `interrupt_request` back that may not be meant; gives back one that is. Whatever runs was asked for by
    /// others, if none of the host's own cells is in flight: they are interrupted too, unless the host is only leaving.
    pub(super) fn hold_back(
        self: &Arc<Self>,
        channel: Channel,
        request: &Request,
        envelope: Envelope,
        body: Body,
    ) -> Option<(Envelope, Body)> {
        if is_older_than(request, self.since) {
            debug!("an interrupt that was meant for an earlier process");
            self.take(request);
            self.say_interrupted(request);
            return None;
        }
        if self.upstream.lock().is_away() {
            self.take(request);
            self.interrupt_while_away();
            self.say_interrupted(request);
            return None;
        }
        if self.in_flight.lock().runs_cells() {
            return Some((envelope, body));
        }
        let (carrier, request) = (self.clone(), request.clone());
        tokio::spawn(async move {
            sleep(HESITATION).await;
            if carrier.parting.load(Ordering::Relaxed) {
                carrier.take(&request);
                return carrier.say_interrupted(&request);
            }
            carrier.send_to_fleet(channel, envelope, body);
        });
        None
    }

    /// The fleet is away: cells that it has not been sent are not run, and those that it has are interrupted once it is
    /// back.
    pub(super) fn interrupt_while_away(&self) {
        let mut cells = self.in_flight.lock().all();
        cells.retain(|request| request.msg_type() == "execute_request");
        let mut runs = false;
        for cell in cells {
            if !self.upstream.lock().withdraw(&cell.header) {
                runs = true;
            } else if self.take(&cell) {
                let text = "the cell was interrupted while it waited for the fleet: it has not run";
                self.fail(&cell, &Failure::new("Interrupted", text));
            }
        }
        if runs && !self.upstream.lock().holds_any(Channel::Control) {
            let interrupt = self.voice.say_raw("interrupt_request", json!({}), &Bytes::new());
            self.say_to_fleet(Channel::Control, interrupt);
        }
    }

    fn say_interrupted(&self, request: &Request) {
        let reply = self.voice.say_raw("interrupt_reply", json!({ "status": "ok" }), &request.header);
        self.reply(request, reply);
    }
}

/// Whether a request's header says that it was made before then. The host's clock is ours.
fn is_older_than(request: &Request, then: SystemTime) -> bool {
    let Ok(header) = serde_json::from_slice::<jupyter_protocol::Header>(&request.header) else {
        return false;
    };
    let then = then.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // The beginning of the epoch stands for no date.
    u128::try_from(header.date.timestamp_millis()).is_ok_and(|made| made > 0 && made < then)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attach::in_flight::tests::request;

    #[test]
    fn only_what_says_that_it_is_older_is_older() {
        let then = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let older = |date: &str| {
            let rest =
                r#""msg_id":"1","username":"u","session":"s","msg_type":"interrupt_request","version":"5.4""#;
            is_older_than(&request(&format!("{{{date}{rest}}}")), then)
        };
        assert!(older(r#""date":"2001-09-09T01:46:39.9Z","#));
        assert!(!older(r#""date":"2001-09-09T01:46:40.1Z","#));
        assert!(!older(r#""date":"yesterday","#));
        assert!(!older(""));
    }
}
