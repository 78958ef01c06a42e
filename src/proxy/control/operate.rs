//! What those who look after the fleet do to it. What clients notice of that is told them by `lifecycle`.

use std::sync::Arc;

use bytes::Bytes;
use jupyter_protocol::InterruptRequest;
use thiserror::Error;

use crate::{
    channel::Channel,
    id::KernelId,
    proxy::{
        Proxy,
        backend::{kernel::Kernel, link::Pushed, restart::RestartAsked},
    },
    route::{Occupancy, Refusal, Requirements},
};

/// Why an operation cannot be carried out.
#[derive(Debug, Error)]
pub enum OperateError {
    /// No kernel is called so.
    #[error("there is no kernel {asked}: {}", known(.kernels))]
    NoSuchKernel {
        /// What was asked for.
        asked: String,
        /// What exists: ids and runtimes.
        kernels: Vec<String>,
    },
    /// Several kernels are called so.
    #[error("{asked} may be any of {}: give more of the id", .kernels.join(", "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Which kernels begin like that.
        kernels: Vec<String>,
    },
    /// No runtime can serve.
    #[error("{0}")]
    Refused(Refusal),
    /// The kernel has never answered, and never will.
    #[error("{0}")]
    NeverUp(String),
    /// The kernel is gone.
    #[error("{0}")]
    Gone(String),
    /// The kernel does not answer at the moment.
    #[error("{0}")]
    NotUp(String),
    /// The fleet is being stopped.
    #[error("the fleet is being stopped")]
    FleetStops,
}

impl Proxy {
    /// The kernel whose id begins so. A full id is never ambiguous.
    ///
    /// # Errors
    /// None or several do.
    pub fn find(&self, asked: &str) -> Result<KernelId, OperateError> {
        let kernels = self.occupancy();
        let name = |kernel: &Occupancy| format!("{} ({})", kernel.kernel, kernel.offer.runtime);
        if let Some(kernel) = kernels.iter().find(|kernel| kernel.kernel.as_str() == asked) {
            return Ok(kernel.kernel.clone());
        }
        let matching: Vec<&Occupancy> =
            kernels.iter().filter(|kernel| kernel.kernel.as_str().starts_with(asked)).collect();
        match matching.as_slice() {
            [kernel] => Ok(kernel.kernel.clone()),
            [] => Err(self.tombstones.fate(asked).unwrap_or_else(|| OperateError::NoSuchKernel {
                asked: asked.to_owned(),
                kernels: kernels.iter().map(name).collect(),
            })),
            several => Err(OperateError::Ambiguous {
                asked: asked.to_owned(),
                kernels: several.iter().map(|kernel| name(kernel)).collect(),
            }),
        }
    }

    /// Launches a kernel for clients to come.
    ///
    /// # Errors
    /// No runtime can serve, or the fleet is being stopped.
    pub fn spawn(self: &Arc<Self>, requirements: &Requirements) -> Result<KernelId, OperateError> {
        if self.is_stopping() {
            return Err(OperateError::FleetStops);
        }
        let id = self.with_table(|table, _| {
            let (id, launch) =
                table.reserve(requirements, KernelId::random).map_err(OperateError::Refused)?;
            self.launch(&id, &launch, None);
            Ok(id)
        })?;
        if self.is_stopping() {
            // Whoever stops all kernels may not have seen this one.
            self.stop_kernel(&id, "the fleet is stopped");
        }
        Ok(id)
    }

    /// Waits until a kernel takes requests. How long that may take is bounded by its launch.
    ///
    /// # Errors
    /// It is gone.
    pub async fn ready(&self, id: &KernelId) -> Result<(), OperateError> {
        loop {
            let mut changed = std::pin::pin!(self.kernels_changed.notified());
            changed.as_mut().enable();
            if self.usable(id)?.link.is_up() {
                return Ok(());
            }
            changed.await;
        }
    }

    /// Stops a kernel for good; its clients' next requests go elsewhere. Returns how many clients it had.
    pub fn stop(self: &Arc<Self>, id: &KernelId) -> usize {
        let clients = self.with_table(|table, now| {
            // Afterwards, nobody hears the kernel any more.
            if let Some(kernel) = self.kernel(id) {
                let text = format!(
                    "[jupyter-fleet: {} was stopped by the operator; the next request gets a new kernel]",
                    kernel.name()
                );
                self.tell_clients(table, &kernel, &[], &text, None);
            }
            table.release(id, now)
        });
        self.stop_kernel(id, "the operator asked for it");
        // One that nobody had used is replaced too.
        self.fill_pools();
        clients
    }

    /// Waits until a kernel is gone.
    pub async fn gone(&self, id: &KernelId) {
        loop {
            let mut changed = std::pin::pin!(self.kernels_changed.notified());
            changed.as_mut().enable();
            if self.kernel(id).is_none() {
                return;
            }
            changed.await;
        }
    }

    /// Restarts a kernel in place; its clients are told who wanted that.
    ///
    /// # Errors
    /// It is gone, or starts anyway.
    pub fn restart(self: &Arc<Self>, id: &KernelId, who: Option<&str>) -> Result<(), OperateError> {
        let kernel = self.usable(id)?;
        let who = who.map_or_else(|| "the operator".to_owned(), |who| format!("the operator ({who})"));
        if !self.restart_kernel(id, &who, RestartAsked::ByOperator) {
            let text = format!("{} is starting; wait for it or stop it", kernel.name());
            return Err(OperateError::NotUp(text));
        }
        Ok(())
    }

    /// Interrupts what a kernel runs, in its runtime's way.
    ///
    /// # Errors
    /// It is gone, or takes no requests yet.
    pub fn interrupt(&self, id: &KernelId) -> Result<(), OperateError> {
        let kernel = self.usable(id)?;
        if !kernel.link.is_up() {
            let text = format!("{} is not up yet: there is nothing to interrupt", kernel.name());
            return Err(OperateError::NotUp(text));
        }
        if !kernel.is_interrupted_by_message() {
            kernel.handle.interrupt();
            return Ok(());
        }
        let request = self.builder.say(InterruptRequest {}, &Bytes::new());
        match kernel.link.push(Channel::Control, request, kernel.link.life()) {
            Pushed::Queued(outbox) => outbox.flush(),
            Pushed::Held | Pushed::Dropped | Pushed::NoChannel => {}
            Pushed::Full => {
                return Err(OperateError::NotUp(format!("{} does not read what it is sent", kernel.name())));
            }
        }
        Ok(())
    }

    /// The kernel, or what became of it.
    fn usable(&self, id: &KernelId) -> Result<Arc<Kernel>, OperateError> {
        let gone = || OperateError::Gone(format!("kernel {id} is gone"));
        self.kernel(id).ok_or_else(|| self.tombstones.fate(id.as_str()).unwrap_or_else(gone))
    }
}

fn known(kernels: &[String]) -> String {
    match kernels {
        [] => "this fleet has no kernel".to_owned(),
        kernels => format!("there are {}", kernels.join(", ")),
    }
}
