//! Single cells on other kernels than their client's own, and moving for good.
//!
//! A visitor keeps its own kernel and counts as a client of the one that it visits, where it finds what its earlier cells
//! left: for as long as both are there, the same wishes lead to the same kernel. It hears its own messages of that
//! kernel and nothing else. Whoever moves remains a visitor of the kernel that it leaves.

use std::{collections::BTreeSet, time::Instant};

use super::{
    Candidate, Decision, Explanation, KernelState, Launch, Placement, Reason, Refusal, Request, Requirements,
    Table, placement::launchable,
};
use crate::id::{ClientId, KernelId};

/// The longest routing metadata that is remembered, in bytes: names and a few numbers.
const LONGEST_STANDING: usize = 4 << 10;

/// Where a client that wants to move ends up.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Moved {
    /// It has what it wants already.
    Stays(KernelId),
    /// It has this kernel from now on, which is launched under this id where a launch is given.
    To(KernelId, Option<Launch>),
}

impl<A> Table<A> {
    /// Decides where a cell goes whose wishes are not its client's standing ones. The binding stays.
    pub fn visit(
        &mut self,
        request: &Request<'_>,
        wishes: Requirements,
        fresh: impl FnOnce() -> KernelId,
        now: Instant,
    ) -> Decision {
        let wishes = self.beside(request, wishes);
        if let Some(kernel) = self.at_hand(request.client, &wishes, now) {
            return Decision::Forward(kernel);
        }
        match self.provide(request, &wishes, fresh, now) {
            Err(refusal) => Decision::Refused(refusal),
            Ok((kernel, launch, _)) => {
                self.arrive(request.client, &kernel);
                match launch {
                    Some(launch) => Decision::Launch(kernel, launch),
                    None => Decision::Forward(kernel),
                }
            }
        }
    }

    /// Gives a client another kernel for good: one that meets these wishes, or a new one.
    ///
    /// # Errors
    /// There is none, and none can be launched; the client keeps what it has.
    pub fn move_client(
        &mut self,
        request: &Request<'_>,
        wishes: Requirements,
        to_a_new_one: bool,
        fresh: impl FnOnce() -> KernelId,
        now: Instant,
    ) -> Result<Moved, Refusal> {
        let client = request.client;
        let before = self.kernel_of(client).cloned();
        let wishes = self.beside(request, wishes);
        let at_hand = if to_a_new_one { None } else { self.at_hand(client, &wishes, now) };
        let (kernel, launch, reason) = match at_hand {
            Some(kernel) if Some(&kernel) == before.as_ref() => return Ok(Moved::Stays(kernel)),
            Some(kernel) => (kernel, None, Reason::Only),
            None if to_a_new_one => self.provide_new(request, &wishes, fresh)?,
            None => self.provide(request, &wishes, fresh, now)?,
        };
        if let Some(before) = &before {
            if let Some(left) = self.kernels.get_mut(before) {
                left.clients.remove(client);
            }
            self.arrive(client, before);
        }
        self.bind(client, &kernel, &wishes);
        self.remember_choice(client, wishes.clone(), reason, now);
        self.moved.insert(client.clone(), self.lasting(wishes));
        Ok(Moved::To(kernel, launch))
    }

    /// What is wanted of a kernel that takes the place of this one, should it end: one of its kind, where one was named.
    fn lasting(&self, mut wishes: Requirements) -> Requirements {
        if let Some(kernel) = wishes.kernel.take().and_then(|id| self.kernels.get(&id)) {
            wishes.runtime = Some(kernel.offer.runtime.to_string());
            wishes.group.clone_from(&kernel.group);
        }
        wishes
    }

    /// The kernels that a client visits.
    pub fn visited_by(&self, client: &ClientId) -> Vec<KernelId> {
        self.audience.clients().visits_of(client).cloned().collect()
    }

    /// A client leaves the kernels that it visits. Returns those that are nobody's now, and are to be stopped.
    pub fn leave_visited(&mut self, client: &ClientId) -> Vec<KernelId> {
        let visited = self.visited_by(client);
        visited.iter().for_each(|kernel| self.leave(client, kernel));
        let nobodys = |id: &KernelId| {
            let kernel = self.kernels.get(id);
            kernel.is_some_and(|kernel| kernel.clients.is_empty() && kernel.visitors.is_empty())
        };
        let nobodys: Vec<KernelId> = visited.into_iter().filter(nobodys).collect();
        nobodys.iter().for_each(|kernel| self.stop_kernel(kernel));
        nobodys
    }

    /// Whether a cell of the client's has no reply yet, on any kernel; or, if `away`, on one that it only visits.
    pub fn runs_cells(&self, client: &ClientId, away: bool) -> bool {
        let own = self.kernel_of(client).filter(|_| !away);
        own.is_some_and(|kernel| self.runs_cells_on(client, kernel)) || self.visit_at_work(client).is_some()
    }

    /// The kernel that a client visits and that has not answered its cell.
    pub(super) fn visit_at_work(&self, client: &ClientId) -> Option<KernelId> {
        self.audience.clients().visits_of(client).find(|kernel| self.runs_cells_on(client, kernel)).cloned()
    }

    /// The kernel that waits for the client's input: the one whose question this is, else one that the client visits, else
    /// its own.
    pub(super) fn kernel_that_asks(&self, client: &ClientId, question: &str) -> Option<KernelId> {
        let asks = |id: &&KernelId, question: Option<&str>| {
            let kernel = self.kernels.get(*id);
            kernel.is_some_and(|kernel| kernel.in_flight.questions.is_open(client, question))
        };
        let kernels = || self.audience.clients().visits_of(client).chain(self.kernel_of(client));
        let named = kernels().find(|id| asks(id, Some(question)));
        named.or_else(|| kernels().find(|id| asks(id, None))).cloned()
    }

