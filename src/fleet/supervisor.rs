//! One task owns one kernel's process, through all its lives; others hold a handle to it.

use std::{
    path::Path,
    sync::{Arc, atomic::Ordering},
};

use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep, timeout},
};
use tracing::{Instrument, info, info_span, warn};

use super::{
    connect::{Channels, ConnectError, KnownKernel, connect},
    handle::{ExitReason, KernelEvent, KernelHandle, Order},
    log::log_tail,
    provision::{Exit, LaunchError, LaunchOrder, Launched, Process, Provisioner, Signal},
    record::ProcessRecord,
};
use crate::limits::Limits;

/// Deaths in a row after which a kernel stays dead.
const RESTARTS_IN_A_ROW: u32 = 5;

/// A kernel that lived that long counts as stable: the deaths before are forgotten.
const STABLE_AFTER: Duration = Duration::from_secs(10);

/// Tries with new ports where others took those that were chosen.
const PORT_TRIES: usize = 3;

/// How long a process whose sockets are closed may take to end, if it is ending.
const DYING: Duration = Duration::from_millis(300);

/// Time for one try to connect to a kernel that an earlier `serve` started, and between two.
const RECONNECT: Duration = Duration::from_secs(10);
const TRY_AGAIN: Duration = Duration::from_secs(1);

/// How often a process is looked at, so that its end is laid to what happened just before.
const LOOK: Duration = Duration::from_secs(1);

/// Events that may wait.
const QUEUE: usize = 16;

/// A process that an earlier `serve` started for a kernel.
#[derive(Clone, Debug)]
pub struct Earlier {
    /// Which.
    pub record: ProcessRecord,
    /// What that `serve` knew of the kernel.
    pub known: KnownKernel,
}

/// Launches a kernel, or takes over its earlier process, and watches over it; events come until [`KernelEvent::Gone`].
pub fn supervise(
    provisioner: Arc<dyn Provisioner>,
    order: LaunchOrder,
    earlier: Option<Earlier>,
    limits: Arc<Limits>,
) -> (KernelHandle, mpsc::Receiver<KernelEvent>) {
    let (handle, orders) = KernelHandle::new();
    let (events, seen) = mpsc::channel(QUEUE);
    let span = info_span!(parent: None, "kernel", id = %order.kernel, runtime = %order.runtime.name);
    let supervisor = Supervisor { provisioner, order, earlier, limits, orders, events, process: 0 };
    tokio::spawn(supervisor.run().instrument(span));
    (handle, seen)
}

struct Supervisor {
    provisioner: Arc<dyn Provisioner>,
    order: LaunchOrder,
    earlier: Option<Earlier>,
    limits: Arc<Limits>,
    orders: mpsc::UnboundedReceiver<Order>,
    events: mpsc::Sender<KernelEvent>,
    process: u64,
}

impl Supervisor {
    async fn run(mut self) {
        let mut deaths = 0;
        let last = loop {
            let started = Instant::now();
            let exit_reason = self.live().await;
            deaths = if started.elapsed() >= STABLE_AFTER { 0 } else { deaths };
            match &exit_reason {
                ExitReason::Stopped => break exit_reason,
                ExitReason::Restarted => deaths = 0,
                // What never came up will not come up the second time; what did may have been unlucky.
                ExitReason::NeverUp(_) if self.process == 0 => break exit_reason,
                ExitReason::NeverUp(_)
                | ExitReason::Unwatched
                | ExitReason::Died { .. }
                | ExitReason::Broken(_) => {
                    deaths += 1;
                    if deaths > RESTARTS_IN_A_ROW {
                        break exit_reason;
                    }
                }
            }
            self.tell(KernelEvent::Down(exit_reason)).await;
        };
        self.provisioner.clean_up(&self.order, !matches!(last, ExitReason::Stopped));
        self.tell(KernelEvent::Gone(last)).await;
    }

    async fn tell(&self, event: KernelEvent) {
        // Nobody listens any more only when the whole program ends.
        let _ = self.events.send(event).await;
    }

