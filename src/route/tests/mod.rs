//! The rules of routing, one file per topic. All go through [`Fleet`], a table with a clock and ids of its own.

mod admission;
mod audience;
mod barrier;
mod culling;
mod deciding;
mod histories;
mod kernel_endpoints;
mod life_and_death;
mod lost_subscribers;
mod matching;
mod presence;
mod refusing;
mod remembering;
mod requests;
mod sharing;
mod visits;
mod why;

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    channel::Channel,
    id::{ClientId, ConnectionId, EndpointId, KernelId, Origin, SessionId},
};

const PYTHON: usize = 0;
const LUA: usize = 1;

const LINGER: Duration = Duration::from_secs(30);
const ABANDONED_AFTER: Duration = Duration::from_secs(24 * 3600);

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn offer(runtime: &str, language: &str) -> Offer {
    Offer {
        runtime: runtime.parse().unwrap(),
        language: language.to_owned(),
        providers: BTreeSet::new(),
        labels: BTreeSet::new(),
        memory_limit: None,
        debugger: false,
        max_clients: None,
        cull_after: None,
    }
}

/// The default `python3` (1G, debugger), `lua` (openai, unlimited), and `gpu` (python, labels, two clients a kernel).
fn settings() -> Settings {
    let python =
        Offer { memory_limit: Some("1G".parse().unwrap()), debugger: true, ..offer("python3", "python") };
    let lua = Offer { providers: names(&["anthropic", "openai"]), ..offer("lua", "lua") };
    let gpu = Offer {
        labels: names(&["fast", "gpu"]),
        max_clients: std::num::NonZeroUsize::new(2),
        ..offer("gpu", "python")
    };
    Settings {
        runtimes: vec![python, lua, gpu],
        default: PYTHON,
        skipped: vec![Skipped { runtime: "broken one".to_owned(), reason: "skipped: no argv".to_owned() }],
        linger: LINGER,
        requests_in_flight: 3,
        remembered_clients: 100,
        restart: RestartRight::Anyone,
        bounds: Bounds::default(),
        abandoned_after: ABANDONED_AFTER,
    }
}

/// What becomes of a client that asks for nothing but this runtime, and gets a kernel of its own.
fn launch(runtime: usize) -> Launch {
    Launch { runtime, memory_limit: settings().runtimes[runtime].memory_limit, displaced: Vec::new() }
}

/// The endpoint of a kernel's own connection file.
const KERNELS_OWN: EndpointId = EndpointId(7);

/// A session whose name begins with `own` has come by a kernel's own connection file.
fn client(session: &str) -> ClientId {
    let endpoint = if session.starts_with("own") { KERNELS_OWN } else { EndpointId::DEFAULT };
    ClientId { endpoint, session: SessionId::from(session) }
}

fn process(pid: i32) -> Origin {
    Origin::Process { uid: 1000, pid }
}

fn kernel(number: usize) -> KernelId {
    KernelId::from(format!("k{number}").as_str())
}

/// A table whose kernels are called k0, k1 and so on. Replies go to numbers.
struct Fleet {
    table: Table<u32>,
    now: Instant,
    launched: usize,
}

impl Fleet {
    fn new(settings: Settings) -> Self {
        Self { table: Table::new(settings), now: Instant::now(), launched: 0 }
    }

    fn connect(&mut self, session: &str, origin: Origin) {
        self.table.client_connected(&client(session), origin);
    }

    fn disconnect(&mut self, session: &str) {
        self.table.client_disconnected(&client(session), self.now);
    }

    fn subscribe(&mut self, subscriber: u64, origin: Origin) {
        self.subscribe_by(EndpointId::DEFAULT, subscriber, origin);
    }

    fn subscribe_by(&mut self, endpoint: EndpointId, subscriber: u64, origin: Origin) {
        self.table.subscriber_arrived(ConnectionId(subscriber), endpoint, origin);
        self.table.topics_changed(ConnectionId(subscriber), 1);
    }

    fn lose(&mut self, subscriber: u64) -> bool {
        self.table.subscriber_lost(ConnectionId(subscriber), self.now)
    }

    /// The kernels of which it hears everything.
    fn heard_by(&self, subscriber: u64) -> Vec<KernelId> {
        let entry = self.table.audience.subscribers.get(&ConnectionId(subscriber)).into_iter();
        let all_of =
            entry.flat_map(|entry| &entry.hears).filter(|(_, hearing)| **hearing == Hearing::Everything);
        all_of.map(|(kernel, _)| kernel.clone()).collect()
    }

