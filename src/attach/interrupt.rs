//! Interrupts that are not meant for what runs.
//!
//! Hosts send one before each `shutdown_request`, to have the kernel listen, and do not know that others may be at work
//! on it. And what was sent to an earlier process of ours waits in the host's socket until there is another.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;
use tracing::debug;

use super::{carrier::Carrier, in_flight::Request};
use crate::{
    channel::Channel,
    jupyter::{
        header::was_made_before,
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
        if was_made_before(&request.header, self.since) {
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
