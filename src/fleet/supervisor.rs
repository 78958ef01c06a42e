//! One task owns one kernel's process, through all its lives; others hold a handle to it.

use std::{path::Path, sync::Arc};

use tokio::{
    sync::mpsc,
    time::{Duration, Instant, timeout},
};
use tracing::{info, warn};

use super::{
    connect::{Channels, ConnectError, connect},
    handle::{Downfall, KernelEvent, KernelHandle, Order},
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

/// Orders and events that may wait.
const QUEUE: usize = 16;

/// Launches a kernel and watches over it; events come until [`KernelEvent::Gone`].
pub fn supervise(
    provisioner: Arc<dyn Provisioner>,
    order: LaunchOrder,
    limits: Arc<Limits>,
) -> (KernelHandle, mpsc::Receiver<KernelEvent>) {
    let (handle, orders) = mpsc::channel(QUEUE);
    let (events, seen) = mpsc::channel(QUEUE);
    tokio::spawn(Supervisor { provisioner, order, limits, orders, events, process: 0 }.run());
    (KernelHandle(handle), seen)
}

struct Supervisor {
    provisioner: Arc<dyn Provisioner>,
    order: LaunchOrder,
    limits: Arc<Limits>,
    orders: mpsc::Receiver<Order>,
    events: mpsc::Sender<KernelEvent>,
    process: u64,
}

impl Supervisor {
    async fn run(mut self) {
        let mut deaths = 0;
        let last = loop {
            let started = Instant::now();
            let downfall = self.live().await;
            deaths = if started.elapsed() >= STABLE_AFTER { 0 } else { deaths };
            match &downfall {
                Downfall::Stopped => break downfall,
                Downfall::Restarted => deaths = 0,
                // What never came up will not come up the second time; what did may have been unlucky.
                Downfall::NeverUp(_) => break downfall,
                Downfall::Died { .. } | Downfall::Broken(_) => {
                    deaths += 1;
                    if deaths > RESTARTS_IN_A_ROW {
                        break downfall;
                    }
                }
            }
            self.tell(KernelEvent::Down(downfall)).await;
        };
        self.provisioner.clean_up(&self.order, !matches!(last, Downfall::Stopped));
        self.tell(KernelEvent::Gone(last)).await;
    }

    async fn tell(&self, event: KernelEvent) {
        // Nobody listens any more only when the whole program ends.
        let _ = self.events.send(event).await;
    }

    /// One life: from launch to end.
    async fn live(&mut self) -> Downfall {
        let (mut launched, channels) = match self.bring_up().await {
            Ok(up) => up,
            Err(LaunchError::Cancelled) => return Downfall::Stopped,
            Err(error) => return Downfall::NeverUp(error),
        };
        info!(kernel = %self.order.kernel, pid = launched.process.pid(), "kernel is up");
        self.process += 1;
        self.tell(KernelEvent::Up(self.process, Box::new(channels))).await;
        let downfall = self.watch(&mut launched).await;
        launched.process.clear().await;
        downfall
    }

    /// Until the process has ended, by itself or because it was told to.
    async fn watch(&mut self, launched: &mut Launched) -> Downfall {
        loop {
            let order = tokio::select! {
                exit = launched.process.wait() => return died(launched, exit),
                order = self.orders.recv() => order,
            };
            match order {
                Some(Order::Interrupt) => launched.process.signal(Signal::Interrupt),
                Some(Order::Restart) => {
                    let stopped = self.end(&mut *launched.process).await;
                    return if stopped { Downfall::Stopped } else { Downfall::Restarted };
                }
                Some(Order::Lost(process, _)) if process != self.process => {}
                // The sockets of a dying process close before it can be waited for.
                Some(Order::Lost(_, why)) => match timeout(DYING, launched.process.wait()).await {
                    Ok(exit) => return died(launched, exit),
                    Err(_) => {
                        launched.process.signal(Signal::Terminate);
                        let stopped = self.end(&mut *launched.process).await;
                        return if stopped { Downfall::Stopped } else { Downfall::Broken(why) };
                    }
                },
                Some(Order::Stop) | None => {
                    self.end(&mut *launched.process).await;
                    return Downfall::Stopped;
                }
                Some(Order::Kill) => {
                    launched.process.signal(Signal::Kill);
                    launched.process.wait().await;
                    return Downfall::Stopped;
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
                    warn!(kernel = %self.order.kernel, "a port of the kernel was taken; launching it with others");
                    tries += 1;
                }
                done => return done,
            }
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
            connected = connect(&self.order.kernel, connection, &self.limits, deadline) => match connected {
                Ok(channels) => return Ok((launched, channels)),
                Err(step) => self.why_not_up(&mut **process, argv, log, waited, &step).await,
            },
        };
        launched.process.signal(Signal::Kill);
        launched.process.wait().await;
        launched.process.clear().await;
        Err(error)
    }

    /// A process that dies closes its sockets first: its end says more than a broken connection.
    async fn why_not_up(
        &self,
        process: &mut dyn Process,
        argv: &[String],
        log: &Path,
        waited: Duration,
        step: &ConnectError,
    ) -> LaunchError {
        let argv = argv.to_vec();
        match timeout(DYING, process.wait()).await {
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
fn died(launched: &Launched, exit: Exit) -> Downfall {
    let exceeded = launched.process.exceeded(&exit);
    launched.process.signal(Signal::Kill);
    Downfall::Died { exit, exceeded, log_tail: log_tail(&launched.record.log) }
}

/// Ends when the kernel is to be stopped; other orders make no sense to one that is not up.
async fn cancelled(orders: &mut mpsc::Receiver<Order>) {
    while let Some(order) = orders.recv().await {
        if matches!(order, Order::Stop | Order::Kill) {
            return;
        }
    }
}

/// Ends when the kernel, which is being ended, is to be killed; notes whether it is to stop for good.
async fn killed(orders: &mut mpsc::Receiver<Order>, stopped: &mut bool) {
    while let Some(order) = orders.recv().await {
        *stopped |= matches!(order, Order::Stop | Order::Kill);
        if matches!(order, Order::Kill) {
            return;
        }
    }
    std::future::pending().await
}