    fn unsubscribe(&mut self, subscriber: u64) {
        self.table.subscriber_left(ConnectionId(subscriber), self.now);
    }

    /// Decides a request with this value of `fleet` in its metadata; `""` is none.
    fn decide(&mut self, session: &str, kind: RequestKind, fleet: &str) -> Decision {
        self.decide_over(&Requirements::default(), session, kind, fleet)
    }

    /// The same where the client's connection file leads somewhere.
    fn decide_over(
        &mut self,
        defaults: &Requirements,
        session: &str,
        kind: RequestKind,
        fleet: &str,
    ) -> Decision {
        let wishes = || match fleet {
            "" => Ok(None),
            json => Requirements::parse(json).map(Some),
        };
        let (fresh, client) = (kernel(self.launched), client(session));
        let request = Request {
            client: &client,
            kind,
            defaults,
            leads_to: defaults.kernel.as_ref(),
            reserve: true,
            shell_session: Some(session),
            answers: "",
        };
        let decision = self.table.decide(&request, wishes, || fresh, self.now);
        if matches!(&decision, Decision::Launch(..) | Decision::KnownInfo(_, Some(_))) {
            self.launched += 1;
        }
        decision
    }

    /// Answers a question of a kernel's, which the client names.
    fn answer(&mut self, session: &str, question: &str) -> Decision {
        let (client, defaults) = (client(session), Requirements::default());
        let request = Request {
            client: &client,
            kind: RequestKind::InputReply,
            defaults: &defaults,
            leads_to: None,
            reserve: true,
            shell_session: None,
            answers: question,
        };
        self.table.decide(
            &request,
            || Ok(None),
            || unreachable!("nothing is launched for an answer"),
            self.now,
        )
    }

    /// Sends a cell with wishes of its own; `None`: they cannot be understood.
    fn visit(&mut self, session: &str, fleet: &str) -> Option<Decision> {
        let wishes = Requirements::parse(if fleet.is_empty() { "{}" } else { fleet }).ok()?;
        let (fresh, client, defaults) = (kernel(self.launched), client(session), Requirements::default());
        let request = Request {
            client: &client,
            kind: RequestKind::Other,
            defaults: &defaults,
            leads_to: None,
            reserve: true,
            shell_session: None,
            answers: "",
        };
        let decision = self.table.visit(&request, wishes, || fresh, self.now);
        self.launched += usize::from(matches!(decision, Decision::Launch(..)));
        Some(decision)
    }

    /// Moves a client; `None`: its wishes cannot be understood.
    fn move_client(
        &mut self,
        session: &str,
        fleet: &str,
        to_a_new_one: bool,
    ) -> Option<Result<Moved, Refusal>> {
        let wishes = Requirements::parse(if fleet.is_empty() { "{}" } else { fleet }).ok()?;
        let (fresh, client, defaults) = (kernel(self.launched), client(session), Requirements::default());
        let request = Request {
            client: &client,
            kind: RequestKind::Other,
            defaults: &defaults,
            leads_to: None,
            reserve: true,
            shell_session: None,
            answers: "",
        };
        let moved = self.table.move_client(&request, wishes, to_a_new_one, || fresh, self.now);
        self.launched += usize::from(matches!(moved, Ok(Moved::To(_, Some(_)))));
        Some(moved)
    }

    /// The kernel that a client's first request brings it to, ready.
    fn bind(&mut self, session: &str, fleet: &str) -> KernelId {
        self.decide(session, RequestKind::Other, fleet);
        let id = self.table.kernel_of(&client(session)).expect("a binding").clone();
        self.table.kernel_is_ready(&id);
        id
    }

    /// A client of a process of its own, bound and ready.
    fn join(&mut self, session: &str, pid: i32, fleet: &str) -> KernelId {
        self.connect(session, process(pid));
        self.bind(session, fleet)
    }

    fn track(&mut self, id: &KernelId, session: &str, msg_id: &str, msg_type: &str, address: u32) -> bool {
        let request = Outstanding {
            client: client(session),
            session: SessionId::from(session),
            msg_type: msg_type.into(),
            channel: Channel::Shell,
            address,
            awaits_input: false,
            is_done: false,
        };
        self.table.track(id, msg_id, request)
    }

    fn answered(&mut self, id: &KernelId, msg_id: &str, session: &str) -> Option<u32> {
        self.table.answered(id, msg_id, session).map(|request| request.address)
    }
}
