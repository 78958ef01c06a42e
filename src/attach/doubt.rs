//! A fleet that crashed and came back knows what it had read. What it had been sent and had not read yet, nobody knows of.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use bytes::Bytes;
use serde_json::json;
use tokio::time::sleep;
use tracing::warn;

use super::{carrier::Carrier, in_flight::Request};
use crate::{channel::Channel, jupyter::reply::Failure};

/// How often it is looked whether requests are in doubt.
const LOOK: Duration = Duration::from_secs(1);

/// How long what the fleet owes may take to be paid.
const PAYMENT: Duration = Duration::from_secs(2);

impl Carrier {
    /// Fails the requests before this number that the fleet that came back does not know of.
    ///
    /// A kernel answers one request of shell after the other. Once it has answered one that we ask now, and runs nothing
    /// else for us, it has never got those of which nothing has been heard, or what it answered is lost; unless they wait
    /// for another kernel, of which the fleet knows if it had read them.
    pub(super) async fn doubt(self: Arc<Self>, before: u64) {
        loop {
            sleep(LOOK).await;
            let doubtful = self.in_flight.lock().doubtful_before(before);
            let Some(doubtful) = doubtful else { continue };
            if doubtful.is_empty() || self.leaving.load(Ordering::Relaxed) {
                return;
            }
            self.probe().await;
            sleep(PAYMENT).await;
            let still = self.in_flight.lock().doubtful_before(before);
            for request in still.unwrap_or_default() {
                if doubtful.iter().any(|doubted| doubted.number() == request.number()) && self.take(&request)
                {
                    self.fail_lost(&request);
                }
            }
        }
    }

    /// Asks the kernel for something that costs it nothing and that the fleet does not answer in its place.
    async fn probe(&self) {
        let answered = self.probed.notified();
        let probe = self.voice.say_raw("comm_info_request", json!({}), &Bytes::new());
        self.say_to_fleet(Channel::Shell, probe);
        answered.await;
    }

    fn fail_lost(&self, request: &Request) {
        let path = self.fleet_file.display();
        warn!("a request got lost when the fleet of {path} ended");
        let text = if request.has_run() {
            format!("the fleet of {path} ended just when this was done: it has run, but its reply is lost")
        } else {
            format!(
                "the fleet of {path} ended just when it was sent this request, and does not know of it since it is back; \
                 it may not have run. The kernel lives: look, and run the cell again"
            )
        };
        self.fail(request, &Failure::new("FleetLost", text));
    }
}
