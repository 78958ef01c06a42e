//! The requests that wait for a kernel's replies: how a reply finds its asker.
//!
//! Kernels differ in how much of an envelope they echo (ilua and deno: the first identity only), so a reply is
//! matched by its parent header and by nothing else.

use std::collections::HashMap;

use smallvec::{SmallVec, smallvec};

use crate::{
    channel::Channel,
    id::{ClientId, MsgId, SessionId},
};

/// A request that was forwarded and has no reply yet. `A` is where the reply goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outstanding<A> {
    /// Who asked.
    pub client: ClientId,
    /// The `session` of the request's header: the client's own, or one of several that it speaks for.
    pub session: SessionId,
    /// What was asked.
    pub msg_type: String,
    /// On which channel.
    pub channel: Channel,
    /// Where the reply goes.
    pub address: A,
    /// The kernel has asked this client for input, and has no answer yet.
    pub awaits_input: bool,
}

/// The outstanding requests of one kernel.
#[derive(Clone, Debug)]
pub(super) struct InFlight<A> {
    /// Two clients may use one `msg_id`, and so may one client twice: the oldest is answered first.
    requests: HashMap<MsgId, SmallVec<[Outstanding<A>; 1]>>,
    all: usize,
    shell: usize,
}

impl<A> Default for InFlight<A> {
    fn default() -> Self {
        Self { requests: HashMap::new(), all: 0, shell: 0 }
    }
}

impl<A> Outstanding<A> {
    /// Whether it is a cell.
    pub fn is_cell(&self) -> bool {
        self.msg_type == "execute_request"
    }

    /// Whether a reply is due by the messaging spec: a comm's messages have none.
    pub fn expects_reply(&self) -> bool {
        self.msg_type.ends_with("_request")
    }
}

impl<A> InFlight<A> {
    pub(super) fn add(&mut self, msg_id: &str, request: Outstanding<A>) {
        self.all += 1;
        self.shell += usize::from(request.channel == Channel::Shell);
        match self.requests.get_mut(msg_id) {
            Some(same) => same.push(request),
            None => {
                self.requests.insert(MsgId::from(msg_id), smallvec![request]);
            }
        }
    }

    /// The request that a message's parent header names. Where the kernel leaves out the session, or the client had none,
    /// the request is matched without.
    pub(super) fn find_mut(&mut self, msg_id: &str, session: &str) -> Option<&mut Outstanding<A>> {
        self.requests.get_mut(msg_id)?.iter_mut().find(|request| asked_by(request, session))
    }

    /// The oldest request with this number.
    pub(super) fn find(&self, msg_id: &str) -> Option<&Outstanding<A>> {
        self.requests.get(msg_id)?.first()
    }

    /// Takes the request out that a reply answers.
    pub(super) fn take(&mut self, msg_id: &str, session: &str) -> Option<Outstanding<A>> {
        self.take_first(msg_id, |request| asked_by(request, session))
    }

    fn take_first(&mut self, msg_id: &str, such: impl Fn(&Outstanding<A>) -> bool) -> Option<Outstanding<A>> {
        let same = self.requests.get_mut(msg_id)?;
        let index = same.iter().position(such)?;
        let request = same.remove(index);
        if same.is_empty() {
            self.requests.remove(msg_id);
        }
        self.all -= 1;
        self.shell -= usize::from(request.channel == Channel::Shell);
        Some(request)
    }

    /// Takes out a request of this very client's.
    pub(super) fn withdraw(&mut self, msg_id: &str, client: &ClientId) -> Option<Outstanding<A>> {
        self.take_first(msg_id, |request| request.client == *client)
    }

    /// Takes everything out: the kernel is gone.
    pub(super) fn drain(&mut self) -> Vec<Outstanding<A>> {
        (self.all, self.shell) = (0, 0);
        let mut all: Vec<_> = self.requests.drain().collect();
        all.sort_by(|(one, _), (two, _)| one.cmp(two));
        all.into_iter().flat_map(|(_, same)| same).collect()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Outstanding<A>> {
        self.requests.values().flatten()
    }

    /// Takes out those that are such.
    pub(super) fn take_such(&mut self, such: impl Fn(&Outstanding<A>) -> bool) -> Vec<Outstanding<A>> {
        let mut taken = Vec::new();
        for same in self.requests.values_mut() {
            while let Some(index) = same.iter().position(&such) {
                taken.push(same.remove(index));
            }
        }
        self.requests.retain(|_, same| !same.is_empty());
        self.all -= taken.len();
        self.shell -= taken.iter().filter(|request| request.channel == Channel::Shell).count();
        taken
    }

    pub(super) fn len(&self) -> usize {
        self.all
    }

    /// Whether a reply is due.
    pub(super) fn owes_a_reply(&self) -> bool {
        self.requests.values().flatten().any(Outstanding::expects_reply)
    }

    /// Requests on shell, which a running cell delays.
    pub(super) fn on_shell(&self) -> usize {
        self.shell
    }

    pub(super) fn awaits_input_of(&self, client: &ClientId) -> bool {
        self.requests.values().flatten().any(|request| request.awaits_input && request.client == *client)
    }

    pub(super) fn input_arrived(&mut self, client: &ClientId) {
        let awaiting = self.requests.values_mut().flatten();
        for request in awaiting.filter(|request| request.client == *client) {
            request.awaits_input = false;
        }
    }
}

fn asked_by<A>(request: &Outstanding<A>, session: &str) -> bool {
    session.is_empty() || [session, ""].contains(&request.session.as_str())
}
