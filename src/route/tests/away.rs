//! Listeners whose connections broke, and who takes their places.

use std::time::Duration;

use super::*;

const LUA_WISH: &str = r#"{"runtime": "lua"}"#;

fn address(last: u8) -> Origin {
    Origin::Address([10, 0, 0, last].into())
}

/// Who has taken whose place since the last time.
fn resumed(fleet: &mut Fleet) -> Vec<(u64, u64)> {
    let changes = fleet.table.take_changes().into_iter();
    let taken = changes.filter_map(|change| match change {
        Change::Resumed { subscriber, by } => Some((subscriber.0, by.0)),
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

/// A client at a place, with a listener.
fn join(fleet: &mut Fleet, session: &str, subscriber: u64, origin: Origin, wish: &str) {
    fleet.subscribe(subscriber, origin);
    fleet.connect(session, origin);
    fleet.bind(session, wish);
    fleet.table.take_changes();
}

#[test]
fn a_client_whose_network_broke_gets_its_listeners_place_back_in_whatever_order_it_comes() {
    for (shell_leaves_first, shell_comes_first) in
        [(true, true), (true, false), (false, true), (false, false)]
    {
        let mut fleet = Fleet::new(settings());
        join(&mut fleet, "a", 1, address(1), "");
        if shell_leaves_first {
            fleet.disconnect("a");
        }
        assert!(fleet.break_off(1));
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
            assert_eq!(resumed(&mut fleet), []);
            fleet.subscribe(2, address(1));
        } else {
            fleet.subscribe(2, address(1));
            assert_eq!(resumed(&mut fleet), []);
            fleet.connect("a", address(1));
        }
        assert_eq!(resumed(&mut fleet), [(1, 2)]);
        assert_eq!(fleet.table.listeners(&client("a")), [ConnectionId(1)]);
    }
}

#[test]
fn a_listener_that_broke_alone_is_followed_by_the_next_of_its_place() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, process(1), "");
    assert!(fleet.break_off(1));
    fleet.subscribe(2, process(2));
    assert_eq!(resumed(&mut fleet), [], "another process");
    fleet.subscribe(3, process(1));
    assert_eq!(resumed(&mut fleet), [(1, 3)]);
}

#[test]
fn a_new_client_at_the_same_address_does_not_get_what_one_missed_that_left() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "stays", 1, address(1), "");
    join(&mut fleet, "leaves", 2, address(1), LUA_WISH);
    fleet.disconnect("leaves");
    assert!(fleet.break_off(2));
    join(&mut fleet, "new", 3, address(1), "");
    assert_eq!(resumed(&mut fleet), []);
    fleet.connect("leaves", address(1));
    fleet.subscribe(4, address(1));
    let taken = resumed(&mut fleet);
    assert_eq!(taken.len(), 1, "{taken:?}");
}

#[test]
fn several_that_broke_together_are_followed_by_as_many() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    join(&mut fleet, "b", 2, address(1), LUA_WISH);
    for (session, subscriber) in [("a", 1), ("b", 2)] {
        assert!(fleet.break_off(subscriber));
        fleet.disconnect(session);
        fleet.now += Duration::from_secs(15);
    }
    fleet.subscribe(3, address(1));
    fleet.subscribe(4, address(1));
    fleet.connect("a", address(1));
    fleet.connect("b", address(1));
    let (taken, by): (BTreeSet<u64>, BTreeSet<u64>) = resumed(&mut fleet).into_iter().unzip();
    assert_eq!((taken, by), ([1, 2].into(), [3, 4].into()), "each by a connection that has just come");
}

#[test]
fn one_that_has_just_taken_its_place_again_takes_no_other() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    join(&mut fleet, "b", 2, address(1), LUA_WISH);
    for (session, subscriber) in [("a", 1), ("b", 2)] {
        assert!(fleet.break_off(subscriber));
        fleet.disconnect(session);
    }
    fleet.subscribe(3, address(1));
    fleet.connect("a", address(1));
    fleet.connect("b", address(1));
    assert_eq!(resumed(&mut fleet).len(), 1);
    fleet.subscribe(4, address(1));
    let taken = resumed(&mut fleet);
    assert!(matches!(&taken[..], [(1 | 2, 4)]), "{taken:?}");
}