    /// One life: from launch to end.
    async fn live(&mut self) -> ExitReason {
        let up = match self.earlier.take() {
            None => self.bring_up().await,
            Some(earlier) => match self.take_over(earlier).await {
                Some(up) => up,
                // It has been up before, whatever becomes of its next process.
                None => {
                    self.process += 1;
                    return ExitReason::Unwatched;
                }
            },
        };
        let (mut launched, channels) = match up {
            Ok(up) => up,
            Err(LaunchError::Cancelled) => return ExitReason::Stopped,
            Err(error) => return ExitReason::NeverUp(error),
        };
        info!(pid = launched.process.pid(), "kernel is up");
        self.process += 1;
        self.tell(KernelEvent::Up(self.process, Box::new(channels))).await;
        let exit_reason = self.watch(&mut launched).await;
        launched.process.clear().await;
        exit_reason
    }

    /// Until the process has ended, by itself or because it was told to.
    async fn watch(&mut self, launched: &mut Launched) -> ExitReason {
        loop {
            let order = tokio::select! {
                exit = launched.process.wait() => return died(launched, exit),
                () = sleep(LOOK) => {
                    launched.process.look();
                    continue;
                }
                order = self.orders.recv() => order,
            };
            match order {
                Some(Order::Interrupt(pending)) => {
                    pending.store(false, Ordering::Release);
                    launched.process.signal(Signal::Interrupt);
                }
                Some(Order::Restart) => {
                    let stopped = self.end(&mut *launched.process).await;
                    return if stopped { ExitReason::Stopped } else { ExitReason::Restarted };
                }
                Some(Order::Lost(process, _)) if process != self.process => {}
                // The sockets of a dying process close before it can be waited for.
                Some(Order::Lost(_, why)) => match timeout(DYING, launched.process.wait()).await {
                    Ok(exit) => return died(launched, exit),
                    Err(_) => {
                        launched.process.signal(Signal::Terminate);
                        let stopped = self.end(&mut *launched.process).await;
                        return if stopped { ExitReason::Stopped } else { ExitReason::Broken(why) };
                    }
                },
                Some(Order::Stop) | None => {
                    self.end(&mut *launched.process).await;
                    return ExitReason::Stopped;
                }
                Some(Order::Kill) => {
                    launched.process.signal(Signal::Kill);
                    launched.process.wait().await;
                    return ExitReason::Stopped;
                }
            }
        }
    }

    /// Launches until the kernel answers; with other ports if those chosen were taken.
    async fn bring_up(&mut self) -> Result<(Launched, Channels), LaunchError> {
        let mut tries = 1;
        loop {
            let launched = self.provisioner.launch(&self.order).await?;
            self.tell(KernelEvent::Launched(launched.record.clone())).await;
            match self.wait_until_up(launched).await {
                Err(LaunchError::Exited { log_tail, .. })
                    if tries < PORT_TRIES
                        && log_tail.to_ascii_lowercase().contains("address already in use") =>
                {
                    warn!("a port of the kernel was taken; launching it with others");
                    tries += 1;
                }
                done => return done,
            }
        }
    }

    /// Takes over the process of an earlier `serve`; `None` if it is gone. One that lives but cannot be talked to, for
    /// it is stopped by a debugger or swapped out, is tried again: nobody asked for its end.
    async fn take_over(&mut self, earlier: Earlier) -> Option<Result<(Launched, Channels), LaunchError>> {
        let Earlier { record, known } = earlier;
        let mut launched = self.provisioner.adopt(&self.order, &record).await?;
        self.tell(KernelEvent::Launched(record)).await;
        loop {
            let deadline = Instant::now() + RECONNECT;
            let error = tokio::select! {
                biased;
                _ = launched.process.wait() => {
                    launched.process.signal(Signal::Kill);
                    launched.process.clear().await;
                    return None;
                }
                () = cancelled(&mut self.orders) => {
                    self.end(&mut *launched.process).await;
                    launched.process.clear().await;
                    return Some(Err(LaunchError::Cancelled));
                }
                up = connect(&self.order.kernel, &launched.connection, Some(&known), &self.limits, deadline) => match up {
                    Ok(channels) => return Some(Ok((launched, channels))),
                    Err(error) => error,
                },
            };
            self.tell(KernelEvent::Unreachable(error.to_string())).await;
            // As a dying process does, which closes its sockets first.
            let _ = timeout(TRY_AGAIN, launched.process.wait()).await;
        }
    }

