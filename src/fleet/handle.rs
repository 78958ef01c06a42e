//! What others hold of a kernel's process, and what they hear of it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use tokio::sync::mpsc;

use super::{
    confine::Exceeded,
    connect::Channels,
    provision::{Exit, LaunchError},
    record::ProcessRecord,
};

/// What others hold of a kernel's process.
#[derive(Clone, Debug)]
pub struct KernelHandle {
    orders: mpsc::UnboundedSender<Order>,
    /// An interrupt is on its way: another one would say nothing new.
    interrupting: Arc<AtomicBool>,
}

/// What a supervisor is told to do.
#[derive(Debug)]
pub(super) enum Order {
    /// The flag is lowered when it is carried out.
    Interrupt(Arc<AtomicBool>),
    Restart,
    Stop,
    Kill,
    /// The proxy lost a channel of the process with this number, which may still live.
    Lost(u64, String),
}

/// What happens to a kernel.
#[derive(Debug)]
pub enum KernelEvent {
    /// A process has been started for it, and does not answer yet.
    Launched(ProcessRecord),
    /// The process that was taken over lives, but cannot be talked to: this is why. It is tried again.
    Unreachable(String),
    /// It answers. Its processes are numbered.
    Up(u64, Box<Channels>),
    /// Its process is gone, and it will be launched again.
    Down(ExitReason),
    /// It is gone for good.
    Gone(ExitReason),
}

/// Why a kernel's process is gone.
#[derive(Debug)]
pub enum ExitReason {
    /// It was asked to stop.
    Stopped,
    /// It was asked to restart.
    Restarted,
    /// It died.
    Died {
        /// How.
        exit: Exit,
        /// The limit that had to do with it.
        exceeded: Option<Exceeded>,
        /// The last lines of its output.
        log_tail: String,
    },
    /// A channel was lost although the process lived; it was ended.
    Broken(String),
    /// It ended while no `serve` watched over it.
    Unwatched,
    /// It never came up.
    NeverUp(LaunchError),
}

impl KernelHandle {
    /// A handle, and where its orders arrive. None is ever lost: a kernel that was told to stop must not live on.
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<Order>) {
        let (orders, received) = mpsc::unbounded_channel();
        (Self { orders, interrupting: Arc::default() }, received)
    }

    /// Interrupts what the kernel runs, by signal.
    pub fn interrupt(&self) {
        if !self.interrupting.swap(true, Ordering::AcqRel) {
            self.order(Order::Interrupt(self.interrupting.clone()));
        }
    }

    /// Ends the process, which has been asked to end, and launches it again.
    pub fn restart(&self) {
        self.order(Order::Restart);
    }

    /// Ends the process, which has been asked to end: after a while by SIGTERM, then by SIGKILL.
    pub fn stop(&self) {
        self.order(Order::Stop);
    }

    /// Ends the process at once.
    pub fn kill(&self) {
        self.order(Order::Kill);
    }

    /// A channel of the process with this number is lost ([`KernelEvent::Up`] told the number).
    pub fn lost(&self, process: u64, why: String) {
        self.order(Order::Lost(process, why));
    }

    fn order(&self, order: Order) {
        // A supervisor that is gone has told so, and its kernel is gone too.
        let _ = self.orders.send(order);
    }
}
