//! The search for a fleet, and what becomes of requests until one is there.

use std::{sync::Arc, time::Duration};

use tokio::{
    task::JoinHandle,
    time::{Instant, sleep, timeout},
};
use tracing::{info, warn};

use super::{
    absence::Absence, fleet::Fleet, lost::lost_requests, room::Room, run::Options, start::start_fleet,
};
use crate::{net::Server, state::JOURNAL};

/// First and longest pause between two tries.
const PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// How long the first try may take before requests are told that there is no fleet.
const FIRST: Duration = Duration::from_secs(2);

/// The same where somebody listens: a machine that is busy, or a fleet that is stopped for a moment.
const FIRST_WHERE_SOMEBODY_IS: Duration = Duration::from_secs(10);

/// The same where a fleet is started.
const START: Duration = Duration::from_secs(20);

/// How long a fleet may still come after the attempt to start one failed: somebody else may just be starting one.
const SOMEBODY_ELSES: Duration = Duration::from_secs(5);

/// After which absence those who wait are told so.
const QUIET: Duration = Duration::from_secs(2);

/// Looks for a fleet whenever there is none.
pub(super) struct Search {
    options: Options,
    room: Arc<Room>,
    /// A fleet was there before.
    had_a_fleet: bool,
}

/// One absence of the fleet.
struct Wait<'a> {
    options: &'a Options,
    room: &'a Room,
    begun: Instant,
    /// How long requests wait before they fail.
    patience: Duration,
    had_a_fleet: bool,
    /// Requests have failed, so that those that come now fail as soon as another try does.
    is_over: bool,
    starting: Option<JoinHandle<Result<(), String>>>,
    has_started: bool,
    not_started: Option<String>,
}

impl Search {
    pub(super) fn new(options: Options, room: Arc<Room>) -> Self {
        Self { options, room, had_a_fleet: false }
    }

    pub(super) fn room(&self) -> &Room {
        &self.room
    }

    /// The fleet went away; what it had been asked is in its journal.
    pub(super) fn fleet_lost(&mut self) {
        let journal = self.options.directories.state().join(JOURNAL);
        self.room.lose(lost_requests(&journal, self.room.host));
    }

    /// Serves the sockets until a fleet does.
    pub(super) async fn find(&mut self, server: &Server) -> Fleet {
        loop {
            let wait = Wait::new(&self.options, &self.room, self.had_a_fleet);
            let (fleet, connections) = self.room.serve_until(server, wait.run()).await;
            self.room.lose(Vec::new());
            match fleet.give(server, connections).await {
                Ok(()) => {
                    info!("the fleet serves the host");
                    self.had_a_fleet = true;
                    return fleet;
                }
                Err(error) => warn!(%error, "the fleet went away as it was given the sockets"),
            }
        }
    }
}

impl<'a> Wait<'a> {
    fn new(options: &'a Options, room: &'a Room, had_a_fleet: bool) -> Self {
        let first = if options.starter.is_some() { START } else { FIRST };
        Self {
            options,
            room,
            begun: Instant::now(),
            patience: if had_a_fleet { options.patience } else { first },
            had_a_fleet,
            is_over: false,
            starting: None,
            has_started: false,
            not_started: None,
        }
    }

    /// Tries until a fleet is there.
    async fn run(mut self) -> Fleet {
        let mut pause = PAUSE;
        if self.had_a_fleet {
            // Whatever ends each conversation at once must not be asked for the next one without end.
            sleep(pause).await;
        }
        loop {
            let absence = match Fleet::ask(self.options, self.room.answered()).await {
                Ok(fleet) => return fleet,
                Err(absence) => absence,
            };
            self.start_one(&absence);
            self.judge(absence).await;
            tokio::select! {
                () = sleep(pause) => pause = LONGEST_PAUSE.min(pause * 2),
                () = self.room.wanted.notified(), if self.is_over => {}
                () = self.room.interrupts.notified() => self.room.interrupt(),
            }
        }
    }

    /// Starts a fleet, once per absence: at the start at once, later where somebody wants it and it does not come back by
    /// itself.
    fn start_one(&mut self, absence: &Absence) {
        let Some(program) = self.options.starter.clone() else { return };
        let waited = self.begun.elapsed();
        let is_missed = || waited >= QUIET && !absence.is_somebody_there() && self.room.is_anything_wanted();
        if self.has_started || (self.had_a_fleet && !is_missed()) {
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
            if !self.is_over {
                warn!("{absence}");
            }
            // Whoever asks is about to listen.
            let _ = timeout(self.room.limits.barrier(), self.room.publisher.all_subscribed()).await;
            let since_it_left = (self.had_a_fleet && !self.is_over).then_some(self.patience);
            self.room.give_up(&absence, since_it_left);
            self.is_over = true;
        } else if self.had_a_fleet && waited >= QUIET && self.starting.is_none() {
            self.room.tell_waiting(self.patience - waited);
        }
    }

    fn patience_with(&self, absence: &Absence) -> Duration {
        match absence {
            // It will say the same again.
            Absence::Refused(_) => Duration::ZERO,
            _ if !self.had_a_fleet && absence.is_somebody_there() => {
                self.patience.max(FIRST_WHERE_SOMEBODY_IS)
            }
            _ => self.patience,
        }
    }
}
