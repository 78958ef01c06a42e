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
        if let Offered::Goes(item) = self.queue.offer(&client(item.0), is_cell.then(|| name(item)), item) {
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
    assert!(!queue.is_overtaken(&name(cells[1])), "it does not run");
    queue.overtake(&name(cells[0]));
    assert!(queue.is_overtaken(&name(cells[0])));
    assert_eq!(queue.half_ended(), None, "it is waited for longer than the second half of an end");
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
