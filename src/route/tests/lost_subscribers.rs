//! Subscribers whose connections are lost, and who takes over from them.

use std::time::Duration;

use super::*;

const LUA_WISH: &str = r#"{"runtime": "lua"}"#;

fn address(last: u8) -> Origin {
    Origin::Address([10, 0, 0, last].into())
}

/// Who has taken over from whom since the last time.
fn taken_over(fleet: &mut Fleet) -> Vec<(u64, u64)> {
    let changes = fleet.table.take_changes().into_iter();
    let taken = changes.filter_map(|change| match change {
        Change::TakenOver { lost, by, .. } => Some((lost.0, by.0)),
        _ => None,
    });
    taken.collect()
}

fn left(fleet: &mut Fleet) -> Vec<u64> {
    let changes = fleet.table.take_changes().into_iter();
    let left = changes.filter_map(|change| match change {
        Change::Left { subscriber, .. } => Some(subscriber.0),
        _ => None,
    });
    left.collect()
}

/// A client at a place, with a subscriber.
fn join(fleet: &mut Fleet, session: &str, subscriber: u64, origin: Origin, wish: &str) {
    fleet.subscribe(subscriber, origin);
    fleet.connect(session, origin);
    fleet.bind(session, wish);
    fleet.table.take_changes();
}

#[test]
fn a_client_whose_network_broke_goes_on_in_whatever_order_its_connections_end_and_come() {
    for (shell_leaves_first, shell_comes_first) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        let mut fleet = Fleet::new(settings());
        join(&mut fleet, "a", 1, address(1), "");
        if shell_leaves_first {
            fleet.disconnect("a");
        }
        assert!(fleet.lose(1));
        if !shell_leaves_first {
            fleet.disconnect("a");
        }
        fleet.now += Duration::from_secs(40);
        assert_eq!(
            left(&mut fleet),
            Vec::<u64>::new(),
            "it goes on hearing though its client counts no more"
        );
        if shell_comes_first {
            fleet.connect("a", address(1));
            assert_eq!(taken_over(&mut fleet), []);
            fleet.subscribe(2, address(1));
        } else {
            fleet.subscribe(2, address(1));
            assert_eq!(taken_over(&mut fleet), [], "it may be a stranger's");
            fleet.connect("a", address(1));
        }
        assert_eq!(taken_over(&mut fleet), [(1, 2)]);
        assert_eq!(fleet.table.listeners(&client("a")), [ConnectionId(2)]);
    }
}

#[test]
fn a_subscriber_that_broke_alone_is_replaced_by_the_next_of_its_place() {
    let elsewhere =
        [process(2), Origin::User { uid: 1000 }, Origin::Process { uid: 2000, pid: 1 }, address(1)];
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, process(1), "");
    assert!(fleet.lose(1));
    for (subscriber, origin) in (2..).zip(elsewhere) {
        fleet.connect("sharer", origin);
        fleet.bind("sharer", "");
        fleet.subscribe(subscriber, origin);
        fleet.table.widen(ConnectionId(subscriber));
        assert_eq!(taken_over(&mut fleet), [], "{origin:?} is another place");
        fleet.disconnect("sharer");
    }
    fleet.subscribe_by(KERNELS_OWN, 8, process(1));
    assert_eq!(taken_over(&mut fleet), [], "by another connection file");
    fleet.subscribe(9, process(1));
    assert_eq!(taken_over(&mut fleet), [(1, 9)]);
}

#[test]
fn a_client_of_another_kernel_does_not_take_over() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "leaves", 1, address(1), LUA_WISH);
    fleet.disconnect("leaves");
    assert!(fleet.lose(1));
    join(&mut fleet, "new", 2, address(1), "");
    assert_eq!(taken_over(&mut fleet), []);
    fleet.subscribe(3, address(1));
    fleet.connect("leaves", address(1));
    assert_eq!(taken_over(&mut fleet), [(1, 3)], "the latest that comes to hear the kernel");
}

#[test]
fn several_that_broke_together_are_replaced_by_as_many_and_each_goes_on_hearing_all_for_a_while() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    join(&mut fleet, "b", 2, address(1), LUA_WISH);
    for (session, subscriber) in [("a", 1), ("b", 2)] {
        assert!(fleet.lose(subscriber));
        fleet.disconnect(session);
        fleet.now += Duration::from_secs(15);
    }
    fleet.table.take_changes();
    fleet.connect("a", address(1));
    fleet.subscribe(3, address(1));
    fleet.subscribe(4, address(1));
    assert_eq!(taken_over(&mut fleet), [(2, 3), (1, 4)]);
    let both: Vec<KernelId> = [kernel(0), kernel(1)].into();
    assert_eq!(fleet.heard_by(3), both, "the other client is not back yet");
    fleet.connect("b", address(1));
    for lost in [1, 2] {
        fleet.table.end_inheritance(ConnectionId(lost));
    }
    assert_eq!(fleet.table.take_changes(), [], "nothing was interrupted");
    fleet.disconnect("b");
    fleet.unsubscribe(3);
    assert_eq!(fleet.heard_by(4), [kernel(0)], "it hears what its own clients do");
}