    async fn wait_until_up(&mut self, mut launched: Launched) -> Result<(Launched, Channels), LaunchError> {
        let waited = self.limits.launch();
        let deadline = Instant::now() + waited;
        let Launched { process, connection, record: ProcessRecord { argv, log, .. } } = &mut launched;
        let error = tokio::select! {
            biased;
            exit = process.wait() => {
                let exceeded = process.exceeded(&exit);
                LaunchError::Exited { argv: argv.clone(), exit, exceeded, log_tail: log_tail(log) }
            }
            () = cancelled(&mut self.orders) => LaunchError::Cancelled,
            connected = connect(&self.order.kernel, connection, None, &self.limits, deadline) => match connected {
                Ok(channels) => return Ok((launched, channels)),
                Err(step) => self.why_not_up(&mut **process, argv, log, waited, &step).await,
            },
        };
        launched.process.signal(Signal::Kill);
        launched.process.wait().await;
        launched.process.clear().await;
        Err(error)
    }

    /// A process that dies closes its sockets first: its end says more than a broken connection, but no more than a wrong file.
    async fn why_not_up(
        &self,
        process: &mut dyn Process,
        argv: &[String],
        log: &Path,
        waited: Duration,
        step: &ConnectError,
    ) -> LaunchError {
        let argv = argv.to_vec();
        let dying = if step.is_of_the_file() { Duration::ZERO } else { DYING };
        match timeout(dying, process.wait()).await {
            Ok(exit) => {
                let exceeded = process.exceeded(&exit);
                LaunchError::Exited { argv, exit, exceeded, log_tail: log_tail(log) }
            }
            Err(_) => LaunchError::Silent { argv, waited, step: step.to_string(), log_tail: log_tail(log) },
        }
    }

    /// Waits for an end that has been asked for; then SIGTERM, then SIGKILL, to the whole group. An order to kill ends
    /// the waiting. Returns whether the kernel was told meanwhile to stop for good.
    async fn end(&mut self, process: &mut dyn Process) -> bool {
        let patience = self.limits.stop();
        let mut stopped = false;
        for signal in [Signal::Terminate, Signal::Kill] {
            tokio::select! {
                _ = process.wait() => break,
                () = tokio::time::sleep(patience) => process.signal(signal),
                () = killed(&mut self.orders, &mut stopped) => process.signal(Signal::Kill),
            }
        }
        process.wait().await;
        // What the kernel started, and left behind.
        process.signal(Signal::Kill);
        // An order may have come in the moment in which the process ended.
        while let Ok(order) = self.orders.try_recv() {
            stopped |= matches!(order, Order::Stop | Order::Kill);
        }
        stopped
    }
}

/// What is known of a death, and the end of what is left.
fn died(launched: &Launched, exit: Exit) -> ExitReason {
    let exceeded = launched.process.exceeded(&exit);
    launched.process.signal(Signal::Kill);
    ExitReason::Died { exit, exceeded, log_tail: log_tail(&launched.record.log) }
}

/// Ends when the kernel is to be stopped; other orders make no sense to one that is not up.
async fn cancelled(orders: &mut mpsc::UnboundedReceiver<Order>) {
    while let Some(order) = orders.recv().await {
        if matches!(order, Order::Stop | Order::Kill) {
            return;
        }
    }
}

/// Ends when the kernel, which is being ended, is to be killed; notes whether it is to stop for good.
async fn killed(orders: &mut mpsc::UnboundedReceiver<Order>, stopped: &mut bool) {
    while let Some(order) = orders.recv().await {
        *stopped |= matches!(order, Order::Stop | Order::Kill);
        if matches!(order, Order::Kill) {
            return;
        }
    }
    std::future::pending().await
}
