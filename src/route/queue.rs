//! Whose cell a kernel runs, and whose wait for it: at most one is at the kernel, and clients take turns.
//!
//! Each client's messages keep their order. What comes from a client of whom nothing waits goes straight on, unless it is
//! a cell and another one runs; what comes behind a waiting cell of its own waits with it. When a cell has ended, the
//! next client sends its next one, with what came behind that and is no cell; whoever has just had a turn comes last.
//!
//! A cell has ended at its reply and its `idle`. Of a kernel that sends but one of the two, the other is waited for once,
//! for as long as the caller says; from then on, one is enough. Of a kernel that has answered what it was sent after the cell,
//! both are waited for so.

use std::collections::{HashMap, VecDeque};

use crate::id::{ClientId, MsgId, SessionId};

/// The cells of one kernel's shell, or of one of its subshells.
#[derive(Debug)]
pub struct Queue<T> {
    running: Option<Running>,
    /// Those of whom something waits: the next is the first.
    turns: VecDeque<ClientId>,
    /// The first of each is a cell.
    waiting: HashMap<ClientId, VecDeque<Waiting<T>>>,
    /// The kernel has been found to leave out its replies, or its `idle`.
    one_is_enough: bool,
}

/// A cell, as a kernel's messages name it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CellName {
    /// Its number.
    pub msg_id: MsgId,
    /// The session of its header.
    pub session: SessionId,
}

/// What becomes of a message.
#[derive(PartialEq, Eq, Debug)]
pub enum Offered<T> {
    /// It goes to the kernel now.
    Goes(T),
    /// It waits.
    Waits,
}

#[derive(Debug)]
struct Running {
    client: ClientId,
    name: CellName,
    replied: bool,
    idle: bool,
    /// The kernel has answered what it was sent afterwards.
    overtaken: bool,
    /// An earlier `serve` had sent it: that it is idle may have been said before anybody listened.
    recalled: bool,
}

#[derive(Debug)]
struct Waiting<T> {
    cell: Option<CellName>,
    item: T,
}

impl Running {
    fn new(client: &ClientId, name: CellName) -> Self {
        let client = client.clone();
        Self { client, name, replied: false, idle: false, overtaken: false, recalled: false }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self { running: None, turns: VecDeque::new(), waiting: HashMap::new(), one_is_enough: false }
    }
}

impl<T> Queue<T> {
    /// Whether a message of the client's would have to wait.
    pub fn has_to_wait(&self, client: &ClientId, is_cell: bool) -> bool {
        self.waits(client) || (is_cell && self.running.is_some())
    }

    /// A message of the client's; one that is a cell has a name.
    pub fn offer(&mut self, client: &ClientId, cell: Option<CellName>, item: T) -> Offered<T> {
        if !self.has_to_wait(client, cell.is_some()) {
            if let Some(name) = cell {
                self.begin(client, name);
            }
            return Offered::Goes(item);
        }
        if !self.waits(client) {
            self.turns.push_back(client.clone());
        }
        self.waiting.entry(client.clone()).or_default().push_back(Waiting { cell, item });
        Offered::Waits
    }

    /// Whether anything of the client's waits.
    pub fn waits(&self, client: &ClientId) -> bool {
        self.waiting.contains_key(client)
    }

    /// Whether anything waits.
    pub fn is_waiting(&self) -> bool {
        !self.turns.is_empty()
    }

    /// Whose cell runs.
    pub fn running(&self) -> Option<&ClientId> {
        self.running.as_ref().map(|running| &running.client)
    }

    /// Those of whom something waits, and what that is first, in the order of their turns.
    pub fn waiters(&self) -> impl Iterator<Item = (&ClientId, &T)> {
        let first = |client: &ClientId| Some(&self.waiting.get(client)?.front()?.item);
        self.turns.iter().filter_map(move |client| Some((client, first(client)?)))
    }

    /// How many cells of the client's wait.
    pub fn waiting_cells(&self, client: &ClientId) -> usize {
        let own = self.waiting.get(client).into_iter().flatten();
        own.filter(|waiting| waiting.cell.is_some()).count()
    }

    /// Which cell runs.
    pub fn running_cell(&self) -> Option<&CellName> {
        self.running.as_ref().map(|running| &running.name)
    }

    /// Whether this cell runs.
    pub fn runs(&self, name: &CellName) -> bool {
        self.running_cell() == Some(name)
    }

    /// The cell that runs, if it has ended by half: the other half may never come.
    pub fn half_ended(&self) -> Option<&CellName> {
        let running = self.running.as_ref()?;
        (!running.recalled && running.replied != running.idle).then_some(&running.name)
    }

    /// Whether this cell runs, and the kernel has answered what it was sent afterwards: both halves may never come.
    pub fn is_overtaken(&self, name: &CellName) -> bool {
        self.running
            .as_ref()
            .is_some_and(|running| running.name == *name && running.overtaken && !running.recalled)
    }