    fn runs_cells_on(&self, client: &ClientId, kernel: &KernelId) -> bool {
        let kernel = self.kernels.get(kernel);
        kernel.is_some_and(|kernel| {
            kernel.in_flight.iter().any(|request| request.client == *client && request.is_cell())
        })
    }

    /// The routing metadata that comes with every message of a client, as its text: what it wants of its own kernel.
    pub fn stands_by(&mut self, client: &ClientId, text: Option<&str>) {
        if let Some(text) = text.filter(|text| text.len() <= LONGEST_STANDING)
            && !self.is_standing(client, text)
        {
            self.standing.insert(client.clone(), text.into());
            self.revision += 1;
        }
    }

    /// Whether this is the routing metadata that comes with every message of the client.
    pub fn is_standing(&self, client: &ClientId, text: &str) -> bool {
        self.standing.get(client).is_some_and(|standing| **standing == *text)
    }

    /// The client's own kernel, else one that it visits, if it meets the wishes.
    pub fn at_hand(&self, client: &ClientId, wishes: &Requirements, now: Instant) -> Option<KernelId> {
        let own = self.kernel_of(client).into_iter();
        let candidates = self.candidates(now);
        let suits = |id: &&KernelId| {
            let candidate = candidates.iter().find(|candidate| candidate.kernel == *id);
            candidate.is_some_and(|candidate| suits_its_client(candidate, wishes))
        };
        own.chain(self.audience.clients().visits_of(client)).find(suits).cloned()
    }

    /// What is meant by wishes that say only what is to be different: kind and group are else those of the client's
    /// kernel. An empty group is none.
    pub fn beside(&self, request: &Request<'_>, mut wishes: Requirements) -> Requirements {
        let own = self.kernel_of(request.client).and_then(|id| self.kernels.get(id));
        if !wishes.names_a_kind() {
            let of_request = || request.defaults.runtime.clone();
            wishes.runtime = own.map(|kernel| kernel.offer.runtime.to_string()).or_else(of_request);
        }
        match wishes.group.as_deref() {
            Some("") => wishes.group = None,
            None if wishes.kernel.is_none() => {
                let group = own.map(|kernel| kernel.group.clone());
                wishes.group = group.unwrap_or_else(|| request.defaults.group.clone());
            }
            _ => {}
        }
        wishes
    }

    fn provide(
        &mut self,
        request: &Request<'_>,
        wishes: &Requirements,
        fresh: impl FnOnce() -> KernelId,
        now: Instant,
    ) -> Result<(KernelId, Option<Launch>, Reason), Refusal> {
        let Explanation { placement, reason, .. } = self.explain_for(wishes, request, now);
        match placement {
            Placement::Refused(refusal) => Err(refusal),
            Placement::Existing(kernel) => {
                self.claim(&kernel, wishes);
                Ok((kernel, None, reason))
            }
            Placement::Spawn { runtime, memory_limit } => {
                let kernel = fresh();
                let launch = self.admit(&kernel, runtime, memory_limit, wishes)?;
                self.claim(&kernel, wishes);
                Ok((kernel, Some(launch), reason))
            }
        }
    }

    fn provide_new(
        &mut self,
        request: &Request<'_>,
        wishes: &Requirements,
        fresh: impl FnOnce() -> KernelId,
    ) -> Result<(KernelId, Option<Launch>, Reason), Refusal> {
        if let Some(only) = request.leads_to {
            return Err(Refusal::leads_elsewhere(wishes, only, &self.settings.runtimes));
        }
        let kernels = self.kernels.len();
        let (runtime, memory_limit) = launchable(wishes, &[], &self.settings)?;
        let kernel = fresh();
        let launch = self.admit(&kernel, runtime, memory_limit, wishes)?;
        self.claim(&kernel, wishes);
        Ok((kernel, Some(launch), Reason::Launched(kernels)))
    }

    pub(super) fn arrive(&mut self, client: &ClientId, id: &KernelId) {
        let Some(kernel) = self.kernels.get_mut(id).filter(|kernel| kernel.state != KernelState::Stopping)
        else {
            return;
        };
        kernel.idle.interrupt();
        if self.audience.visit(client, id, true) {
            kernel.visitors.insert(client.clone());
            self.revision += 1;
        }
    }

    pub(super) fn leave(&mut self, client: &ClientId, id: &KernelId) {
        if let Some(kernel) = self.kernels.get_mut(id) {
            kernel.visitors.remove(client);
            self.revision += 1;
        }
        self.audience.visit(client, id, false);
    }

    /// Nobody visits the kernel any more.
    pub(super) fn send_visitors_home(&mut self, id: &KernelId) {
        let visitors: BTreeSet<ClientId> =
            self.kernels.get(id).map(|kernel| kernel.visitors.clone()).unwrap_or_default();
        visitors.iter().for_each(|client| self.leave(client, id));
    }

    /// The client is nobody any more.
    pub(super) fn forget_wishes(&mut self, client: &ClientId) {
        for kernel in self.visited_by(client) {
            self.leave(client, &kernel);
        }
        self.moved.remove(client);
        self.standing.remove(client);
    }
}

/// Whether a kernel meets the wishes of one of its clients: that it is this client's alone, or full, is no obstacle.
fn suits_its_client(candidate: &Candidate<'_>, wishes: &Requirements) -> bool {
    let own =
        Candidate { exclusive: false, clients: candidate.clients.saturating_sub(1), ..candidate.clone() };
    let others = Requirements { isolated: false, ..wishes.clone() };
    (!wishes.isolated || candidate.exclusive) && own.unmet(&others).is_empty()
}
