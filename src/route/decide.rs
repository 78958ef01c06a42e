//! What becomes of a request: the whole of routing, on one page.

use std::{fmt, time::Instant};

use super::{
    Explanation, KernelState, Launch, Placement, Refusal, Requirements, RequirementsError, RestartRight,
    Table, table::Kernel,
};
use crate::id::{ClientId, KernelId};

/// A verified message on shell, control or stdin, as far as routing looks at it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Who sent it.
    pub client: &'a ClientId,
    /// What it is.
    pub kind: RequestKind,
    /// What holds where the client asks for nothing else.
    pub defaults: &'a Requirements,
    /// The one kernel that the client's connection file leads to.
    pub leads_to: Option<&'a KernelId>,
    /// Whether a kernel in reserve will do: not where kernels have to begin elsewhere than those do.
    pub reserve: bool,
    /// The session of its header, if it came on shell: it is answered after the earlier requests of this session there.
    pub shell_session: Option<&'a str>,
    /// The `msg_id` of its parent header: the question that an `input_reply` answers. Empty where it does not say.
    pub answers: &'a str,
}

/// The kinds of messages that routing tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RequestKind {
    /// `kernel_info_request`
    KernelInfo,
    /// `connect_request`
    Connect,
    /// `interrupt_request`
    Interrupt,
    /// `shutdown_request`
    Shutdown {
        /// Whether the kernel is to come back.
        restart: bool,
    },
    /// `input_reply`
    InputReply,
    /// Everything else.
    Other,
}

/// What becomes of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It goes to this kernel.
    Forward(KernelId),
    /// A kernel with this id is launched, and the request goes to it.
    Launch(KernelId, Launch),
    /// A `kernel_info_request` to a kernel that would not answer at once: what is known of it is told, or else the
    /// request goes to it. It is launched under this id where a launch is given.
    KnownInfo(KernelId, Option<Launch>),
    /// A `kernel_info_request` of a client that has not decided yet: what is known of this runtime is told.
    RuntimeInfo(usize),
    /// The published ports are told.
    Connect,
    /// The kernel is interrupted in its runtime's way.
    Interrupt(KernelId),
    /// There is nothing to interrupt.
    NothingToInterrupt,
    /// The client has left the kernel, which this many others still use; or it had none.
    Detached(usize),
    /// The kernel is stopped: this was its last client.
    Stop(KernelId),
    /// The kernel is restarted in place.
    Restart(KernelId),
    /// Others use the kernel, and the configuration lets only a sole client restart.
    RestartRefused(KernelId, usize),
    /// An `input_reply` that nobody asked for.
    Unasked,
    /// The routing metadata makes no sense.
    Misunderstood(RequirementsError),
    /// No kernel can serve.
    Refused(Refusal),
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Forward(kernel) => write!(f, "forward to kernel {kernel}"),
            Self::Launch(kernel, _) => write!(f, "launch kernel {kernel} and forward to it"),
            Self::KnownInfo(kernel, None) => write!(f, "tell what is known of kernel {kernel}"),
            Self::KnownInfo(kernel, Some(_)) => {
                write!(f, "launch kernel {kernel} and tell what is known of it")
            }
            Self::RuntimeInfo(_) => write!(f, "tell what is known of the default runtime"),
            Self::Connect => write!(f, "tell the ports"),
            Self::Interrupt(kernel) => write!(f, "interrupt kernel {kernel}"),
            Self::NothingToInterrupt => write!(f, "nothing to interrupt"),
            Self::Detached(others) => write!(f, "detach; {others} others stay"),
            Self::Stop(kernel) => write!(f, "stop kernel {kernel}"),
            Self::Restart(kernel) => write!(f, "restart kernel {kernel}"),
            Self::RestartRefused(kernel, others) => {
                write!(f, "refuse to restart kernel {kernel}, which {others} others use")
            }
            Self::Unasked => write!(f, "drop an answer that nobody asked for"),
            Self::Misunderstood(error) => write!(f, "refuse: {error}"),
            Self::Refused(refusal) => write!(f, "refuse: {refusal}"),
        }
    }
}

impl RequestKind {
    /// The kind of a message, by its type; `restart` is asked for where it matters.
    pub fn of(msg_type: &str, restart: impl FnOnce() -> bool) -> Self {
        match msg_type {
            "kernel_info_request" => Self::KernelInfo,
            "connect_request" => Self::Connect,
            "interrupt_request" => Self::Interrupt,
            "shutdown_request" => Self::Shutdown { restart: restart() },
            "input_reply" => Self::InputReply,
            _ => Self::Other,
        }
    }
}

