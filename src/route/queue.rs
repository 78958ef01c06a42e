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

    /// The cell that runs, if it has ended by half, or was overtaken: the other half, or both, may never come.
    pub fn half_ended(&self) -> Option<&CellName> {
        let running = self.running.as_ref()?;
        let is_half = running.replied != running.idle || running.overtaken;
        (is_half && !running.recalled).then_some(&running.name)
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
        if self.half_ended() != Some(name) {
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
mod tests {
    use std::collections::BTreeMap;

    use proptest::{collection::vec, prelude::*};

    use super::*;
    use crate::id::EndpointId;

    type Item = (u8, u32);

    fn client(number: u8) -> ClientId {
        ClientId { endpoint: EndpointId::DEFAULT, session: SessionId::from(&*number.to_string()) }
    }

    fn name((number, count): Item) -> CellName {
        CellName { msg_id: MsgId::from(&*format!("{number}-{count}")), session: client(number).session }
    }

    /// A queue, and the kernel behind it.
    #[derive(Default)]
    struct Kernel {
        queue: Queue<Item>,
        cells: BTreeMap<Item, bool>,
        came: Vec<Item>,
        running: Option<Item>,
        says: Says,
    }

    /// What a kernel says at the end of a cell.
    #[derive(Clone, Copy, Default, Debug)]
    enum Says {
        #[default]
        Both,
        BothTurnedAround,
        Reply,
        Idle,
        Nothing,
    }

    impl Kernel {
        fn send(&mut self, item: Item, is_cell: bool) {
            self.cells.insert(item, is_cell);
            if let Offered::Goes(item) = self.queue.offer(&client(item.0), is_cell.then(|| name(item)), item)
            {
                self.take(vec![item]);
            }
        }

        fn take(&mut self, items: Vec<Item>) {
            for item in items {
                self.came.push(item);
                if self.cells[&item] {
                    assert_eq!(self.running.replace(item), None, "two cells are at the kernel");
                }
            }
        }

        fn end(&mut self) {
            let Some(item) = self.running.take() else { return };
            let name = name(item);
            let mut next = match self.says {
                Says::Both => {
                    assert!(self.queue.replied(&name).is_empty());
                    self.queue.idle(&name)
                }
                Says::BothTurnedAround => {
                    assert!(self.queue.idle(&name).is_empty());
                    self.queue.replied(&name)
                }
                Says::Reply => self.queue.replied(&name),
                Says::Idle => self.queue.idle(&name),
                Says::Nothing => {
                    self.queue.overtake(&name);
                    Vec::new()
                }
            };
            next.extend(self.queue.give_up_waiting(&name));
            self.take(next);
        }
    }

    #[test]
    fn clients_take_turns_and_not_cells() {
        let mut kernel = Kernel::default();
        for count in 0..3 {
            kernel.send((1, count), true);
        }
        kernel.send((2, 0), true);
        kernel.send((3, 0), true);
        while kernel.running.is_some() {
            kernel.end();
        }
        assert_eq!(kernel.came, [(1, 0), (2, 0), (3, 0), (1, 1), (1, 2)]);
    }

    #[test]
    fn who_waits_for_nothing_is_answered_beside_a_cell() {
        let mut kernel = Kernel::default();
        kernel.send((1, 0), true);
        kernel.send((1, 1), false);
        kernel.send((2, 0), false);
        kernel.send((1, 2), true);
        kernel.send((1, 3), false);
        assert_eq!(kernel.came, [(1, 0), (1, 1), (2, 0)], "the last waits behind its client's cell");
        kernel.end();
        assert_eq!(kernel.came[3..], [(1, 2), (1, 3)]);
    }

    #[test]
    fn a_cell_ends_at_reply_and_idle_or_at_one_of_them_where_the_other_never_comes() {
        let mut queue = Queue::default();
        let cells = [(1, 0), (1, 1), (1, 2)];
        for cell in cells {
            queue.offer(&client(1), Some(name(cell)), cell);
        }
        assert!(queue.replied(&name(cells[0])).is_empty());
        assert_eq!(queue.half_ended(), Some(&name(cells[0])));
        assert!(queue.give_up_waiting(&name(cells[1])).is_empty(), "another's patience");
        assert_eq!(queue.give_up_waiting(&name(cells[0])), [cells[1]]);
        assert_eq!(queue.replied(&name(cells[1])), [cells[2]], "one is enough from now on");
    }

    #[test]
    fn a_cell_of_which_nothing_is_heard_ends_once_it_was_overtaken() {
        let mut queue = Queue::default();
        let cells = [(1, 0), (1, 1)];
        for cell in cells {
            queue.offer(&client(1), Some(name(cell)), cell);
        }
        assert!(queue.give_up_waiting(&name(cells[0])).is_empty(), "it may run for hours");
        queue.overtake(&name(cells[1]));
        assert_eq!(queue.half_ended(), None, "another");
        queue.overtake(&name(cells[0]));
        assert_eq!(queue.half_ended(), Some(&name(cells[0])));
        assert_eq!(queue.give_up_waiting(&name(cells[0])), [cells[1]]);
        assert!(!queue.one_is_enough, "which of the two the kernel leaves out is not known");
    }

    #[test]
    fn a_cell_of_an_earlier_serve_runs_until_its_reply_however_long_that_takes() {
        let mut queue = Queue::default();
        let (running, next) = ((1, 0), (1, 1));
        queue.recall_running(&client(1), name(running));
        assert_eq!(queue.offer(&client(1), Some(name(next)), next), Offered::Waits);
        assert_eq!(queue.half_ended(), None, "nothing is known of its end");
        assert!(queue.give_up_waiting(&name(running)).is_empty());
        assert!(queue.idle(&name(running)).is_empty(), "its reply is due");
        assert_eq!(queue.recalled(), Some(&name(running)));
        assert_eq!(queue.replied(&name(running)), [next]);
        assert_eq!(queue.recalled(), None);
        assert!(!queue.one_is_enough);
    }

    #[test]
    fn one_cell_is_taken_out_and_what_came_behind_others_waits_on() {
        let mut kernel = Kernel::default();
        kernel.send((2, 0), true);
        for (count, is_cell) in [(0, true), (1, false), (2, true), (3, false)] {
            kernel.send((1, count), is_cell);
        }
        let (taken, goes) = kernel.queue.take_out(&client(1), |cell| *cell == name((1, 2)));
        assert_eq!((taken, goes), (vec![(1, 2)], vec![]));
        kernel.end();
        assert_eq!(kernel.came, [(2, 0), (1, 0), (1, 1), (1, 3)]);
    }

    #[test]
    fn an_abort_takes_one_clients_cells_and_sends_what_came_behind_them() {
        let mut kernel = Kernel::default();
        kernel.send((2, 0), true);
        for (count, is_cell) in [(0, true), (1, false), (2, true)] {
            kernel.send((1, count), is_cell);
        }
        kernel.send((3, 0), true);
        let (aborted, goes) = kernel.queue.take_out(&client(1), |_| true);
        assert_eq!((aborted, goes), (vec![(1, 0), (1, 2)], vec![(1, 1)]));
        kernel.end();
        assert_eq!(kernel.came, [(2, 0), (3, 0)]);
    }

    #[derive(Clone, Debug)]
    enum Step {
        Send {
            client: u8,
            is_cell: bool,
        },
        End,
        Abort(u8),
        /// The client's latest cell that waits is given up.
        GiveUp(u8),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..4_u8, any::<bool>()).prop_map(|(client, is_cell)| Step::Send { client, is_cell }),
            3 => Just(Step::End),
            1 => (0..4_u8).prop_map(Step::Abort),
            1 => (0..4_u8).prop_map(Step::GiveUp),
        ];
        vec(step, 0..80)
    }

    fn says() -> impl Strategy<Value = Says> {
        prop::sample::select(vec![Says::Both, Says::BothTurnedAround, Says::Reply, Says::Idle, Says::Nothing])
    }

    impl Kernel {
        /// What the client has sent and is neither at the kernel nor aborted.
        fn waiting(&self, number: u8, sent: &[Item], aborted: &[Item]) -> Vec<Item> {
            let own = sent.iter().filter(|item| item.0 == number);
            own.filter(|item| !self.came.contains(item) && !aborted.contains(item)).copied().collect()
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]
        #[test]
        fn nothing_is_lost_or_doubled_order_is_kept_and_nobody_waits_long(steps in steps(), says in says()) {
            let mut kernel = Kernel { says, ..Kernel::default() };
            let (mut sent, mut aborted) = (Vec::new(), Vec::new());
            for step in steps {
                match step {
                    Step::Send { client, is_cell } => {
                        let item = (client, u32::try_from(sent.len()).unwrap());
                        sent.push(item);
                        kernel.send(item, is_cell);
                    }
                    Step::End => kernel.end(),
                    Step::Abort(number) => {
                        let waiting = kernel.waiting(number, &sent, &aborted);
                        let (cells, others) = kernel.queue.take_out(&client(number), |_| true);
                        let is_cell = |item: &&Item| kernel.cells[*item];
                        prop_assert_eq!(&cells, &waiting.iter().filter(is_cell).copied().collect::<Vec<_>>());
                        aborted.extend(cells);
                        kernel.take(others);
                    }
                    Step::GiveUp(number) => {
                        let waiting = kernel.waiting(number, &sent, &aborted);
                        let Some(last) = waiting.into_iter().rfind(|item| kernel.cells[item]) else { continue };
                        let (taken, others) =
                            kernel.queue.take_out(&client(number), |cell| *cell == name(last));
                        prop_assert_eq!(&taken, &[last]);
                        aborted.extend(taken);
                        kernel.take(others);
                    }
                }
            }
            // Between two cells of one client that waits, each other one that waits has its turn.
            let mut left: Vec<ClientId> = kernel.queue.turns.iter().cloned().collect();
            if !left.is_empty() && left.first() == kernel.queue.running() {
                left.rotate_left(1);
            }
            while kernel.running.is_some() {
                kernel.end();
                if let Some(first) = (!left.is_empty()).then(|| left.remove(0)) {
                    prop_assert_eq!(kernel.queue.running(), Some(&first));
                }
            }
            let mut all: Vec<Item> = kernel.came.iter().chain(&aborted).copied().collect();
            all.sort_unstable_by_key(|item| item.1);
            prop_assert_eq!(all, sent);
            for number in 0..4 {
                let own: Vec<Item> = kernel.came.iter().filter(|item| item.0 == number).copied().collect();
                prop_assert!(own.is_sorted());
            }
        }
    }
}