#[test]
fn behind_a_tunnel_a_client_comes_back_from_another_process_of_its_user() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, process(70), "");
    fleet.disconnect("a");
    assert!(fleet.break_off(1));
    fleet.subscribe(2, process(71));
    fleet.subscribe(3, Origin::Process { uid: 2000, pid: 72 });
    fleet.connect("a", process(71));
    assert_eq!(resumed(&mut fleet), [(1, 2)]);
}

#[test]
fn a_place_is_not_kept_for_one_that_heard_nothing_nor_once_it_is_given_up() {
    let mut fleet = Fleet::new(settings());
    fleet.subscribe(1, address(9));
    assert!(!fleet.break_off(1), "a stranger's");
    join(&mut fleet, "a", 2, address(1), "");
    assert!(fleet.break_off(2));
    assert!(fleet.table.keeps_place(ConnectionId(2)));
    assert!(fleet.table.give_up_place(ConnectionId(2), fleet.now));
    assert!(!fleet.table.keeps_place(ConnectionId(2)));
    fleet.subscribe(3, address(1));
    assert_eq!(resumed(&mut fleet), []);
}

#[test]
fn a_place_that_is_taken_again_is_not_given_up() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    assert!(fleet.break_off(1));
    fleet.subscribe(2, address(1));
    assert_eq!(resumed(&mut fleet), [(1, 2)]);
    assert!(!fleet.table.give_up_place(ConnectionId(1), fleet.now));
    assert_eq!(left(&mut fleet), Vec::<u64>::new());
}

#[test]
fn places_that_are_kept_are_bounded_and_the_oldest_goes_first() {
    let mut fleet = Fleet::new(settings());
    fleet.connect("a", address(1));
    fleet.bind("a", "");
    for subscriber in 1..=65 {
        fleet.subscribe(subscriber, address(1));
    }
    for subscriber in 1..=65 {
        assert!(fleet.break_off(subscriber));
        fleet.now += Duration::from_secs(1);
    }
    let kept = (1..=65).filter(|subscriber| fleet.table.keeps_place(ConnectionId(*subscriber)));
    assert_eq!(kept.collect::<Vec<_>>(), (2..=65).collect::<Vec<_>>());
}

#[test]
fn what_is_said_to_a_client_alone_is_kept_for_it_while_it_is_away() {
    for listener_leaves_first in [true, false] {
        let mut fleet = Fleet::new(settings());
        join(&mut fleet, "a", 1, address(1), "");
        join(&mut fleet, "b", 2, address(2), "");
        if listener_leaves_first {
            assert!(fleet.break_off(1));
            fleet.disconnect("a");
        } else {
            fleet.disconnect("a");
            assert!(fleet.break_off(1));
        }
        assert_eq!(fleet.table.listeners(&client("a")), [ConnectionId(1)]);
        assert_eq!(fleet.table.listeners(&client("b")), [ConnectionId(2)]);
    }
}

#[test]
fn a_listener_that_is_away_hears_where_its_client_goes_and_goes_on_hearing_where_it_was() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    assert!(fleet.break_off(1));
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
fn where_the_process_is_hidden_a_listeners_place_is_taken_by_the_next_of_its_user() {
    let hidden = Origin::User { uid: 1000 };
    for client_leaves in [true, false] {
        let mut fleet = Fleet::new(settings());
        join(&mut fleet, "a", 1, hidden, "");
        if client_leaves {
            fleet.disconnect("a");
        }
        assert!(fleet.break_off(1));
        assert_eq!(fleet.table.awaited(ConnectionId(1)), None, "no process can be waited for");
        if client_leaves {
            fleet.connect("a", hidden);
        }
        fleet.subscribe(2, Origin::User { uid: 2000 });
        assert_eq!(resumed(&mut fleet), [], "another user");
        fleet.subscribe(3, hidden);
        assert_eq!(resumed(&mut fleet), [(1, 3)]);
    }
}

#[test]
fn a_tunnel_with_a_process_for_each_channel_gets_its_listeners_place_back() {
    for shell_comes_first in [true, false] {
        let mut fleet = Fleet::new(settings());
        fleet.subscribe(1, process(71));
        fleet.table.widen(ConnectionId(1), fleet.now);
        fleet.connect("a", process(70));
        fleet.bind("a", "");
        assert!(fleet.break_off(1));
        fleet.disconnect("a");
        fleet.table.take_changes();
        if shell_comes_first {
            fleet.connect("a", process(80));
        }
        fleet.subscribe(2, process(81));
        if !shell_comes_first {
            fleet.connect("a", process(80));
        }
        assert_eq!(resumed(&mut fleet), [], "it may be of a program on this machine");
        fleet.table.widen(ConnectionId(2), fleet.now);
        assert_eq!(resumed(&mut fleet), [(1, 2)]);
    }
}