impl<A> Table<A> {
    /// Decides, and binds the client where the request decides. `wishes` reads the routing metadata; it is asked only
    /// of a client that has no kernel yet. `fresh` makes the id of a kernel that is to be launched.
    pub fn decide(
        &mut self,
        request: &Request<'_>,
        wishes: impl FnOnce() -> Result<Option<Requirements>, RequirementsError>,
        fresh: impl FnOnce() -> KernelId,
        now: Instant,
    ) -> Decision {
        if let Some(decision) = self.decide_visit(request) {
            return decision;
        }
        if let Some(kernel) = self.kernel_of(request.client).cloned() {
            return self.decide_bound(kernel, request, now);
        }
        match request.kind {
            RequestKind::Connect => return Decision::Connect,
            RequestKind::Interrupt => return Decision::NothingToInterrupt,
            RequestKind::Shutdown { .. } => return Decision::Detached(0),
            RequestKind::InputReply => return Decision::Unasked,
            RequestKind::KernelInfo | RequestKind::Other => {}
        }
        let requirements = match wishes() {
            Err(error) => return Decision::Misunderstood(error),
            Ok(_) if self.moved.contains_key(request.client) => {
                self.moved.get(request.client).cloned().unwrap_or_default()
            }
            Ok(None) if request.kind == RequestKind::KernelInfo && request.defaults.is_nothing() => {
                return self.default_info(fresh);
            }
            Ok(wishes) => wishes.unwrap_or_default().over(request.defaults),
        };
        let Explanation { placement, reason, .. } = self.explain_for(&requirements, request, now);
        match placement {
            Placement::Refused(refusal) => Decision::Refused(refusal),
            Placement::Existing(kernel) => {
                self.bind(request.client, &kernel, &requirements);
                self.remember_choice(request.client, requirements, reason, now);
                self.decide_bound(kernel, request, now)
            }
            Placement::Spawn { runtime, memory_limit } => {
                let kernel = fresh();
                let launch = match self.admit(&kernel, runtime, memory_limit, &requirements) {
                    Ok(launch) => launch,
                    Err(refusal) => return Decision::Refused(refusal),
                };
                self.bind(request.client, &kernel, &requirements);
                self.remember_choice(request.client, requirements, reason, now);
                match request.kind {
                    RequestKind::KernelInfo => Decision::KnownInfo(kernel, Some(launch)),
                    _ => Decision::Launch(kernel, launch),
                }
            }
        }
    }

    /// An interrupt goes where the client's cell runs, an answer to the kernel that has asked.
    fn decide_visit(&mut self, request: &Request<'_>) -> Option<Decision> {
        match request.kind {
            RequestKind::Interrupt => self.visit_at_work(request.client).map(Decision::Interrupt),
            RequestKind::InputReply => {
                let kernel = self.kernel_that_asks(request.client, request.answers)?;
                Some(self.take_input(kernel, request))
            }
            _ => None,
        }
    }

    fn decide_bound(&mut self, kernel: KernelId, request: &Request<'_>, now: Instant) -> Decision {
        let others = || self.others(&kernel, request.client, now);
        match request.kind {
            RequestKind::Other => Decision::Forward(kernel),
            RequestKind::KernelInfo => match self.kernels.get(&kernel) {
                // Behind a request of its own it is a barrier: it goes to the kernel, in order.
                Some(entry) if self.shell_is_blocked(entry) && !entry.in_flight.precedes(request) => {
                    Decision::KnownInfo(kernel, None)
                }
                _ => Decision::Forward(kernel),
            },
            RequestKind::Connect => Decision::Connect,
            RequestKind::Interrupt => Decision::Interrupt(kernel),
            RequestKind::InputReply => Decision::Unasked,
            RequestKind::Shutdown { restart: true } => match others() {
                others if others > 0 && self.settings.restart == RestartRight::Sole => {
                    Decision::RestartRefused(kernel, others)
                }
                _ => Decision::Restart(kernel),
            },
            RequestKind::Shutdown { restart: false } => match others() {
                0 => {
                    self.stop_kernel(&kernel);
                    Decision::Stop(kernel)
                }
                others => {
                    self.unbind(request.client);
                    Decision::Detached(others)
                }
            },
        }
    }

    /// Only the client that was asked for input may give it.
    fn take_input(&mut self, kernel: KernelId, request: &Request<'_>) -> Decision {
        let answers =
            |entry: &mut Kernel<A>| entry.in_flight.questions.answer(request.client, request.answers);
        if self.kernels.get_mut(&kernel).is_some_and(answers) {
            Decision::Forward(kernel)
        } else {
            Decision::Unasked
        }
    }

    /// What a client is told that has not said yet what it wants: the default runtime's own words, from the first
    /// kernel of it that comes up.
    fn default_info(&mut self, fresh: impl FnOnce() -> KernelId) -> Decision {
        let default = self.settings.default;
        if self.informed.contains(&default) {
            return Decision::RuntimeInfo(default);
        }
        let coming = self
            .kernels
            .iter()
            .find(|(_, kernel)| kernel.runtime == default && kernel.state != KernelState::Stopping);
        if let Some((kernel, _)) = coming {
            return Decision::KnownInfo(kernel.clone(), None);
        }
        let kernel = fresh();
        let memory_limit = self.settings.runtimes.get(default).and_then(|offer| offer.memory_limit);
        match self.admit(&kernel, default, memory_limit, &Requirements::default()) {
            Ok(launch) => Decision::KnownInfo(kernel, Some(launch)),
            Err(refusal) => Decision::Refused(refusal),
        }
    }
}
