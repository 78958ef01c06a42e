//! What others hold of a kernel's process, and what they hear of it.

use tokio::sync::mpsc;
use tracing::warn;

use super::{
    connect::Channels,
    provision::{Exit, LaunchError},
    record::ProcessRecord,
};

/// What others hold of a kernel's process.
#[derive(Clone, Debug)]
pub struct KernelHandle(pub(super) mpsc::Sender<Order>);

/// What a supervisor is told to do.
#[derive(Debug)]
pub(super) enum Order {
    Interrupt,
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
    /// It answers. Its processes are numbered.
    Up(u64, Box<Channels>),
    /// Its process is gone, and it will be launched again.
    Down(Downfall),
    /// It is gone for good.
    Gone(Downfall),
}

/// Why a kernel's process is gone.
#[derive(Debug)]
pub enum Downfall {
    /// It was asked to stop.
    Stopped,
    /// It was asked to restart.
    Restarted,
    /// It died.
    Died {
        /// How.
        exit: Exit,
        /// The last lines of its output.
        log_tail: String,
    },
    /// A channel was lost although the process lived; it was ended.
    Broken(String),
    /// It ended, or could not be reached any more, while no `serve` watched over it.
    Unwatched(String),
    /// It never came up.
    NeverUp(LaunchError),
}

impl KernelHandle {
    /// Interrupts what the kernel runs, by signal.
    pub fn interrupt(&self) {
        self.order(Order::Interrupt);
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
        if let Err(error) = self.0.try_send(order) {
            warn!(%error, "a kernel's supervisor takes no orders");
        }
    }
}