#[test]
fn a_listener_without_a_client_does_not_get_what_a_program_of_its_user_missed() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, process(1), "");
    assert!(fleet.break_off(1));
    fleet.disconnect("a");
    fleet.subscribe(2, process(2));
    fleet.table.widen(ConnectionId(2), fleet.now);
    fleet.connect("a", process(1));
    assert_eq!(resumed(&mut fleet), []);
    assert_eq!(fleet.table.awaited(ConnectionId(1)), Some(process(1)));
}

#[test]
fn nobody_crowds_out_what_is_kept_for_others() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, address(1), "");
    assert!(fleet.break_off(1));
    fleet.connect("greedy", address(2));
    fleet.bind("greedy", "");
    for subscriber in 2..=200 {
        fleet.subscribe(subscriber, address(2));
    }
    for subscriber in 2..=200 {
        fleet.now += Duration::from_secs(1);
        assert!(fleet.break_off(subscriber));
    }
    let kept = (1..=200).filter(|subscriber| fleet.table.keeps_place(ConnectionId(*subscriber))).count();
    assert!(fleet.table.keeps_place(ConnectionId(1)));
    assert_eq!(kept, 64);
}

#[test]
fn a_listener_that_is_another_clients_takes_no_place_and_hears_nothing_twice() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "stays", 1, address(1), "");
    join(&mut fleet, "leaves", 2, address(1), "");
    assert!(fleet.break_off(2));
    fleet.disconnect("leaves");
    fleet.subscribe(3, address(1));
    fleet.table.take_changes();
    assert!(fleet.table.is_undecided(ConnectionId(3)), "it may be that of the one who left");
    fleet.connect("new", address(1));
    assert!(!fleet.table.is_undecided(ConnectionId(3)));
    let joined = fleet.table.take_changes();
    assert!(
        joined.iter().any(|change| matches!(change, Change::Joined { subscriber, .. } if subscriber.0 == 3))
    );
    fleet.connect("leaves", address(1));
    assert_eq!(resumed(&mut fleet), [], "it has heard some of it");
}

#[test]
fn who_waits_to_hear_what_there_is_and_for_how_long() {
    for (origin, waits) in [(address(1), true), (process(1), false)] {
        let mut fleet = Fleet::new(settings());
        join(&mut fleet, "stays", 1, origin, "");
        join(&mut fleet, "leaves", 2, origin, "");
        assert!(fleet.break_off(2));
        fleet.disconnect("leaves");
        fleet.subscribe(3, origin);
        assert_eq!(fleet.table.is_undecided(ConnectionId(3)), waits);
        fleet.now += Duration::from_secs(2);
        assert_eq!(fleet.table.widen(ConnectionId(3), fleet.now), waits);
        fleet.now += Duration::from_secs(30);
        assert!(!fleet.table.widen(ConnectionId(3), fleet.now));
        assert!(!fleet.table.is_undecided(ConnectionId(3)));
    }
}

#[test]
fn a_new_clients_listener_hears_at_once_in_whatever_order_they_come() {
    for shell_comes_first in [true, false] {
        let mut fleet = Fleet::new(settings());
        join(&mut fleet, "stays", 1, address(1), "");
        join(&mut fleet, "leaves", 2, address(1), "");
        assert!(fleet.break_off(2));
        fleet.disconnect("leaves");
        if shell_comes_first {
            fleet.connect("new", address(1));
            fleet.subscribe(3, address(1));
        } else {
            fleet.subscribe(3, address(1));
            fleet.connect("new", address(1));
        }
        assert!(!fleet.table.is_undecided(ConnectionId(3)));
        assert_eq!(resumed(&mut fleet), []);
    }
}

#[test]
fn a_listener_that_subscribes_late_still_gets_its_place_back() {
    let mut fleet = Fleet::new(settings());
    join(&mut fleet, "a", 1, process(1), "");
    assert!(fleet.break_off(1));
    let late = ConnectionId(2);
    fleet.table.subscriber_arrived(late, ProfileId::DEFAULT, process(1), fleet.now);
    fleet.now += Duration::from_secs(2);
    assert!(fleet.table.widen(late, fleet.now), "it is not known yet");
    fleet.table.topics_changed(late, 1, fleet.now);
    assert_eq!(resumed(&mut fleet), [(1, 2)]);
}
