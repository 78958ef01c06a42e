//! Staying connected to the fleet, and what becomes of requests while it is away.

use std::{sync::Arc, time::Duration};

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
            let Dialled { line, peers, file } = dialled;
            self.connect(&line);
            let mut channels = JoinSet::new();
            for (channel, peer) in peers {
                channels.spawn(self.clone().serve_fleet(channel, peer, line.signer.clone()));
            }
            tokio::select! {
                _ = channels.join_next() => {}
                () = self.clone().doubt(before) => {
                    channels.join_next().await;
                }
            }
            drop(channels);
            before = self.in_flight.lock().next_number();
            self.upstream.lock().disconnect(&line);
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
        loop {
            let carrier = self.carrier;
            let absence = match Dialled::dial(&carrier.fleet_file, &carrier.card, &carrier.limits).await {
                Ok(dialled) => {
                    self.arrived(&dialled);
                    return dialled;
                }
                Err(absence) => absence,
            };
            self.start_one();
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

    fn start_one(&mut self) {
        let Some(program) =
            self.carrier.starter.clone().filter(|_| self.before.is_none() && !self.has_started)
        else {
            return;
        };
        self.has_started = true;
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
        {
            self.patience = self.patience.min(self.begun.elapsed() + SOMEBODY_ELSES);
            self.not_started = Some(reason);
        }
        let absence = match &self.not_started {
            Some(reason) => Absence::NotStarted(reason.clone()),
            None => absence,
        };
        let waited = self.begun.elapsed();
        if waited >= self.patience {
            self.give_up(&absence);
        } else if self.before.is_some() && waited >= QUIET {
            self.tell(self.patience - waited);
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
        let waiting = carrier.in_flight.lock().take_all();
        for request in waiting {
            if self.before.is_some() && !self.is_over && request.msg_type() == "execute_request" {
                carrier.fail(&request, &absence.gave_up(self.patience));
            } else {
                carrier.refuse(&request, absence);
            }
        }
        self.is_over = true;
    }
}
