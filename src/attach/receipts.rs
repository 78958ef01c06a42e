//! What the fleet has read of what it was sent.
//!
//! It reads the messages of a connection one after the other, and notes a request on disk before it does anything else
//! with it. So once it has answered a question that it answers itself, it knows of all that was sent before.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;

use super::carrier::Carrier;
use crate::{channel::Channel, jupyter::message::Envelope};

/// How often it is looked whether the fleet has yet to read something: short cells are answered before.
const LOOK: Duration = Duration::from_millis(250);

impl Carrier {
    /// Asks for a receipt whenever requests wait for their replies that the fleet may not have read. Never ends.
    pub(super) async fn ask_for_receipts(&self) {
        loop {
            sleep(LOOK).await;
            if self.in_flight.lock().has_since(*self.read.borrow()) {
                self.receipt().await;
            }
        }
    }

    /// Waits until the fleet has read all that it was sent on shell before.
    pub(super) async fn receipt(&self) {
        let number = self.in_flight.lock().next_number();
        let question = self.voice.say_raw("connect_request", json!({}), &Bytes::new());
        // The reply comes under the same envelope.
        let envelope = Envelope::topic(Bytes::copy_from_slice(&number.to_be_bytes()));
        self.send_to_fleet(Channel::Shell, envelope, question);
        // Fails only where nobody can tell any more.
        let _ = self.read.subscribe().wait_for(|read| *read >= number).await;
    }

    /// A receipt has come.
    pub(super) fn receipted(&self, envelope: &Envelope) {
        if let Ok(number) = envelope.first().try_into() {
            let number = u64::from_be_bytes(number);
            self.read.send_if_modified(|read| std::mem::replace(read, number.max(*read)) < number);
        }
    }
}
