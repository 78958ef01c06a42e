//! The requests that wait for a kernel's replies: how a reply finds its asker.
//!
//! Kernels differ in how much of an envelope they echo (ilua and deno: the first identity only), so a reply is
//! matched by its parent header and by nothing else.

use std::{collections::HashMap, sync::Arc};

use smallvec::{SmallVec, smallvec};

use super::{Request, questions::Questions};
use crate::{
    channel::Channel,
    id::{ClientId, MsgId, SessionId},
};

/// Requests that kernels are done with and have not answered, which may be remembered: their replies may still come.
const DONE: usize = 256;

/// A request that was forwarded and has no reply yet. `A` is where the reply goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outstanding<A> {
    /// Who asked.
    pub client: ClientId,
    /// The `session` of the request's header: the client's own, or one of several that it speaks for.
    pub session: SessionId,
    /// What was asked.
    pub msg_type: Arc<str>,
    /// On which channel.
    pub channel: Channel,
    /// Where the reply goes.
    pub address: A,
    /// Whether the kernel may have asked this client for input before this `serve`.
    pub awaits_input: bool,
    /// The kernel has said that it is done with it. Most send the reply before, some never.
    pub is_done: bool,
}

/// The outstanding requests of one kernel.
#[derive(Clone, Debug)]
pub(super) struct InFlight<A> {
    /// Two clients may use one `msg_id`, and so may one client twice: the oldest is answered first.
    requests: HashMap<MsgId, SmallVec<[Outstanding<A>; 1]>>,
    all: usize,
    shell: usize,
    done: usize,
    pub(super) questions: Questions,
}

impl<A> Default for InFlight<A> {
    fn default() -> Self {
        Self { requests: HashMap::new(), all: 0, shell: 0, done: 0, questions: Questions::default() }
    }
}

impl<A> Outstanding<A> {
    /// Whether it is a cell.
    pub fn is_cell(&self) -> bool {
        *self.msg_type == *"execute_request"
    }

    /// Whether a reply is due by the messaging spec: a comm's messages have none.
    pub fn expects_reply(&self) -> bool {
        self.msg_type.ends_with("_request")
    }

    /// What it counts for: the client's requests that expect replies, or its other messages.
    pub(super) fn account(&self) -> (ClientId, bool) {
        (self.client.clone(), self.expects_reply())
    }

    fn blocks_shell(&self) -> bool {
        self.channel == Channel::Shell && !self.is_done
    }
}

impl<A> InFlight<A> {
    pub(super) fn add(&mut self, msg_id: &str, request: Outstanding<A>) {
        self.all += 1;
        self.shell += usize::from(request.blocks_shell());
        if request.awaits_input {
            self.questions.ask(&request.client, msg_id, "");
        }
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
        self.questions.end(msg_id, &request);
        self.forget(std::slice::from_ref(&request));
        Some(request)
    }

    fn forget(&mut self, taken: &[Outstanding<A>]) {
        self.all -= taken.len();
        self.shell -= taken.iter().filter(|request| request.blocks_shell()).count();
        self.done -= taken.iter().filter(|request| request.is_done).count();
    }

    /// The kernel says that it is done with a request that expects a reply.
    pub(super) fn set_done(&mut self, msg_id: &str, session: &str) {
        let request = self.find_mut(msg_id, session).filter(|request| !request.is_done);
        let Some(request) = request else { return };
        let blocked = request.blocks_shell();
        request.is_done = true;
        self.shell -= usize::from(blocked);
        self.done += 1;
        if self.done > DONE {
            self.take_such(|request| request.is_done);
        }
    }

    /// Takes out a request of this very client's.
    pub(super) fn withdraw(&mut self, msg_id: &str, client: &ClientId) -> Option<Outstanding<A>> {
        self.take_first(msg_id, |request| request.client == *client)
    }

    /// Takes everything out: the kernel is gone.
    pub(super) fn drain(&mut self) -> Vec<Outstanding<A>> {
        (self.all, self.shell, self.done) = (0, 0, 0);
        self.questions.clear();
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
        for (msg_id, same) in &mut self.requests {
            while let Some(index) = same.iter().position(&such) {
                let request = same.remove(index);
                self.questions.end(msg_id.as_str(), &request);
                taken.push(request);
            }
        }
        self.requests.retain(|_, same| !same.is_empty());
        self.forget(&taken);
        taken
    }

    /// How many the kernel is not done with.
    pub(super) fn len(&self) -> usize {
        self.all - self.done
    }

    /// Whether a reply is due.
    pub(super) fn owes_a_reply(&self) -> bool {
        self.requests.values().flatten().any(|request| request.expects_reply() && !request.is_done)
    }

    /// Requests on shell, which a running cell delays.
    pub(super) fn on_shell(&self) -> usize {
        self.shell
    }

    /// Whether the kernel works on an earlier request of the same session, on shell as this one.
    pub(super) fn precedes(&self, later: &Request<'_>) -> bool {
        let Some(session) = later.shell_session else { return false };
        self.requests.values().flatten().any(|request| {
            request.client == *later.client && request.session.as_str() == session && request.blocks_shell()
        })
    }
}

fn asked_by<A>(request: &Outstanding<A>, session: &str) -> bool {
    session.is_empty() || [session, ""].contains(&request.session.as_str())
}
