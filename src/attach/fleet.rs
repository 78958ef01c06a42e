//! Staying connected to the fleet, and what becomes of requests while it is away.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use serde_json::json;
use tokio::{
    task::{JoinHandle, JoinSet},
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use super::{
    absence::{Absence, replaced},
    carrier::Carrier,
    line::Dialled,
    start::start_fleet,
};
use crate::jupyter::connection_file::ConnectionFile;

/// First and longest pause between two tries to connect.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long the first connection may take before requests are told that there is no fleet.
const FIRST: Duration = Duration::from_secs(2);

/// The same where somebody listens: a machine that is busy, or a fleet that is stopped for a moment.
const FIRST_WHERE_SOMEBODY_IS: Duration = Duration::from_secs(10);

/// The same where a fleet is started.
const START: Duration = Duration::from_secs(20);

/// How long a fleet may still come after the attempt to start one failed: somebody else may just be starting one.
const SOMEBODY_ELSES: Duration = Duration::from_secs(5);

/// After which absence those who wait are told so.
const QUIET: Duration = Duration::from_secs(2);

impl Carrier {
    /// Connects to the fleet, again whenever it went away, for as long as the host wants us.
    pub(super) async fn stay_connected(self: Arc<Self>) {
        let first = if self.starter.is_some() { START } else { FIRST };
        let (mut dialled, mut before) = (Search::new(&self, first, None).run().await, 0);
        loop {
            info!(file = %self.fleet_file.display(), "connected to the fleet");
            let Dialled { line, peers, mut early, file } = dialled;
            self.connect(&line);
            let mut channels = JoinSet::new();
            // What came early came on shell, the first of them.
            for (channel, peer) in peers {
                channels.spawn(self.clone().serve_fleet(
                    channel,
                    peer,
                    line.signer.clone(),
                    std::mem::take(&mut early),
                ));
            }
            tokio::select! {
                _ = channels.join_next() => {}
                ((), ()) = async { tokio::join!(self.ask_for_receipts(), self.clone().doubt(before)) } => {}
            }
            drop(channels);
            before = self.in_flight.lock().next_number();
            self.disconnect(&line);
            info!(file = %self.fleet_file.display(), "the fleet went away");
            dialled = Search::new(&self, self.patience, Some(file)).run().await;
        }
    }
}

/// The search for a fleet that is not there.
struct Search<'a> {
    carrier: &'a Arc<Carrier>,
    begun: Instant,
    /// How long requests wait before they fail.
    patience: Duration,
    /// The fleet that went away.
    before: Option<ConnectionFile>,
    /// Requests have failed, so that those that come now fail as soon as another try does.
    is_over: bool,
    /// Requests up to this number have been told that they wait.
    told: u64,
    starting: Option<JoinHandle<Result<(), String>>>,
    has_started: bool,
    not_started: Option<String>,
}

impl<'a> Search<'a> {
    fn new(carrier: &'a Arc<Carrier>, patience: Duration, before: Option<ConnectionFile>) -> Self {
        Self {
            carrier,
            begun: Instant::now(),
            patience,
            before,
            is_over: false,
            told: 0,
            starting: None,
            has_started: false,
            not_started: None,
        }
    }

    /// Tries until a fleet is there.
    async fn run(mut self) -> Dialled {
        let mut pause = PAUSE;
        if self.before.is_some() {
            // Whatever ends each line at once must not be asked for the next one without end.
            sleep(pause).await;
        }
        loop {
            let carrier = self.carrier;
            let question = carrier.voice.say_raw("connect_request", json!({}), &Bytes::new());
            let dialled = Dialled::dial(&carrier.fleet_file, &carrier.card, &carrier.limits, question);
            let absence = match dialled.await {
                Ok(dialled) => {
                    self.arrived(&dialled);
                    return dialled;
                }
                Err(absence) => absence,
            };
            self.start_one(&absence);
            self.judge(absence).await;
            tokio::select! {
                () = sleep(pause) => pause = LONGEST_PAUSE.min(pause * 2),
                () = carrier.wanted.notified(), if self.is_over => {}
            }
        }
    }

    /// What the fleet that went away was asked, another one knows nothing of.
    fn arrived(&self, dialled: &Dialled) {
        if self.before.as_ref().is_none_or(|before| dialled.is_same_fleet(before)) {
            return;
        }
        let carrier = self.carrier;
        let waiting = carrier.in_flight.lock().all();
        for request in waiting {
            if !carrier.upstream.lock().holds(&request.header) && carrier.take(&request) {
                carrier.fail(&request, &replaced(&carrier.fleet_file));
            }
        }
    }

    /// Starts a fleet, once per absence: at the start at once, later where somebody wants it and it does not come back
    /// by itself.
    fn start_one(&mut self, absence: &Absence) {
        let Some(program) = self.carrier.starter.clone() else { return };
        let waited = self.begun.elapsed();
        let is_missed =
            || waited >= QUIET && !absence.is_somebody_there() && !self.carrier.in_flight.lock().is_empty();
        if self.has_started || (self.before.is_some() && !is_missed()) {
            return;
        }
        self.has_started = true;
        self.is_over = false;
        self.patience = self.patience.max(waited + START);
        info!("no fleet is running: starting one");
        self.starting = Some(tokio::spawn(async move {
            let late = || format!("it was not there after {} s", START.as_secs());
            timeout(START, start_fleet(&program)).await.unwrap_or_else(|_| Err(late()))
        }));
    }

    /// Tells those who wait, or has them wait no longer.
    async fn judge(&mut self, absence: Absence) {
        if let Some(starting) = self.starting.take_if(|starting| starting.is_finished())
            && let Ok(Err(reason)) = starting.await
            // Else it is because one runs, which may be too busy to answer.
            && !absence.is_somebody_there()
        {
            self.patience = self.patience.min(self.begun.elapsed() + SOMEBODY_ELSES);
            self.not_started = Some(reason);
        }
        let absence = match &self.not_started {
            Some(reason) => Absence::NotStarted(reason.clone()),
            None => absence,
        };
        let waited = self.begun.elapsed();
        if waited >= self.patience_with(&absence) {
            self.give_up(&absence);
        } else if self.before.is_some() && waited >= QUIET && self.starting.is_none() {
            self.tell(self.patience - waited);
        }
    }

    fn patience_with(&self, absence: &Absence) -> Duration {
        match self.before {
            None if absence.is_somebody_there() => self.patience.max(FIRST_WHERE_SOMEBODY_IS),
            _ => self.patience,
        }
    }

    fn tell(&mut self, left: Duration) {
        let waiting = self.carrier.in_flight.lock().all();
        for request in waiting.iter().filter(|request| request.number() >= self.told) {
            self.carrier.tell_waiting(request, left);
        }
        self.told = waiting.last().map_or(self.told, |last| last.number() + 1);
    }

    fn give_up(&mut self, absence: &Absence) {
        let carrier = self.carrier;
        if !self.is_over {
            warn!("{absence}");
        }
        carrier.upstream.lock().forget();
        let waiting = carrier.in_flight.lock().all();
        for request in waiting.into_iter().filter(|request| carrier.take(request)) {
            if self.before.is_some() && !self.is_over && request.msg_type() == "execute_request" {
                carrier.fail(&request, &absence.gave_up(self.patience));
            } else {
                carrier.refuse(&request, absence);
            }
        }
        self.is_over = true;
    }
}