    /// The kernel has answered what it was sent after this cell.
    pub fn overtake(&mut self, name: &CellName) {
        if let Some(running) = self.running.as_mut().filter(|running| running.name == *name) {
            running.overtaken = true;
        }
    }

    /// The kernel has replied to a cell. Returns what goes to the kernel now, in order.
    #[must_use]
    pub fn replied(&mut self, name: &CellName) -> Vec<T> {
        self.mark(name, |running| running.replied = true)
    }

    /// The kernel has said that it is done with a cell; the same.
    #[must_use]
    pub fn idle(&mut self, name: &CellName) -> Vec<T> {
        self.mark(name, |running| running.idle = true)
    }

    /// The other half of this cell's end has been waited for long enough; the same.
    #[must_use]
    pub fn give_up_waiting(&mut self, name: &CellName) -> Vec<T> {
        if self.half_ended() != Some(name) && !self.is_overtaken(name) {
            return Vec::new();
        }
        if let Some(running) = &mut self.running {
            self.one_is_enough |= running.replied || running.idle;
            (running.replied, running.idle) = (true, true);
        }
        self.go_on()
    }

    /// This cell has ended, or never reached the kernel; the same.
    #[must_use]
    pub fn ended(&mut self, name: &CellName) -> Vec<T> {
        self.mark(name, |running| (running.replied, running.idle) = (true, true))
    }

    /// A cell may still run that an earlier `serve` had sent. It has ended at its reply.
    pub fn recall_running(&mut self, client: &ClientId, name: CellName) {
        self.running.get_or_insert(Running { recalled: true, ..Running::new(client, name) });
    }

    /// The client's cells that are `meant` are not run. Returns them, and what goes to the kernel now, for it came behind
    /// them and is no cell.
    #[must_use]
    pub fn take_out(&mut self, client: &ClientId, meant: impl Fn(&CellName) -> bool) -> (Vec<T>, Vec<T>) {
        let all = self.waiting.remove(client).unwrap_or_default();
        let is_meant = |waiting: &Waiting<T>| waiting.cell.as_ref().is_some_and(&meant);
        let (taken, rest): (Vec<_>, Vec<_>) = all.into_iter().partition(is_meant);
        let mut rest = VecDeque::from(rest);
        let mut goes = Vec::new();
        while rest.front().is_some_and(|first| first.cell.is_none())
            && let Some(first) = rest.pop_front()
        {
            goes.push(first.item);
        }
        match rest.is_empty() {
            true => self.turns.retain(|waiting| waiting != client),
            false => drop(self.waiting.insert(client.clone(), rest)),
        }
        (taken.into_iter().map(|waiting| waiting.item).collect(), goes)
    }

    /// Whether a cell runs of whose end nothing has been heard.
    pub fn is_busy(&self) -> bool {
        self.running.as_ref().is_some_and(|running| !running.replied && !running.idle)
    }

    /// Whether this cell runs and has not been replied to.
    pub fn owes_reply(&self, name: &CellName) -> bool {
        self.running.as_ref().is_some_and(|running| running.name == *name && !running.replied)
    }

    /// The cell that runs, if an earlier `serve` had sent it.
    pub fn recalled(&self) -> Option<&CellName> {
        self.running.as_ref().filter(|running| running.recalled).map(|running| &running.name)
    }

    fn begin(&mut self, client: &ClientId, name: CellName) {
        self.running = Some(Running::new(client, name));
    }

    fn mark(&mut self, name: &CellName, mark: impl FnOnce(&mut Running)) -> Vec<T> {
        match &mut self.running {
            Some(running) if running.name == *name => mark(running),
            _ => return Vec::new(),
        }
        self.go_on()
    }

    fn go_on(&mut self) -> Vec<T> {
        let has_ended = self.running.as_ref().is_some_and(|running| match self.one_is_enough {
            true => running.replied || running.idle,
            false => running.replied && (running.idle || running.recalled),
        });
        if !has_ended {
            return Vec::new();
        }
        let last = self.running.take().map(|running| running.client);
        if self.turns.front() == last.as_ref() {
            self.turns.rotate_left(1);
        }
        self.next()
    }

    fn next(&mut self) -> Vec<T> {
        let Some(client) = self.turns.pop_front() else { return Vec::new() };
        let Some(mut own) = self.waiting.remove(&client) else { return Vec::new() };
        let mut goes = Vec::new();
        while own.front().is_some_and(|next| next.cell.is_none() || self.running.is_none())
            && let Some(waiting) = own.pop_front()
        {
            if let Some(name) = waiting.cell {
                self.begin(&client, name);
            }
            goes.push(waiting.item);
        }
        if !own.is_empty() {
            self.waiting.insert(client.clone(), own);
            self.turns.push_back(client);
        }
        goes
    }
}

#[cfg(test)]
mod tests;
