//! Which iopub connection hears which kernels.

use super::*;

const LUA_WISH: &str = r#"{"runtime": "lua"}"#;

/// What subscribers hear, kept only by carrying out changes.
#[derive(Default)]
struct Heard(BTreeSet<(u64, KernelId)>);

impl Heard {
    fn by(&mut self, fleet: &mut Fleet, subscriber: u64) -> Vec<KernelId> {
        for change in fleet.table.take_changes() {
            match change {
                Change::Joined { subscriber, kernel, .. } => {
                    assert!(self.0.insert((subscriber.0, kernel)), "joined twice");
                }
                Change::Left { subscriber, kernel } => {
                    assert!(self.0.remove(&(subscriber.0, kernel)), "left what it did not hear");
                }
                Change::TakenOver { .. } => panic!("nobody was lost"),
            }
        }
        self.0.iter().filter(|(who, _)| *who == subscriber).map(|(_, kernel)| kernel.clone()).collect()
    }
}

#[test]
fn a_process_with_one_client_hears_exactly_its_kernel() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    fleet.subscribe(1, process(1));
    fleet.connect("a", process(1));
    assert_eq!(heard.by(&mut fleet, 1), [], "nothing is decided yet");
    let python = fleet.bind("a", "");
    fleet.join("b", 2, LUA_WISH);
    assert_eq!(heard.by(&mut fleet, 1), [python]);
}

#[test]
fn a_process_with_several_clients_hears_the_union_on_each_connection() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    fleet.subscribe(1, process(1));
    let python = fleet.join("a", 1, "");
    let lua = fleet.join("b", 1, LUA_WISH);
    fleet.subscribe(2, process(1));
    for subscriber in [1, 2] {
        assert_eq!(heard.by(&mut fleet, subscriber), [python.clone(), lua.clone()]);
    }
    assert_eq!(fleet.table.listeners(&client("a")), [ConnectionId(1), ConnectionId(2)]);
}

#[test]
fn behind_a_tunnel_a_listener_hears_its_user_after_the_deadline_and_never_another() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    fleet.subscribe(1, process(70));
    let python = fleet.join("a", 1, "");
    fleet.connect("stranger", Origin::Process { uid: 2000, pid: 5 });
    fleet.bind("stranger", LUA_WISH);
    assert_eq!(heard.by(&mut fleet, 1), []);
    fleet.table.widen(ConnectionId(1));
    assert_eq!(heard.by(&mut fleet, 1), std::slice::from_ref(&python));
    let second = fleet.join("b", 2, r#"{"group": "later"}"#);
    assert_eq!(heard.by(&mut fleet, 1), [python, second], "those who come later too");
}

#[test]
fn a_wide_listener_narrows_for_good_when_a_client_of_its_process_shows_up() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    fleet.subscribe(1, process(1));
    fleet.table.widen(ConnectionId(1));
    let others = fleet.join("other", 2, "");
    assert_eq!(heard.by(&mut fleet, 1), [others]);
    fleet.connect("a", process(1));
    assert_eq!(heard.by(&mut fleet, 1), []);
    let lua = fleet.bind("a", LUA_WISH);
    fleet.table.widen(ConnectionId(1));
    assert_eq!(heard.by(&mut fleet, 1), [lua]);
    fleet.disconnect("a");
    fleet.table.remove_kernel(&kernel(1));
    fleet.join("yet another", 3, "");
    assert_eq!(heard.by(&mut fleet, 1), [], "its process had a client, so it stands behind no tunnel");
}

#[test]
fn a_remote_listener_hears_its_address_and_no_other() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    let address = |last: u8| Origin::Address([192, 0, 2, last].into());
    fleet.subscribe(1, address(1));
    fleet.subscribe(2, address(2));
    fleet.connect("a", address(1));
    let python = fleet.bind("a", "");
    fleet.table.widen(ConnectionId(2));
    assert_eq!(heard.by(&mut fleet, 1), [python]);
    assert_eq!(heard.by(&mut fleet, 2), []);
}

#[test]
fn an_unknown_listener_hears_nothing_at_all() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    fleet.subscribe(1, Origin::Unknown);
    fleet.connect("a", Origin::Unknown);
    fleet.bind("a", "");
    fleet.join("b", 2, "");
    fleet.table.widen(ConnectionId(1));
    assert_eq!(heard.by(&mut fleet, 1), []);
    assert_eq!(fleet.table.listeners(&client("a")), []);
}

#[test]
fn a_listener_whose_process_cannot_be_told_hears_its_user_at_once() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    fleet.subscribe(1, Origin::User { uid: 1000 });
    let python = fleet.join("a", 1, "");
    assert_eq!(heard.by(&mut fleet, 1), std::slice::from_ref(&python));
    fleet.connect("hidden", Origin::User { uid: 1000 });
    let lua = fleet.bind("hidden", LUA_WISH);
    assert_eq!(heard.by(&mut fleet, 1), [python, lua]);
}

#[test]
fn whoever_leaves_a_kernel_or_the_port_hears_it_no_more() {
    let (mut fleet, mut heard) = (Fleet::new(settings()), Heard::default());
    for pid in [1, 2] {
        fleet.subscribe(pid, process(pid as i32));
        fleet.join(&format!("of {pid}"), pid as i32, "");
    }
    fleet.decide("of 1", RequestKind::Shutdown { restart: false }, "");
    assert_eq!(heard.by(&mut fleet, 1), []);
    assert_eq!(heard.by(&mut fleet, 2), [kernel(0)]);
    fleet.unsubscribe(2);
    assert_eq!(heard.by(&mut fleet, 2), []);
}
