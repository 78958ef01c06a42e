//! From what the proxy and routing say to what the API says.

use super::schema::{Client, ConsideredKernel, ConsideredRuntime, Explanation, Kernel, Outcome};
use crate::{
    byte_size::ByteSize,
    fleet::{confine::KernelLimits, seconds_since_epoch},
    proxy::{ClientReport, KernelReport},
    route::{self, Placement, Unmet},
};

impl From<KernelReport> for Kernel {
    fn from(report: KernelReport) -> Self {
        let KernelReport { occupancy, status, process, missing_channels, log } = report;
        let enforcement = process.as_ref().map(|process| &process.enforcement);
        let enforcement = enforcement.filter(|enforcement| enforcement.limits != KernelLimits::default());
        Self {
            id: occupancy.kernel.to_string(),
            runtime: occupancy.offer.runtime.to_string(),
            language: occupancy.offer.language,
            status: status.to_string(),
            pid: process.as_ref().map(|process| process.identity.pid),
            clients: occupancy.clients,
            requests: occupancy.requests,
            group: occupancy.group,
            isolated: occupancy.exclusive,
            reserve: occupancy.pristine,
            memory_limit: occupancy.offer.memory_limit.map(ByteSize::bytes),
            held_by: enforcement.map(|enforcement| enforcement.mechanism.to_string()),
            lacks: enforcement.map(|enforcement| enforcement.lacks.clone()).unwrap_or_default(),
            missing_channels: missing_channels.iter().map(ToString::to_string).collect(),
            started_at: process.map(|process| process.started_at),
            log,
        }
    }
}

impl From<ClientReport> for Client {
    fn from(report: ClientReport) -> Self {
        let ClientReport { bound, who, user, endpoint, cells } = report;
        let (asked, reason, ago) = bound.choice.map_or((None, None, None), |(asked, reason, ago)| {
            (Some(asked.to_string()), Some(reason.to_string()), Some(ago))
        });
        Self {
            session: bound.client.session.to_string(),
            name: who.name,
            place: who.place,
            user: user.map(|user| user.to_string()),
            endpoint,
            running_for: cells.running_for.map(|running| running.as_secs()),
            waiting: cells.waiting,
            before: cells.before,
            kernel: bound.kernel.to_string(),
            live: bound.live,
            origins: bound.origins.iter().map(ToString::to_string).collect(),
            since: ago.map(|ago| seconds_since_epoch().saturating_sub(ago.as_secs())),
            asked,
            reason,
        }
    }
}

impl From<route::Explanation> for Explanation {
    fn from(explained: route::Explanation) -> Self {
        let lacks = |unmet: &[Unmet]| unmet.iter().map(ToString::to_string).collect();
        let (outcome, kernel, runtime) = match &explained.placement {
            Placement::Existing(kernel) => (Outcome::Existing, Some(kernel.to_string()), None),
            Placement::Spawn { runtime, .. } => {
                let runtime = explained.runtimes.get(*runtime).map(|runtime| runtime.runtime.to_string());
                (Outcome::Launched, None, runtime)
            }
            Placement::Refused(_) => (Outcome::Refused, None, None),
        };
        let reason = match &explained.placement {
            Placement::Refused(refusal) => refusal.to_string(),
            _ => explained.reason.to_string(),
        };
        let kernel_shown = |kernel: &route::ConsideredKernel| ConsideredKernel {
            id: kernel.kernel.to_string(),
            runtime: kernel.runtime.to_string(),
            clients: kernel.clients,
            requests: kernel.load,
            lacks: lacks(&kernel.unmet),
        };
        let runtime_shown = |runtime: &route::ConsideredRuntime| ConsideredRuntime {
            name: runtime.runtime.to_string(),
            lacks: lacks(&runtime.unmet),
        };
        Self {
            asked: explained.requirements.to_string(),
            outcome,
            kernel,
            runtime,
            reason,
            kernels: explained.kernels.iter().map(kernel_shown).collect(),
            runtimes: explained.runtimes.iter().map(runtime_shown).collect(),
        }
    }
}
