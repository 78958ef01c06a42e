//! A table, what is known of it from outside, and how histories happen to it.

use std::collections::BTreeMap;

use super::super::*;
use super::operation::{CLIENTS, Operation, WISHES, origin, session};
use super::oracle::{Listener, Whereabouts, endpoint_of};
use super::replies::Replies;

pub(super) struct World {
    pub(super) fleet: Fleet,
    pub(super) clients: BTreeMap<usize, Whereabouts>,
    pub(super) listeners: BTreeMap<u64, Listener>,
    /// Listeners whose connections are lost: they hear what they have heard, and where their clients go.
    pub(super) lost: BTreeSet<u64>,
    pub(super) heard: BTreeMap<(u64, KernelId), Hearing>,
    pub(super) replies: Replies,
    /// Kernels that were given to one client alone.
    alone: BTreeSet<KernelId>,
    subscribers: u64,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            fleet: Fleet::new(settings()),
            clients: BTreeMap::new(),
            listeners: BTreeMap::new(),
            lost: BTreeSet::new(),
            heard: BTreeMap::new(),
            replies: Replies::default(),
            alone: BTreeSet::new(),
            subscribers: 0,
        }
    }

    /// Carries a step out, with the changes that follow from it, and tells what came of it.
    pub(super) fn carry_out(&mut self, operation: &Operation) -> String {
        let outcome = self.perform(operation);
        let changes = self.fleet.table.take_changes();
        for change in &changes {
            match change.clone() {
                Change::Joined { subscriber, kernel, hearing } => {
                    let before = self.heard.insert((subscriber.0, kernel), hearing.clone());
                    assert_ne!(before, Some(hearing), "joined twice");
                }
                Change::Left { subscriber, kernel } => {
                    let before = self.heard.remove(&(subscriber.0, kernel));
                    assert_ne!(before, None, "left what it did not hear");
                }
                Change::TakenOver { lost, by, kernels } => self.take_over(lost.0, by.0, &kernels),
            }
        }
        format!("{outcome} {changes:?}")
    }

    fn take_over(&mut self, lost: u64, by: u64, kernels: &[KernelId]) {
        assert!(self.lost.remove(&lost), "it was not lost");
        let listener = self.listeners.get_mut(&by).expect("a connection that has come");
        listener.inherit(lost, kernels);
        for kernel in kernels {
            let hearing = self.heard.remove(&(lost, kernel.clone())).expect("it heard that");
            let before = self.heard.insert((by, kernel.clone()), hearing);
            assert_eq!(before, None, "it will hear what it has heard");
        }
    }

    fn perform(&mut self, operation: &Operation) -> String {
        let table = &mut self.fleet.table;
        match *operation {
            Operation::Connect { client, origin: at } => self.connect(client, origin(at)),
            Operation::Disconnect { client } => self.disconnect(client),
            Operation::Subscribe { origin: at, by_own_file } => {
                self.subscribe(if by_own_file { KERNELS_OWN } else { EndpointId::DEFAULT }, origin(at));
            }
            Operation::Unsubscribe { subscriber } => self.unsubscribe(subscriber as u64),
            Operation::Break { subscriber } => self.break_off(subscriber as u64),
            Operation::Topics { subscriber, topics } => {
                table.topics_changed(ConnectionId(subscriber as u64), topics);
                if let Some(listener) = self.listeners.get_mut(&(subscriber as u64)) {
                    listener.subscribe(topics);
                }
            }
            Operation::EndInheritance { subscriber } => {
                table.end_inheritance(ConnectionId(subscriber as u64));
                self.listeners.values_mut().for_each(|listener| listener.end_inheritance(subscriber as u64));
            }
            Operation::Widen { subscriber } => self.widen(subscriber as u64),
            Operation::Decide { client, kind, wish } => return self.decide(client, kind, WISHES[wish]),
            Operation::Visit { client, wish } => return self.visit(client, WISHES[wish]),
            Operation::Move { client, wish, to_a_new_one } => {
                return self.move_client(client, WISHES[wish], to_a_new_one);
            }
            Operation::LeaveVisited { client: number } => {
                return format!("{:?}", table.leave_visited(&client(&session(number))));
            }
            Operation::Ready { kernel: number } => table.kernel_is_ready(&kernel(number)),
            Operation::Wait { seconds } => self.fleet.now += Duration::from_secs(seconds),
            _ => self.replies.perform(operation, &mut self.fleet),
        }
        String::new()
    }

    fn decide(&mut self, number: usize, kind: RequestKind, wish: &str) -> String {
        let (asker, before) = (client(&session(number)), self.binding(number));
        let fresh = before.is_none() && !self.fleet.table.moved.contains_key(&asker);
        let explained = fresh.then(|| explained(&self.fleet, wish)).flatten();
        let decision = self.fleet.decide(&session(number), kind, wish);
        if let Some(explanation) = explained {
            why::check(&explanation, &decision, self.binding(number).as_ref());
        }
        if let (None, Some(id)) = (before, self.binding(number)) {
            if fresh && wish.contains("isolated") {
                assert_eq!(self.fleet.table.clients_of(&id), std::slice::from_ref(&asker), "not alone");
                self.alone.insert(id.clone());
            }
            let most = self.fleet.table.kernels[&id].offer.max_clients;
            let others = self.fleet.table.others(&id, &asker, self.fleet.now);
            assert!(most.is_none_or(|most| others < most.get()), "{id} is overfilled");
        }
        let all_listen = self.fleet.table.all_listen(&asker, self.fleet.now);
        format!("{decision:?} {all_listen} {:?}", self.fleet.table.listeners(&asker))
    }

    fn visit(&mut self, number: usize, wish: &str) -> String {
        let (visitor, before) = (client(&session(number)), self.binding(number));
        let decision = self.fleet.visit(&session(number), wish);
        assert_eq!(self.binding(number), before, "a visit leaves the binding as it is");
        if let Some(Decision::Forward(id) | Decision::Launch(id, _)) = &decision {
            let visits = self.fleet.table.visited_by(&visitor).contains(id);
            if self.fleet.table.is_connected(&visitor) || before.is_some() {
                assert!(visits || before.as_ref() == Some(id), "sent where it does not visit");
                let again = self.fleet.visit(&session(number), wish);
                assert_eq!(again, Some(Decision::Forward(id.clone())), "and where it does not find back");
            }
            self.alone.extend(wish.contains("isolated").then(|| id.clone()));
        }
        format!("{decision:?}")
    }

    fn move_client(&mut self, number: usize, wish: &str, to_a_new_one: bool) -> String {
        let before = self.binding(number);
        let moved = self.fleet.move_client(&session(number), wish, to_a_new_one);
        match &moved {
            Some(Ok(Moved::To(kernel, launch))) => {
                assert_eq!(self.binding(number).as_ref(), Some(kernel));
                assert!(launch.is_some() || !to_a_new_one);
                let visited = self.fleet.table.visited_by(&client(&session(number)));
                assert!(
                    before.is_none_or(|before| visited.contains(&before)),
                    "it still visits what it left"
                );
                self.alone.extend(wish.contains("isolated").then(|| kernel.clone()));
            }
            _ => assert_eq!(self.binding(number), before),
        }
        format!("{moved:?}")
    }

    pub(super) fn binding(&self, number: usize) -> Option<KernelId> {
        self.fleet.table.kernel_of(&client(&session(number))).cloned()
    }

    /// Bindings are the same from both ends, and an isolated kernel is one client's.
    pub(super) fn check_kernels(&self) {
        for id in (0..self.fleet.launched).map(kernel) {
            let bound = (0..CLIENTS).filter(|client| self.binding(*client).as_ref() == Some(&id));
            let bound: Vec<ClientId> = bound.map(|number| client(&session(number))).collect();
            assert_eq!(self.fleet.table.clients_of(&id), bound);
            let visits = |client: &ClientId| self.fleet.table.visited_by(client).contains(&id);
            let visitors: BTreeSet<ClientId> =
                (0..CLIENTS).map(|number| client(&session(number))).filter(visits).collect();
            let known = self.fleet.table.kernels.get(&id).map(|kernel| kernel.visitors.clone());
            assert_eq!(known.unwrap_or_default(), visitors, "visits are the same from both ends");
            assert!(bound.iter().all(|client| !visitors.contains(client)), "nobody visits its own kernel");
            assert!(
                bound.len() + visitors.len() < 2 || !self.alone.contains(&id),
                "{id} was to be one client's"
            );
            assert_eq!(self.fleet.table.outstanding(&id), self.replies.owed_by(&id));
        }
    }

    /// All leave, in one order or the other; then nothing of them may be left.
    pub(super) fn end(mut self, kernels_first: bool) {
        for clients in [!kernels_first, kernels_first] {
            if clients {
                self.all_clients_leave();
            } else {
                for kernel in 0..self.fleet.launched {
                    self.carry_out(&Operation::Remove { kernel });
                }
            }
        }
        assert_eq!(self.heard, BTreeMap::new());
        self.replies.check_all_are_settled();
        let table = &self.fleet.table;
        assert!(table.kernels.is_empty() && table.outstanding.is_empty() && table.moved.is_empty());
        assert_eq!(
            format!("{:?}", table.audience),
            format!("{:?}", crate::route::audience::Audience::default())
        );
    }

    fn all_clients_leave(&mut self) {
        for subscriber in 0..self.subscribers {
            self.carry_out(&Operation::Unsubscribe { subscriber: subscriber as usize });
        }
        for client in 0..CLIENTS {
            while self.clients.get(&client).is_some_and(Whereabouts::is_connected) {
                self.carry_out(&Operation::Disconnect { client });
            }
        }
    }

    fn connect(&mut self, client: usize, at: Origin) {
        self.fleet.connect(&session(client), at);
        self.clients.entry(client).or_default().connect(at);
        self.meet(endpoint_of(client), at);
    }

    fn disconnect(&mut self, client: usize) {
        if self.clients.get_mut(&client).is_some_and(Whereabouts::disconnect) {
            self.fleet.disconnect(&session(client));
        }
    }

    fn subscribe(&mut self, endpoint: EndpointId, at: Origin) {
        self.listeners.insert(self.subscribers, Listener::at(endpoint, at, &self.clients));
        self.fleet.subscribe_by(endpoint, self.subscribers, at);
        self.subscribers += 1;
    }

    fn unsubscribe(&mut self, subscriber: u64) {
        self.listeners.remove(&subscriber);
        self.lost.remove(&subscriber);
        self.fleet.unsubscribe(subscriber);
    }

    fn break_off(&mut self, subscriber: u64) {
        if self.listeners.remove(&subscriber).is_some() && self.fleet.lose(subscriber) {
            self.lost.insert(subscriber);
        }
    }

    fn widen(&mut self, subscriber: u64) {
        self.fleet.table.widen(ConnectionId(subscriber));
        if let Some(listener) = self.listeners.get_mut(&subscriber) {
            listener.widen();
        }
    }
}

/// Where a client with these wishes is said to go; `None` if they cannot be understood.
fn explained(fleet: &Fleet, wish: &str) -> Option<Explanation> {
    let wishes = if wish.is_empty() { "{}" } else { wish };
    Some(fleet.table.explain(&Requirements::parse(wishes).ok()?, None, fleet.now))
}
