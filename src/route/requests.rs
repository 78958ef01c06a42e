//! What is asked of kernels and not answered yet, and by whom.

use super::{KernelState, Outstanding, Table, table::Kernel};
use crate::id::{ClientId, KernelId, SessionId};

impl<A> Table<A> {
    /// Remembers a request that is about to be forwarded. `false`: the client has too many of them already.
    #[must_use]
    pub fn track(&mut self, id: &KernelId, msg_id: &str, request: Outstanding<A>) -> bool {
        let Some(kernel) = self.kernels.get_mut(id) else { return false };
        kernel.idle.interrupt();
        let expects_reply = request.expects_reply();
        let account = request.account();
        let outstanding = self.outstanding.entry(account).or_default();
        if *outstanding >= self.settings.requests_in_flight {
            // What expects no reply ends with an idle status, which not every kernel sends: it passes unremembered.
            return !expects_reply;
        }
        *outstanding += 1;
        kernel.in_flight.add(msg_id, request);
        true
    }

    /// The request that a reply answers; it is no longer outstanding.
    pub fn answered(&mut self, id: &KernelId, msg_id: &str, session: &str) -> Option<Outstanding<A>> {
        let kernel = self.kernels.get_mut(id)?;
        kernel.idle.interrupt();
        let request = kernel.in_flight.take(msg_id, session)?;
        self.forget_requests(std::slice::from_ref(&request));
        Some(request)
    }

    /// Takes a request of the client's back, which the kernel never got.
    pub fn withdraw(&mut self, id: &KernelId, msg_id: &str, client: &ClientId) {
        let kernel = self.kernels.get_mut(id);
        if let Some(request) = kernel.and_then(|kernel| kernel.in_flight.withdraw(msg_id, client)) {
            self.forget_requests(std::slice::from_ref(&request));
        }
    }

    /// The request during which the kernel asks the question with this number; from now on the client's `input_reply` is
    /// awaited.
    pub fn input_asked(
        &mut self,
        id: &KernelId,
        (msg_id, session): (&str, &str),
        question: &str,
    ) -> Option<&Outstanding<A>> {
        let in_flight = &mut self.kernels.get_mut(id)?.in_flight;
        let client = in_flight.find_mut(msg_id, session)?.client.clone();
        in_flight.questions.ask(&client, msg_id, question);
        in_flight.find_mut(msg_id, session).map(|request| &*request)
    }

    /// Where the reply to a request goes.
    pub fn address_of(&mut self, id: &KernelId, msg_id: &str, session: &str) -> Option<A>
    where
        A: Clone,
    {
        let kernel = self.kernels.get_mut(id)?;
        Some(kernel.in_flight.find_mut(msg_id, session)?.address.clone())
    }

    /// Whether the kernel has asked something during a request of the client's that has not been answered.
    pub fn asks(&self, id: &KernelId, client: &ClientId, msg_id: &str) -> bool {
        self.kernels.get(id).is_some_and(|kernel| kernel.in_flight.questions.is_open(client, Some(msg_id)))
    }

    /// The client whose request a message of the kernel's names by its number alone.
    pub fn asker(&self, id: &KernelId, msg_id: &str) -> Option<SessionId> {
        let request = self.kernels.get(id)?.in_flight.find(msg_id)?;
        Some(request.client.session.clone())
    }

    /// The kernel is done with a message. One that has no reply by its nature (a comm's) ends with that. Other requests
    /// block the kernel no longer, whether their replies come or not.
    pub fn finished(&mut self, id: &KernelId, msg_id: &str, session: &str) {
        let Some(kernel) = self.kernels.get_mut(id) else { return };
        let Some(request) = kernel.in_flight.find_mut(msg_id, session) else { return };
        if !request.expects_reply() {
            self.answered(id, msg_id, session);
        } else {
            let done = (!request.is_done).then(|| request.account());
            kernel.in_flight.set_done(msg_id, session);
            done.into_iter().for_each(|account| self.forget_request_of(account));
        }
    }

    /// How many requests wait for the kernel's replies.
    pub fn outstanding(&self, id: &KernelId) -> usize {
        self.kernels.get(id).map_or(0, |kernel| kernel.in_flight.len())
    }

    pub(super) fn forget_requests(&mut self, requests: &[Outstanding<A>]) {
        for request in requests.iter().filter(|request| !request.is_done) {
            self.forget_request_of(request.account());
        }
    }

    fn forget_request_of(&mut self, account: (ClientId, bool)) {
        match self.outstanding.get_mut(&account) {
            Some(outstanding) if *outstanding > 1 => *outstanding -= 1,
            _ => {
                self.outstanding.remove(&account);
            }
        }
    }

    /// Whether a request on shell may have to wait: the kernel's own status comes later than the cell, and tells of
    /// control and subshells as well.
    pub(super) fn shell_is_blocked(&self, kernel: &Kernel<A>) -> bool {
        kernel.state != KernelState::Ready || kernel.has_past || kernel.in_flight.on_shell() > 0
    }
}