#[test]
fn one_that_has_heard_a_kernel_does_not_take_over_what_was_retained_of_it() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    fleet.subscribe(2, address(1));
    assert!(fleet.lose(1));
    fleet.disconnect("a");
    fleet.connect("a", address(1));
    assert_eq!(taken_over(&mut fleet), [], "it would hear twice what came meanwhile");
    fleet.subscribe(3, address(1));
    assert_eq!(taken_over(&mut fleet), [(1, 3)]);
}

#[test]
fn of_several_lost_ones_the_latest_is_replaced() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    fleet.subscribe(2, address(1));
    assert!(fleet.lose(1));
    fleet.now += Duration::from_secs(1);
    assert!(fleet.lose(2));
    fleet.subscribe(3, address(1));
    assert_eq!(taken_over(&mut fleet), [(2, 3)]);
}

#[test]
fn one_that_subscribes_late_takes_over_then() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, process(1), "");
    assert!(fleet.lose(1));
    fleet.table.subscriber_arrived(ConnectionId(2), EndpointId::DEFAULT, process(1));
    assert_eq!(taken_over(&mut fleet), []);
    fleet.table.topics_changed(ConnectionId(2), 1);
    assert_eq!(taken_over(&mut fleet), [(1, 2)]);
}

#[test]
fn nothing_is_retained_for_one_that_heard_nothing_nor_once_it_has_left() {
    let mut fleet = Fleet::new(settings());
    fleet.subscribe(1, address(9));
    assert!(!fleet.lose(1), "a stranger's");
    join(&mut fleet, "a", 2, address(1), "");
    assert!(fleet.lose(2) && fleet.table.is_lost(ConnectionId(2)));
    assert!(fleet.lose(2), "it is found twice");
    fleet.unsubscribe(2);
    assert!(!fleet.table.is_lost(ConnectionId(2)));
    fleet.subscribe(3, address(1));
    assert_eq!(taken_over(&mut fleet), []);
}

#[test]
fn lost_subscribers_are_bounded_and_the_oldest_goes_first() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", address(1));
    fleet.bind("a", "");
    for subscriber in 1..=65 {
        fleet.subscribe(subscriber, address(1));
    }
    for subscriber in 1..=65 {
        assert!(fleet.lose(subscriber));
        fleet.now += Duration::from_secs(1);
    }
    let lost = (1..=65).filter(|subscriber| fleet.table.is_lost(ConnectionId(*subscriber)));
    assert_eq!(lost.collect::<Vec<_>>(), (2..=65).collect::<Vec<_>>());
}

#[test]
fn nobody_crowds_out_what_is_retained_for_others() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    assert!(fleet.lose(1));
    fleet.connect("greedy", address(2));
    fleet.bind("greedy", "");
    for subscriber in 2..=200 {
        fleet.subscribe(subscriber, address(2));
    }
    for subscriber in 2..=200 {
        fleet.now += Duration::from_secs(1);
        assert!(fleet.lose(subscriber));
    }
    let lost = (1..=200).filter(|subscriber| fleet.table.is_lost(ConnectionId(*subscriber))).count();
    assert!(fleet.table.is_lost(ConnectionId(1)));
    assert_eq!(lost, 64);
}

#[test]
fn what_is_said_to_a_client_alone_is_retained_for_it_and_for_no_other() {
    for subscriber_leaves_first in [true, false] {
        let mut fleet = Fleet::new(settings());
        join(&mut fleet, "a", 1, address(1), "");
        join(&mut fleet, "b", 2, address(2), "");
        if subscriber_leaves_first {
            assert!(fleet.lose(1));
            fleet.disconnect("a");
        } else {
            fleet.disconnect("a");
            assert!(fleet.lose(1));
        }
        assert_eq!(fleet.table.listeners(&client("a")), [ConnectionId(1)]);
        assert_eq!(fleet.table.listeners(&client("b")), [ConnectionId(2)]);
    }
}

#[test]
fn a_lost_subscriber_hears_where_its_client_goes_and_goes_on_hearing_where_it_was() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    assert!(fleet.lose(1));
    fleet.disconnect("a");
    fleet.table.take_changes();
    fleet.visit("a", LUA_WISH).unwrap();
    let changes = fleet.table.take_changes();
    let joins = changes
        .iter()
        .filter(|change| matches!(change, Change::Joined { subscriber, .. } if subscriber.0 == 1));
    assert_eq!(joins.count(), 1, "{changes:?}");
    assert!(!changes.iter().any(|change| matches!(change, Change::Left { .. })), "{changes:?}");
}

#[test]
fn where_the_process_is_hidden_the_next_of_the_user_takes_over() {
    let hidden = Origin::User { uid: 1000 };
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, hidden, "");
    fleet.disconnect("a");
    assert!(fleet.lose(1));
    fleet.connect("a", hidden);
    fleet.subscribe(2, Origin::User { uid: 2000 });
    assert_eq!(taken_over(&mut fleet), [], "another user");
    fleet.subscribe(3, hidden);
    assert_eq!(taken_over(&mut fleet), [(1, 3)]);
}
